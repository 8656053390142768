"""symptoms.json and `explain`: every row that this stack can show is shown by it, and its cure cures it."""

import contextlib
import io
import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import threading
import traceback

import h5py
import hypothesis
import keras
import numpy as np
import pytest
import symptoms_seen
import tensorflow as tf
from hypothesis import strategies as st
from keras import backend as K
from keras.engine.saving import preprocess_weights_for_loading
from keras.layers import GRU, LSTM, Add, Conv2D, CuDNNLSTM, Dense, Embedding, Flatten, Input, Lambda
from keras.models import Model, Sequential, clone_model, load_model, model_from_json

from tensorflow_with_keras import explain, recipe
from tensorflow_with_keras.streaming import StreamingMetric

FILES = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'model_files')
PREDICTIONS = np.load(os.path.join(FILES, 'predictions.npz'))  # what the writers of the files answered
ROWS = explain.load()
BY_ID = {row['id']: row for row in ROWS}
X, LABELS = np.random.RandomState(0).rand(6, 4).astype('float32'), np.array([0, 1, 2, 0, 1, 2])
Y = np.eye(3)[LABELS]
FAILS, CURED = {}, {}  # id of a row to a function


def fails(name):
    """The function that follows raises the message of a row."""
    return lambda function: FAILS.setdefault(name, function)


def cured(*names):
    """The function that follows does the same rightly. It returns numbers, which have to be finite."""
    return lambda function: [CURED.setdefault(name, function) for name in names][0]


def net(units=3, activation='softmax', loss='categorical_crossentropy', **options):
    model = Sequential([Dense(units, activation=activation, input_shape=(4,))])
    model.compile('sgd', loss, **options)
    return model


def fit(model, x=X, y=Y, **options):
    return model.fit(x, y, verbose=0, **options).history['loss']


def in_thread(function):
    """What it returns, or raises, in another thread."""
    result = []

    def run():
        try:
            result.append(function())
        except Exception as e:
            result.append(e)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(result[0], Exception):
        raise result[0]
    return result[0]


def path(name='model.h5'):
    return os.path.join(os.environ['HOME'], name)  # a folder of this test's own


def accuracy_pair(y_true, y_pred):
    return tf.metrics.accuracy(tf.argmax(y_true, 1), tf.argmax(y_pred, 1))


def accuracy_update(y_true, y_pred):
    return accuracy_pair(y_true, y_pred)[1]


# --- sessions and graphs


@fails('uninitialized')
def _():
    fit(net(metrics=[accuracy_update]))


@cured('uninitialized')
def _():
    model = net(metrics=[accuracy_update])
    K.get_session().run(tf.local_variables_initializer())
    return fit(model)


@fails('not-in-this-graph')
def _():
    model = net()
    in_thread(lambda: model.predict(X))


@fails('feed-inputs')
def _():
    model = net()
    model.predict(X)
    K.clear_session()
    model.predict(X)


@fails('other-graph')
def _():
    model = net()
    with tf.Graph().as_default():
        model.output + tf.constant(1.0)


@cured('not-in-this-graph', 'feed-inputs', 'other-graph')
def _():
    K.clear_session()
    model, own, graph = net(), K.get_session(), tf.get_default_graph()

    def predict():
        with graph.as_default(), own.as_default():
            return K.get_session().run(model.output + tf.constant(1.0), {model.input: X}) + model.predict(X)

    return in_thread(predict)


@fails('empty-graph')
def _():
    model = net()
    tf.Session(graph=tf.Graph()).run(model.output, {model.input: X})


@cured('empty-graph')
def _():
    model = net()
    K.set_session(tf.Session(graph=model.output.graph))
    return model.predict(X)


@fails('closed-session')
def _():
    with tf.Session() as own:
        K.set_session(own)
        model = net()
    own.run(model.weights[0].initializer)


@cured('closed-session')
def _():
    with tf.Session() as own:
        K.set_session(own)
        return net().predict(X)


@fails('finalized')
def _():
    model = net()
    tf.get_default_graph().finalize()
    fit(model)


@cured('finalized')
def _():
    model = net()
    model._make_train_function()
    K.get_session()  # initialises, which adds operations as well
    tf.get_default_graph().finalize()
    return fit(model)


@fails('placeholder')
def _():
    model = net()
    K.get_session().run(model.output)


@cured('placeholder')
def _():
    model = net()
    return K.get_session().run(model.output, {model.input: X, K.learning_phase(): 0})


@fails('variable-exists')
def _():
    for _ in range(2):
        with tf.variable_scope('layer'):
            tf.get_variable('kernel', [1])


@cured('variable-exists')
def _():
    for _ in range(2):
        with tf.variable_scope('layer', reuse=tf.AUTO_REUSE):
            tf.get_variable('kernel', [1])
    return [len(tf.global_variables()) == 1 or np.nan]


@fails('feed-a-tensor')
def _():
    model = net()
    K.get_session().run(model.output, {model.input: tf.constant(X)})


@cured('feed-a-tensor', 'not-symbolic', 'fetch-none')
def _():
    model = net()
    x = K.constant(X)
    output = model(x)
    return K.get_session().run([output] + tf.gradients(output, [x]))[0]


@fails('tensor-as-bool')
def _():
    assert tf.constant(1) > 0 or True


@cured('tensor-as-bool')
def _():
    x = tf.constant([-1.0, 1.0])
    return K.eval(tf.where(tf.logical_and(x > 0, x < 2), x, tf.zeros_like(x)))


@fails('fetch-none')
def _():
    model = net()
    K.get_session().run(tf.gradients(model.output, [tf.constant(X)]))


@fails('fed-and-fetched')
def _():
    x = Input((4,))
    whole = Model(x, Dense(3)(x))
    Model(x, [layer.output for layer in whole.layers]).predict(X)


@cured('fed-and-fetched')
def _():
    x = Input((4,))
    whole = Model(x, Dense(3)(x))
    Model(x, [layer.output for layer in whole.layers[1:]]).predict(X)
    return Model(x, [Lambda(tf.identity)(x), whole.output]).predict(X)[0] - X


@fails('no-variables-to-save')
def _():
    tf.train.Saver()


