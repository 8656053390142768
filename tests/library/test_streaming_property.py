"""Every streaming function of TensorFlow under StreamingMetric, after every batch, for random data cut at random.

Each function is built once in a Keras model that hands its input on, and once in plain TensorFlow, in a graph and a
session that know nothing of Keras. There one batch is two runs: the update, then the value. After every batch both must
say the same.
"""

import os
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

import tensorflow_with_keras
from tensorflow_with_keras import session
from tensorflow_with_keras.streaming import StreamingMetric

CLASSES = 3
ON = {'reset_metrics': False} if hasattr(keras.metrics, 'Metric') else {}  # Keras 2.3 would reset after each batch
m, c = tf.metrics, tf.contrib.metrics


# How functions of so many kinds take one-hot labels and probabilities, (batch, CLASSES) both. Those of tf.metrics want
# labels first, most of tf.contrib.metrics predictions first: hence `turned`.


def turned(metric_fn):
    return lambda t, p, *args, **kwargs: metric_fn(p, t, *args, **kwargs)


def classes(metric_fn, *args):
    return lambda t, p: metric_fn(tf.argmax(t, 1), tf.argmax(p, 1), *args)


def decided(metric_fn):
    return lambda t, p: metric_fn(t > 0.5, p > 0.4)


def against_class(metric_fn, *args):
    return lambda t, p: metric_fn(tf.argmax(t, 1), p, *args)


def against_top(metric_fn):
    return lambda t, p: metric_fn(tf.argmax(t, 1)[:, None], tf.cast(tf.nn.top_k(p, 2)[1], tf.int64))


def element(metric_fn, *args, pick=lambda value: value[1]):
    def metric(t, p):
        value, update_op = metric_fn(t, p, *args)
        return pick(value), update_op

    return metric


def flat(metric_fn):
    return lambda t, p: metric_fn(tf.reshape(t, [-1]), tf.reshape(p, [-1]))


