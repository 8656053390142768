import functools

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import accuracy_score, precision_score, recall_score

from tensorflow_with_keras import session
from tensorflow_with_keras.streaming import StreamingMetric


def test_it_is_the_accuracy_and_makes_no_variables(module, digits):
    found = module.run(digits, epochs=4, batch_size=50, verbose=0)  # 360 test samples: the last batch has 10
    expected = accuracy_score(digits.y_test, module.model.predict(digits.x_test).argmax(1))
    assert found['tf_test_accuracy'] == pytest.approx(expected, abs=1e-6)
    assert found['keras_test_accuracy'] == pytest.approx(expected, abs=1e-6)
    assert expected > 0.7  # chance is 0.1
    assert found['local_variables'] == 0 and tf.local_variables() == []


def test_its_namesake_in_its_place_needs_an_initialiser(module, digits, monkeypatch):
    def tf_accuracy(y_true, y_pred):
        return tf.metrics.accuracy(tf.argmax(y_true, 1), tf.argmax(y_pred, 1))[1]

    monkeypatch.setattr(module, 'tf_accuracy', tf_accuracy)
    with pytest.raises(tf.errors.FailedPreconditionError):
        module.run(digits, epochs=1, verbose=0)
    assert len(tf.local_variables()) > 0


def test_it_wants_integers_and_no_wrapper(module, digits, monkeypatch):
    tf_accuracy = module.tf_accuracy
    floats = functools.wraps(tf_accuracy)(lambda t, p: tf.contrib.metrics.accuracy(p, t))
    monkeypatch.setattr(module, 'tf_accuracy', floats)
    with pytest.raises(ValueError, match='Labels should have bool, integer, or string dtype'):
        module.run(digits, epochs=1, verbose=0)
    monkeypatch.setattr(module, 'tf_accuracy', StreamingMetric(tf_accuracy))
    with pytest.raises(ValueError, match='A function that keeps no state goes to metrics itself'):
        module.run(digits, epochs=1, verbose=0)


def test_exchanged_arguments_do_no_harm_to_accuracy_and_turn_precision_into_recall():
    truth, predicted = np.array([1, 1, 1, 1, 0, 0, 0, 0]), np.array([1, 0, 0, 0, 0, 0, 0, 1])
    right, exchanged = (
        session_run(lambda a=a, b=b: tf.contrib.metrics.accuracy(tf.constant(a), tf.constant(b)))
        for a, b in [(predicted, truth), (truth, predicted)]
    )
    assert right == exchanged == accuracy_score(truth, predicted) == 0.5
    precision, recall = precision_score(truth, predicted), recall_score(truth, predicted)
    assert (precision, recall) == (0.5, 0.25)
    assert session_run(lambda: tf.metrics.precision(labels=truth, predictions=predicted)[1]) == precision
    assert session_run(lambda: tf.metrics.precision(predicted, truth)[1]) == recall  # (predictions, labels)


def session_run(build):
    with tf.Graph().as_default(), tf.Session() as s:
        tensor = build()
        session.initialize_uninitialized(s)
        return s.run(tensor)
