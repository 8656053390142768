"""TensorFlow's streaming metrics, all on one model: find your line and copy it.

When: you look for the way to call a function of tf.metrics or tf.contrib.metrics. Left out: what
is deprecated in 1.9, and what gives a whole curve, vector or matrix.

The line that matters: `said=p[:, 8] > THRESHOLD`, for what counts yes and no.

What goes wrong: without it each score above 0 is a yes. The recall is 1, the precision that of
chance, with no error. Mind, too, that labels come second in contrib's functions streaming_….

Checked: each line against a reference of its own, by scikit-learn, SciPy or NumPy.

Sources: tf.metrics and tf.contrib.metrics, TensorFlow 1.9.
"""

import functools
from types import SimpleNamespace

import tensorflow as tf
from keras import layers, models, utils
from tensorflow import metrics as m
from tensorflow.contrib import metrics as contrib

from tensorflow_with_keras import recipe
from tensorflow_with_keras.streaming import StreamingMetric

CLASSES, THRESHOLD = 10, 0.3


@functools.lru_cache(maxsize=1)  # made once for the whole table
def inputs(t, p):
    true, guess, top = tf.argmax(t, 1), tf.argmax(p, 1), tf.cast(tf.nn.top_k(p, 3)[1], tf.int64)  # class numbers
    eight = dict(is8=t[:, 8], score=p[:, 8], yes=t[:, 8] > 0.5, said=p[:, 8] > THRESHOLD)  # one class, the eights
    return SimpleNamespace(t=t, p=p, sure=tf.reduce_max(p, 1), true=true, guess=guess, top=top, **eight)


def at_threshold(values, update_op):
    return values[0], update_op


TABLE = {
    'accuracy': lambda i: m.accuracy(i.true, i.guess),
    'mean_iou': lambda i: m.mean_iou(i.true, i.guess, CLASSES),
    'mean_per_class_accuracy': lambda i: m.mean_per_class_accuracy(i.true, i.guess, CLASSES),
    'cohen_kappa': lambda i: contrib.cohen_kappa(i.true, i.guess, CLASSES),
    'average_precision_at_k': lambda i: m.average_precision_at_k(i.true, i.p, 3),
    'precision_at_k': lambda i: m.precision_at_k(i.true, i.p, 3),
    'precision_at_top_k': lambda i: m.precision_at_top_k(i.true[:, tf.newaxis], i.top),
    'recall_at_k': lambda i: m.recall_at_k(i.true, i.p, 3),
    'recall_at_top_k': lambda i: m.recall_at_top_k(i.true[:, tf.newaxis], i.top),
    'auc': lambda i: m.auc(i.is8, i.score),
    'dynamic_auc': lambda i: contrib.streaming_dynamic_auc(i.is8, i.score),
    'sensitivity_at_specificity': lambda i: m.sensitivity_at_specificity(i.is8, i.score, 0.9),
    'specificity_at_sensitivity': lambda i: m.specificity_at_sensitivity(i.is8, i.score, 0.9),
    'precision_at_recall': lambda i: contrib.precision_at_recall(i.is8, i.score, 0.9),
    'recall_at_precision': lambda i: contrib.recall_at_precision(i.is8, i.score, 0.9),
    'false_negative_rate': lambda i: contrib.streaming_false_negative_rate(i.said, i.yes),
    'false_positive_rate': lambda i: contrib.streaming_false_positive_rate(i.said, i.yes),
    'mean_absolute_error': lambda i: m.mean_absolute_error(i.t, i.p),
    'mean_squared_error': lambda i: m.mean_squared_error(i.t, i.p),
    'root_mean_squared_error': lambda i: m.root_mean_squared_error(i.t, i.p),
    'mean_relative_error': lambda i: m.mean_relative_error(i.t, i.p, 1 + i.t),
    'mean_cosine_distance': lambda i: m.mean_cosine_distance(*(tf.nn.l2_normalize(x, 1) for x in (i.t, i.p)), dim=1),
    'covariance': lambda i: contrib.streaming_covariance(i.p, i.t),
    'pearson_correlation': lambda i: contrib.streaming_pearson_correlation(i.p, i.t),
    'mean': lambda i: m.mean(i.sure),
    'percentage_below': lambda i: m.percentage_below(i.sure, 0.5),
}
for name in ['precision', 'recall'] + [t + n for t in ('true_', 'false_') for n in ('positives', 'negatives')]:
    TABLE[name] = lambda i, name=name: getattr(m, name)(i.yes, i.said)
    name += '_at_thresholds'  # a value for each threshold, of which Keras shows one
    TABLE[name] = lambda i, name=name: at_threshold(*getattr(m, name)(i.is8, i.score, [THRESHOLD]))


def build_model(shape):
    return models.Sequential([layers.Flatten(input_shape=shape), layers.Dense(CLASSES, activation='softmax')])


def run(data, epochs=15, batch_size=32, verbose=2, callbacks=()):
    y_train, y_test = (utils.to_categorical(y, CLASSES) for y in (data.y_train, data.y_test))
    model = build_model(data.x_train.shape[1:])
    metrics = [StreamingMetric(lambda t, p, f=f: f(inputs(t, p)), name=name) for name, f in sorted(TABLE.items())]
    model.compile('adam', 'categorical_crossentropy')
    model.fit(data.x_train, y_train, batch_size, epochs, verbose, list(callbacks))
    model.compile('adam', 'categorical_crossentropy', metrics)  # only now: training does without them
    return dict(zip(model.metrics_names, model.evaluate(data.x_test, y_test, batch_size, 0)), epochs=epochs)


if __name__ == '__main__':
    recipe.main(run)
