"""Sessions: seeds, threads, and initialising only what is not initialised yet."""

import random

import numpy as np
import tensorflow as tf
from keras import backend as K


def start(seed=None, threads=None):
    """A fresh graph with a fresh session that Keras uses.

    # Arguments
        seed: int or None. Seeds Python, NumPy and the new graph.
        threads: int or None. Threads within and between operations; with 1 a run on the CPU
            gives the same bits each time. None leaves the choice to TensorFlow. The pools
            belong to the process: its first session decides, later ones are ignored.

    # Returns
        The `tf.Session` that `K.get_session()` will return.
    """
    K.clear_session()
    # what a keras.json in the user's home may have changed; the recipes are written for these
    K.set_image_data_format('channels_last')
    K.set_floatx('float32')
    K.set_epsilon(1e-7)
    if seed is not None:
        random.seed(seed)
        np.random.seed(seed)
        tf.set_random_seed(seed)
    threads = threads or 0
    config = tf.ConfigProto(
        intra_op_parallelism_threads=threads,
        inter_op_parallelism_threads=threads,
        allow_soft_placement=True,
        gpu_options=tf.GPUOptions(allow_growth=True),  # a shared GPU stays shared
    )
    session = tf.Session(config=config)
    K.set_session(session)
    return session


def initialize_uninitialized(session=None):
    """Initialises the global and local variables that have no value yet, and no others.

    `tf.global_variables_initializer()` would also set trained or loaded weights back.

    # Arguments
        session: `tf.Session`, by default Keras's.

    # Returns
        List of the variables that were initialised.

    # Source
        `tf.report_uninitialized_variables` of TensorFlow 1.9, which this is checked against.
    """
    session = session or K.get_session()
    with session.graph.as_default():
        variables = tf.global_variables() + tf.local_variables()
        ready = session.run([tf.is_variable_initialized(v) for v in variables])
        missing = [v for v, is_ready in zip(variables, ready) if not is_ready]
        session.run([v.initializer for v in missing])
    return missing
