import numpy as np
import pytest
import tensorflow as tf
from scipy.spatial.distance import cosine
from scipy.stats import pearsonr
from sklearn import metrics as sk

THRESHOLDS = np.concatenate([[-1e-7], np.arange(1, 199) / 199, [1 + 1e-7]])  # as TensorFlow documents its 200


def counted(count, y, p):
    """`count` with the truth about eights and what the score of eight says at 0.3."""
    return count(y == 8, p[:, 8] > 0.3)


def one_hot(reference):
    return lambda y, p: reference(np.eye(10)[y], p)


def rank(y, p):
    """Of the true class among the ten, from 1."""
    return (p >= p[np.arange(len(y)), y][:, None]).sum(1)


def operating_points(y, p):
    """Recall, specificity and precision at each of TensorFlow's thresholds."""
    said = p[:, 8] > THRESHOLDS[:, None]
    return said[:, y == 8].mean(1), 1 - said[:, y != 8].mean(1), said[:, y == 8].sum(1) / np.maximum(said.sum(1), 1e-7)


def sensitivity_at_specificity(y, p):
    recall, specificity, _ = operating_points(y, p)
    return recall[np.abs(specificity - 0.9).argmin()]


def specificity_at_sensitivity(y, p):
    recall, specificity, _ = operating_points(y, p)
    return specificity[recall == recall[np.abs(recall - 0.9).argmin()]][-1]


def precision_at_recall(y, p):
    recall, _, precision = operating_points(y, p)
    return precision[recall >= 0.9][-1]


def recall_at_precision(y, p):
    recall, _, precision = operating_points(y, p)
    return recall[np.abs(precision - 0.9).argmin()]


def intersections_over_unions(y, p):
    said = p.argmax(1)
    return [((y == c) & (said == c)).sum() / ((y == c) | (said == c)).sum() for c in range(10)]


REFERENCES = {  # of labels and probabilities
    'accuracy': lambda y, p: sk.accuracy_score(y, p.argmax(1)),
    'mean_iou': lambda y, p: np.mean(intersections_over_unions(y, p)),
    'mean_per_class_accuracy': lambda y, p: sk.balanced_accuracy_score(y, p.argmax(1)),
    'cohen_kappa': lambda y, p: sk.cohen_kappa_score(y, p.argmax(1)),
    'average_precision_at_k': lambda y, p: np.mean(np.where(rank(y, p) <= 3, 1 / rank(y, p), 0)),
    'precision_at_k': lambda y, p: np.mean(rank(y, p) <= 3) / 3,
    'precision_at_top_k': lambda y, p: np.mean([c in s for c, s in zip(y, p.argsort(1)[:, -3:])]) / 3,
    'recall_at_k': lambda y, p: np.mean(rank(y, p) <= 3),
    'recall_at_top_k': lambda y, p: np.mean([c in s for c, s in zip(y, p.argsort(1)[:, -3:])]),
    # with scores cut into the steps between thresholds the exact area is the approximate one
    'auc': lambda y, p: sk.roc_auc_score(y == 8, np.digitize(p[:, 8], THRESHOLDS, right=True)),
    'dynamic_auc': lambda y, p: sk.roc_auc_score(y == 8, p[:, 8]),
    'sensitivity_at_specificity': sensitivity_at_specificity,
    'specificity_at_sensitivity': specificity_at_sensitivity,
    'precision_at_recall': precision_at_recall,
    'recall_at_precision': recall_at_precision,
    'precision': lambda y, p: counted(sk.precision_score, y, p),
    'recall': lambda y, p: counted(sk.recall_score, y, p),
    'true_positives': lambda y, p: counted(sk.confusion_matrix, y, p)[1, 1],
    'true_negatives': lambda y, p: counted(sk.confusion_matrix, y, p)[0, 0],
    'false_positives': lambda y, p: counted(sk.confusion_matrix, y, p)[0, 1],
    'false_negatives': lambda y, p: counted(sk.confusion_matrix, y, p)[1, 0],
    'false_positive_rate': lambda y, p: np.mean(p[y != 8, 8] > 0.3),
    'false_negative_rate': lambda y, p: 1 - counted(sk.recall_score, y, p),
    'mean_absolute_error': one_hot(sk.mean_absolute_error),
    'mean_squared_error': one_hot(sk.mean_squared_error),
    'root_mean_squared_error': one_hot(lambda t, p: np.sqrt(sk.mean_squared_error(t, p))),
    'mean_relative_error': one_hot(lambda t, p: np.mean(np.where(t == 1, (1 - p) / 2, p))),
    'mean_cosine_distance': one_hot(lambda t, p: np.mean([cosine(a, b) for a, b in zip(t, p)])),
    'covariance': one_hot(lambda t, p: np.cov(t.ravel(), p.ravel())[0, 1]),
    'pearson_correlation': one_hot(lambda t, p: pearsonr(t.ravel(), p.ravel())[0]),
    'mean': lambda y, p: np.mean(p.max(1)),
    'percentage_below': lambda y, p: np.mean(p.max(1) < 0.5),
}


