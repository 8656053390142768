import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K


@pytest.fixture
def module(module, monkeypatch):
    """The recipe, which keeps what stands in for the file."""
    build = module.build_model

    def build_model(shape, graph_def):
        module.graph_def = graph_def
        return build(shape, graph_def)

    monkeypatch.setattr(module, 'build_model', build_model)
    return module


def file_constants(graph_def):
    values = {n.name: tf.make_ndarray(n.attr['value'].tensor) for n in graph_def.node if n.op == 'Const'}
    return values['conv/kernel'], values['conv/bias']


def test_the_features_are_the_file_s_and_stay_so(module, digits):
    found = module.run(digits, epochs=4, verbose=0)
    kernel, bias = (w.astype(np.float64) for w in file_constants(module.graph_def))
    x = digits.x_test
    patches = np.stack([x[:, i : i + 6, j : j + 6, 0] for i in range(3) for j in range(3)], -1)
    expected = np.maximum(patches @ kernel.reshape(9, 16) + bias, 0)
    features = keras.models.Model(module.model.input, module.model.layers[0].output)
    np.testing.assert_allclose(features.predict(x), expected, atol=1e-5)  # after fit, so fit changed nothing
    dense, dense_bias = module.model.get_weights()
    classes = (expected.reshape(len(x), -1) @ dense + dense_bias).argmax(1)
    tested = digits.y_test >= 5
    assert found['test_accuracy'] == np.mean(classes[tested] == digits.y_test[tested]) > 0.6  # chance is 0.2
    assert all(np.mean(classes[digits.y_test == digit] == digit) > 0.3 for digit in range(5, 10))  # each was learnt
    assert found['constants_in_the_file'] == 2 and found['trainable_weights'] == 2
    assert [w.name.split('/')[0] for w in module.model.weights] == ['dense_1'] * 2


def test_nothing_in_the_file_is_a_variable_and_the_gradient_goes_on_to_the_image(module, digits):
    module.run(digits, epochs=1, verbose=0)
    loss = tf.reduce_sum(module.model.output[:, 5])
    assert tf.gradients(loss, module.model.input)[0] is not None
    optimizer = tf.train.GradientDescentOptimizer(0.1)
    reached = {v.name for g, v in optimizer.compute_gradients(loss, tf.global_variables()) if g is not None}
    assert reached == {w.name for w in module.model.weights}
    assert K.count_params(module.model.weights[0]) == 6 * 6 * 16 * 10


def test_without_the_line_that_matters_the_file_wants_its_own_placeholder(module, digits, monkeypatch):
    original = tf.import_graph_def
    monkeypatch.setattr(tf, 'import_graph_def', lambda graph_def, inputs, outputs: original(graph_def, None, outputs))
    with pytest.raises(tf.errors.InvalidArgumentError, match='must feed a value for placeholder'):
        module.run(digits, epochs=1, verbose=0)