@fails('key-not-in-checkpoint')
def _():
    for name in ('one', 'other'):
        K.clear_session()
        model = Sequential([Dense(1, input_shape=(4,), name=name)])
        saver = tf.train.Saver(model.weights)
        if name == 'one':
            saver.save(K.get_session(), path('weights.ckpt'))
    saver.restore(K.get_session(), path('weights.ckpt'))


@fails('checkpoint-shape')
def _():
    for units in (2, 10):
        K.clear_session()
        model = Sequential([Dense(units, input_shape=(4,), name='last')])
        saver = tf.train.Saver(model.weights)
        if units == 2:
            saver.save(K.get_session(), path('weights.ckpt'))
    saver.restore(K.get_session(), path('weights.ckpt'))


@cured('no-variables-to-save', 'key-not-in-checkpoint', 'checkpoint-shape')
def _():
    weights = []
    for units in (2, 10):
        K.clear_session()
        body, last = Dense(4, input_shape=(4,)), Dense(units)
        Sequential([body, last])
        saver = tf.train.Saver(body.weights)  # all but the last layer
        if units == 2:
            saver.save(K.get_session(), path('weights.ckpt'))
        else:
            saver.restore(K.get_session(), path('weights.ckpt'))
        weights.append(body.get_weights()[0])
    np.testing.assert_array_equal(*weights)
    return weights[0]


@fails('no-gradients')
def _():
    model = net()
    loss = tf.reduce_mean(tf.to_float(tf.argmax(model.output, 1)))
    tf.train.GradientDescentOptimizer(0.1).minimize(loss)


@cured('no-gradients')
def _():
    model = net()
    loss = tf.reduce_mean(-tf.log(model.output[:, 0]))
    step = tf.train.GradientDescentOptimizer(0.1).minimize(loss, var_list=model.trainable_weights)
    return K.get_session().run([loss, step], {model.input: X})[0]


@fails('eager-too-late')
def _():
    net()
    tf.enable_eager_execution()


@cured('eager-too-late')
def _():
    return K.eval(net()(K.constant(X)))


# --- layers and models


@fails('not-a-keras-tensor')
def _():
    x = Input((4,))
    Model(x, tf.nn.relu(Dense(3)(x)))


@fails('inbound-nodes')
def _():
    x = Input((4,))
    Model(x, Dense(3)(tf.nn.relu(Dense(3)(x)) + 1))


@fails('lambda-returns-none')
def _():
    def double(t):
        t * 2

    Lambda(double)(Input((4,)))


@cured('not-a-keras-tensor', 'inbound-nodes', 'lambda-returns-none')
def _():
    x = Input((4,))
    inner = Lambda(lambda t: tf.nn.relu(t) + 1)(Dense(3)(x))
    return Model(x, Lambda(tf.nn.relu)(Dense(3)(inner))).predict(X)


@fails('not-symbolic')
def _():
    Dense(3)(X)


@fails('graph-disconnected')
def _():
    a, b = Input((4,)), Input((4,))
    Model(a, Add()([a, b]))


@fails('number-of-arrays')
def _():
    a, b = Input((4,)), Input((4,))
    Model([a, b], Add()([a, b])).predict(X)


@cured('graph-disconnected', 'number-of-arrays')
def _():
    a, b = Input((4,)), Input((4,))
    return Model([a, b], Add()([a, b])).predict([X, X]) - 2 * X


@fails('none-gradient')
def _():
    fit(net(loss=lambda t, p: tf.to_float(tf.argmax(p, 1)) - tf.to_float(tf.argmax(t, 1))))


@cured('none-gradient')
def _():
    @tf.custom_gradient
    def rounded(p):
        return tf.round(p), lambda dy: dy

    return fit(net(loss=lambda t, p: K.mean(K.square(t - rounded(p)), axis=-1)))


@fails('layer-ndim')
def _():
    Sequential([LSTM(2, return_sequences=False, input_shape=(5, 4)), LSTM(2)])


@fails('stateful-batch')
def _():
    Sequential([LSTM(2, stateful=True, input_shape=(5, 4))])


@cured('layer-ndim', 'stateful-batch')
def _():
    model = Sequential([LSTM(2, return_sequences=True, stateful=True, batch_input_shape=(6, 5, 4)), LSTM(2)])
    return model.predict(np.ones((6, 5, 4)), batch_size=6)


@fails('negative-dimension')
def _():
    Sequential([Conv2D(2, 5, input_shape=(3, 3, 1))])


@cured('negative-dimension')
def _():
    return Sequential([Conv2D(2, 5, padding='same', input_shape=(3, 3, 1))]).predict(np.ones((1, 3, 3, 1)))


@fails('assign-shape')
def _():
    net(3).save_weights(path())
    net(5).load_weights(path())


@cured('assign-shape', 'layer-counts')
def _():
    one = Sequential([Dense(2, input_shape=(4,), name='body'), Dense(3, name='last')])
    one.save_weights(path())
    other = Sequential([Dense(2, input_shape=(4,), name='body'), Dense(5, name='other')])
    other.load_weights(path(), by_name=True)
    np.testing.assert_array_equal(one.layers[0].get_weights()[0], other.layers[0].get_weights()[0])
    return other.predict(X)


@fails('dimensions-equal')
def _():
    tf.constant(X) * tf.ones([6, 3])


@cured('dimensions-equal')
def _():
    return K.eval(tf.constant(X)[:, :, None] * tf.ones([6, 1, 3]))


@fails('embedding-index')
def _():
    Sequential([Embedding(10, 3, input_length=2)]).predict(np.array([[0, 10]]))


@cured('embedding-index')
def _():
    return Sequential([Embedding(10 + 1, 3, input_length=2)]).predict(np.array([[0, 10]]))


@fails('cudnn-on-cpu')
def _():
    Sequential([CuDNNLSTM(2, input_shape=(3, 4))]).predict(np.ones((1, 3, 4)))


