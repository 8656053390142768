import keras
import numpy as np
import tensorflow as tf
from keras import backend as K

UNITS = 32


def dynamic_rnn(weights, x):
    """The sequence of outputs from TensorFlow alone; weights: from the variable's name to its value."""
    with tf.Graph().as_default(), tf.Session() as session:
        cell = tf.contrib.rnn.LayerNormBasicLSTMCell(UNITS)
        outputs, _ = tf.nn.dynamic_rnn(cell, tf.constant(x), dtype=tf.float32)
        assert len(tf.trainable_variables()) == len(weights) == 11
        for variable in tf.trainable_variables():
            variable.load(weights[variable.op.name.split('layer_norm_basic_lstm_cell/')[1]], session)
        return session.run(outputs)


def test_it_is_what_dynamic_rnn_gives_with_the_same_weights(module, digits):
    found = module.run(digits, epochs=2, verbose=0)
    assert found['weights_in_the_cell'] == 11
    assert found['parameters_in_the_cell'] == (8 + UNITS) * 4 * UNITS + 5 * 2 * UNITS
    model = module.model
    assert found['test_accuracy'] == np.mean(model.predict(digits.x_test).argmax(1) == digits.y_test)
    assert found['test_accuracy'] > 0.5  # chance is 0.1

    layer = model.get_layer('rnn')
    weights = {w.op.name.split('layer_norm_basic_lstm_cell/')[1]: v for w, v in zip(layer.weights, layer.get_weights())}
    assert weights['kernel'].shape == (8 + UNITS, 4 * UNITS)
    assert np.abs(weights['input/gamma'] - 1).max() > 0.001  # trained: its start is 1
    sequence = keras.models.Model(model.input, layer.output).predict(digits.x_test)
    assert sequence.shape == (360, 8, UNITS)
    np.testing.assert_allclose(sequence, dynamic_rnn(weights, digits.x_test[..., 0]), atol=1e-5)


def test_without_the_line_that_matters_the_recurrent_part_stays_random(module, digits, monkeypatch):
    step, building = module.TensorFlowCell.step, []

    def build(self, input_shape):
        building.append(True)
        original_build(self, input_shape)
        building.pop()

    original_build = module.TensorFlowCell.build
    monkeypatch.setattr(module.TensorFlowCell, 'build', build)
    monkeypatch.setattr(module.TensorFlowCell, 'step', lambda *args: None if building else step(*args))
    found = module.run(digits, epochs=2, verbose=0)
    assert found['weights_in_the_cell'] == 0
    assert found['test_accuracy'] > 0.25  # it looks as if it works: chance is 0.1
    variables = {v.op.name: v for v in tf.trainable_variables()}
    gamma = variables['layer_norm_basic_lstm_cell/input/gamma']
    assert (K.get_value(gamma) == 1).all()  # as it was at the start
