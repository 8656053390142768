import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K


def reference(x):
    """The layer without SciPy: a sampled Gaussian of sigma 1, cut off at 4 pixels, along height and width."""
    taps = np.exp(-0.5 * np.arange(-4, 5) ** 2)
    taps /= taps.sum()
    squares = np.pad(x**2, ((0, 0), (4, 4), (4, 4), (0, 0)), 'constant')
    height, width = x.shape[1:3]
    blurred = sum(taps[i] * squares[:, i : i + height] for i in range(9))
    blurred = sum(taps[i] * blurred[:, :, i : i + width] for i in range(9))
    return x / np.sqrt(1 + blurred)


@pytest.fixture
def x():
    return np.random.RandomState(0).normal(0, 2, (3, 6, 5, 2))


def test_the_layer_is_what_it_says(module, x):
    np.testing.assert_allclose(K.get_session().run(module.contrast(tf.constant(x))), reference(x), rtol=1e-12)


def test_its_gradient_is_the_numeric_one(module, x):
    dy = np.random.RandomState(1).normal(size=x.shape)
    tensor = tf.constant(x)
    gradient = K.get_session().run(tf.gradients(tf.reduce_sum(module.contrast(tensor) * dy), tensor)[0])
    numeric, step = np.zeros_like(x), 1e-5
    for i in np.ndindex(*x.shape):
        e = np.zeros_like(x)
        e[i] = step
        numeric[i] = ((reference(x + e) - reference(x - e)) * dy).sum() / (2 * step)
    np.testing.assert_allclose(gradient, numeric, atol=1e-8)


def test_it_trains_what_lies_below(module, digits):
    found = module.run(digits, epochs=3, verbose=0)
    assert module.model.layers[1].output_shape == (None, 8, 8, 8)
    assert found['weights_below_moved_by'] > 0.02
    predicted = module.model.predict(digits.x_test).argmax(1)
    assert found['test_accuracy'] == np.mean(predicted == digits.y_test)
    assert found['test_accuracy'] > 0.6  # chance is 0.1


def test_without_its_own_gradient_there_is_none(module, digits, monkeypatch):
    def bare(x):
        return module.numpy_op(module.forward, x)

    monkeypatch.setattr(module, 'contrast', bare)
    with pytest.raises(ValueError, match='An operation has `None` for gradient'):
        module.run(digits, epochs=1, verbose=0)
    # and beside another path, here x itself, its share is missing without a word
    x = tf.ones((1, 4, 4, 1))
    assert K.get_session().run(tf.gradients(x + bare(x), x)[0]).tolist() == np.ones((1, 4, 4, 1)).tolist()