def test_each_against_its_own_reference(module, digits):
    found = module.run(digits, epochs=15, verbose=0)
    assert found.pop('epochs') == 15
    probabilities = module.model.predict(digits.x_test).astype(np.float64)
    assert found.pop('loss') == pytest.approx(sk.log_loss(digits.y_test, probabilities), rel=1e-4)
    assert set(found) == set(REFERENCES)
    expected = {name: reference(digits.y_test, probabilities) for name, reference in REFERENCES.items()}
    assert found == pytest.approx(expected, rel=2e-5)
    assert found['accuracy'] > 0.7 and found['true_positives'] > 5  # chance is 0.1, and one of 33


def test_it_leaves_out_only_what_it_says(module):
    vectors = {name for name in dir(tf.metrics) if name.endswith('_at_thresholds')} | {'mean_tensor'}
    deprecated = {'sparse_average_precision_at_k', 'sparse_precision_at_k'}
    assert len(vectors) == 7
    public = {name for name in dir(tf.metrics) if name[0] != '_'}
    assert public - set(module.METRICS) == vectors | deprecated


def test_without_the_threshold_every_score_is_a_yes(module, digits, monkeypatch):
    monkeypatch.setattr(module, 'is_eight', lambda p: p[:, 8])
    only = ('precision', 'recall', 'true_positives', 'true_negatives')
    monkeypatch.setattr(module, 'METRICS', {name: module.METRICS[name] for name in only})
    found = module.run(digits, epochs=15, verbose=0)
    eights = int((digits.y_test == 8).sum())
    assert found['recall'] == 1 and found['true_positives'] == eights and found['true_negatives'] == 0
    assert found['precision'] == pytest.approx(eights / len(digits.y_test), abs=1e-6)
    in_truth = counted(sk.precision_score, digits.y_test, module.model.predict(digits.x_test))
    assert in_truth > found['precision'] + 0.3


def test_with_labels_first_contribs_rates_are_wrong(module, digits, monkeypatch):
    exchanged = {
        'right': module.METRICS['false_negative_rate'],
        'wrong': lambda t, p: tf.contrib.metrics.streaming_false_negative_rate(t[:, 8], module.is_eight(p)),
    }
    monkeypatch.setattr(module, 'METRICS', exchanged)
    found = module.run(digits, epochs=15, verbose=0)
    probabilities = module.model.predict(digits.x_test)
    assert found['right'] == pytest.approx(1 - counted(sk.recall_score, digits.y_test, probabilities), abs=1e-6)
    assert found['wrong'] == pytest.approx(1 - counted(sk.precision_score, digits.y_test, probabilities), abs=1e-6)
    assert abs(found['right'] - found['wrong']) > 0.2
