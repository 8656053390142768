import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K
from scipy import stats


class Norms(keras.callbacks.Callback):
    """The norms of the kernel's columns after every batch."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_batch_end(self, batch, logs=None):
        self.seen.append(np.linalg.norm(self.model.get_weights()[0].astype(np.float64), axis=0))


def test_the_first_weights_have_the_moments_of_a_truncated_normal(module):
    weights = K.get_value(K.variable(module.truncated_normal((400, 500)))).ravel()
    expected = stats.truncnorm(-2, 2, scale=0.05)  # TensorFlow cuts at two standard deviations
    assert abs(weights.mean()) < 4 * expected.std() / np.sqrt(weights.size)
    assert weights.std() == pytest.approx(expected.std(), rel=0.01)
    assert 0.0995 < np.abs(weights).max() <= 0.1
    assert stats.kstest(weights, expected.cdf).statistic < 0.005


def test_the_penalty_is_in_the_loss(module, digits):
    model = module.build_model((8, 8, 1))
    model.compile('sgd', 'sparse_categorical_crossentropy')
    x, y = digits.x_test, digits.y_test
    kernel = model.get_weights()[0].astype(np.float64)
    # TensorFlow's l2 is half the sum of squares, Keras's the whole
    penalty = 1e-4 * np.abs(kernel).sum() + 1e-3 * (kernel**2).sum() / 2
    likelihood = model.predict(x)[np.arange(len(y)), y].astype(np.float64)
    assert penalty > 0.01
    assert model.evaluate(x, y, verbose=0) == pytest.approx(penalty - np.log(likelihood).mean(), abs=1e-5)


def test_the_constraint_bounds_each_column_after_every_batch(module, digits):
    norms = Norms()
    found = module.run(digits, epochs=3, verbose=0, callbacks=[norms])
    seen = np.array(norms.seen)
    assert seen.shape == (3 * 45, 64)
    assert seen.max() < 0.5 + 1e-6 and np.mean(np.abs(seen[-1] - 0.5) < 1e-5) > 0.3  # and it is at work
    assert found['last_largest_norm'] == pytest.approx(seen[-1].max(), rel=1e-6)
    assert found['first_spread'] == pytest.approx(stats.truncnorm(-2, 2, scale=0.05).std(), rel=0.05)
    # the recipe's number is the loaded model's
    assert found['test_accuracy'] == np.mean(module.model.predict(digits.x_test).argmax(1) == digits.y_test)
    assert found['test_accuracy'] > 0.6  # chance is 0.1


def test_the_functions_themselves_do_not_load(module, digits, monkeypatch):
    functions = [module.truncated_normal, module.elastic_net, module.bounded_columns]
    monkeypatch.setattr(module, 'FUNCTIONS', {f.__name__: f for f in functions})
    with pytest.raises(TypeError, match=r'truncated_normal\(\) missing 1 required positional argument'):
        module.run(digits, epochs=1, verbose=0)
    for get, function in zip((keras.regularizers.get, keras.constraints.get), functions[1:]):
        with keras.utils.custom_object_scope({function.__name__: function}):
            with pytest.raises(TypeError, match='missing 1 required positional argument'):
                get(function.__name__)


def test_without_axes_the_whole_matrix_is_bounded(module, digits, monkeypatch):
    clip_by_norm = tf.clip_by_norm
    monkeypatch.setattr(tf, 'clip_by_norm', lambda w, norm, axes=None: clip_by_norm(w, norm))
    norms = Norms()
    found = module.run(digits, epochs=1, verbose=0, callbacks=[norms])
    assert np.linalg.norm(norms.seen[-1]) == pytest.approx(0.5, abs=1e-5)
    assert found['last_largest_norm'] < 0.25