THRESHOLDS = [0.2, 0.4]
EVERY = {
    'metrics.accuracy': classes(m.accuracy),
    'metrics.auc': m.auc,
    'metrics.average_precision_at_k': against_class(m.average_precision_at_k, 2),
    'metrics.false_negatives': decided(m.false_negatives),
    'metrics.false_negatives_at_thresholds': element(m.false_negatives_at_thresholds, THRESHOLDS),
    'metrics.false_positives': decided(m.false_positives),
    'metrics.false_positives_at_thresholds': element(m.false_positives_at_thresholds, THRESHOLDS),
    'metrics.mean': lambda t, p: m.mean(p * t),
    'metrics.mean_absolute_error': m.mean_absolute_error,
    'metrics.mean_cosine_distance': lambda t, p: m.mean_cosine_distance(t, tf.nn.l2_normalize(p, 1), 1),
    'metrics.mean_iou': classes(m.mean_iou, CLASSES),
    'metrics.mean_per_class_accuracy': classes(m.mean_per_class_accuracy, CLASSES),
    'metrics.mean_relative_error': lambda t, p: m.mean_relative_error(t, p, 1 + p),
    'metrics.mean_squared_error': m.mean_squared_error,
    'metrics.mean_tensor': element(lambda t, p: m.mean_tensor(tf.reduce_mean(p * t, 0))),
    'metrics.percentage_below': lambda t, p: m.percentage_below(p, 0.3),
    'metrics.precision': decided(m.precision),
    'metrics.precision_at_k': against_class(m.precision_at_k, 2),
    'metrics.precision_at_thresholds': element(m.precision_at_thresholds, THRESHOLDS),
    'metrics.precision_at_top_k': against_top(m.precision_at_top_k),
    'metrics.recall': decided(m.recall),
    'metrics.recall_at_k': against_class(m.recall_at_k, 2),
    'metrics.recall_at_thresholds': element(m.recall_at_thresholds, THRESHOLDS),
    'metrics.recall_at_top_k': against_top(m.recall_at_top_k),
    'metrics.root_mean_squared_error': m.root_mean_squared_error,
    'metrics.sensitivity_at_specificity': lambda t, p: m.sensitivity_at_specificity(t, p, 0.8),
    'metrics.sparse_average_precision_at_k': against_class(m.sparse_average_precision_at_k, 2),
    'metrics.sparse_precision_at_k': against_class(m.sparse_precision_at_k, 2),
    'metrics.specificity_at_sensitivity': lambda t, p: m.specificity_at_sensitivity(t, p, 0.8),
    'metrics.true_negatives': decided(m.true_negatives),
    'metrics.true_negatives_at_thresholds': element(m.true_negatives_at_thresholds, THRESHOLDS),
    'metrics.true_positives': decided(m.true_positives),
    'metrics.true_positives_at_thresholds': element(m.true_positives_at_thresholds, THRESHOLDS),
    'contrib.auc_using_histogram': lambda t, p: c.auc_using_histogram(
        tf.reshape(t > 0.5, [-1]), tf.reshape(p, [-1]), [0.0, 1.0]
    ),
    'contrib.auc_with_confidence_intervals': element(
        flat(c.auc_with_confidence_intervals), pick=lambda value: value.auc
    ),
    'contrib.cohen_kappa': classes(c.cohen_kappa, CLASSES),
    'contrib.count': lambda t, p: c.count(p),
    'contrib.precision_at_recall': lambda t, p: c.precision_at_recall(t, p, 0.8),
    'contrib.precision_recall_at_equal_thresholds': element(
        lambda t, p: c.precision_recall_at_equal_thresholds(t > 0.5, p, num_thresholds=5),
        pick=lambda value: value.recall[2],
    ),
    'contrib.recall_at_precision': lambda t, p: c.recall_at_precision(t, p, 0.6),
    'contrib.sparse_recall_at_top_k': against_top(c.sparse_recall_at_top_k),
    'contrib.streaming_accuracy': classes(c.streaming_accuracy),
    'contrib.streaming_auc': turned(c.streaming_auc),
    'contrib.streaming_concat': element(lambda t, p: c.streaming_concat(p), pick=tf.reduce_sum),
    'contrib.streaming_covariance': c.streaming_covariance,
    'contrib.streaming_curve_points': element(c.streaming_curve_points, pick=lambda value: value[50, 1]),
    'contrib.streaming_dynamic_auc': flat(c.streaming_dynamic_auc),
    'contrib.streaming_false_negative_rate': decided(turned(c.streaming_false_negative_rate)),
    'contrib.streaming_false_negative_rate_at_thresholds': element(
        turned(c.streaming_false_negative_rate_at_thresholds), THRESHOLDS
    ),
    'contrib.streaming_false_negatives': decided(turned(c.streaming_false_negatives)),
    'contrib.streaming_false_negatives_at_thresholds': element(
        turned(c.streaming_false_negatives_at_thresholds), THRESHOLDS
    ),
    'contrib.streaming_false_positive_rate': decided(turned(c.streaming_false_positive_rate)),
    'contrib.streaming_false_positive_rate_at_thresholds': element(
        turned(c.streaming_false_positive_rate_at_thresholds), THRESHOLDS
    ),
    'contrib.streaming_false_positives': decided(turned(c.streaming_false_positives)),
    'contrib.streaming_false_positives_at_thresholds': element(
        turned(c.streaming_false_positives_at_thresholds), THRESHOLDS
    ),
    'contrib.streaming_mean': lambda t, p: c.streaming_mean(p * t),
    'contrib.streaming_mean_absolute_error': turned(c.streaming_mean_absolute_error),
    'contrib.streaming_mean_cosine_distance': lambda t, p: c.streaming_mean_cosine_distance(
        tf.nn.l2_normalize(p, 1), t, 1
    ),
    'contrib.streaming_mean_iou': classes(turned(c.streaming_mean_iou), CLASSES),
    'contrib.streaming_mean_relative_error': lambda t, p: c.streaming_mean_relative_error(p, t, 1 + p),
    'contrib.streaming_mean_squared_error': turned(c.streaming_mean_squared_error),
    'contrib.streaming_mean_tensor': element(lambda t, p: c.streaming_mean_tensor(tf.reduce_mean(p * t, 0))),
    'contrib.streaming_pearson_correlation': c.streaming_pearson_correlation,
    'contrib.streaming_percentage_less': lambda t, p: c.streaming_percentage_less(p, 0.3),
    'contrib.streaming_precision': decided(turned(c.streaming_precision)),
    'contrib.streaming_precision_at_thresholds': element(turned(c.streaming_precision_at_thresholds), THRESHOLDS),
    'contrib.streaming_recall': decided(turned(c.streaming_recall)),
    'contrib.streaming_recall_at_k': against_class(turned(c.streaming_recall_at_k), 2),
    'contrib.streaming_recall_at_thresholds': element(turned(c.streaming_recall_at_thresholds), THRESHOLDS),
    'contrib.streaming_root_mean_squared_error': turned(c.streaming_root_mean_squared_error),
    'contrib.streaming_sensitivity_at_specificity': lambda t, p: c.streaming_sensitivity_at_specificity(p, t, 0.8),
    'contrib.streaming_sparse_average_precision_at_k': against_class(
        turned(c.streaming_sparse_average_precision_at_k), 2
    ),
    'contrib.streaming_sparse_average_precision_at_top_k': against_top(
        turned(c.streaming_sparse_average_precision_at_top_k)
    ),
    'contrib.streaming_sparse_precision_at_k': against_class(turned(c.streaming_sparse_precision_at_k), 2),
    'contrib.streaming_sparse_precision_at_top_k': against_top(turned(c.streaming_sparse_precision_at_top_k)),
    'contrib.streaming_sparse_recall_at_k': against_class(turned(c.streaming_sparse_recall_at_k), 2),
    'contrib.streaming_specificity_at_sensitivity': lambda t, p: c.streaming_specificity_at_sensitivity(p, t, 0.8),
    'contrib.streaming_true_negatives': decided(turned(c.streaming_true_negatives)),
    'contrib.streaming_true_negatives_at_thresholds': element(
        turned(c.streaming_true_negatives_at_thresholds), THRESHOLDS
    ),
    'contrib.streaming_true_positives': decided(turned(c.streaming_true_positives)),
    'contrib.streaming_true_positives_at_thresholds': element(
        turned(c.streaming_true_positives_at_thresholds), THRESHOLDS
    ),
}
if hasattr(c, 'f1_score'):  # of later versions
    EVERY['contrib.f1_score'] = c.f1_score
