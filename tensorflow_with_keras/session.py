"""Sessions: seeds, threads, and initialising only what is not initialised yet."""

import functools
import random

import numpy as np
import tensorflow as tf
from keras import backend as K
from keras import optimizers


def start(seed=None, threads=None):
    """A fresh graph with a fresh session that Keras uses.

    # Arguments
        seed: int or None. Seeds Python, NumPy and the new graph.
        threads: int or None. Threads within and between operations; with 1 a run on the CPU
            gives the same bits each time. None leaves the choice to TensorFlow. The pools
            belong to the process: its first session decides, later ones are ignored. With 1,
            Keras's optimizers are also made to wait (see `order_updates`).

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
    order_updates(threads == 1)
    K.set_session(session)
    return session


def order_updates(wait=True):
    """Makes Keras's own optimizers compute all new values before any variable changes; `wait=False` undoes it.

    In Keras 2.2.4 nothing orders the two: a gradient may pass through weights that are already updated, and Adam may
    read its count of steps before or after it is raised. Which it is depends on how the threads happen to be timed, so
    one thread alone does not give the same bits each time. TensorFlow's optimizers wait by themselves.

    It counts for the models whose first step comes after it, since Keras asks an optimizer for its updates only then.

    # Source
        `keras/optimizers.py` of Keras 2.2.4 (`get_updates`); `gate_gradients` of `tf.train.Optimizer`.
    """
    for cls in vars(optimizers).values():
        if isinstance(cls, type) and issubclass(cls, optimizers.Optimizer) and 'get_updates' in vars(cls):
            get_updates = getattr(cls.get_updates, 'without_order', cls.get_updates)
            if cls not in (optimizers.Optimizer, optimizers.TFOptimizer):
                cls.get_updates = _ordered(get_updates) if wait else get_updates


def _ordered(get_updates):
    @functools.wraps(get_updates)
    def wrapper(self, loss, params):
        updates = get_updates(self, loss, params)
        # Keras takes an update as an operation or as a pair (variable, new value)
        assignments = [tf.assign(*u).op if isinstance(u, tuple) else getattr(u, 'op', u) for u in updates]
        barrier = tf.group(*[a.inputs[1].op for a in assignments])
        for assignment in assignments:
            assignment._add_control_input(barrier)
        self.updates = assignments
        return assignments

    wrapper.without_order = get_updates
    return wrapper


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
