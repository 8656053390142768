"""Sessions, against TensorFlow's own report of what is not initialised."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K

from tensorflow_with_keras import session


def test_start_makes_keras_session_with_seeds_and_threads():
    draws = []
    for seed in (1, 1, 2):
        s = session.start(seed, threads=1)
        assert K.get_session() is s and s.graph is tf.get_default_graph()
        draws.append((np.random.rand(), s.run(tf.random_uniform([]))))
    assert s._config.intra_op_parallelism_threads == s._config.inter_op_parallelism_threads == 1
    assert draws[0] == draws[1] and draws[0] != draws[2]


@pytest.mark.parametrize('threads, expected', [(None, 0), (3, 3)])
def test_the_session_leaves_a_shared_gpu_to_others_and_takes_what_device_there_is(threads, expected):
    config = session.start(threads=threads)._config
    assert config.intra_op_parallelism_threads == config.inter_op_parallelism_threads == expected  # 0: TensorFlow's own
    assert config.gpu_options.allow_growth
    with tf.device('/device:GPU:7'):
        assert K.get_session().run(tf.constant(2.0) * 3) == 6


def test_start_undoes_what_a_keras_json_changed():
    K.set_image_data_format('channels_first')
    K.set_floatx('float64')
    K.set_epsilon(1e-3)
    session.start()
    assert (K.image_data_format(), K.floatx(), K.epsilon()) == ('channels_last', 'float32', 1e-7)


def test_initialises_only_what_is_uninitialised():
    s = session.start()  # K.get_session() of Keras 2.2.4 would initialise all
    model = keras.models.Sequential([keras.layers.Dense(3, input_shape=(2,))])
    model.set_weights([np.ones((2, 3)), np.ones(3)])
    new = [tf.Variable(2.0), tf.Variable(3.0, collections=[tf.GraphKeys.LOCAL_VARIABLES])]
    report = tf.report_uninitialized_variables(tf.global_variables() + tf.local_variables())
    assert len(s.run(report)) == 2
    assert session.initialize_uninitialized(s) == new
    assert len(s.run(report)) == 0
    for weight in model.get_weights():
        np.testing.assert_array_equal(weight, np.ones_like(weight))
    assert session.initialize_uninitialized(s) == []


def test_the_pitfall_is_one():
    """tf.global_variables_initializer() sets weights back that were loaded."""
    model = keras.models.Sequential([keras.layers.Dense(3, input_shape=(2,))])
    model.set_weights([np.ones((2, 3)), np.ones(3)])
    K.get_session().run(tf.global_variables_initializer())
    assert not np.array_equal(model.get_weights()[0], np.ones((2, 3)))


@pytest.mark.parametrize('name', ['SGD', 'RMSprop', 'Adagrad', 'Adadelta', 'Adam', 'Adamax', 'Nadam'])
def test_ordered_updates_are_those_of_the_rule(name):
    """Every update operation waits for every new value; and a step is what TensorFlow or NumPy make of it."""
    model = keras.models.Sequential([keras.layers.Dense(4, input_shape=(3,)), keras.layers.Dense(2)])
    model.compile(getattr(keras.optimizers, name)(), 'mse', metrics=['accuracy'])
    x, y = np.random.rand(8, 3), np.random.rand(8, 2)
    a, b, c, d = model.get_weights()
    model.train_on_batch(x, y)
    updates = [u for u in model.optimizer.updates]
    values = {u.inputs[1].op for u in updates}
    for update in updates:
        (barrier,) = update.control_inputs
        waits, todo = set(), [barrier]
        while todo:
            op = todo.pop()
            waits.add(op)
            todo += op.control_inputs if op.type == 'NoOp' else []
        assert values <= waits
    if name == 'SGD':  # the first layer's gradient goes through the second layer's weights as they were
        error = 2 * (x @ a + b) @ c + 2 * d - 2 * y
        np.testing.assert_allclose(model.get_weights()[0], a - 0.01 * x.T @ (error / y.size @ c.T), atol=1e-6)
    if name == 'Adam':  # its first step is as long as its learning rate, which it is not with a count of 2 or of 0
        np.testing.assert_allclose(np.abs(model.get_weights()[0] - a), 0.001, rtol=1e-3)


def test_order_can_be_taken_back():
    session.start(threads=1)
    assert hasattr(keras.optimizers.Adam.get_updates, 'without_order')
    session.start()
    assert not hasattr(keras.optimizers.Adam.get_updates, 'without_order')


@pytest.mark.parametrize('arguments, ordered', [((), True), ((True,), True), ((False,), False)])
def test_order_is_made_unless_it_is_to_be_taken_back(arguments, ordered):
    session.start()
    session.order_updates(*arguments)
    model = keras.models.Sequential([keras.layers.Dense(1, input_shape=(1,))])
    model.compile('sgd', 'mse')
    model.train_on_batch(np.ones((1, 1)), np.ones((1, 1)))
    operations = [getattr(update, 'op', update) for update in model.optimizer.updates]
    assert len(operations) > 2 and {bool(op.control_inputs) for op in operations} == {ordered}