@cured('cudnn-on-cpu')
def _():
    model = Sequential([LSTM(2, recurrent_activation='sigmoid', bias_initializer='random_uniform', input_shape=(3, 4))])
    model.save_weights(path())
    with h5py.File(path(), 'r+') as f:  # the weights as a CuDNNLSTM would have saved them
        group = f[model.layers[0].name][model.layers[0].name]
        theirs = preprocess_weights_for_loading(CuDNNLSTM(2), model.get_weights())
        for name, value in zip(('kernel:0', 'recurrent_kernel:0', 'bias:0'), theirs):
            del group[name]
            group[name] = value
    assert theirs[2].shape == (16,)
    again = Sequential([LSTM(2, recurrent_activation='sigmoid', input_shape=(3, 4))])
    again.load_weights(path())
    x = np.random.RandomState(1).rand(5, 3, 4)
    np.testing.assert_allclose(again.predict(x), model.predict(x), atol=1e-6)
    return again.predict(x)


@fails('keras-and-tf-keras')
def _():
    Sequential().add(tf.keras.layers.Dense(3, input_shape=(4,)))


@fails('tf-keras-optimizer')
def _():
    Sequential([Dense(3, input_shape=(4,))]).compile(tf.keras.optimizers.SGD(0.1), 'mse')


@cured('keras-and-tf-keras', 'tf-keras-optimizer', 'not-compiled')
def _():
    model = Sequential([Dense(3, input_shape=(4,))])
    model.compile(tf.train.GradientDescentOptimizer(0.1), 'mse')
    return fit(model)


@fails('tf-optimizer-lr')
def _():
    model = Sequential([Dense(3, input_shape=(4,))])
    model.compile(tf.train.GradientDescentOptimizer(0.1), 'mse')
    fit(model, callbacks=[keras.callbacks.ReduceLROnPlateau('loss')])


@cured('tf-optimizer-lr')
def _():
    model = Sequential([Dense(3, input_shape=(4,))])
    step = tf.train.get_or_create_global_step()
    model.compile(tf.train.GradientDescentOptimizer(tf.train.exponential_decay(0.1, step, 1, 0.5)), 'mse')
    return fit(model)


@fails('metric-is-a-pair')
def _():
    net(metrics=[accuracy_pair])


@fails('scope-name')
def _():
    net(metrics=[lambda t, p: K.mean(p)])


@cured('metric-is-a-pair', 'scope-name')
def _():
    def mean_output(y_true, y_pred):
        return K.mean(y_pred)

    return fit(net(metrics=[StreamingMetric(accuracy_pair), mean_output]))


@fails('dtype-mismatch')
def _():
    def hits(y_true, y_pred):
        return tf.argmax(y_true, 1) - tf.round(y_pred[:, 0])

    fit(net(metrics=[hits]))


@cured('dtype-mismatch')
def _():
    def hits(y_true, y_pred):
        return tf.cast(tf.argmax(y_true, 1), tf.float32) - tf.round(y_pred[:, 0])

    return fit(net(metrics=[hits]))


@fails('py-func-dtype')
def _():
    K.eval(tf.py_func(lambda x: np.float64(x.mean()), [X], tf.float32))


@cured('py-func-dtype')
def _():
    return K.eval(tf.py_func(lambda x: np.float32(x.mean()), [X], tf.float32))


# --- compile, fit, losses and metrics


@fails('unknown-metric')
def _():
    net(metrics=['mean_output'])


@fails('unknown-loss')
def _():
    model = net(loss=own_loss)
    model.save(path())
    load_model(path())


@fails('unknown-layer')
def _():
    Sequential([Gain(input_shape=(4,))]).save(path())
    load_model(path())


@fails('unknown-initializer')
def _():
    model = Sequential([Dense(3, kernel_initializer=own_init, input_shape=(4,))])
    model_from_json(model.to_json())


@fails('unknown-other')
def _():
    Dense(3, activation='swish')


@fails('missing-argument')
def _():
    model_from_json(Sequential([Forgetful(2, input_shape=(4,))]).to_json(), {'Forgetful': Forgetful})


@cured('unknown-metric', 'unknown-loss', 'unknown-layer', 'unknown-initializer', 'unknown-other', 'missing-argument')
def _():
    def swish(x):
        return x * K.sigmoid(x)

    def mean_output(y_true, y_pred):
        return K.mean(y_pred)

    model = Sequential([Gain(3.0, input_shape=(4,)), Dense(3, activation=swish, kernel_initializer=own_init)])
    model.compile('sgd', own_loss, metrics=[mean_output])
    model.save(path())
    own = {'Gain': Gain, 'own_init': lambda: own_init, 'own_loss': own_loss, 'swish': swish, 'mean_output': mean_output}
    again = load_model(path(), custom_objects=own)
    np.testing.assert_array_equal(model.predict(X), again.predict(X))
    return fit(again)


def own_loss(y_true, y_pred):
    return K.mean(K.square(y_true - y_pred), axis=-1)


def own_init(shape, dtype=None):
    return K.ones(shape, dtype)


class Gain(keras.layers.Layer):
    def __init__(self, start=1.0, **kwargs):
        super().__init__(**kwargs)
        self.start = start

    def call(self, x):
        return x * self.start

    def get_config(self):
        return dict(super().get_config(), start=self.start)


class Forgetful(keras.layers.Layer):
    def __init__(self, start, **kwargs):
        super().__init__(**kwargs)


@fails('unknown-layer-newer')
def _():
    load_model(os.path.join(FILES, 'tf_2.11.h5'))


@fails('unknown-initializer-newer')
def _():
    load_model(os.path.join(FILES, 'tf_1.15.h5'))


@fails('kwarg-batch-shape')
def _():
    load_model(os.path.join(FILES, 'keras_3.h5'))


@fails('kwarg-ragged')
def _():  # as tf.keras 2.1 and newer write an InputLayer
    layer = {'batch_input_shape': [None, 4], 'dtype': 'float32', 'sparse': False, 'ragged': False, 'name': 'input_1'}
    model_from_json(json.dumps({'class_name': 'Sequential', 'config': [{'class_name': 'InputLayer', 'config': layer}]}))


@fails('kwarg-newer')
def _():
    model = Sequential([Conv2D(2, 3, input_shape=(5, 5, 1))])
    config = json.loads(model.to_json())
    config['config']['layers'][0]['config']['groups'] = 1
    model_from_json(json.dumps(config))