NOT_STREAMING = {  # each returns a tensor, or takes metrics
    'contrib.accuracy',
    'contrib.aggregate_metric_map',
    'contrib.aggregate_metrics',
    'contrib.confusion_matrix',
    'contrib.set_difference',
    'contrib.set_intersection',
    'contrib.set_size',
    'contrib.set_union',
}

# What a whole epoch must come to, by something that is not TensorFlow: of one-hot labels and probabilities.
WHOLE = {
    'metrics.accuracy': lambda t, p: sk.accuracy_score(t.argmax(1), p.argmax(1)),
    'metrics.false_negatives': lambda t, p: np.sum((t == 1) & (p <= 0.4)),
    'metrics.mean': lambda t, p: (t * p).mean(),
    'metrics.mean_absolute_error': lambda t, p: np.abs(t - p).mean(),
    'metrics.mean_squared_error': lambda t, p: sk.mean_squared_error(t, p),
    'metrics.percentage_below': lambda t, p: (p < np.float32(0.3)).mean(),
    'metrics.precision': lambda t, p: sk.precision_score(t.ravel(), p.ravel() > 0.4),
    'metrics.recall': lambda t, p: sk.recall_score(t.ravel(), p.ravel() > 0.4),
    'metrics.root_mean_squared_error': lambda t, p: np.sqrt(sk.mean_squared_error(t, p)),
    'contrib.cohen_kappa': lambda t, p: sk.cohen_kappa_score(t.argmax(1), p.argmax(1)),
    'contrib.count': lambda t, p: p.size,
    'contrib.streaming_concat': lambda t, p: p.sum(),
    'contrib.streaming_covariance': lambda t, p: np.cov(t.ravel(), p.ravel())[0, 1],
    'contrib.streaming_dynamic_auc': lambda t, p: sk.roc_auc_score(t.ravel(), p.ravel()),
    'contrib.streaming_pearson_correlation': lambda t, p: np.corrcoef(t.ravel(), p.ravel())[0, 1],
}


