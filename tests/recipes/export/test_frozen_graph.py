import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K


def numpy_answer(weights, x):
    """The model at inference in float64, straight from its equations."""
    kernel, gamma, beta, mean, variance, dense, bias = (w.astype(np.float64) for w in weights)
    n = x.shape[1] - 2
    patches = np.stack([x[:, i : i + n, j : j + n, 0] for i in range(3) for j in range(3)], -1).astype(np.float64)
    normal = (patches @ kernel.reshape(9, -1) - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    logits = np.maximum(normal, 0).reshape(len(x), -1) @ dense + bias
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


def test_the_file_computes_what_the_equations_say(module, digits, tmp_path):
    found = module.run(digits, epochs=2, verbose=0, out=str(tmp_path))
    graph_def = tf.GraphDef.FromString((tmp_path / found['file']).read_bytes())
    types = [node.op for node in graph_def.node]
    assert len(types) == found['nodes_optimised'] < found['nodes_frozen'] < 50
    assert found['nodes_frozen'] < len(module.model.input.graph.get_operations()) / 5
    assert 'FusedBatchNorm' not in types and not any('Variable' in t or 'Random' in t for t in types)
    placeholder = [node.name for node in graph_def.node if node.op == 'Placeholder']
    assert len(placeholder) == 1
    with tf.Session(graph=tf.Graph()) as session:
        tf.import_graph_def(graph_def, name='')
        answer = session.run('classes/Softmax:0', {placeholder[0] + ':0': digits.x_test})
    np.testing.assert_allclose(answer, numpy_answer(module.model.get_weights(), digits.x_test), atol=1e-5)
    assert found['differs_from_predict'] == 0
    assert found['test_accuracy'] == np.mean(answer.argmax(1) == digits.y_test) > 0.6  # chance is 0.1


def test_a_file_that_computes_something_else_is_told(module, digits, monkeypatch, tmp_path):
    compute = module.compute
    monkeypatch.setattr(module, 'compute', lambda *args: compute(*args) + 1e-4)
    assert module.run(digits, epochs=1, verbose=0, out=str(tmp_path))['differs_from_predict'] == 1


def test_without_the_line_that_matters_the_file_has_no_weights(module, digits, monkeypatch, tmp_path):
    monkeypatch.setattr(
        tf.graph_util,
        'convert_variables_to_constants',
        lambda session, graph_def, names: tf.graph_util.extract_sub_graph(graph_def, names),
    )
    graph_def, image, classes = module.freeze(module.build_model(digits.x_train.shape[1:]))
    with pytest.raises(tf.errors.FailedPreconditionError):
        module.compute(graph_def, image, classes, digits.x_test)


@pytest.mark.parametrize('fixed', [True, False])
def test_an_open_learning_phase_is_frozen_with_both_branches(module, digits, monkeypatch, fixed):
    if not fixed:
        monkeypatch.setattr(K, 'set_learning_phase', lambda value: None)
    types = [node.op for node in module.freeze(module.build_model(digits.x_train.shape[1:]))[0].node]
    assert (types.count('Switch') > 0, types.count('RandomUniform')) == (not fixed, int(not fixed))