@cured('unknown-layer-newer', 'unknown-initializer-newer', 'kwarg-batch-shape', 'kwarg-ragged', 'kwarg-newer')
def _():
    answers = []
    for name in ('tf_1.15', 'keras_3', 'tf_2.11'):
        K.clear_session()
        x = Input((6, 3))
        if name == 'tf_2.11':
            hidden = GRU(2, recurrent_activation='sigmoid', reset_after=True)(x)
        else:
            hidden = Flatten()(x)
        model = Model(x, Dense(2, activation='softmax')(hidden))
        model.load_weights(os.path.join(FILES, name + '.h5'))
        answers.append(model.predict(PREDICTIONS[name + ' x']))
        np.testing.assert_allclose(answers[-1], PREDICTIONS[name + ' y'], atol=1e-6)  # what its writer answered
    return answers[0]


@fails('checking-target')
def _():
    fit(net(loss='sparse_categorical_crossentropy'))


@fails('label-range')
def _():
    fit(net(loss='sparse_categorical_crossentropy'), y=LABELS + 1)


@cured('checking-target', 'label-range')
def _():
    return fit(net(loss='sparse_categorical_crossentropy'), y=LABELS) + fit(net(), y=keras.utils.to_categorical(LABELS))


@fails('checking-input')
def _():
    net().predict(X[0])


@cured('checking-input')
def _():
    return net().predict(X[0][np.newaxis])


@fails('squeeze')
def _():
    def loss(y_true, y_pred):
        return tf.losses.sparse_softmax_cross_entropy(tf.to_int32(tf.reshape(y_true, (-1, 3))), y_pred)

    net(activation=None, loss=loss)


@cured('squeeze')
def _():
    def loss(y_true, y_pred):
        return tf.losses.sparse_softmax_cross_entropy(tf.argmax(y_true, -1), y_pred)

    return fit(net(activation=None, loss=loss))


@fails('incompatible-shapes')
def _():
    def hits(y_true, y_pred):
        return K.cast(K.equal(K.cast(K.argmax(y_true), 'float32'), y_pred), 'float32')

    fit(net(metrics=[hits]))


@cured('incompatible-shapes')
def _():
    def hits(y_true, y_pred):
        return K.cast(K.equal(K.argmax(y_true), K.argmax(y_pred)), 'float32')

    return fit(net(metrics=[hits]))


@fails('predictions-range')
def _():
    def auc(y_true, y_pred):
        return tf.metrics.auc(y_true, y_pred)

    fit(net(activation=None, loss='mse', metrics=[StreamingMetric(auc)]), X * 100 - 50)


@cured('predictions-range')
def _():
    def auc(y_true, y_pred):
        return tf.metrics.auc(y_true, tf.sigmoid(y_pred))

    return fit(net(activation=None, loss='mse', metrics=[StreamingMetric(auc)]), X * 100 - 50)


@fails('logits-and-labels')
def _():
    labels = tf.placeholder(tf.float32)
    loss = tf.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=tf.constant(X))
    K.get_session().run(loss, {labels: Y})


@cured('logits-and-labels')
def _():
    labels = tf.placeholder(tf.float32)
    loss = tf.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=tf.constant(X))
    return K.get_session().run(loss, {labels: keras.utils.to_categorical(LABELS, 4)})


def log_loss(y_true, y_pred):
    return K.sum(y_true * K.log(y_true) - y_true * K.log(y_pred), axis=-1)


@fails('nan-tensor')
def _():
    fit(net(loss=lambda t, p: tf.check_numerics(log_loss(t, p), 'the loss')))


@fails('nan-loss')
def _():
    raise Printed(printed(lambda: net(loss=log_loss).fit(X, Y, verbose=2)))


@cured('nan-loss', 'nan-tensor')
def _():
    def clipped(y_true, y_pred):
        return log_loss(*(K.clip(y, K.epsilon(), 1) for y in (y_true, y_pred)))

    return fit(net(loss=lambda t, p: tf.check_numerics(clipped(t, p), 'the loss')))


@fails('monitor-missing')
def _():
    stop = keras.callbacks.EarlyStopping('val_acc')
    with pytest.warns(RuntimeWarning) as seen:
        fit(net(metrics=['accuracy']), callbacks=[stop])
    raise Printed(seen[0].message)


@cured('monitor-missing')
def _():
    with pytest.warns(None) as seen:
        stop = keras.callbacks.EarlyStopping('val_acc', mode='max', patience=0, min_delta=2)
        loss = fit(net(metrics=['acc']), callbacks=[stop], validation_data=(X, Y), epochs=9)
    assert len(loss) == 2 and not [w for w in seen if 'Early stopping' in str(w.message)]
    return loss


@fails('not-compiled')
def _():
    fit(Sequential([Dense(3, input_shape=(4,))]))


@fails('steps-argument')
def _():
    x = Input(tensor=tf.constant(X))
    model = Model(x, Dense(3)(x))
    model.compile('sgd', 'mse', target_tensors=[tf.constant(Y, tf.float32)])
    fit(model, None, None)


@fails('split-of-tensors')
def _():
    fit(net(), tf.constant(X), tf.constant(Y, tf.float32), steps_per_epoch=1, validation_split=0.5)


@fails('dataset-to-fit')
def _():
    net().fit(tf.data.Dataset.from_tensor_slices((X, Y)).batch(3))


def dataset_model(dataset):
    x, y = dataset.batch(3).make_one_shot_iterator().get_next()
    x = Input(tensor=x)
    model = Model(x, Dense(3)(x))
    model.compile('sgd', 'mse', target_tensors=[y])
    return model


@fails('end-of-sequence')
def _():
    dataset = tf.data.Dataset.from_tensor_slices((X, Y.astype('float32')))
    fit(dataset_model(dataset), None, None, steps_per_epoch=2, epochs=2)


@cured('steps-argument', 'split-of-tensors', 'dataset-to-fit', 'end-of-sequence')
def _():
    dataset = tf.data.Dataset.from_tensor_slices((X, Y.astype('float32'))).repeat()
    return fit(dataset_model(dataset), None, None, steps_per_epoch=2, epochs=2)


# --- model files and data files


