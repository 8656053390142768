"""StreamingMetric against scikit-learn, NumPy, and plain TensorFlow in a second graph."""

import copy
import functools
import gc
import os
import pickle
import subprocess
import sys
import threading
import time
import weakref
from contextlib import ExitStack

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K
from sklearn import metrics as sk
from sklearn.base import clone

from tensorflow_with_keras import session
from tensorflow_with_keras.recipe import ROOT
from tensorflow_with_keras.streaming import StreamingMetric

CLASSES, BATCH = 3, 32
OBJECTS = hasattr(keras.metrics, 'Metric')  # on Keras 2.3, where a metric is an object, for one output of one model
functions = pytest.mark.skipif(OBJECTS, reason='Keras 2.3: one metric, one model')
ON = {'reset_metrics': False} if OBJECTS else {}  # for train_on_batch and test_on_batch, to go on counting
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
        values.append(model.train_on_batch(X[start : start + 50], Y[start : start + 50], **ON)[1])
    assert values[-1] == pytest.approx(tap.values(reference, 3)[0], rel=1e-6)
    metric.reset_states()
    value = model.test_on_batch(X[:50], Y[:50], **ON)[1]
    assert value == pytest.approx(tap.values(reference, 3, 1)[1], rel=1e-6)


@functions
def test_two_of_the_same_and_one_twice_in_one_model():
    twice = StreamingMetric(hits)
    model = build(StreamingMetric(hits), twice, twice, StreamingMetric(hits, name='other'))
    assert model.metrics_names == ['loss', 'hits', 'hits_1', 'hits_2', 'other']
    expected = numpy_hits(Y_TEST, model.predict(X_TEST))
    for _ in range(2):
        assert model.evaluate(X_TEST, Y_TEST, verbose=0, batch_size=7)[1:] == [expected] * 4


@pytest.mark.parametrize('shared', [False, pytest.param(True, marks=functions)], ids=['two instances', 'one instance'])
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


@functions
def test_the_same_instance_in_two_models():
    tap = Tap(hits)
    metric = StreamingMetric(tap)
    one, two = build(metric), build(metric)
    first = one.fit(X, Y, batch_size=BATCH, epochs=2, verbose=0).history['hits']
    second = two.fit(X, Y, batch_size=BATCH, epochs=1, verbose=0).history['hits']
    third = one.evaluate(X_TEST, Y_TEST, batch_size=BATCH, verbose=0)[1]
    np.testing.assert_array_equal(first + second + [third], tap.values(numpy_hits, 5, 5, 5, 2))


@functions
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


@pytest.mark.skipif(not OBJECTS, reason='before Keras 2.3 one metric may serve many models')
def test_as_an_object_it_is_of_one_output_of_one_model():
    metric = StreamingMetric(hits)
    assert isinstance(metric, keras.metrics.Metric)
    model = build(metric)
    model.compile('sgd', 'mse', metrics=[metric])  # again, as after `trainable` has changed
    assert model.evaluate(X, Y, verbose=0, batch_size=7)[1] == numpy_hits(Y, model.predict(X))
    for use in (lambda: build(metric), lambda: build(StreamingMetric(hits), metric)):
        with pytest.raises(ValueError, match='hits is already a metric of another output or model'):
            use()
    K.clear_session()
    model = build(metric)
    assert model.test_on_batch(X, Y)[1] == model.test_on_batch(X, Y)[1] == numpy_hits(Y, model.predict(X))

    inputs = keras.layers.Input((5,))
    outputs = [keras.layers.Dense(CLASSES, name=name)(inputs) for name in 'ab']
    two = keras.models.Model(inputs, outputs)
    with pytest.raises(AttributeError, match='hits is a StreamingMetric.* name the outputs'):
        two.compile('sgd', 'mse', metrics=[StreamingMetric(hits)])


