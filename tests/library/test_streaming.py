"""StreamingMetric against scikit-learn, NumPy, and plain TensorFlow in a second graph."""

import functools
import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K
from sklearn import metrics as sk

from tensorflow_with_keras import session
from tensorflow_with_keras.streaming import StreamingMetric

CLASSES, BATCH = 3, 32
random = np.random.RandomState(1)
X = random.rand(200, 5).astype(np.float32)
LABELS = np.argmax(X @ random.randn(5, CLASSES) + 0.3 * random.randn(200, CLASSES), 1)
Y = np.eye(CLASSES, dtype=np.float32)[LABELS]
X_TEST, Y_TEST, LABELS_TEST = X[150:], Y[150:], LABELS[150:]
X, Y, LABELS = X[:150], Y[:150], LABELS[:150]


def kappa(y_true, y_pred):
    return tf.contrib.metrics.cohen_kappa(tf.argmax(y_true, 1), tf.argmax(y_pred, 1), CLASSES)


def sklearn_kappa(y_true, y_pred):
    return sk.cohen_kappa_score(y_true.argmax(1), y_pred.argmax(1))


def hits(y_true, y_pred):
    """A count, which shows at once when anything is carried over or averaged."""
    return tf.metrics.true_positives(y_true, y_pred > 0.4)


def numpy_hits(y_true, y_pred):
    return np.sum((y_true == 1) & (y_pred > 0.4))


BOTH = [(kappa, sklearn_kappa), (hits, numpy_hits)]
both = pytest.mark.parametrize('metric_fn, reference', BOTH, ids=['kappa', 'hits'])


class Tap:
    """Hands on to a metric function, and keeps what every batch held."""

    def __init__(self, metric_fn):
        self.metric_fn, self.batches = metric_fn, []
        self.__name__ = metric_fn.__name__

    def __call__(self, y_true, y_pred):
        record = tf.py_func(lambda *batch: self.batches.append(batch), [y_true, y_pred], [])
        with tf.control_dependencies([record]):
            return self.metric_fn(tf.identity(y_true), tf.identity(y_pred))

    def values(self, reference, *counts):
        """The reference over so many batches, the next so many, …"""
        assert sum(counts) == len(self.batches)
        ends = np.cumsum(counts)
        return [reference(*map(np.concatenate, zip(*self.batches[e - n : e]))) for n, e in zip(counts, ends)]


def build(*metrics, **kwargs):
    inputs = keras.layers.Input((5,))
    model = keras.models.Model(inputs, keras.layers.Dense(CLASSES, activation='softmax', **kwargs)(inputs))
    model.compile(keras.optimizers.SGD(0.5), 'categorical_crossentropy', metrics=list(metrics))
    return model


def batches(x, y):
    while True:
        for i in range(0, len(x), BATCH):
            yield x[i : i + BATCH], y[i : i + BATCH]


@both
def test_fit_and_its_validation_each_start_from_nothing(metric_fn, reference):
    tap = Tap(metric_fn)
    history = (
        build(StreamingMetric(tap, name='m'))
        .fit(X, Y, batch_size=BATCH, epochs=3, verbose=0, validation_data=(X_TEST, Y_TEST))
        .history
    )
    found = np.ravel(list(zip(history['m'], history['val_m'])))
    np.testing.assert_allclose(found, tap.values(reference, *[5, 2] * 3), rtol=1e-6)


@both
def test_fit_generator(metric_fn, reference):
    tap = Tap(metric_fn)
    history = (
        build(StreamingMetric(tap, name='m'))
        .fit_generator(
            batches(X, Y),
            steps_per_epoch=5,
            epochs=2,
            verbose=0,
            workers=0,
            validation_data=batches(X_TEST, Y_TEST),
            validation_steps=2,
        )
        .history
    )
    found = np.ravel(list(zip(history['m'], history['val_m'])))
    np.testing.assert_allclose(found, tap.values(reference, *[5, 2] * 2), rtol=1e-6)


@both
def test_evaluate_and_evaluate_generator(metric_fn, reference):
    model = build(StreamingMetric(metric_fn))
    expected = reference(Y_TEST, model.predict(X_TEST))
    for _ in range(2):
        assert model.evaluate(X_TEST, Y_TEST, batch_size=BATCH, verbose=0)[1] == pytest.approx(expected, rel=1e-6)
        assert model.evaluate_generator(batches(X_TEST, Y_TEST), steps=2, workers=0)[1] == pytest.approx(
            expected, rel=1e-6
        )