@fails('unknown-entry-in-loss')
def _():
    rewrite_training(net(), loss={'class_name': 'CategoricalCrossentropy', 'config': {'reduction': 'auto'}})
    load_model(path())


@fails('optimizer-keyword')
def _():
    load_model(os.path.join(FILES, 'keras_2.3.1.h5'))


def rewrite_training(model, **changes):
    """Saves a model with another training configuration, as a newer Keras would write it."""
    model.save(path())
    with h5py.File(path(), 'r+') as f:
        config = json.loads(f.attrs['training_config'].decode())
        f.attrs['training_config'] = json.dumps(dict(config, **changes)).encode()


@cured('unknown-entry-in-loss', 'optimizer-keyword')
def _():
    rewrite_training(net(), loss={'class_name': 'CategoricalCrossentropy', 'config': {'reduction': 'auto'}})
    own = load_model(path(), compile=False)
    own.compile(keras.optimizers.SGD(lr=0.001), 'categorical_crossentropy')
    fit(own)
    other = load_model(os.path.join(FILES, 'keras_2.3.1.h5'), compile=False)
    answer = other.predict(PREDICTIONS['keras_2.3.1 x'])
    np.testing.assert_allclose(answer, PREDICTIONS['keras_2.3.1 y'], atol=1e-6)
    return answer


@fails('truth-value-file')
def _():
    load_model(os.path.join(FILES, 'keras_2.2.4_h5py_3.1.h5'))


@fails('str-decode')
def _():
    net().save_weights(path())
    with h5py.File(path(), 'r+') as f:
        f.attrs['keras_version'] = '2.2.4'  # as h5py 3 writes a str
    net().load_weights(path())


@cured('truth-value-file', 'str-decode')
def _():
    load = recipe.load('export/h5_custom_objects').load
    answer = load(os.path.join(FILES, 'keras_2.2.4_h5py_3.1.h5')).predict(PREDICTIONS['keras_2.2.4_h5py_3.1 x'])
    np.testing.assert_allclose(answer, PREDICTIONS['keras_2.2.4_h5py_3.1 y'], atol=1e-6)
    return answer


@fails('truth-value')
def _():
    assert X > 1 or True


@cured('truth-value')
def _():
    assert not (X > 1).any()
    return X


@fails('allow-pickle')
def _():
    np.savez(path('objects.npz'), x=np.array([[1], [1, 2]], dtype=object))
    np.load(path('objects.npz'), allow_pickle=False)['x']


@cured('allow-pickle')
def _():
    np.savez(path('objects.npz'), x=np.array([[1], [1, 2]], dtype=object))
    assert np.load(path('objects.npz'), allow_pickle=True)['x'].tolist() == [[1], [1, 2]]
    return np.load(path('objects.npz'))['x'][1]  # NumPy as pinned reads them unasked


def saved_lambda(python, name):
    """Saves a model with a Lambda layer as another Python writes it."""
    model = Sequential([Lambda(lambda t: t * 2, input_shape=(4,)), Dense(3)])
    model.save(path())
    with open(os.path.join(FILES, 'bytecode.json')) as f:
        code = json.load(f)[python][name]
    with h5py.File(path(), 'r+') as f:
        config = json.loads(f.attrs['model_config'].decode())
        config['config']['layers'][0]['config']['function'][0] = code
        f.attrs['model_config'] = json.dumps(config).encode()


@fails('bad-marshal')
def _():
    saved_lambda('3.8', 'double')
    load_model(path())


@fails('unknown-opcode')
def _():
    saved_lambda('3.7', 'method')
    load_model(path())


@fails('lambda-name')
def _():
    Sequential([Lambda(lambda t: tf.abs(t), input_shape=(4,))]).save(path())
    load_model(path())


@cured('bad-marshal', 'unknown-opcode', 'lambda-name')
def _():
    trained = Sequential([Lambda(lambda t: tf.abs(t), input_shape=(4,)), Dense(3)])
    trained.save(path())
    np.testing.assert_array_equal(load_model(path(), custom_objects={'tf': tf}).predict(X), trained.predict(X))
    saved_lambda('3.8', 'double')
    model = Sequential([Lambda(lambda t: t * 2, input_shape=(4,)), Dense(3)])
    model.load_weights(path())
    return model.predict(X)


@fails('kwarg-reduction')
def _():
    net(loss=lambda t, p: keras.losses.mean_squared_error(t, p, reduction='none'))


@cured('kwarg-reduction')
def _():
    return fit(net(loss=lambda t, p: keras.losses.mean_squared_error(t, p)))


@fails('not-hdf5')
def _():
    with open(path(), 'w') as f:
        f.write('version https://git-lfs.github.com/spec/v1')
    load_model(path())


