import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import roc_auc_score

from tensorflow_with_keras import session

SLACK = 2e-5  # float32, and the 1e-6 that TensorFlow adds to its counts


def one_hot(digits):
    """No loop, one, or two: by hand, digit for digit."""
    columns = [np.isin(digits.y_test, [1, 2, 3, 4, 5, 7]), np.isin(digits.y_test, [0, 6, 9]), digits.y_test == 8]
    return np.stack(columns, 1).astype(np.float32)


def at_thresholds(truth, scores, count, height=None):
    """The area under the curve that `count` evenly spaced thresholds give, by NumPy: trapezoids, or of that height."""
    above = scores[None, :] > np.concatenate([[-1], np.linspace(0, 1, count)[1:-1], [2]])[:, None]
    recall, fall_out = above[:, truth == 1].mean(1), above[:, truth == 0].mean(1)
    return (
        -np.trapz(recall, fall_out) if height is None else -np.sum(height(recall[1:], recall[:-1]) * np.diff(fall_out))
    )


def test_scikit_learns_lies_between_floor_and_ceiling(module, digits):
    found = module.run(digits, epochs=4, verbose=0)
    truth, scores = one_hot(digits), module.model.predict(digits.x_test)
    exact = roc_auc_score(truth, scores, average='macro')
    floor, ceiling = found['test_auc_floor'], found['test_auc_ceiling']
    assert floor - SLACK <= exact <= ceiling + SLACK
    assert abs(found['test_auc'] - exact) <= (ceiling - floor) / 2 + SLACK
    assert ceiling - floor < 0.01
    discretised = np.mean([at_thresholds(truth[:, c], scores[:, c], 200) for c in range(3)])
    assert found['test_auc'] == pytest.approx(discretised, abs=SLACK)
    for bound, height in (floor, np.minimum), (ceiling, np.maximum):
        expected = np.mean([at_thresholds(truth[:, c], scores[:, c], 200, height) for c in range(3)])
        assert bound == pytest.approx(expected, abs=SLACK)
    assert floor < found['test_auc'] < ceiling
    assert exact > 0.8  # guessing gives 0.5


def test_the_whole_matrices_give_the_micro_average(module, digits, monkeypatch):
    def whole(y_true, y_pred, **options):
        return tf.metrics.auc(y_true, y_pred, **options)

    monkeypatch.setattr(module, 'one_vs_rest_auc', whole)
    found = module.run(digits, epochs=4, verbose=0)
    truth, scores = one_hot(digits), module.model.predict(digits.x_test)
    micro, macro = (roc_auc_score(truth, scores, average=average) for average in ('micro', 'macro'))
    assert found['test_auc_floor'] - SLACK <= micro <= found['test_auc_ceiling'] + SLACK
    assert found['test_auc_floor'] > macro + 0.005  # not even its floor is right


def test_two_hundred_thresholds_are_few_for_a_network_that_is_sure(module):
    random = np.random.RandomState(0)
    truth = np.eye(3, dtype=np.float32)[random.randint(0, 3, 1000)]
    logits = 1.5 * truth + random.randn(1000, 3) - 0.75
    exact = roc_auc_score(truth, logits, average='macro')
    errors, widths = [], []
    for sureness, thresholds in [(20, 200), (20, 2000), (1, 200)]:
        scores = 1 / (1 + np.exp(-sureness * logits))  # the same ranks each time
        floor, ceiling = (
            in_plain_tensorflow(module.one_vs_rest_auc, truth, scores, thresholds, method)
            for method in ('minoring', 'majoring')
        )
        assert floor - SLACK <= exact <= ceiling + SLACK
        errors.append(abs((floor + ceiling) / 2 - exact))
        widths.append(ceiling - floor)
    few, more, flattened = errors
    assert few > 0.02 and more < few and flattened < 0.001
    few, more, flattened = widths
    assert few > 0.1 and more < few and flattened < 0.01


def in_plain_tensorflow(metric_fn, truth, scores, thresholds, method):
    with tf.Graph().as_default(), tf.Session() as s:
        value, update_op = metric_fn(
            tf.constant(truth), tf.constant(scores, tf.float32), num_thresholds=thresholds, summation_method=method
        )
        session.initialize_uninitialized(s)
        s.run(update_op)
        return s.run(value)
