import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K

from tensorflow_with_keras import session

EPOCHS, BATCH = 3, 64


@pytest.fixture
def module(module, monkeypatch):
    """The recipe, which always begins with the same weights, and shuffles as it did before."""
    build_model = module.build_model

    def build(shape):
        model = build_model(shape)
        random = np.random.RandomState(3)
        w = [random.randn(64, 64) / 8, np.zeros(64), np.ones(64), np.zeros(64), np.zeros(64), np.ones(64)]
        model.set_weights(w + [random.randn(64, 10) / 8, np.zeros(10)])
        np.random.seed(7)
        return model

    monkeypatch.setattr(module, 'build_model', build)
    return module


def by_fit(module, digits):
    """All weights of the same network after fit, in a second graph, and its loss and accuracy on the test set."""

    def entropy(y_true, y_pred):
        return keras.losses.sparse_categorical_crossentropy(y_true, K.softmax(y_pred))

    session.start(seed=0, threads=1)
    model = module.build_model(digits.x_train.shape[1:])
    model.compile(tf.train.MomentumOptimizer(0.05, momentum=0.9), entropy)
    model.fit(digits.x_train, digits.y_train, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    loss = model.evaluate(digits.x_test, digits.y_test, verbose=0)
    return model.get_weights(), loss, np.mean(model.predict(digits.x_test).argmax(1) == digits.y_test)


def test_the_loop_is_fit(module, digits):
    found = module.run(digits, epochs=EPOCHS, batch_size=BATCH, verbose=0)
    weights = module.model.get_weights()
    expected, loss, accuracy = by_fit(module, digits)
    for a, b in zip(weights, expected):
        np.testing.assert_allclose(a, b, atol=2e-5)
    assert found['test_loss'] == pytest.approx(loss, abs=1e-4)
    assert found['test_accuracy'] == found['predict_test_accuracy'] == pytest.approx(accuracy, abs=1e-9)
    assert found['test_accuracy'] > 0.8  # chance is 0.1


def forgotten(name, monkeypatch, module):
    """Has the recipe leave out one of the three."""
    if name == 'learning phase':

        class RecipesBackend:  # what the recipe, and only the recipe, takes for keras.backend
            phase = tf.placeholder_with_default(False, [])
            learning_phase, get_session = classmethod(lambda cls: cls.phase), staticmethod(K.get_session)

        monkeypatch.setattr(module, 'K', RecipesBackend)
    elif name == 'updates':
        monkeypatch.setattr(keras.models.Sequential, 'updates', [])
    else:
        monkeypatch.setattr(keras.models.Sequential, 'losses', [tf.constant(0.0)])


@pytest.mark.parametrize('name', ['learning phase', 'updates', 'losses'])
def test_each_of_the_three_is_needed(module, digits, monkeypatch, name):
    with monkeypatch.context() as monkeypatch:
        forgotten(name, monkeypatch, module)
        module.run(digits, epochs=EPOCHS, batch_size=BATCH, verbose=0)
        weights = module.model.get_weights()
    expected, _, _ = by_fit(module, digits)
    assert name == 'updates' or not np.allclose(weights[0], expected[0], atol=0.01)
    if name == 'updates':  # the moving averages are as they began
        assert np.all(weights[4] == 0) and np.all(weights[5] == 1)
        assert np.abs(expected[4]).max() > 0.1 and np.abs(expected[5] - 1).max() > 0.1


def test_the_step_trains_no_moving_average(module, digits, monkeypatch):
    """To TensorFlow they are trainable: with neither updates nor phase they are as they began, unless trained."""
    with monkeypatch.context() as monkeypatch:
        forgotten('learning phase', monkeypatch, module)
        forgotten('updates', monkeypatch, module)
        module.run(digits, epochs=EPOCHS, batch_size=BATCH, verbose=0)
        weights = module.model.get_weights()
    assert np.all(weights[4] == 0) and np.all(weights[5] == 1)
