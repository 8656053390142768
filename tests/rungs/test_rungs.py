"""What changes in behaviour from rung to rung: each with the value that this stack has, against another reckoning.

docs/compatibility.md shows the first line of each docstring, and the value on each stack from `ON`. A test passes on a
stack when the stack has that value, and no other stack's.
"""

import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K
from keras import layers

OLD, TF12, TF15, KERAS23 = 'tf1.9-keras2.2.4', 'tf1.12-keras2.2.4', 'tf1.15-keras2.2.4', 'tf1.15-keras2.3.1'
STACK = 'tf%s-keras%s' % ('.'.join(tf.__version__.split('.')[:2]), keras.__version__)
X = np.random.RandomState(0).rand(8, 3)
Y = np.arange(8.0)


def of_keras(old, new):
    """A value that changes with Keras 2.3."""
    return {OLD: old, TF12: old, TF15: old, KERAS23: new}


ON = {  # test -> stack -> what it has there
    'metric_names': of_keras('acc, mean_absolute_error', 'accuracy, mae'),
    'metrics_on_batches': of_keras('of the batches alone', 'of all since the reset'),
    'resource_variables': of_keras('reference', 'resource'),
    'foreign_variables': of_keras('initialised', 'left'),
    'session_of_a_thread': of_keras('the same', 'its own'),
    'batch_norm_start': of_keras("the first batch's", '0 and 1'),
    'weighted_loss': of_keras('samples of weight above 0', 'all samples'),
    'random_normal': {OLD: '1.0', TF12: '0.05', TF15: '0.05', KERAS23: '0.05'},
    'tflite_converter': {OLD: 'contrib.lite', TF12: 'contrib.lite', TF15: 'lite', KERAS23: 'lite'},
    'tf_optimizer_count': dict.fromkeys((OLD, TF12, TF15, KERAS23), '2 a batch'),
}


@pytest.fixture
def here(request):
    """What this stack has, by the test's name."""
    assert STACK in ON['metric_names'], 'this environment is no stack'
    return ON[request.node.name[len('test_') :]][STACK]


def dense(loss='mse', **kwargs):
    model = keras.models.Sequential([layers.Dense(1, kernel_initializer='zeros', input_shape=(3,))])
    model.compile(keras.optimizers.SGD(0.0), loss, **kwargs)
    return model


def test_metric_names(here):
    """The names of `metrics=['accuracy', 'mae']` in the history"""
    assert ', '.join(dense('binary_crossentropy', metrics=['accuracy', 'mae']).metrics_names[1:]) == here


def test_metrics_on_batches(here):
    """What an epoch's history says of a metric in batches of unequal value"""

    class Seen(keras.callbacks.Callback):
        last = None

        def on_batch_end(self, batch, logs=None):
            self.last = logs['mean_absolute_error']

    seen = Seen()
    dense(metrics=['mean_absolute_error']).fit(X, Y, batch_size=4, shuffle=False, verbose=0, callbacks=[seen])
    found = {'of the batches alone': Y[4:].mean(), 'of all since the reset': Y.mean()}  # the weights are 0
    assert seen.last == pytest.approx(found[here])


def test_resource_variables(here):
    """The kind of variable of a layer's weights"""
    assert dense().weights[0].dtype._is_ref_dtype == (here == 'reference')
    assert (dense().weights[0].op.type == 'VarHandleOp') == (here == 'resource')


def test_foreign_variables(here):
    """What `K.get_session()` does with a `tf.Variable` that has no value yet"""
    variable = tf.Variable(1.0)
    assert K.get_session().run(tf.is_variable_initialized(variable)) == (here == 'initialised')


def test_session_of_a_thread(here):
    """The session that `K.get_session()` gives in another thread"""
    mine, graph, found = K.get_session(), tf.get_default_graph(), []

    def look():
        with graph.as_default():
            found.append(K.get_session() is mine)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [here == 'the same']


def test_batch_norm_start(here):
    """Where the moving averages of BatchNormalization begin"""
    model = keras.models.Sequential([layers.BatchNormalization(momentum=0.9, input_shape=(3,))])
    model.compile(keras.optimizers.SGD(0.0), 'mse')
    model.train_on_batch(X, X)
    weight = 1.0 if here == "the first batch's" else 0.1
    np.testing.assert_allclose(model.get_weights()[2], weight * X.mean(0), rtol=1e-5)


def test_weighted_loss(here):
    """What the sum of a weighted loss is divided by"""
    weights = np.array([0, 0, 1, 1, 1, 1, 2, 2.0])
    count = {'samples of weight above 0': 6, 'all samples': 8}[here]
    found = dense().evaluate(X, Y, sample_weight=weights, verbose=0)
    assert found == pytest.approx((weights * Y**2).sum() / count)


def test_random_normal(here):
    """The spread of `tf.keras.initializers.RandomNormal()`"""
    values = tf.Session().run(tf.keras.initializers.RandomNormal(seed=1)((100, 1000)))
    assert values.std() == pytest.approx(float(here), rel=0.02)


def test_tflite_converter(here):
    """Where the converter to TFLite is in `tf`"""
    assert hasattr(tf.contrib, 'lite') == (here == 'contrib.lite')
    assert (hasattr(tf, 'lite') and hasattr(tf.lite, 'TFLiteConverter')) == (here == 'lite')


def test_tf_optimizer_count(here):
    """How far `iterations` of a `TFOptimizer` goes, which decays are counted by"""
    model = dense()
    model.compile(keras.optimizers.TFOptimizer(tf.train.GradientDescentOptimizer(0.0)), 'mse')
    for _ in range(3):
        model.train_on_batch(X, Y)
    assert '%g a batch' % (K.get_value(model.optimizer.iterations) / 3) == here