@fails('truncated-hdf5')
def _():
    net().save(path())
    os.truncate(path(), os.path.getsize(path()) // 2)
    load_model(path())


@fails('no-such-hdf5')
def _():
    load_model('nowhere/model.h5')


@fails('weights-not-a-model')
def _():
    net().save_weights(path())
    load_model(path())


@fails('layer-counts')
def _():
    net().save_weights(path())
    Sequential([Dense(3, input_shape=(4,)), Dense(3)]).load_weights(path())


@cured('not-hdf5', 'truncated-hdf5', 'no-such-hdf5', 'weights-not-a-model')
def _():
    model = net()
    model.save(path('whole.h5'))
    model.save_weights(path())
    other = net()
    other.load_weights(path())
    np.testing.assert_array_equal(other.predict(X), load_model(path('whole.h5')).predict(X))
    return other.predict(X)


@fails('cannot-pickle')
def _():
    factor = K.constant(2.0)
    Sequential([Lambda(lambda t, factor: t * factor, arguments={'factor': factor}, input_shape=(4,))]).to_json()


@cured('cannot-pickle')
def _():
    model = Sequential([Lambda(lambda t, factor: t * K.constant(factor), arguments={'factor': 2.0}, input_shape=(4,))])
    model.to_json()
    model = net()
    other = clone_model(model)
    other.set_weights(model.get_weights())
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    return other.predict(X)


@fails('no-saved-model')
def _():
    tf.saved_model.loader.load(K.get_session(), ['serve'], path(''))


@cured('no-saved-model')
def _():
    model = net()
    tf.saved_model.simple_save(K.get_session(), path('saved'), {'x': model.input}, {'y': model.output})
    with tf.Graph().as_default(), tf.Session() as own:
        tf.saved_model.loader.load(own, ['serve'], path('saved'))
        return own.run(model.output.name, {model.input.name: X})


# --- code and packages of other versions; GPU, processor, containers


@fails('no-numpy')
def _():
    K.constant(X).numpy()


@cured('no-numpy')
def _():
    model = net()
    K.get_session().run(model.output, {model.input: X})
    return np.abs(K.eval(K.constant(X))).max() + np.abs(K.get_value(model.weights[0])).max()


@fails('tf2-code')
def _():
    tf.function(lambda x: x)


@cured('tf2-code')
def _():
    return K.eval((lambda x: x)(K.constant(X)))


@fails('newer-keras-code')
def _():
    keras.layers.LayerNormalization()


@cured('newer-keras-code')
def _():
    return Sequential([Lambda(tf.contrib.layers.layer_norm, input_shape=(4,))]).predict(X)


@fails('no-tensorflow')
def _():  # a Python without any packages
    raise Printed(run([sys.executable, '-I', '-S', '-c', 'import tensorflow'])[2])


@cured('no-tensorflow')
def _():
    code, out, err = run([sys.executable, '-c', 'import importlib.util as i; print(i.find_spec("tensorflow").origin)'])
    assert code == 0 and out.strip() == tf.__file__
    return [code]


@fails('oom')
def _():
    shape = tf.placeholder(tf.int32, [2])  # 2**53 bytes are more than a process can address
    with tf.device('/cpu:0'):
        K.get_session().run(tf.zeros(shape) + 1.0, {shape: [2**30, 2**21]})


@cured('oom')
def _():
    shape = tf.placeholder(tf.int32, [2])
    return K.get_session().run(tf.zeros(shape) + 1.0, {shape: [2, 3]})


@fails('no-such-device')
def _():
    with tf.device('/gpu:99'):
        x = tf.constant(X)
    tf.Session().run(x)


@cured('no-such-device')
def _():
    with tf.device('/gpu:99'):
        x = tf.constant(X)
    return tf.Session(config=tf.ConfigProto(allow_soft_placement=True)).run(x)


@fails('multi-gpu-model')
def _():
    keras.utils.multi_gpu_model(net(), 99)


@cured('multi-gpu-model')
def _():
    model = net()
    halves = []
    for half in tf.split(tf.constant(X), 2):  # as distributed/data_parallel_towers places them
        with tf.device('/cpu:0'):
            halves.append(model(half))
    return K.get_session().run(tf.concat(halves, 0))


# --- the tests


class Printed(Exception):
    """What was printed, or warned of, and no exception."""


def printed(function):
    """What it prints to standard output."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        function()
    return out.getvalue()


def run(args, stdin=b'', **options):
    done = subprocess.run(args, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, **options)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def traceback_of(name):
    """What this stack prints for a row: the formatted traceback, or what it printed without one. Cached."""
    if name not in SEEN:
        try:
            FAILS[name]()
        except Printed as e:
            SEEN[name] = str(e)
        except BaseException:
            SEEN[name] = traceback.format_exc()
        else:
            pytest.fail('%s does not fail' % name)
    return SEEN[name]


SEEN = {}


def ids(text):
    return [row['id'] for row in explain.find(text, ROWS).rows]


def test_a_row_is_shown_by_a_test_or_by_a_public_issue():
    assert len(ROWS) >= 40 and len(BY_ID) == len(ROWS)
    assert set(FAILS) == set(CURED) == {row['id'] for row in ROWS if 'seen' not in row}
    for row in ROWS:
        assert re.match(r'[\w.-]+/[\w.-]+#\d+$', row.get('seen', 'a/b#1')), row['id']


def test_a_row_has_what_the_page_and_the_command_want():
    recipes = recipe.find()
    for row in ROWS:
        optional = {'after', 'unless', 'warning', 'seen'}
        assert set(row) - optional == {'id', 'group', 'message', 'pattern', 'cause', 'cure', 'recipe'}, row['id']
        for key in ('message', 'cause', 'cure'):
            assert row[key] and '\n' not in row[key], row['id']  # one line each
        assert row['recipe'] in recipes or re.match(r'docs/\w+\.md$', row['recipe']), row['id']
        assert row['cause'].endswith('.') and row['cure'].endswith('.'), row['id']


@pytest.mark.parametrize('name', sorted(BY_ID))
def test_the_message_as_the_page_has_it_finds_its_row(name):
    found = explain.find(BY_ID[name]['message'], ROWS)
    assert [row['id'] for row in found.rows] == [name]


NOT_EVERYWHERE = {
    'assign-shape': 'Keras 2.3 puts what the file has into the variable, of whatever shape; predict fails',
    'checkpoint-shape': 'the variables of Keras 2.3, resource variables, take the shape that the checkpoint has',
    'feed-inputs': 'TensorFlow 1.12 and 1.15 print the message of fetch-outputs there',
    'lambda-returns-none': "Keras 2.3 misses 'shape' there, which many other faults miss, too",
    'metric-is-a-pair': 'Keras 2.3 takes the pair and shows the mean of the two',
    'optimizer-keyword': 'Keras 2.3 has the keyword',
    'tf2-code': 'TensorFlow 1.15 has tf.function',
    'truth-value-file': 'Keras 2.3 reads such strings',
    'unknown-entry-in-loss': 'Keras 2.3 has losses that are objects',
}


def row(name):
    reason = NOT_EVERYWHERE.get(name)
    stacks = ['tf1.15-keras2.3.1']
    if (reason or '').startswith('TensorFlow '):  # and not by Keras 2.3 alone
        stacks += ['tf%s-keras2.2.4' % version for version in ('1.12', '1.15') if version in reason]
    return pytest.param(name, marks=[pytest.mark.not_on(*stacks, reason=reason)] if reason else [])


@pytest.mark.parametrize('name', map(row, sorted(FAILS)))
def test_this_stack_prints_the_message_and_explain_finds_its_row(name):
    assert ids(traceback_of(name))[:1] == [name]


@pytest.mark.parametrize('name', sorted(CURED))
def test_the_cure_cures(name):
    assert np.isfinite(np.asarray(CURED[name]())).all()


@pytest.mark.parametrize('name, source, text', symptoms_seen.KNOWN, ids=[k[1] for k in symptoms_seen.KNOWN])
def test_what_people_have_pasted(name, source, text):
    assert ids(text)[:1] == [name]


@pytest.mark.parametrize('source, text', symptoms_seen.UNKNOWN, ids=[u[0] for u in symptoms_seen.UNKNOWN])
def test_what_is_not_known_is_unknown(source, text):
    said, code = explain.answer(text)
    assert code == explain.UNKNOWN and said.startswith('unknown: ')


WORDS = [
    'nan',
    'loss',
    'shape',
    'gradient',
    'placeholder',
    'Tensor',
    'tf.Session',
    'import keras',
    'OOM',
    'decode',
    'None',
]


@pytest.mark.parametrize('word', WORDS)
def test_a_traceback_with_a_common_word_is_unknown(word):
    text = 'Traceback (most recent call last):\n  File "%s.py", line 1, in %s\nKeyError: \'%s\'\n' % (word, word, word)
    said, code = explain.answer(text)
    assert code == explain.UNKNOWN and "its last exception is: KeyError: '%s'" % word in said


# --- other names, paths, line breaks and colours

NAMES = st.from_regex(r'[A-Za-z][A-Za-z0-9_]{0,20}', fullmatch=True)
# what of a message is a name, a number or a path of whoever ran it, and what else may stand there
RENAMED = [
    ('unknown-metric', 'Unknown metric function:{0}'),
    ('unknown-layer', 'Unknown layer: {0}Layer'),
    ('unknown-initializer', 'Unknown initializer: my_{0}'),
    ('uninitialized', 'Attempting to use uninitialized value {0}_1/{1}/read'),
    ('not-in-this-graph', 'Tensor Tensor("{0}/{1}:0", shape=(?, 7), dtype=float64) is not an element of this graph.'),
    ('placeholder', "You must feed a value for placeholder tensor '{0}_{1}' with dtype int32 and shape [?,224,224,3]"),
    ('variable-exists', 'Variable {0}/{1} already exists, disallowed. Did you mean to set reuse=True'),
    ('checking-input', 'Error when checking input: expected {0} to have 4 dimensions, but got array with shape (9, 9)'),
    ('feed-inputs', 'FeedInputs: unable to find feed output {0}_{1}:0'),
    (
        'no-such-hdf5',
        "Unable to open file (unable to open file: name = '/srv/{0}/{1}.h5', errno = 2, error message = 'x')",
    ),
]


def paste(text, draw):
    """The text as it may reach somebody else: wrapped by a terminal, indented, coloured, with other line ends."""
    width = draw(st.integers(20, 200))
    lines = [line[i : i + width] for line in text.split('\n') for i in range(0, max(len(line), 1), width)]
    prefix = draw(st.sampled_from(['', '', '    ', '\t', '\x1b[31m', '\x1b[1;34m ', '\xa0']))
    end = draw(st.sampled_from(['\n', '\r\n', '\x1b[0m\n', ' \n', '\n\n', '\x1b[K\n']))
    text = end.join(prefix + line for line in lines)
    quotes = draw(st.sampled_from(['', '‘’“”']))
    if quotes:
        text = text.replace("'", quotes[1]).replace('"', quotes[3])
    return text


@hypothesis.settings(suppress_health_check=hypothesis.HealthCheck.all())
@hypothesis.given(st.data(), NAMES, NAMES)
def test_other_names_and_line_breaks(data, first, second):
    for name, message in RENAMED:
        text = 'Traceback (most recent call last):\n  File "/home/%s/%s.py", line 7, in <module>\n    %s()\n' % (
            (second, first, second)
        )
        text += 'ValueError: ' + message.format(first, second) + '\n'
        assert ids(paste(text, data.draw)) == [name]


@hypothesis.settings(suppress_health_check=hypothesis.HealthCheck.all())
@hypothesis.given(st.data())
def test_real_tracebacks_however_they_are_wrapped(data):
    name, text = data.draw(st.sampled_from([(k[0], k[2]) for k in symptoms_seen.KNOWN]))
    assert ids(paste(text, data.draw))[:1] == [name]
    text = data.draw(st.sampled_from([u[1] for u in symptoms_seen.UNKNOWN]))
    assert ids(paste(text, data.draw)) == []


@hypothesis.given(st.text(max_size=2000))
def test_any_text_is_answered(text):
    said, code = explain.answer(text)
    assert code == explain.UNKNOWN and said.startswith('unknown: ')


# --- several messages in one text

KEY_ERROR = 'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\nKeyError: 1\n'
UNKNOWN_LAYER = KEY_ERROR.replace('KeyError: 1', 'ValueError: Unknown layer: Gain')
NO_GRADIENT = KEY_ERROR.replace('KeyError: 1', 'ValueError: An operation has `None` for gradient.')
DURING = '\nDuring handling of the above exception, another exception occurred:\n\n'


def test_the_last_exception_comes_first():
    chain = explain.find(UNKNOWN_LAYER + DURING + NO_GRADIENT)
    assert [row['id'] for row in chain.rows] == ['none-gradient', 'unknown-layer'] and chain.above == []
    two = explain.find(NO_GRADIENT + UNKNOWN_LAYER)
    assert [row['id'] for row in two.rows] == ['unknown-layer'] and [r['id'] for r in two.above] == ['none-gradient']


def test_of_a_chain_the_first_traceback_may_be_cut_off():
    assert ids(UNKNOWN_LAYER.split('\n', 2)[2] + DURING + KEY_ERROR) == ['unknown-layer']


@pytest.mark.parametrize('name', sorted(row['id'] for row in ROWS if 'unless' in row))
def test_another_librarys_error_is_unknown(name):
    library = BY_ID[name]['unless'].split('|')[0]
    frame = 'Traceback (most recent call last):\n  File "/lib/%s/nn.py", line 1, in call\nRuntimeError: ' % library
    assert ids(frame + BY_ID[name]['message']) == []
    assert ids(frame.replace(library, 'own') + BY_ID[name]['message']) == [name]


def test_the_cause_of_an_unknown_exception_is_an_answer_and_what_came_before_it_is_none():
    said, code = explain.answer(UNKNOWN_LAYER + DURING + KEY_ERROR)
    assert code == explain.KNOWN and said.startswith('ValueError: Unknown layer: Gain')
    said, code = explain.answer(UNKNOWN_LAYER + KEY_ERROR)
    assert code == explain.UNKNOWN and 'its last exception is: KeyError: 1\n' in said
    assert 'Above it, earlier:\n\nValueError: Unknown layer: Gain' in said


def test_what_is_only_printed_does_not_explain_a_traceback():
    printed = ' - 0s - loss: nan - acc: 0.1\n'
    assert ids(printed) == ['nan-loss']
    for text in (printed + KEY_ERROR, KEY_ERROR + printed):  # standard output may come after the traceback
        found = explain.find(text)
        assert found.rows == [] and [row['id'] for row in found.printed] == ['nan-loss']
    said, code = explain.answer(UNKNOWN_LAYER + printed)
    assert code == explain.KNOWN and said.index('Unknown layer') < said.index('Printed beside it:') < said.index(
        'loss: nan'
    )


# --- the command

EXPLAIN = [sys.executable, '-m', 'tensorflow_with_keras', 'explain']


def explained(stdin, **options):
    return run(EXPLAIN, stdin, cwd=recipe.ROOT, **options)


def test_the_command_names_cause_cure_recipe_and_how_to_run_it():
    code, out, err = explained(traceback_of('unknown-layer').encode())
    row = BY_ID['unknown-layer']
    assert code == 0 and err == ''
    lines = out.splitlines()
    assert lines[0] == row['message'] and lines[1].split(None, 1) == ['Cause:', row['cause']]
    assert lines[2].split(None, 1) == ['Cure:', row['cure']]
    assert 'examples/%s.py' % row['recipe'] in lines[3] and lines[3].endswith(
        'tensorflow_with_keras run ' + row['recipe']
    )
    assert explain.command('docs/pins.md') == 'docs/pins.md'


def test_a_pipe_from_a_program_that_fails():
    failing = '"%s" -c "raise ValueError(\'Unknown layer: \' + \'Own\')" 2>&1 | %s' % (
        sys.executable,
        ' '.join(map(shlex.quote, EXPLAIN)),
    )
    code, out, err = run(['sh', '-c', failing], cwd=recipe.ROOT)
    assert code == 0 and out.startswith(BY_ID['unknown-layer']['message'])


@pytest.mark.parametrize('stdin', [b'', b' \n\t\r\n', b'\x1b[0m\n'])
def test_nothing_on_standard_input_is_a_sentence(stdin):
    code, out, err = explained(stdin)
    assert (code, out) == (2, '') and err.count('\n') == 1 and 'nothing came on standard input' in err


def test_binary_input_and_other_encodings():
    code, out, err = explained(bytes(range(256)) * 100)
    assert (code, err) == (1, '') and out.startswith('unknown: ')
    assert explained('ValueError: Unknown layer: Gäin'.encode('utf-16'))[0] == 0  # as PowerShell writes it
    assert explained('é: ValueError: Unknown layer: Gain'.encode('latin-1'))[0] == 0


def test_a_terminal_or_a_log_that_takes_ascii_alone():
    environment = dict(os.environ, PYTHONIOENCODING='ascii', LC_ALL='C')
    code, out, err = explained('FetchOutputs node é: not found\nKeyError: “é”'.encode(), env=environment)
    assert (code, err) == (0, '') and out.startswith('FetchOutputs node')
    code, out, err = explained('KeyError: “é”'.encode(), env=environment)
    assert (code, err) == (1, '') and 'KeyError: ???' in out


def test_the_end_of_a_huge_log_is_read():
    log = b"Epoch 1/9999 - 3s - acc: 0.5 Unknown Key Variable 'Dataset Loaded indices[ load_model keras\n" * 300000
    assert len(log) > 2 * explain.LIMIT
    code, out, err = explained(log + b'ValueError: Unknown layer: Gain\n')
    assert code == 0 and out.startswith(BY_ID['unknown-layer']['message'])
    code, out, err = explained(b'ValueError: Unknown layer: Gain\n' + log)
    assert code == 1 and out.startswith('unknown: ')


def test_no_pattern_takes_long_on_any_of_its_words():
    """Each pattern, over two megabytes of the words it begins with; a quadratic one would run into pytest's timeout."""
    for row in ROWS:
        words = re.findall(r'\w[\w .:-]{3,}', row['pattern'])
        text = "'%s " % (' '.join(words[:2]) or 'x')
        explain.find(text * (explain.LIMIT // len(text)), [row])


def terminal(then):
    """Runs explain on a terminal; `then` gets the terminal's other end. Returns the exit code and what it printed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        EXPLAIN,
        cwd=recipe.ROOT,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # Ctrl-C is ignored in a shell's background
    )
    os.close(theirs)
    hint = process.stderr.readline().decode()
    then(process, ours)
    out, err = process.communicate(timeout=60)
    os.close(ours)
    return process.returncode, out.decode(), hint, err.decode()


def test_at_a_terminal_it_says_what_to_do():
    code, out, hint, err = terminal(lambda process, end: os.write(end, b'ValueError: Unknown layer: Gain\n\x04'))
    assert code == 0 and out.startswith(BY_ID['unknown-layer']['message']) and err == ''
    assert 'Paste the traceback' in hint and 'Ctrl-D' in hint and '| python -m tensorflow_with_keras explain' in hint


def test_ctrl_c():
    code, out, hint, err = terminal(lambda process, end: process.send_signal(signal.SIGINT))
    assert (code, out, err) == (130, '', '')


def test_it_needs_neither_tensorflow_nor_any_package():
    code, out, err = run(
        [sys.executable, '-S', '-m', 'tensorflow_with_keras', 'explain'],
        b'ValueError: Unknown layer: Gain',
        cwd=recipe.ROOT,
        env={k: v for k, v in os.environ.items() if k != 'PYTHONPATH'},
    )
    assert (code, err) == (0, '') and out.startswith(BY_ID['unknown-layer']['message'])