def test_the_table_has_every_public_function():
    public = {'metrics.' + name for name in dir(m) if name[0] != '_'}
    public |= {'contrib.' + name for name in dir(c) if name[0] != '_'}
    assert set(EVERY) == public - NOT_STREAMING and len(EVERY) > 75


@st.composite
def epochs(draw):
    """Some epochs, each a list of batches (labels, probabilities), of one to seven samples each."""
    random = np.random.RandomState(draw(st.integers(0, 2**32 - 1)))
    coarse = draw(st.booleans())  # probabilities that are equal, or 0 or 1

    def batch(size):
        p = random.dirichlet([0.5] * CLASSES, size).astype(np.float32)
        return np.eye(CLASSES, dtype=np.float32)[random.randint(0, CLASSES, size)], p.round(1) if coarse else p

    sizes = draw(st.lists(st.lists(st.integers(1, 7), min_size=1, max_size=4), min_size=1, max_size=3))
    return [[batch(size) for size in epoch] for epoch in sizes]


ONE_SAMPLE = [[(np.eye(CLASSES, dtype=np.float32)[[1]], np.array([[0.2, 0.7, 0.1]], np.float32))]]


class Plain:
    """A metric function in plain TensorFlow: update, then value, in runs of their own."""

    def __init__(self, metric_fn):
        self.graph = tf.Graph()
        with self.graph.as_default():
            self.batch = [tf.placeholder(tf.float32, (None, CLASSES)) for _ in range(2)]
            self.value, self.update_op = metric_fn(*self.batch)
            self.reset = tf.local_variables_initializer()
        self.session = tf.Session(graph=self.graph)

    def __call__(self, batch):
        fed = dict(zip(self.batch, batch))
        self.session.run(self.update_op, fed)
        return self.session.run(self.value, fed)  # most values need no batch, some are of its shape


def handing_on(*metrics, **kwargs):
    """A model whose output is its input, so that a test chooses what the metric sees."""
    inputs = keras.layers.Input((CLASSES,))
    model = keras.models.Model(inputs, keras.layers.Activation('linear')(inputs))
    model.compile('sgd', 'mse', metrics=list(metrics), **kwargs)
    return model


@pytest.mark.parametrize('name', sorted(EVERY))
def test_after_every_batch_it_is_what_plain_tensorflow_says(name):
    session.start(threads=1)
    metric = StreamingMetric(EVERY[name], name='metric')
    model, plain = handing_on(metric), Plain(EVERY[name])

    def check(data):
        for batches in data:
            metric.reset_states()
            plain.session.run(plain.reset)
            for t, p in batches:
                found, expected = model.test_on_batch(p, t, **ON)[1], plain((t, p))
                np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
            if name in WHOLE:
                t, p = map(np.concatenate, zip(*batches))
                with np.errstate(all='ignore'):
                    whole = whole_or_none(WHOLE[name], t, p)
                if whole is not None:
                    np.testing.assert_allclose(found, whole, rtol=2e-4, atol=1e-5)

    check(ONE_SAMPLE)
    settings(suppress_health_check=HealthCheck.all())(given(epochs())(check))()


