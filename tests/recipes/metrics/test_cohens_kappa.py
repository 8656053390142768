import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K
from sklearn.metrics import accuracy_score, cohen_kappa_score


@pytest.fixture
def module(module, monkeypatch):
    """The recipe, with a record of every batch that its metric sees."""
    cohens_kappa, module.batches = module.cohens_kappa, []

    def recorded(y_true, y_pred):
        record = tf.py_func(lambda t, p: module.batches.append((t.argmax(1), p.argmax(1))), [y_true, y_pred], [])
        with tf.control_dependencies([record]):
            return cohens_kappa(tf.identity(y_true), tf.identity(y_pred))

    recorded.__name__ = 'cohens_kappa'
    monkeypatch.setattr(module, 'cohens_kappa', recorded)
    return module


def test_the_kappas_that_keras_prints_are_scikit_learns(module, digits):
    found = module.run(digits, epochs=3, batch_size=64, verbose=0)
    predicted = module.model.predict(digits.x_test).argmax(1)
    assert found['test_kappa'] == pytest.approx(cohen_kappa_score(digits.y_test, predicted), abs=1e-6)
    assert found['test_accuracy'] == pytest.approx(accuracy_score(digits.y_test, predicted), abs=1e-6)
    assert found['test_accuracy'] > 0.7  # chance is 0.1
    training = module.batches[-6 - 23 : -6]  # the last epoch's 23 batches, before the 6 of the test set
    assert sum(len(t) for t, _ in training) == 1437
    assert found['train_kappa'] == pytest.approx(cohen_kappa_score(*map(np.concatenate, zip(*training))), abs=1e-6)


def test_without_the_line_that_matters_it_is_wrong(module, digits, monkeypatch):
    def update_op(metric_fn):  # what the web puts in the place of StreamingMetric
        def cohens_kappa(y_true, y_pred):
            result = metric_fn(y_true, y_pred)[1]
            K.get_session().run(tf.local_variables_initializer())
            return result

        return cohens_kappa

    monkeypatch.setattr(module, 'StreamingMetric', update_op)
    found = module.run(digits, epochs=3, batch_size=64, verbose=0)
    predicted = module.model.predict(digits.x_test).argmax(1)
    assert abs(found['test_kappa'] - cohen_kappa_score(digits.y_test, predicted)) > 0.02


@pytest.mark.parametrize('shape, parameters', [((28, 28, 1), 1199882), ((8, 8, 1), 320 + 36 * 32 * 10 + 10)])
def test_the_networks_are_the_published_one_and_a_small_one(module, shape, parameters):
    # 1,199,882 parameters: what Keras's own mnist_cnn example prints
    model = module.build_model(shape)
    assert isinstance(model, keras.models.Sequential) and model.count_params() == parameters


def test_class_numbers_for_labels_are_refused_with_the_cure(module, digits):
    """By argmax their one column would be class 0, and every kappa 0.0."""
    model = module.build_model((8, 8, 1))
    model.compile('sgd', 'sparse_categorical_crossentropy', metrics=[module.StreamingMetric(module.cohens_kappa)])
    with pytest.raises(tf.errors.InvalidArgumentError, match='keras.utils.to_categorical'):
        model.evaluate(digits.x_test, digits.y_test, verbose=0)
