import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K
from sklearn.metrics import cohen_kappa_score

BATCH = 128


def test_both_numbers(module, digits, monkeypatch):
    original, batches = module.cohens_kappa, []

    def cohens_kappa(y_true, y_pred):  # records every batch on its way
        record = tf.py_func(lambda t, p: batches.append((t.argmax(1), p.argmax(1))), [y_true, y_pred], [])
        with tf.control_dependencies([record]):
            return original(tf.identity(y_true), tf.identity(y_pred))

    monkeypatch.setattr(module, 'cohens_kappa', cohens_kappa)
    found = module.run(digits, epochs=2, batch_size=BATCH, verbose=0)

    # What TensorFlow says after each batch is the kappa of all batches so far; Keras averages that over validation.
    running = [cohen_kappa_score(*map(np.concatenate, zip(*batches[: i + 1]))) for i in range(len(batches))]
    last = batches[-3:]  # Keras validates 360 samples in batches of 128
    sizes = [len(t) for t, _ in last] if keras.__version__ < '2.3' else None  # Keras 2.3 takes a short batch for whole
    expected = np.average(running[-3:], weights=sizes)
    assert found['printed_test_kappa'] == pytest.approx(expected, abs=1e-6)

    true_kappa = cohen_kappa_score(*map(np.concatenate, zip(*last)))
    np.testing.assert_array_equal(np.concatenate([t for t, _ in last]), digits.y_test)
    assert found['sklearn_test_kappa'] == pytest.approx(true_kappa, abs=1e-9)
    assert abs(found['printed_test_kappa'] - true_kappa) > 0.02
    assert found['test_accuracy'] > 0.5  # chance is 0.1


WRONG = {
    'not at all': lambda initializer: None,
    'globals instead': lambda initializer: K.get_session().run(tf.global_variables_initializer()),
    'in a session of its own': lambda initializer: tf.Session().run(initializer),
}


@pytest.mark.parametrize('how', sorted(WRONG))
def test_without_the_line_that_matters_it_fails(module, digits, monkeypatch, how):

    class Session:
        run = staticmethod(WRONG[how])

    class RecipeBackend:  # what the recipe, and only the recipe, takes for keras.backend
        get_session = Session

    monkeypatch.setattr(module, 'K', RecipeBackend)
    with pytest.raises(tf.errors.FailedPreconditionError):
        module.run(digits, epochs=1, verbose=0)


def test_mnist_gets_the_posts_own_network(module):
    assert module.build_model((28, 28, 1)).count_params() == 1199882  # as Keras's mnist_cnn example has it