@pytest.mark.skipif(not OBJECTS, reason='add_metric came with Keras 2.3')
def test_a_tensor_of_it_in_add_metric():
    inputs, labels = keras.layers.Input((5,)), keras.layers.Input((CLASSES,))
    outputs = keras.layers.Dense(CLASSES, activation='softmax')(inputs)
    model = keras.models.Model([inputs, labels], outputs)
    model.add_metric(StreamingMetric(hits)(labels, outputs))
    model.compile('sgd', 'mse')
    for _ in range(2):
        found = dict(zip(model.metrics_names, model.evaluate([X, Y], Y, batch_size=7, verbose=0)))
        assert found['hits'] == numpy_hits(Y, model.predict([X, Y]))


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


# --- at the edges: one batch, other threads, sessions, shapes, dtypes


@both
def test_where_an_epoch_a_validation_and_an_evaluation_are_one_batch_each(metric_fn, reference):
    tap = Tap(metric_fn)
    metric = StreamingMetric(tap, name='m')
    model = build(metric)
    history = model.fit(X, Y, batch_size=150, epochs=2, verbose=0, validation_data=(X_TEST, Y_TEST)).history
    found = list(np.ravel(list(zip(history['m'], history['val_m']))))
    found.append(model.evaluate(X_TEST, Y_TEST, batch_size=50, verbose=0)[1])
    metric.reset_states()
    found.append(model.train_on_batch(X, Y)[1])
    metric.reset_states()
    found.append(model.test_on_batch(X, Y)[1])
    np.testing.assert_allclose(found, tap.values(reference, *[1] * 7), rtol=1e-6)
    assert np.max(np.abs(found)) > 0.01


def test_the_first_batch_of_all_counts():
    model = build(StreamingMetric(kappa))
    expected = sklearn_kappa(Y, model.predict(X))
    assert model.test_on_batch(X, Y)[1] == pytest.approx(expected, rel=1e-6) and abs(expected) > 0.01


def samples(y_true, y_pred):
    return tf.contrib.metrics.count(y_true[:, 0])


def test_in_a_thread_whose_default_graph_is_another():
    model = build(StreamingMetric(samples))
    model.evaluate(X_TEST, Y_TEST, verbose=0)  # Keras builds what it runs in the default graph
    counted = model.fit(X, Y, batch_size=BATCH, verbose=0).history['samples']
    graph, keras_session, refused = tf.get_default_graph(), K.get_session(), []

    def in_another_graph():
        with tf.Graph().as_default(), ExitStack() as stack:
            if OBJECTS:  # Keras 2.3 has a session for each thread
                with pytest.raises(RuntimeError, match='samples cannot be reset here') as refusal:
                    model.evaluate(X_TEST, Y_TEST, verbose=0)
                refused.append(refusal)
                stack.enter_context(graph.as_default())
                stack.enter_context(keras_session.as_default())
            counted.extend(model.fit(X, Y, batch_size=BATCH, epochs=3, verbose=0).history['samples'])
            counted.append(model.evaluate(X_TEST, Y_TEST, verbose=0)[1])

    thread = threading.Thread(target=in_another_graph)
    thread.start()
    thread.join()
    assert counted == [150, 150, 150, 150, 50] and len(refused) == OBJECTS


@pytest.mark.parametrize('resource', [False, True], ids=['reference variables', 'resource variables'])
def test_in_a_session_that_is_set_after_compiling(resource):
    with tf.variable_scope('', use_resource=resource):
        metric = StreamingMetric(samples)
        model = build(metric)
    for _ in range(2):  # each session begins from nothing
        K.set_session(tf.Session())
        K.get_session().run(tf.global_variables_initializer())  # the weights, which Keras believes to be there
        assert [model.train_on_batch(X[:n], Y[:n], **ON)[1] for n in (7, 1, 20)] == [7, 8, 28]
        metric.reset_states()
        assert model.test_on_batch(X[:3], Y[:3])[1] == 3


