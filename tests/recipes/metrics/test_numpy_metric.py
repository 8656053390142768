import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import accuracy_score, f1_score, label_ranking_average_precision_score

from tensorflow_with_keras.streaming import StreamingMetric


def over_batches(of_samples):
    """As Keras averages a metric over batches of 50; Keras 2.3 takes the short last one for a whole one."""
    if keras.__version__ < '2.3':
        return np.mean(of_samples)
    return np.mean([np.mean(of_samples[i : i + 50]) for i in range(0, len(of_samples), 50)])


def test_it_is_the_function_itself(module, digits):
    found = module.run(digits, epochs=4, batch_size=50, verbose=0)  # 360 test samples: the last batch has 10
    scores = module.model.predict(digits.x_test)
    truth = np.eye(10)[digits.y_test]
    each = [label_ranking_average_precision_score(truth[i : i + 1], scores[i : i + 1]) for i in range(360)]
    assert found['test_reciprocal_rank'] == pytest.approx(over_batches(each), abs=1e-6)
    of_truth = scores[np.arange(360), digits.y_test]
    ranks = (scores >= of_truth[:, None]).sum(1)
    assert found['test_reciprocal_rank'] == pytest.approx(over_batches(1 / ranks), abs=1e-6)
    accuracy = accuracy_score(digits.y_test, scores.argmax(1))
    assert found['test_accuracy'] == pytest.approx(accuracy, abs=1e-6)
    assert found['test_reciprocal_rank'] > accuracy > 0.7  # chance is 0.29 and 0.1


def test_it_runs_in_python_once_a_batch(module, digits):
    assert module.run(digits, epochs=2, batch_size=50, verbose=0)['calls'] == 2 * (29 + 8)
    assert len(module.seconds) == 74 and min(module.seconds) > 0


def test_the_wrong_type_fails_at_the_first_batch(module, digits, monkeypatch):
    def reciprocal_rank(y_true, y_pred):
        return tf.py_func(module.ranking, [y_true, y_pred], tf.float32)

    monkeypatch.setattr(module, 'reciprocal_rank', reciprocal_rank)
    with pytest.raises(tf.errors.InvalidArgumentError, match='is double, but expects float'):
        module.run(digits, epochs=1, verbose=0)
    assert len(module.seconds) == 1


def test_the_shape_is_known_only_where_it_is_set(module):
    t, p = tf.placeholder(tf.float32, (None, 10)), tf.placeholder(tf.float32, (None, 10))
    assert module.reciprocal_rank(t, p).shape.as_list() == []

    def streaming(shape):
        def metric(y_true, y_pred):
            total, update_op = tf.metrics.mean(y_pred)
            value = tf.py_func(np.mean, [total], tf.float32)
            value.set_shape(shape)
            return value, update_op

        return StreamingMetric(metric)

    model = module.build_model((8, 8, 1))
    model.compile('adam', 'categorical_crossentropy', metrics=[streaming(())])
    with pytest.raises(ValueError, match='has a value of shape <unknown>'):
        model.compile('adam', 'categorical_crossentropy', metrics=[streaming(None)])


def test_it_is_no_loss(module, digits):
    model = module.build_model((8, 8, 1))
    model.compile('adam', lambda t, p: module.reciprocal_rank(t, p) * tf.ones_like(t[:, 0]))
    with pytest.raises(ValueError, match='None'):
        model.train_on_batch(digits.x_train[:50], np.eye(10)[digits.y_train[:50]])


def test_what_is_no_mean_over_samples_is_wrong(module, digits, monkeypatch):
    def macro_f1(y_true, y_pred):
        return f1_score(y_true.argmax(1), y_pred.argmax(1), labels=np.arange(10), average='macro')

    monkeypatch.setattr(module, 'label_ranking_average_precision_score', macro_f1)
    with pytest.warns(UserWarning, match='ill-defined'):  # classes that a batch lacks
        found = module.run(digits, epochs=4, batch_size=50, verbose=0)
    predicted = module.model.predict(digits.x_test).argmax(1)
    assert abs(found['test_reciprocal_rank'] - f1_score(digits.y_test, predicted, average='macro')) > 0.02
