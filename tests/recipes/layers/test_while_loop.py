import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K


def powers(decay, steps):
    """decay**(t - s) for s <= t, and its derivative; each (t, s, features)."""
    t, s = np.mgrid[:steps, :steps]
    n, past = (t - s)[..., np.newaxis], (s <= t)[..., np.newaxis]
    return np.where(past, decay ** np.maximum(n, 0), 0), np.where(n > 0, n * decay ** np.maximum(n - 1, 0), 0)


def test_outputs_and_gradients_are_those_of_the_closed_form(module, digits):
    found = module.run(digits, epochs=2, verbose=0)
    layer = module.model.get_layer('memory')
    decay = layer.get_weights()[0].astype(np.float64)
    x = digits.x_test[:20, ..., 0].astype(np.float64)
    value, slope = powers(decay, 8)
    output = keras.models.Model(module.model.input, layer.output).predict(digits.x_test[:20])
    np.testing.assert_allclose(output, np.einsum('tsf,bsf->btf', value, x), rtol=1e-5, atol=1e-6)

    dy = np.random.RandomState(0).normal(size=output.shape)
    of_decay, of_input = K.get_session().run(
        tf.gradients(tf.reduce_sum(layer.output * dy.astype(np.float32)), [layer.decay, layer.input]),
        {module.model.input: digits.x_test[:20]},
    )
    np.testing.assert_allclose(of_decay, np.einsum('btf,tsf,bsf->f', dy, slope, x), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(of_input, np.einsum('btf,tsf->bsf', dy, value), rtol=1e-4, atol=1e-5)

    assert found['largest_decay'] == pytest.approx(decay.max()) and found['smallest_decay'] == pytest.approx(
        decay.min()
    )
    assert np.abs(decay - 0.5).max() > 0.01  # it was learned
    assert found['largest_difference_alone_or_in_a_batch'] < 1e-6
    assert found['test_accuracy'] == np.mean(module.model.predict(digits.x_test).argmax(1) == digits.y_test)
    assert found['test_accuracy'] > 0.6  # chance is 0.1


def test_without_the_line_that_matters_samples_leak_into_each_other(module, digits, monkeypatch):
    monkeypatch.setattr(tf, 'transpose', lambda x, order: x)
    found = module.run(digits, epochs=2, verbose=0)  # runs, and says nothing
    assert found['largest_difference_alone_or_in_a_batch'] > 0.05


def test_without_back_prop_it_does_not_train(module, digits, monkeypatch):
    scan = tf.scan
    monkeypatch.setattr(tf, 'scan', lambda *args, **kwargs: scan(*args, back_prop=False, **kwargs))
    with pytest.raises(ValueError, match='An operation has `None` for gradient'):
        module.run(digits, epochs=1, verbose=0)