def test_two_sessions_of_one_graph_each_count_their_own():
    metric = StreamingMetric(samples)
    model = build(metric)
    first, second = tf.Session(), tf.Session()
    for each in (first, second):
        each.run(tf.global_variables_initializer())
    found = []
    for each, n in ((first, 7), (second, 2), (first, 1), (second, 3)):
        with each.as_default():
            found.append(model.test_on_batch(X[:n], Y[:n], **ON)[1])
    assert found == [7, 2, 8, 5]
    with first.as_default():
        metric.reset_states()
    for each, expected in ((first, 4), (second, 9)):
        with each.as_default():
            assert model.test_on_batch(X[:4], Y[:4], **ON)[1] == expected


@pytest.mark.parametrize('floatx', ['float16', 'float64'])
def test_under_another_floatx(floatx):
    K.set_floatx(floatx)
    model = build(StreamingMetric(kappa), StreamingMetric(samples))
    many = np.resize(X, (4001, 5)), np.resize(Y, (4001, CLASSES))  # float16 holds no odd number so large
    found = model.evaluate(*many, batch_size=2000, verbose=0)[1:]
    expected = sklearn_kappa(many[1], model.predict(many[0]))
    assert found[0] == pytest.approx(expected, rel=1e-6) and found[1] == 4001


def test_outputs_of_steps_and_classes():
    def iou(y_true, y_pred):
        return tf.metrics.mean_iou(tf.argmax(y_true, -1), tf.argmax(y_pred, -1), CLASSES)

    inputs = keras.layers.Input((4, 5))
    model = keras.models.Model(inputs, keras.layers.Dense(CLASSES, activation='softmax')(inputs))
    model.compile('sgd', 'categorical_crossentropy', metrics=[StreamingMetric(iou)])
    x, y = random.rand(9, 4, 5), np.eye(CLASSES)[random.randint(0, CLASSES, (9, 4))]
    confusion = sk.confusion_matrix(y.argmax(-1).ravel(), model.predict(x).argmax(-1).ravel(), labels=range(CLASSES))
    hit = np.diag(confusion)
    expected = np.mean(hit / (confusion.sum(0) + confusion.sum(1) - hit))
    for batch_size in (2, 9):
        assert model.evaluate(x, y, batch_size=batch_size, verbose=0)[1] == pytest.approx(expected, rel=1e-6)


def test_a_batch_that_is_wholly_masked_spoils_nothing():
    def error(y_true, y_pred):
        return tf.metrics.mean_absolute_error(y_true, y_pred, weights=tf.cast(tf.not_equal(y_true, -1), tf.float32))

    model = keras.models.Sequential(
        [keras.layers.Masking(input_shape=(4, 2)), keras.layers.LSTM(3, return_sequences=True)]
    )
    with pytest.warns(UserWarning, match='error: the output is masked'):
        model.compile('sgd', 'mse', metrics=[StreamingMetric(error)])
    x, y = random.rand(6, 4, 2), random.rand(6, 4, 3)
    for padding in (np.s_[1, 2:], np.s_[2:4], np.s_[4:]):  # a few steps; the second and the last batch of two
        x[padding], y[padding] = 0, -1
    expected = np.abs(y - model.predict(x))[y != -1].mean()
    assert np.isfinite(expected)
    assert model.evaluate(x, y, batch_size=2, verbose=0)[1] == pytest.approx(expected, rel=1e-6)


# --- functions of one's own


def local(shape=(), collections=(tf.GraphKeys.LOCAL_VARIABLES,), **kwargs):
    return tf.Variable(tf.zeros(shape), trainable=False, collections=list(collections), **kwargs)


def its_update(y_true, y_pred):
    total = local()
    update_op = tf.assign(total, total + tf.reduce_sum(y_true[:, 0]))
    return update_op, update_op


def its_variable(y_true, y_pred):
    total = local()
    return total, tf.assign_add(total, tf.reduce_sum(y_true[:, 0]))


def half_of_its_update(y_true, y_pred):
    update_op = tf.assign_add(local(), 2 * tf.reduce_sum(y_true[:, 0]))
    return update_op / 2, tf.group(update_op)


