"""Triplet loss with semi-hard negatives: embeddings in which like lies by like.

Different from Keras 2.2.4: tf.contrib has no place in Keras 3, so that the loss is written out; it returns
one number for the batch, which Keras 3 takes. A batch in which no two samples are of one class is 0 here,
where the function of tf.contrib divided 0 by 0 and turned every weight into NaN.

Recipe: examples/losses/triplet_semihard.py
"""

import keras
import numpy as np
from keras import ops


def triplet_loss(y_true, y_pred, margin=1.0):
    labels = ops.reshape(y_true, (-1, 1))
    like = ops.cast(ops.equal(labels, ops.transpose(labels)), 'float32')
    square = ops.sum(ops.square(y_pred), 1)
    distance = square[:, None] + square - 2 * ops.matmul(y_pred, ops.transpose(y_pred))
    distance = ops.maximum(distance, 0) * (1 - ops.eye(ops.shape(y_pred)[0]))

    # for anchor a and positive p: the nearest negative that is farther than p, else the farthest one
    farther = (1 - like)[:, None, :] * ops.cast(distance[:, None, :] > distance[:, :, None], 'float32')
    nearest_farther = ops.min(ops.where(farther > 0, distance[:, None, :], np.inf), 2)
    farthest = ops.max(distance * (1 - like), 1, keepdims=True)
    negative = ops.where(ops.isinf(nearest_farther), farthest, nearest_farther)

    pairs = like * (1 - ops.eye(ops.shape(y_pred)[0]))
    losses = pairs * ops.maximum(margin + distance - negative, 0)
    return ops.divide_no_nan(ops.sum(losses), ops.sum(pairs))


if __name__ == '__main__':
    x, y = np.random.rand(192, 8), np.random.randint(3, size=192)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4), keras.layers.UnitNormalization()])
    model.compile('adam', triplet_loss)
    model.fit(x, y, batch_size=64, epochs=2, verbose=2)
