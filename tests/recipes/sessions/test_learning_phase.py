import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K

EPSILON = 1e-3  # Keras's, of batch normalisation
BATCH = 32


@pytest.fixture
def module(module, monkeypatch):
    """The recipe, with the samples in the order of the data."""
    monkeypatch.setattr(np.random, 'permutation', np.arange)
    return module


def moving_averages(x, epochs):
    """The closed form in float64: Keras 2.2 divides by the weight that has gathered, so the start drops out."""
    mean, variance, weight = 0, 0, 0
    for _ in range(epochs):
        for start in range(0, len(x), BATCH):
            batch = x[start : start + BATCH]
            mean = 0.9 * mean + 0.1 * batch.mean(axis=0)
            variance = 0.9 * variance + 0.1 * batch.var(axis=0) * len(batch) / (len(batch) - 1 - EPSILON)
            weight = 0.9 * weight + 0.1
    if keras.__version__ < '2.3':
        return mean / weight, variance / weight
    return mean, variance + 1 - weight  # the start is 0 and 1


def test_both_phases_and_the_moving_averages_in_closed_form(module, digits):
    found = module.run(digits, epochs=2, batch_size=BATCH, verbose=0)
    x_train, x = (x.reshape(len(x), -1).astype(np.float64) for x in (digits.x_train, digits.x_test))
    gamma, beta, moving_mean, moving_variance, kernel, bias = module.model.get_weights()
    mean, variance = moving_averages(x_train, 2)
    np.testing.assert_allclose(moving_mean, mean, atol=1e-6)
    np.testing.assert_allclose(moving_variance, variance, atol=1e-6)
    after = (x - mean) / np.sqrt(variance + EPSILON) * gamma + beta
    during = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + EPSILON) * gamma + beta
    assert found['mean_square_in_inference'] == pytest.approx(np.mean(after**2), rel=1e-4)
    assert found['mean_square_in_training_phase'] == pytest.approx(np.mean(during**2), rel=1e-4)
    predicted = (after.dot(kernel) + bias).argmax(1)
    assert found['test_accuracy'] == pytest.approx(np.mean(predicted == digits.y_test), abs=1e-9)
    assert found['test_accuracy'] > 0.7  # chance is 0.1
    assert found['unfed_is_inference'] == 1


def test_dropout_drops_its_rate_and_only_in_the_training_phase(module, digits):
    found = module.run(digits, epochs=1, batch_size=BATCH, verbose=0)
    n = 360 * 50  # at least so many outputs: five standard deviations of a share of 0.25
    assert abs(found['dropped_in_training_phase'] - 0.25) < 5 * np.sqrt(0.25 * 0.75 / n)
    assert found['dropped_in_inference'] == 0
    dropout, inputs = module.model.layers[2], module.model.layers[1].output
    x, kept = K.function([module.model.input, K.learning_phase()], [inputs, dropout.output])([digits.x_test, 1])
    assert np.all((kept == 0) | (np.abs(kept - x / 0.75) <= 1e-6 * np.abs(x / 0.75)))


def test_every_step_is_taken_in_the_training_phase(module, digits, monkeypatch):
    dropout, runs = K.dropout, []

    def recorded(x, *args, **kwargs):  # a branch of tf.cond, which runs in the training phase alone
        with tf.control_dependencies([tf.py_func(lambda: runs.append(1), [], [])]):
            return dropout(tf.identity(x), *args, **kwargs)

    monkeypatch.setattr(K, 'dropout', recorded)
    module.run(digits, epochs=1, batch_size=BATCH, verbose=0)
    assert len(runs) == 45 + 1  # the batches of 1437 samples, and the recipe's own look at the test set


def test_without_the_updates_the_averages_stay_where_they_began(module, digits, monkeypatch):
    monkeypatch.setattr(keras.models.Sequential, 'updates', [])
    module.run(digits, epochs=2, batch_size=BATCH, verbose=0)
    _, _, mean, variance, _, _ = module.model.get_weights()
    assert not mean.any() and (variance == 1).all()


def test_without_the_phase_nothing_is_dropped_and_nothing_fails(module, digits, monkeypatch):
    unread = tf.placeholder_with_default(0, [])

    class RecipeBackend:  # what the recipe, and only the recipe, takes for keras.backend
        function, get_session = staticmethod(K.function), staticmethod(K.get_session)
        learning_phase = staticmethod(lambda: unread)

    monkeypatch.setattr(module, 'K', RecipeBackend)
    found = module.run(digits, epochs=1, batch_size=BATCH, verbose=0)
    assert found['dropped_in_training_phase'] == 0
    assert found['mean_square_in_training_phase'] == found['mean_square_in_inference']