def an_update_and_a_variable(y_true, y_pred):
    total, batches = local(), local()
    updates = [tf.assign_add(total, tf.reduce_sum(y_true[:, 0])), tf.assign_add(batches, 1)]
    return updates[0] * batches / batches, tf.group(*updates)


def a_condition_that_updates(y_true, y_pred):
    total = local()
    some = tf.reduce_sum(y_true[:, 0])
    update_op = tf.cond(some > 0, lambda: tf.assign_add(total, some), lambda: total.read_value())
    return update_op, update_op


def a_condition_of_the_variable(y_true, y_pred):
    total = local()
    update_op = tf.assign_add(total, tf.reduce_sum(y_true[:, 0]))
    return tf.cond(total > 0, lambda: total + 0, lambda: tf.constant(0.0)), update_op


def a_map(y_true, y_pred):
    total = local((CLASSES,))
    return tf.map_fn(lambda x: 2 * x, total)[0] / 2, tf.assign_add(total, tf.reduce_sum(y_true, 0))


def a_loop_as_long_as_the_count(y_true, y_pred):
    total = local()
    update_op = tf.assign_add(total, tf.reduce_sum(y_true[:, 0]))
    _, rounds = tf.while_loop(lambda i, n: i < total, lambda i, n: (i + 1, n + 1), [0.0, 0.0])
    return rounds, update_op


def a_loop_in_a_loop(y_true, y_pred):
    total = local((2, CLASSES))
    update_op = tf.assign_add(total, tf.stack([tf.reduce_sum(y_true, 0)] * 2))
    sums = tf.map_fn(lambda row: tf.scan(lambda a, x: a + x, row)[0], total)
    return sums[1], update_op


def a_loop_over_the_batch_too(y_true, y_pred):
    total = local()
    update_op = tf.assign_add(total, tf.reduce_sum(tf.map_fn(lambda row: row[0], y_true)))
    zeros = tf.reduce_sum(tf.map_fn(lambda row: 0 * row[0] * total, y_true))
    return total + zeros, update_op


def read_after_its_update(y_true, y_pred):
    total = local()
    update_op = tf.assign_add(total, tf.reduce_sum(y_true[:, 0]))
    with tf.control_dependencies([update_op]):
        return total.read_value(), tf.identity(update_op)


def from_two_metrics(y_true, y_pred):
    mean, update_mean = tf.metrics.mean(y_true[:, 0])
    rows, update_rows = tf.contrib.metrics.count(y_true[:, 0])
    K.get_session().run(tf.local_variables_initializer())  # as published code has it; harmless
    with tf.control_dependencies([update_mean, update_rows]):
        return tf.round(mean * rows), tf.group(update_mean, update_rows)


def from_its_update(y_true, y_pred):
    _, update_op = tf.metrics.true_positives(y_true[:, 0] > 0.5, tf.ones_like(y_true[:, 0], tf.bool))
    return 1 - (1 - update_op), update_op


def scattered(y_true, y_pred):
    counts = local((CLASSES,))
    return counts[0], tf.scatter_add(counts, tf.argmax(y_true, 1), tf.ones_like(y_true[:, 0]))


def with_get_variable(y_true, y_pred):
    total = tf.get_local_variable('total', (), initializer=tf.zeros_initializer())
    return total / 2, tf.assign_add(total, 2 * tf.reduce_sum(y_true[:, 0]))


def with_a_resource(y_true, y_pred):
    total = tf.get_local_variable('total', (), initializer=tf.zeros_initializer(), use_resource=True)
    return total * 1, total.assign_add(tf.reduce_sum(y_true[:, 0]))


def with_kerass_variable(y_true, y_pred):
    total = K.variable(0.0)
    return total * 1, K.update_add(total, K.sum(y_true[:, 0]))


def from_an_initial_value(y_true, y_pred):
    one = local()
    other = tf.Variable(one.initialized_value(), trainable=False, collections=[tf.GraphKeys.LOCAL_VARIABLES])
    some = tf.reduce_sum(y_true[:, 0])
    return (one + other) / 2, tf.group(tf.assign_add(one, some), tf.assign_add(other, some))