@both
def test_train_on_batch_runs_on_until_reset(metric_fn, reference):
    tap = Tap(metric_fn)
    metric = StreamingMetric(tap)
    model = build(metric)
    values = []
    for start in (0, 50, 100):
        values.append(model.train_on_batch(X[start : start + 50], Y[start : start + 50])[1])
    assert values[-1] == pytest.approx(tap.values(reference, 3)[0], rel=1e-6)
    metric.reset_states()
    value = model.test_on_batch(X[:50], Y[:50])[1]
    assert value == pytest.approx(tap.values(reference, 3, 1)[1], rel=1e-6)


def test_two_of_the_same_and_one_twice_in_one_model():
    twice = StreamingMetric(hits)
    model = build(StreamingMetric(hits), twice, twice, StreamingMetric(hits, name='other'))
    assert model.metrics_names == ['loss', 'hits', 'hits_1', 'hits_2', 'other']
    expected = numpy_hits(Y_TEST, model.predict(X_TEST))
    for _ in range(2):
        assert model.evaluate(X_TEST, Y_TEST, verbose=0, batch_size=7)[1:] == [expected] * 4


@pytest.mark.parametrize('shared', [False, True], ids=['two instances', 'one instance'])
def test_one_on_each_output(shared):
    inputs = keras.layers.Input((5,))
    outputs = [keras.layers.Dense(CLASSES, activation='softmax', name=name)(inputs) for name in 'ab']
    model = keras.models.Model(inputs, outputs)
    metric = StreamingMetric(hits)
    model.compile(
        'sgd', 'categorical_crossentropy', metrics={'a': [metric], 'b': [metric if shared else StreamingMetric(hits)]}
    )
    turned = np.roll(Y, 1, 1)
    found = dict(zip(model.metrics_names, model.evaluate(X, [Y, turned], verbose=0)))
    a, b = model.predict(X)
    assert (found['a_hits'], found['b_hits']) == (numpy_hits(Y, a), numpy_hits(turned, b))
    assert found['a_hits'] != found['b_hits']


def test_the_same_instance_in_two_models():
    tap = Tap(hits)
    metric = StreamingMetric(tap)
    one, two = build(metric), build(metric)
    first = one.fit(X, Y, batch_size=BATCH, epochs=2, verbose=0).history['hits']
    second = two.fit(X, Y, batch_size=BATCH, epochs=1, verbose=0).history['hits']
    third = one.evaluate(X_TEST, Y_TEST, batch_size=BATCH, verbose=0)[1]
    np.testing.assert_array_equal(first + second + [third], tap.values(numpy_hits, 5, 5, 5, 2))


