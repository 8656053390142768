"""Sessions, against TensorFlow's own report of what is not initialised."""

import keras
import numpy as np
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


def test_start_undoes_what_a_keras_json_changed():
    K.set_image_data_format('channels_first')
    K.set_floatx('float64')
    session.start()
    assert (K.image_data_format(), K.floatx()) == ('channels_last', 'float32')


def test_initialises_only_what_is_uninitialised():
    model = keras.models.Sequential([keras.layers.Dense(3, input_shape=(2,))])
    model.set_weights([np.ones((2, 3)), np.ones(3)])
    new = [tf.Variable(2.0), tf.Variable(3.0, collections=[tf.GraphKeys.LOCAL_VARIABLES])]
    s = K.tensorflow_backend._SESSION
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
