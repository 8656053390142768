import collections
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


def test_the_table_and_the_trace_hold_the_step(module, digits, tmp_path):
    found = module.run(digits, epochs=2, verbose=0, out=str(tmp_path))
    nodes = [node for device in module.metadata.step_stats.dev_stats for node in device.node_stats]
    spent = [node.op_end_rel_micros - node.op_start_rel_micros for node in nodes]
    times = [time for _, time in module.table]
    assert sum(times) == sum(spent) > 0 and times == sorted(times, reverse=True)

    events = json.loads((tmp_path / found['file']).read_text())['traceEvents']
    traced = {e['args']['name']: e['name'] for e in events if e.get('cat') == 'Op'}  # each operation's type
    assert set(traced) == {node.node_name for node in nodes}
    by_type = collections.Counter()
    for node, time in zip(nodes, spent):
        by_type[traced[node.node_name]] += time
    assert dict(module.table) == by_type

    def count(*types):
        return sum(kind in types for kind in traced.values())

    # forward, to the kernel, to the input; the first of them may be fused with the bias
    assert count('Conv2D', '_FusedConv2D') == count('Conv2DBackpropFilter') == 1
    assert count('MatMul', '_FusedMatMul') == 3 and count('MatMul') >= 2
    assert found['convolution_is_traced'] and found['its_gradient_is_traced']
    assert found['test_accuracy'] > 0.3  # chance is 0.1


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
