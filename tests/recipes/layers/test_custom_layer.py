import keras
import numpy as np
import pytest
from keras import layers


def softmax(scores):
    e = np.exp(scores - scores.max())
    return e / e.sum()


def test_the_numbers(module, digits):
    found = module.run(digits, epochs=2, verbose=0)
    assert found['largest_difference_after_loading'] == 0
    assert found['largest_difference_with_twice_the_padding'] < 1e-6
    assert found['test_accuracy'] > 0.4  # chance is 0.1

    attention = module.model.get_layer('attention')
    assert attention.output_shape == (None, 32)
    n = 50
    rows = np.pad(digits.x_test[:n, ..., 0], ((0, 0), (0, 4), (0, 0)), 'constant')
    both = keras.models.Model(module.model.input, [attention.input, attention.output])
    states, output = (a.astype(np.float64) for a in both.predict(rows))
    kernel, query = (w.astype(np.float64) for w in attention.get_weights())
    for image, state, vector in zip(rows, states, output):
        seen = state[image.any(axis=1)]  # without the blank rows
        expected = softmax(np.tanh(seen.dot(kernel)).dot(query)).dot(seen)
        np.testing.assert_allclose(vector, expected, rtol=1e-5, atol=1e-6)


def test_without_the_line_that_matters_padding_changes_the_answer(module, digits, monkeypatch):
    call = module.Attention.call
    monkeypatch.setattr(module.Attention, 'call', lambda self, inputs, mask=None: call(self, inputs))
    found = module.run(digits, epochs=2, verbose=0)
    assert found['largest_difference_with_twice_the_padding'] > 0.01


def test_without_supports_masking_a_masked_input_is_refused(module, monkeypatch):
    monkeypatch.setattr(module.Attention, 'compute_mask', layers.Layer.compute_mask)
    module.Attention(4)(layers.Masking()(layers.Input((None, 8))))
    attention = module.Attention(4)
    attention.supports_masking = False
    with pytest.raises(TypeError, match='does not support masking'):
        attention(layers.Masking()(layers.Input((None, 8))))


def test_without_get_config_it_does_not_load(module, digits, monkeypatch):
    monkeypatch.setattr(module.Attention, 'get_config', layers.Layer.get_config)
    with pytest.raises(TypeError, match="required positional argument: 'units'"):
        module.run(digits, epochs=1, verbose=0)


def test_without_compute_output_shape_keras_takes_the_inputs(module, monkeypatch):
    monkeypatch.setattr(module.Attention, 'compute_output_shape', layers.Layer.compute_output_shape)
    module.build_model(8)
    assert module.model.get_layer('attention').output_shape == (None, None, 32)
    assert module.model.output_shape == (None, None, 10)
