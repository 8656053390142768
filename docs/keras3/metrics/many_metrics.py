"""TensorFlow's streaming metrics and what Keras 3 has for each: find your line and copy it.

Different from Keras 2.2.4: none is wrapped, and most are Keras's own. The four "one at another" take the best
threshold of those that keep the bound; TensorFlow 1.9 took the one nearest to it, and for precision_at_recall
the highest that keeps it. What Keras 3 has not is below, in MISSING.

Recipe: examples/metrics/many_metrics.py
"""

import keras
from keras import metrics, ops


def of_class(c, kind, *args, **kwargs):
    """A metric of yes and no, on the column of one class of many."""

    class Column(kind):
        def update_state(self, y_true, y_pred, sample_weight=None):
            return super().update_state(y_true[:, c], y_pred[:, c], sample_weight)

    return Column(*args, **kwargs)


def mean_of(function):
    """The mean over all samples of what the function gives for each."""
    return metrics.MeanMetricWrapper(function)


METRICS = {
    'accuracy': lambda: metrics.CategoricalAccuracy(),
    'mean_iou': lambda: metrics.OneHotMeanIoU(10),
    'recall_at_k': lambda: metrics.TopKCategoricalAccuracy(3),
    'precision_at_k': lambda: mean_of(lambda t, p: metrics.top_k_categorical_accuracy(t, p, 3) / 3),  # one label each
    'auc': lambda: of_class(8, metrics.AUC),
    'sensitivity_at_specificity': lambda: metrics.SensitivityAtSpecificity(0.9, class_id=8),
    'specificity_at_sensitivity': lambda: metrics.SpecificityAtSensitivity(0.9, class_id=8),
    'precision_at_recall': lambda: metrics.PrecisionAtRecall(0.9, class_id=8),
    'recall_at_precision': lambda: metrics.RecallAtPrecision(0.9, class_id=8),
    'precision': lambda: metrics.Precision(0.3, class_id=8),
    'recall': lambda: metrics.Recall(0.3, class_id=8),
    'true_positives': lambda: of_class(8, metrics.TruePositives, 0.3),
    'true_negatives': lambda: of_class(8, metrics.TrueNegatives, 0.3),
    'false_positives': lambda: of_class(8, metrics.FalsePositives, 0.3),
    'false_negatives': lambda: of_class(8, metrics.FalseNegatives, 0.3),
    'mean_absolute_error': lambda: metrics.MeanAbsoluteError(),
    'mean_squared_error': lambda: metrics.MeanSquaredError(),
    'root_mean_squared_error': lambda: metrics.RootMeanSquaredError(),
    'mean_relative_error': lambda: mean_of(lambda t, p: ops.mean(ops.abs(t - p) / (1 + t), -1)),
    'mean_cosine_distance': lambda: mean_of(lambda t, p: 1 - ops.sum(t * ops.normalize(p), -1)),
    'mean': lambda: mean_of(lambda t, p: ops.max(p, -1)),
    'percentage_below': lambda: mean_of(lambda t, p: ops.cast(ops.max(p, -1) < 0.5, 'float32')),
}

COUNTS = 'subclass Metric and count, as metrics/cohens_kappa.py beside this does'
MISSING = {
    'mean_per_class_accuracy': 'metrics/per_class_accuracy.py beside this',
    'cohen_kappa': 'metrics/cohens_kappa.py beside this',
    'pearson_correlation': 'metrics/pearson_correlation.py beside this',
    'covariance': 'the moments of metrics/pearson_correlation.py, divided by the count less 1',
    'dynamic_auc': 'exact, and so not to be streamed: metrics/epoch_callback.py beside this',
    'average_precision_at_k': 'of one label each: the mean of 1 / rank, 0 below rank k, as in metrics/numpy_metric.py',
    'precision_at_top_k': 'precision_at_k, on the scores',
    'recall_at_top_k': 'recall_at_k, on the scores',
    'false_positive_rate': COUNTS,
    'false_negative_rate': '1 less the recall',
}

if __name__ == '__main__':
    y_true, y_pred = keras.ops.one_hot(keras.random.randint((200,), 0, 10), 10), keras.random.uniform((200, 10))
    for name, make in METRICS.items():
        metric = make()
        metric.update_state(y_true, y_pred)
        print(f'{name:28} {float(metric.result()):.4f}')