def an_array_set_aside_and_replaced(y_true, y_pred):
    """As streaming_concat: what was there is read, late, beside an assignment of another shape."""
    array = tf.Variable(
        tf.zeros((0,)), trainable=False, collections=[tf.GraphKeys.LOCAL_VARIABLES], validate_shape=False
    )
    with tf.control_dependencies([tf.py_func(lambda: time.sleep(0.02), [], [])]):
        old = array.read_value()
    replaced = tf.assign(array, tf.zeros((1000,)), validate_shape=False)
    with tf.control_dependencies([replaced]):
        update_op = tf.assign(array, tf.concat([old, y_true[:, 0]], 0), validate_shape=False)
    return tf.reduce_sum(array), update_op


OWN = [
    its_update,
    its_variable,
    half_of_its_update,
    an_update_and_a_variable,
    a_condition_that_updates,
    a_condition_of_the_variable,
    a_map,
    a_loop_as_long_as_the_count,
    a_loop_in_a_loop,
    a_loop_over_the_batch_too,
    read_after_its_update,
    from_two_metrics,
    from_its_update,
    scattered,
    with_get_variable,
    with_a_resource,
    with_kerass_variable,
    from_an_initial_value,
    an_array_set_aside_and_replaced,
]


@pytest.mark.parametrize('metric_fn', OWN, ids=lambda f: f.__name__)
def test_a_function_of_ones_own_that_counts_a_class(metric_fn):
    metric = StreamingMetric(metric_fn)
    model = build(metric)
    for sizes in ([30], [1, 1, 7], [5, 40]):
        metric.reset_states()
        ends = np.cumsum(sizes)
        for end, size in zip(ends, sizes):
            found = model.test_on_batch(X[end - size : end], Y[end - size : end], **ON)[1]
            assert found == Y[:end, 0].sum()


def test_a_function_that_asks_another_model_whose_updates_are_not_its_own():
    """Batch normalisation makes operations that would update its averages. Nobody runs them here."""
    stack = [keras.layers.Dense(4, input_shape=(CLASSES,)), keras.layers.BatchNormalization()]
    features = keras.models.Sequential(stack)
    features.compile('sgd', 'mse')
    features.fit(Y, np.repeat(LABELS[:, None], 4, 1), verbose=0)

    def distance(y_true, y_pred):
        labels = tf.reshape(y_true, (-1, CLASSES))  # Keras does not know the shape of labels
        return tf.metrics.mean(tf.abs(features(labels) - features(y_pred)))

    model = build(StreamingMetric(distance))
    before = features.get_weights()
    expected = np.abs(features.predict(Y) - features.predict(model.predict(X))).mean()
    assert model.evaluate(X, Y, batch_size=BATCH, verbose=0)[1] == pytest.approx(expected, rel=1e-4)
    assert all(np.array_equal(a, b) for a, b in zip(before, features.get_weights()))


def test_a_function_is_called_once_and_leaves_no_second_update_in_a_collection():
    calls = []

    def auc(y_true, y_pred):
        calls.append(1)
        return tf.metrics.auc(y_true, y_pred, updates_collections=['updates'], metrics_collections=['values'])

    model = build(StreamingMetric(auc))
    assert len(calls) == len(tf.get_collection('updates')) == len(tf.get_collection('values')) == 1
    assert np.isfinite(model.evaluate(X, Y, verbose=0)[1])


# --- copies


def clone_by_scikit_learn(metric):
    return clone(metric, safe=False)