def test_two_models_in_turn_keep_their_own_counts():
    metric = StreamingMetric(hits)
    one, two = build(metric), build(metric)
    expected = [numpy_hits(Y, one.predict(X)), numpy_hits(Y_TEST, two.predict(X_TEST))]
    for i in range(0, 150, 50):
        a = one.test_on_batch(X[i : i + 50], Y[i : i + 50])[1]
        b = two.test_on_batch(
            X_TEST[i // 3 :][: 50 // 3 + (i == 100) * 2], Y_TEST[i // 3 :][: 50 // 3 + (i == 100) * 2]
        )[1]
    assert [a, b] == expected


def test_two_graphs_with_two_sessions():
    metric = StreamingMetric(hits)
    results = []
    for _ in range(2):
        with tf.Graph().as_default(), tf.Session().as_default():
            model = build(metric)
            results.append((model.evaluate(X, Y, verbose=0)[1], numpy_hits(Y, model.predict(X))))
    assert all(found == expected for found, expected in results)


def test_after_clear_session_and_without_holding_the_old_graph():
    metric = StreamingMetric(hits)
    build(metric).evaluate(X, Y, verbose=0)
    old = weakref.ref(tf.get_default_graph())
    K.clear_session()
    gc.collect()
    assert old() is None
    model = build(metric)
    for _ in range(2):
        assert model.evaluate(X, Y, verbose=0)[1] == numpy_hits(Y, model.predict(X))


def test_saved_and_loaded(tmp_path):
    path = str(tmp_path / 'model.h5')
    build(StreamingMetric(kappa)).save(path)
    K.clear_session()
    model = keras.models.load_model(path, custom_objects={'kappa': StreamingMetric(kappa)})
    assert model.metrics_names == ['loss', 'kappa']
    found = model.evaluate(X_TEST, Y_TEST, batch_size=BATCH, verbose=0)[1]
    assert found == pytest.approx(sklearn_kappa(Y_TEST, model.predict(X_TEST)), rel=1e-6)


def test_no_other_variable_is_initialised_or_reset():
    keras_session = K.get_session()
    other_local = tf.Variable(5.0, collections=[tf.GraphKeys.LOCAL_VARIABLES])
    unborn_local = tf.Variable(6.0, collections=[tf.GraphKeys.LOCAL_VARIABLES])
    unborn_global = tf.Variable(7.0)
    keras_session.run([other_local.initializer])
    keras_session.run(other_local.assign(8.0))
    metric = StreamingMetric(hits)
    build(metric)
    metric.reset_states()
    assert not any(keras_session.run([tf.is_variable_initialized(v) for v in (unborn_local, unborn_global)]))
    assert keras_session.run(other_local) == 8.0


def test_compiling_leaves_the_weights_to_a_session_that_is_set_later():
    K.clear_session()
    model = build(StreamingMetric(hits))
    with tf.Session() as mine:
        K.set_session(mine)
        assert model.evaluate(X, Y, verbose=0)[1] == numpy_hits(Y, model.predict(X))


def test_a_user_needs_no_initialiser_and_may_call_one():
    model = build(StreamingMetric(hits))
    expected = numpy_hits(Y, model.predict(X))
    K.get_session().run(tf.local_variables_initializer())
    assert model.evaluate(X, Y, verbose=0)[1] == expected


def test_under_resource_variables():
    with tf.variable_scope('', use_resource=True):
        model = build(StreamingMetric(kappa))
    assert model.evaluate(X, Y, verbose=0)[1] == pytest.approx(sklearn_kappa(Y, model.predict(X)), rel=1e-6)


def test_sample_weights_leave_it_alone():
    model = build(StreamingMetric(hits))
    weights = np.linspace(0, 3, len(X))
    assert model.evaluate(X, Y, sample_weight=weights, verbose=0)[1] == numpy_hits(Y, model.predict(X))


@pytest.mark.parametrize(
    'metric',
    [
        functools.partial(StreamingMetric, functools.partial(tf.metrics.auc, num_thresholds=17, curve='PR')),
        functools.partial(StreamingMetric, tf.metrics.auc, num_thresholds=17, curve='PR'),
    ],
    ids=['functools.partial', 'keyword arguments'],
)
def test_arguments_reach_the_function(metric):
    model = build(metric())
    assert model.metrics_names[1] == 'auc'
    found = model.evaluate(X, Y, batch_size=BATCH, verbose=0)[1]
    expected = plain_tensorflow(lambda t, p: tf.metrics.auc(t, p, num_thresholds=17, curve='PR'), Y, model.predict(X))
    assert found == pytest.approx(expected, rel=1e-6)
    assert found != pytest.approx(plain_tensorflow(tf.metrics.auc, Y, model.predict(X)), rel=1e-6)


# --- every function of tf.metrics and of tf.contrib.metrics that gives one number


def classes(metric_fn, *args):
    return lambda t, p: metric_fn(tf.argmax(t, 1), tf.argmax(p, 1), *args)


def decided(metric_fn):
    return lambda t, p: metric_fn(t > 0.5, p > 0.4)


def first(metric_fn, *args):
    def metric(t, p):
        value, update_op = metric_fn(t, p, *args)
        return value[0], update_op

    return metric


EVERY = {
    'accuracy': classes(tf.metrics.accuracy),
    'auc': tf.metrics.auc,
    'average_precision_at_k': lambda t, p: tf.metrics.average_precision_at_k(tf.argmax(t, 1), p, 2),
    'false_negatives': decided(tf.metrics.false_negatives),
    'false_negatives_at_thresholds': first(tf.metrics.false_negatives_at_thresholds, [0.4]),
    'false_positives': decided(tf.metrics.false_positives),
    'false_positives_at_thresholds': first(tf.metrics.false_positives_at_thresholds, [0.4]),
    'mean': lambda t, p: tf.metrics.mean(p * t),
    'mean_absolute_error': tf.metrics.mean_absolute_error,
    'mean_cosine_distance': lambda t, p: tf.metrics.mean_cosine_distance(
        tf.nn.l2_normalize(t, 1), tf.nn.l2_normalize(p, 1), 1
    ),
    'mean_iou': classes(tf.metrics.mean_iou, CLASSES),
    'mean_per_class_accuracy': classes(tf.metrics.mean_per_class_accuracy, CLASSES),
    'mean_relative_error': lambda t, p: tf.metrics.mean_relative_error(t, p, 1 + p),
    'mean_squared_error': tf.metrics.mean_squared_error,
    'mean_tensor': lambda t, p: [
        x if i else x[0] for i, x in enumerate(tf.metrics.mean_tensor(tf.reduce_mean(p * t, 0)))
    ],
    'percentage_below': lambda t, p: tf.metrics.percentage_below(p, 0.3),
    'precision': decided(tf.metrics.precision),
    'precision_at_k': lambda t, p: tf.metrics.precision_at_k(tf.argmax(t, 1), p, 2),
    'precision_at_thresholds': first(tf.metrics.precision_at_thresholds, [0.4]),
    'precision_at_top_k': lambda t, p: tf.metrics.precision_at_top_k(
        tf.argmax(t, 1)[:, None], tf.cast(tf.nn.top_k(p, 1)[1], tf.int64)
    ),
    'recall': decided(tf.metrics.recall),
    'recall_at_k': lambda t, p: tf.metrics.recall_at_k(tf.argmax(t, 1), p, 1),
    'recall_at_thresholds': first(tf.metrics.recall_at_thresholds, [0.4]),
    'recall_at_top_k': lambda t, p: tf.metrics.recall_at_top_k(
        tf.argmax(t, 1)[:, None], tf.cast(tf.nn.top_k(p, 1)[1], tf.int64)
    ),
    'root_mean_squared_error': tf.metrics.root_mean_squared_error,
    'sensitivity_at_specificity': lambda t, p: tf.metrics.sensitivity_at_specificity(t, p, 0.8),
    'specificity_at_sensitivity': lambda t, p: tf.metrics.specificity_at_sensitivity(t, p, 0.8),
    'true_negatives': decided(tf.metrics.true_negatives),
    'true_negatives_at_thresholds': first(tf.metrics.true_negatives_at_thresholds, [0.4]),
    'true_positives': decided(tf.metrics.true_positives),
    'true_positives_at_thresholds': first(tf.metrics.true_positives_at_thresholds, [0.4]),
    'contrib.cohen_kappa': kappa,
    'contrib.count': lambda t, p: tf.contrib.metrics.count(p),
    'contrib.precision_at_recall': lambda t, p: tf.contrib.metrics.precision_at_recall(t, p, 0.8),
    'contrib.recall_at_precision': lambda t, p: tf.contrib.metrics.recall_at_precision(t, p, 0.6),
    'contrib.streaming_concat': lambda t, p: [
        x if i else tf.reduce_max(x) for i, x in enumerate(tf.contrib.metrics.streaming_concat(p))
    ],
    'contrib.streaming_covariance': tf.contrib.metrics.streaming_covariance,
    'contrib.streaming_dynamic_auc': lambda t, p: tf.contrib.metrics.streaming_dynamic_auc(
        tf.reshape(t, [-1]), tf.reshape(p, [-1])
    ),
    'contrib.streaming_false_negative_rate': lambda t, p: tf.contrib.metrics.streaming_false_negative_rate(
        p > 0.4, t > 0.5
    ),
    'contrib.streaming_false_positive_rate': lambda t, p: tf.contrib.metrics.streaming_false_positive_rate(
        p > 0.4, t > 0.5
    ),
    'contrib.streaming_pearson_correlation': tf.contrib.metrics.streaming_pearson_correlation,
    'contrib.streaming_recall_at_k': lambda t, p: tf.contrib.metrics.streaming_recall_at_k(p, tf.argmax(t, 1), 1),
    'contrib.streaming_sparse_average_precision_at_k': lambda t, p: (
        tf.contrib.metrics.streaming_sparse_average_precision_at_k(p, tf.argmax(t, 1), 2)
    ),
}


def plain_tensorflow(metric_fn, y_true, y_pred):
    """The value after all batches, in a graph and a session that know nothing of Keras."""
    with tf.Graph().as_default(), tf.Session() as s:
        t, p = tf.placeholder(tf.float32, (None, CLASSES)), tf.placeholder(tf.float32, (None, CLASSES))
        value, update_op = metric_fn(t, p)
        s.run(tf.local_variables_initializer())
        for i in range(0, len(y_true), BATCH):
            batch = {t: y_true[i : i + BATCH], p: y_pred[i : i + BATCH]}
            s.run(update_op, batch)
        return s.run(value, batch)  # most values need no batch any more


def test_the_table_has_every_function_of_tf_metrics():
    assert set(EVERY) >= {name for name in dir(tf.metrics) if name[0] != '_'} - {
        'sparse_average_precision_at_k',
        'sparse_precision_at_k',
    }


@pytest.mark.parametrize('name', sorted(EVERY))
def test_every_function_gives_what_plain_tensorflow_gives(name):
    model = build(StreamingMetric(EVERY[name], name='m'), kernel_initializer=keras.initializers.RandomNormal(seed=1))
    expected = plain_tensorflow(EVERY[name], Y_TEST, model.predict(X_TEST))
    for _ in range(2):  # the second time shows that the first left nothing
        assert model.evaluate(X_TEST, Y_TEST, batch_size=BATCH, verbose=0)[1] == pytest.approx(
            expected, rel=1e-5, abs=1e-7
        )
    assert np.isfinite(expected)


# --- what cannot work


@pytest.mark.parametrize(
    'metric_fn, sentence',
    [
        (
            lambda t, p: tf.contrib.metrics.accuracy(tf.argmax(p, 1), tf.argmax(t, 1)),
            'returns one tensor keeps no state',
        ),
        (
            lambda t, p: tf.metrics.precision_at_thresholds(t, p, [0.2, 0.4]),
            r'shape \(2,\), and a Keras metric is one number',
        ),
        (
            lambda t, p: (tf.py_func(np.mean, [p], tf.float32), tf.no_op()),
            'shape <unknown>, and a Keras metric is one number',
        ),
    ],
    ids=['one tensor', 'vector', 'unknown shape'],
)
def test_refused_at_compile(metric_fn, sentence):
    with pytest.raises(ValueError, match=sentence):
        build(StreamingMetric(metric_fn, name='m'))


def test_refused_as_weighted_metric():
    model = build()
    with pytest.raises(ValueError, match='kappa is a StreamingMetric and cannot be in weighted_metrics'):
        model.compile('sgd', 'categorical_crossentropy', weighted_metrics=[StreamingMetric(kappa)])
    with pytest.raises(ValueError, match='weighted_metrics'):
        model.compile(
            'sgd',
            'categorical_crossentropy',
            metrics=[StreamingMetric(kappa)],
            weighted_metrics=[StreamingMetric(kappa)],
        )
    model.compile('sgd', 'categorical_crossentropy', metrics=[StreamingMetric(kappa, name='weighted_kappa')])


def test_refused_at_construction():
    with pytest.raises(TypeError, match='wants a function'):
        StreamingMetric('auc')
    with pytest.raises(ValueError, match='pass name='):
        StreamingMetric(lambda t, p: None)
    with pytest.raises(ValueError, match='pass name='):
        StreamingMetric(kappa, name='my kappa')


def test_a_masked_output_is_warned_of():
    model = keras.models.Sequential(
        [keras.layers.Masking(input_shape=(4, 2)), keras.layers.LSTM(3, return_sequences=True)]
    )
    with pytest.warns(UserWarning, match='masked'):
        model.compile('sgd', 'mse', metrics=[StreamingMetric(tf.metrics.mean_absolute_error)])


def test_the_pitfall_is_one():
    """The same function without StreamingMetric, as on the web: an error, and once initialised wrong numbers."""

    def update_only(y_true, y_pred):
        return hits(y_true, y_pred)[1]

    model = build(update_only)
    with pytest.raises(tf.errors.FailedPreconditionError):
        model.evaluate(X, Y, verbose=0)
    session.initialize_uninitialized()
    expected = numpy_hits(Y, model.predict(X))
    first, second = (model.evaluate(X, Y, verbose=0)[1] for _ in range(2))
    assert expected > 10 and first < expected < second
