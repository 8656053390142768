"""The same bits twice: seeds for NumPy and for TensorFlow, and one thread.

When: a result must repeat to the last bit, to compare two versions of the code and not two
draws of chance.

The line that matters: `inter_op_parallelism_threads=threads`, that is 1, with both seeds and
intra_op beside it, in the first session of the process, which decides for all later ones.
Keras draws from NumPy (the order of samples; the seeds of weights and dropout), TensorFlow's
own random operations from the graph's seed.

What goes wrong without it: several threads between operations run them in an open order, and
weights differ from run to run, with SGD as with Adam. Several within an operation cut a sum
into parts, so a long sum has other last bits for each number of threads. One seed forgotten,
and all differs from the start. On a GPU the order of additions is open: no promise there.

Checked: SHA-256 of all weights, in processes of their own with one thread and with four;
tf.reduce_sum in them; the two sums of the recipe against the exact one.

Sources: tf.ConfigProto and tf.set_random_seed, TensorFlow 1.9; K.random_uniform, Keras 2.2.4.
"""

import hashlib

import keras
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import recipe


def start(numpy_seed, tensorflow_seed, threads):
    K.clear_session()
    np.random.seed(numpy_seed)
    tf.set_random_seed(tensorflow_seed)
    config = tf.ConfigProto(
        intra_op_parallelism_threads=threads,
        inter_op_parallelism_threads=threads,
    )
    K.set_session(tf.Session(config=config))


def noisy(x):  # a random operation of TensorFlow's own, in training only
    return K.in_train_phase(x + tf.random_normal(tf.shape(x), stddev=0.1), x)


def build_model(shape):
    stack = [layers.Lambda(noisy, input_shape=shape), layers.Conv2D(16, 3, activation='relu'), layers.Flatten()]
    stack += [layers.Dropout(0.25), layers.Dense(10, activation='softmax')]
    return keras.models.Sequential(stack)


def train(data, epochs, batch_size=64, verbose=0, callbacks=(), numpy_seed=0, tensorflow_seed=0, threads=1):
    start(numpy_seed, tensorflow_seed, threads)
    model = build_model(data.x_train.shape[1:])
    model.compile('adam', 'sparse_categorical_crossentropy', metrics=['accuracy'])
    model.fit(data.x_train, data.y_train, batch_size, epochs, verbose, list(callbacks))
    return model


def weights_hash(model):
    every_bit = b''.join(w.tobytes() for w in model.get_weights())
    return int(hashlib.sha256(every_bit).hexdigest()[:8], 16)


def run(data, epochs=3, batch_size=64, verbose=2, callbacks=()):
    model = train(data, epochs, batch_size, verbose, callbacks)
    found = {'test_accuracy': model.evaluate(data.x_test, data.y_test, verbose=0)[1], 'hash': weights_hash(model)}
    for seeds in ({}, {'numpy_seed': 1}, {'tensorflow_seed': 1}):
        key = 'equal_with_other_' + list(seeds)[0] if seeds else 'equal_with_same_seeds'
        found[key] = int(weights_hash(train(data, epochs, batch_size, **seeds)) == found['hash'])

    # what threads within an operation do to a sum: the same numbers, one by one or as two halves
    numbers = (data.x_train / 3).ravel()[:90000]
    halves = [np.cumsum(half, dtype=np.float32)[-1] for half in np.split(numbers, 2)]
    found.update(sum_by_one=np.cumsum(numbers, dtype=np.float32)[-1], sum_by_two=halves[0] + halves[1])
    said = 'the same bits' if found['equal_with_same_seeds'] else 'other bits: ask for --threads 1'
    print('Trained again with the same seeds: %s' % said)
    print('The same numbers summed one by one: %(sum_by_one).3f, as two halves: %(sum_by_two).3f' % found)
    return found


if __name__ == '__main__':
    recipe.main(run)