@pytest.mark.parametrize('copied', [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy, clone_by_scikit_learn])
def test_a_copy_is_another_metric_of_the_same_function(copied):
    metric = StreamingMetric(tf.metrics.auc, name='pr_auc', curve='PR', num_thresholds=17)
    model = build(metric)  # what it has built does not go along
    twin = copied(metric)
    assert twin is not metric and twin.name == 'pr_auc' and not twin.sparse_labels
    other = build(twin)
    other.set_weights(model.get_weights())
    found = other.evaluate(X, Y, batch_size=7, verbose=0)[1]
    assert found == model.evaluate(X, Y, batch_size=7, verbose=0)[1]
    twin.reset_states()
    assert metric is not twin and copied(StreamingMetric(kappa, sparse_labels=True)).sparse_labels


def test_a_model_with_one_is_pickled():
    model = build(StreamingMetric(kappa))
    with keras.utils.CustomObjectScope({'kappa': StreamingMetric(kappa)}):
        twin = pickle.loads(pickle.dumps(model))
    found = twin.evaluate(X, Y, verbose=0)[1]
    assert found == pytest.approx(sklearn_kappa(Y, model.predict(X)), rel=1e-6)


def test_in_a_grid_search_of_several_processes(tmp_path):
    """A script, as people have it: what it defines is pickled by value for the other processes."""
    script = tmp_path / 'search.py'
    script.write_text(
        """
import keras, numpy as np, tensorflow as tf
from keras.wrappers.scikit_learn import KerasClassifier
from sklearn.model_selection import GridSearchCV
from tensorflow_with_keras.streaming import StreamingMetric

def samples(y_true, y_pred):
    return tf.contrib.metrics.count(y_true[:, 0])

METRIC = StreamingMetric(samples)

def build(units=2, metric=METRIC):
    model = keras.models.Sequential([keras.layers.Dense(3, activation='softmax', input_shape=(5,))])
    model.compile('sgd', 'categorical_crossentropy', metrics=['accuracy', metric, METRIC])
    return model

if __name__ == '__main__':
    random = np.random.RandomState(0)
    search = GridSearchCV(KerasClassifier(build, verbose=0), {'units': [2]}, n_jobs=2, cv=2, refit=True)
    search.fit(random.rand(40, 5), np.arange(40) % 3)
    print(len(search.cv_results_['params']), search.best_estimator_.model.history.history['samples'])
"""
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join([ROOT, os.environ.get('PYTHONPATH', '')])),
        cwd=str(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == '1 [40.0]\n'


# --- what cannot work


def as_the_web_has_it(streaming):
    """A wrapper much copied since 2018: it returns the value alone."""

    def metric(y_true, y_pred):
        value, update_op = streaming(y_true, y_pred)
        K.get_session().run(tf.local_variables_initializer())
        with tf.control_dependencies([update_op]):
            return tf.identity(value)

    return metric


@pytest.mark.parametrize(
    'metric_fn, sentence',
    [
        (
            lambda t, p: tf.contrib.metrics.accuracy(tf.argmax(p, 1), tf.argmax(t, 1)),
            'A function that keeps no state goes to metrics itself',
        ),
        (as_the_web_has_it(tf.metrics.auc), r'Let it return both: the value, and update_op'),
        (
            lambda t, p: tf.metrics.precision_at_thresholds(t, p, [0.2, 0.4]),
            r'shape \(2,\), and a Keras metric is one number',
        ),
        (
            lambda t, p: (tf.py_func(np.mean, [p], tf.float32), tf.no_op()),
            'shape <unknown>, and a Keras metric is one number',
        ),
    ],
    ids=['one tensor', 'one tensor of variables', 'vector', 'unknown shape'],
)
def test_refused_at_compile(metric_fn, sentence):
    with pytest.raises(ValueError, match=sentence):
        build(StreamingMetric(metric_fn, name='m'))


def a_variable_of_another(y_true, y_pred):
    total = tf.get_collection('of another')[0]
    return total + 0, tf.assign_add(total, 1)


def no_state(y_true, y_pred):
    mean = tf.reduce_mean(y_pred)
    return mean, mean


def nothing_at_all(y_true, y_pred):
    constant = tf.get_collection('a constant')[0]
    return constant, constant


def state_that_nothing_can_reset(y_true, y_pred):
    total = local(collections=())
    return total, tf.assign_add(total, 1)


def a_value_from_a_condition_that_updates(y_true, y_pred):
    total, batches = local(), local()
    updated = tf.cond(tf.reduce_sum(y_true) > 0, lambda: tf.assign_add(total, 1), lambda: total.read_value())
    return updated / batches, tf.assign_add(batches, 1)


@pytest.mark.parametrize(
    'metric_fn, sentence',
    [
        (a_variable_of_another, 'updates the variable theirs, which it did not make itself'),
        (no_state, 'updates no variable of TensorFlow'),
        (nothing_at_all, 'updates no variable of TensorFlow'),
        (state_that_nothing_can_reset, 'is in no collection'),
        (a_value_from_a_condition_that_updates, 'computed from an update inside tf.cond'),
    ],
)
def test_refused_at_compile_since_it_could_not_be_right(metric_fn, sentence):
    tf.add_to_collection('a constant', tf.constant(1.0))
    tf.add_to_collection('of another', tf.Variable(0.0, name='theirs'))
    with pytest.raises(ValueError, match='^%s .*%s' % (metric_fn.__name__, sentence)):
        build(StreamingMetric(metric_fn))


@functions
def test_one_that_shares_its_variables_between_models_is_still_its_own():
    def shared(y_true, y_pred):
        with tf.variable_scope('shared', reuse=tf.AUTO_REUSE):
            return its_variable_by_name(y_true)

    def its_variable_by_name(y_true):
        total = tf.get_variable('total', (), initializer=tf.zeros_initializer(), trainable=False)
        return total + 0, tf.assign_add(total, tf.reduce_sum(y_true[:, 0]))

    metric = StreamingMetric(shared)
    one, two = build(metric), build(metric)
    for _ in range(2):
        assert one.evaluate(X, Y, verbose=0)[1] == two.evaluate(X, Y, verbose=0)[1] == Y[:, 0].sum()
        K.set_session(tf.Session())
        K.get_session().run(tf.variables_initializer(tf.trainable_variables()))
        assert two.test_on_batch(X, Y)[1] == Y[:, 0].sum()
    with pytest.raises(ValueError, match='did not make itself'):
        build(StreamingMetric(shared))


def test_labels_of_another_shape_are_refused_with_the_cure_and_taken_when_asked():
    inputs = keras.layers.Input((5,))
    model = keras.models.Model(inputs, keras.layers.Dense(CLASSES, activation='softmax')(inputs))

    def compile_with(metric, **kwargs):
        model.compile('sgd', 'sparse_categorical_crossentropy', metrics=[metric], **kwargs)

    compile_with(StreamingMetric(kappa))
    with pytest.raises(tf.errors.InvalidArgumentError, match='kappa: the labels y_true.*sparse_labels=True'):
        model.fit(X, LABELS, verbose=0)

    def kappa_of_numbers(y_true, y_pred):
        return tf.contrib.metrics.cohen_kappa(y_true[:, 0], tf.argmax(y_pred, 1), CLASSES)

    compile_with(StreamingMetric(kappa_of_numbers, sparse_labels=True))
    expected = sklearn_kappa(Y, model.predict(X))
    assert model.evaluate(X, LABELS, batch_size=BATCH, verbose=0)[1] == pytest.approx(expected, rel=1e-6)
    assert abs(expected) > 0.01
    with pytest.raises(ValueError, match='kappa: the labels y_true.*sparse_labels=True'):  # known when compiling
        compile_with(StreamingMetric(kappa), target_tensors=[tf.placeholder(tf.float32, (None, 1))])


def test_refused_in_a_model_of_tf_keras():
    inputs = tf.keras.layers.Input((5,))
    model = tf.keras.models.Model(inputs, tf.keras.layers.Dense(CLASSES, activation='softmax')(inputs))
    with pytest.raises(ValueError, match='^kappa is a StreamingMetric, which is for models of Keras'):
        model.compile('sgd', 'categorical_crossentropy', metrics=[StreamingMetric(kappa)])


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
