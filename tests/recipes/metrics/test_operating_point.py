import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K
from sklearn.metrics import accuracy_score, precision_score, recall_score, roc_curve

THRESHOLDS = np.concatenate([[-1e-7], np.arange(1, 199) / 199, [1 + 1e-7]])  # as TensorFlow documents its 200


def test_the_numbers_are_scikit_learns(module, digits):
    found = module.run(digits, epochs=6, verbose=0)
    truth, scores = digits.y_test == 8, module.model.predict(digits.x_test)[:, 0]

    assert found['test_precision_at_0.3'] == pytest.approx(precision_score(truth, scores > 0.3), abs=1e-6)
    assert found['test_recall_at_0.3'] == pytest.approx(recall_score(truth, scores > 0.3), abs=1e-6)
    assert found['test_accuracy'] == pytest.approx(accuracy_score(truth, scores > 0.5), abs=1e-6)

    # of all the points of the exact curve, the one that TensorFlow's thresholds bring nearest to a fall-out of 0.05
    fall_out, sensitivity, exact = roc_curve(truth, scores, drop_intermediate=False)
    points = [np.flatnonzero(exact > t)[-1] for t in THRESHOLDS]
    nearest = points[np.argmin(np.abs(fall_out[points] - 0.05))]
    assert found['test_sensitivity_at_95'] == pytest.approx(sensitivity[nearest], abs=1e-6)
    assert abs(fall_out[nearest] - 0.05) < 0.01


def test_the_accuracy_misleads(module, digits):
    found = module.run(digits, epochs=5, verbose=0)
    assert found['test_accuracy_of_never'] == pytest.approx(np.mean(digits.y_test != 8), abs=1e-6)
    assert found['test_accuracy'] < found['test_accuracy_of_never'] + 0.01
    assert found['test_sensitivity_at_95'] > 0.4  # alarms at random give 0.05
    assert found['test_precision_at_0.3'] > 0.4  # and 0.09


def test_the_update_op_is_wrong(module, digits, monkeypatch):
    def update_op(metric_fn, name=None, **options):
        def metric(y_true, y_pred):
            result = metric_fn(y_true, y_pred, **options)[1]
            K.get_session().run(tf.local_variables_initializer())
            return result

        metric.__name__ = name or metric_fn.__name__
        return metric

    monkeypatch.setattr(module, 'StreamingMetric', update_op)
    found = module.run(digits, epochs=6, verbose=0)
    truth, scores = digits.y_test == 8, module.model.predict(digits.x_test)[:, 0]
    fall_out, sensitivity, _ = roc_curve(truth, scores, drop_intermediate=False)
    near = sensitivity[(fall_out > 0.04) & (fall_out < 0.06)]
    assert min(abs(near - found['test_sensitivity_at_95'])) > 0.1
    assert found['test_recall_at_0.3'] < recall_score(truth, scores > 0.3) - 0.05


def test_the_nearest_specificity_may_be_below_the_wanted_one():
    negatives, positives = np.arange(10) / 20, [0.42, 0.44, 0.47, 0.9]  # so specificities come in tenths
    truth, scores = np.repeat([0.0, 1.0], [10, 4]), np.concatenate([negatives, positives])
    assert np.mean(negatives <= 0.41) == 0.9 and np.mean(negatives <= 0.46) == 1
    with tf.Graph().as_default(), tf.Session() as s:
        _, update_op = tf.metrics.sensitivity_at_specificity(truth, tf.constant(scores, tf.float32), specificity=0.93)
        s.run(tf.local_variables_initializer())
        sensitivity = s.run(update_op)
    assert sensitivity == pytest.approx(recall_score(truth, scores > 0.41), abs=1e-6) == 1  # specificity 0.9
    assert recall_score(truth, scores > 0.46) == 0.5  # what at least 0.93 would leave


def test_a_vector_is_refused(module, digits, monkeypatch):
    def precision(y_true, y_pred):
        return tf.metrics.precision_at_thresholds(y_true, y_pred, [0.3, 0.5])

    monkeypatch.setattr(module, 'precision', precision)
    with pytest.raises(ValueError, match=r'a value of shape \(2,\)'):
        module.run(digits, epochs=1, verbose=0)