def on_eight_threads():
    """Some of the functions, those that keep arrays among them, side by side in one model."""
    session.start(seed=0, threads=8)
    names = sorted(EVERY)[::6] + ['contrib.streaming_concat', 'contrib.auc_with_confidence_intervals']
    # names of their own: of two metrics of one name Keras 2.3 keeps the last
    metrics = [StreamingMetric(EVERY[name], name='metric%d' % i) for i, name in enumerate(names)]
    model, plains = handing_on(*metrics), [Plain(EVERY[name]) for name in names]
    for plain in plains:
        plain.session.run(plain.reset)
    random = np.random.RandomState(0)
    for size in random.randint(1, 40, 30):
        if size < 10:  # an epoch ends
            for metric, plain in zip(metrics, plains):
                metric.reset_states()
                plain.session.run(plain.reset)
        batch = np.eye(CLASSES)[random.randint(0, CLASSES, size)], random.dirichlet([0.5] * CLASSES, size)
        expected = [plain(batch) for plain in plains]
        np.testing.assert_allclose(model.test_on_batch(*batch[::-1], **ON)[1:], expected, rtol=1e-5, atol=1e-6)


def test_on_eight_threads_too():
    """In a process of its own, since the first session of one decides on its threads."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(tensorflow_with_keras.__file__)))
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([root, os.environ.get('PYTHONPATH', '')]))
    subprocess.run([sys.executable, os.path.abspath(__file__)], env=environment, check=True)


def kappa(y_true, y_pred):
    return tf.contrib.metrics.cohen_kappa(tf.argmax(y_true, 1), tf.argmax(y_pred, 1), CLASSES)


def test_fit_validation_and_evaluation_of_any_size_in_batches_of_any_size():
    """Training and validation sets of 1 to 20 samples in batches of 1 to 25: each epoch's number is that epoch's."""
    session.start(threads=1)
    model, plain = handing_on(StreamingMetric(kappa, name='metric')), Plain(kappa)
    sizes = st.integers(1, 20)

    def of_one_epoch(t, p, batch_size):
        plain.session.run(plain.reset)
        value = [plain((t[i : i + batch_size], p[i : i + batch_size])) for i in range(0, len(t), batch_size)][-1]
        whole = whole_or_none(WHOLE['contrib.cohen_kappa'], t, p)
        assert whole is None or value == pytest.approx(whole, abs=1e-6)
        return value

    @given(sizes, sizes, st.integers(1, 25), st.integers(1, 2), st.integers(0, 2**32 - 1), st.booleans())
    def check(n, n_validation, batch_size, epochs, seed, by_generator):
        random = np.random.RandomState(seed)
        (t, p), (t_val, p_val) = (
            (np.eye(CLASSES)[random.randint(0, CLASSES, k)], random.rand(k, CLASSES)) for k in (n, n_validation)
        )
        if by_generator:
            batches = keras_sequence(p, t, batch_size)
            validation = keras_sequence(p_val, t_val, batch_size)
            fit = model.fit_generator(
                batches, epochs=epochs, verbose=0, workers=0, shuffle=False, validation_data=validation
            )
            evaluated = model.evaluate_generator(validation, workers=0)[1]
        else:
            fit = model.fit(p, t, batch_size, epochs, verbose=0, shuffle=False, validation_data=(p_val, t_val))
            evaluated = model.evaluate(p_val, t_val, batch_size, verbose=0)[1]
        expected = of_one_epoch(t, p, batch_size), of_one_epoch(t_val, p_val, batch_size)
        np.testing.assert_allclose(fit.history['metric'], [expected[0]] * epochs, atol=1e-6)
        np.testing.assert_allclose(fit.history['val_metric'], [expected[1]] * epochs, atol=1e-6)
        assert evaluated == pytest.approx(expected[1], abs=1e-6)

    check()


def keras_sequence(x, y, batch_size):
    class Batches(keras.utils.Sequence):
        def __len__(self):
            return -(-len(x) // batch_size)

        def __getitem__(self, i):
            return x[i * batch_size :][:batch_size], y[i * batch_size :][:batch_size]

    return Batches()


def whole_or_none(reference, t, p):
    """The reference's number, or None where it has none (one class only, no positives, zero variance)."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        try:
            number = reference(t, p)
        except ValueError:
            return None
    return number if np.isfinite(number) else None


if __name__ == '__main__':
    on_eight_threads()
