import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K


@pytest.fixture
def module(module, monkeypatch):
    """The recipe, with the sessions that it makes."""
    module.sessions = []

    class Session(tf.Session):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            module.sessions.append(self)

    monkeypatch.setattr(tf, 'Session', Session)
    return module


def test_plain_tensorflow_in_the_own_session_sees_what_keras_trained(module, digits):
    found = module.run(digits, epochs=2, verbose=0)
    assert K.get_session() is module.sessions[0]
    kernel, bias = module.model.get_weights()
    logits = digits.x_test.reshape(len(digits.x_test), -1).astype(np.float64).dot(kernel) + bias
    first_two = np.argsort(-logits, axis=1)[:, :2]
    top_two = np.mean((first_two == digits.y_test[:, np.newaxis]).any(axis=1))
    assert found['test_accuracy'] == pytest.approx(np.mean(first_two[:, 0] == digits.y_test), abs=1e-9)
    assert found['test_top_two'] == pytest.approx(top_two, abs=1e-6)
    assert found['test_top_two'] > found['test_accuracy'] > 0.7  # chance is 0.2 and 0.1
    assert found['works_when_set_back'] == 1
    assert [found['works_' + way] for way in ('in_second_session', 'in_with_block', 'when_set_too_late')] == [0, 0, 0]


def test_the_own_configuration_reaches_keras(module, digits):
    before = K.get_session()
    module.run(digits, epochs=1, verbose=0)
    config = K.get_session()._config
    assert K.get_session() is not before and config.intra_op_parallelism_threads == 1


def test_without_the_line_that_matters_it_fails(module, digits, monkeypatch):
    class WithoutSetSession:  # what the recipe, and only the recipe, takes for keras.backend
        set_session = staticmethod(lambda session: None)

    monkeypatch.setattr(module, 'K', WithoutSetSession)
    with pytest.raises(tf.errors.FailedPreconditionError, match='dense.*uninitialized|uninitialized value dense'):
        module.run(digits, epochs=1, verbose=0)
    assert module.model.predict(digits.x_test).shape == (360, 10)  # though Keras has the trained model


def test_set_after_weights_were_loaded_keras_never_initialises_them_again():
    model = keras.models.Sequential([keras.layers.Dense(3, input_shape=(2,))])
    model.set_weights([np.ones((2, 3)), np.ones(3)])
    K.set_session(tf.Session())
    with pytest.raises(tf.errors.FailedPreconditionError):
        model.predict(np.ones((1, 2)))
    new = keras.models.Sequential([keras.layers.Dense(3, input_shape=(2,))])  # one built from here on is initialised
    assert new.predict(np.ones((1, 2))).shape == (1, 3)
