"""A metric function without state: it goes to compile as it is, and returns a number for each sample.

Different from Keras 2.2.4: a function that returns one number for the batch, as tf.contrib.metrics.accuracy
did, is averaged over the batches with equal weight, so that a short last batch counts too much; 2.2.4
weighed it by its size. With one number for each sample it is the mean over the samples in both.

Recipe: examples/metrics/accuracy_stateless.py
"""

import keras
import numpy as np
from keras import ops


def accuracy(y_true, y_pred):
    return ops.cast(ops.equal(ops.argmax(y_true, -1), ops.argmax(y_pred, -1)), 'float32')  # (batch,)


def accuracy_of_the_batch(y_true, y_pred):  # the pitfall
    return ops.mean(accuracy(y_true, y_pred))


if __name__ == '__main__':
    x, y = np.random.rand(200, 8), np.eye(3)[np.random.randint(3, size=200)]
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3, activation='softmax')])
    model.compile('adam', 'categorical_crossentropy', metrics=[accuracy, accuracy_of_the_batch])
    model.fit(x, y, batch_size=64, epochs=2, verbose=2)
