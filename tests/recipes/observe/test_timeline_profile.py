import json

import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture
def module(module, monkeypatch):
    """The recipe, which keeps a copy of the metadata it makes its table of, and the table."""
    table = module.microseconds_by_type

    def keep(metadata):
        module.metadata = tf.RunMetadata.FromString(metadata.SerializeToString())
        module.table = table(metadata)
        return module.table

    monkeypatch.setattr(module, 'microseconds_by_type', keep)
    return module


@pytest.mark.not_on('tf1.15-keras2.2.4', 'tf1.15-keras2.3.1', reason='TensorFlow 1.15 fuses operations')
def test_the_table_and_the_trace_hold_the_step(module, digits, tmp_path):
    found = module.run(digits, epochs=2, verbose=0, out=str(tmp_path))
    nodes = [node for device in module.metadata.step_stats.dev_stats for node in device.node_stats]
    spent = [node.op_end_rel_micros - node.op_start_rel_micros for node in nodes]
    times = [time for _, time in module.table]
    assert sum(times) == sum(spent) > 0 and times == sorted(times, reverse=True)
    by_type = dict(module.table)
    assert {'Conv2D', 'Conv2DBackpropFilter', 'MatMul'} <= set(by_type)
    graph = tf.get_default_graph()
    products = [t for n, t in zip(nodes, spent) if n.node_name in matrix_products(graph)]
    assert len(products) >= 3 and by_type['MatMul'] == sum(products)  # forward, to the kernel, to the input

    events = json.loads((tmp_path / found['file']).read_text())['traceEvents']
    traced = [e for e in events if e.get('cat') == 'Op']
    assert {e['args']['name'] for e in traced} == {node.node_name for node in nodes}
    assert found['convolution_is_traced'] and found['its_gradient_is_traced']
    assert found['test_accuracy'] > 0.3  # chance is 0.1


def matrix_products(graph):
    return {op.name for op in graph.get_operations() if op.type == 'MatMul'}


def test_without_the_line_that_matters_nothing_is_traced(module, digits, monkeypatch, tmp_path):
    build = module.build_model

    def build_model(shape):
        model = build(shape)
        compile_model = model.compile
        model.compile = lambda *args, options, run_metadata, **others: compile_model(*args, **others)
        return model

    monkeypatch.setattr(module, 'build_model', build_model)
    found = module.run(digits, epochs=1, verbose=0, out=str(tmp_path))
    assert module.table == [] and not found['convolution_is_traced']
    assert np.isfinite(found['test_accuracy'])
