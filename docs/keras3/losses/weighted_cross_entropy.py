"""Weighted cross-entropy of logits: fewer of the rare class missed, at a price that you set.

Different from Keras 2.2.4: keras.ops has no such function, so that it is written out. Keras 3's metrics for
probabilities take logits as well, if they are told where the decision is: BinaryAccuracy(threshold=0).

Recipe: examples/losses/weighted_cross_entropy.py
"""

import keras
import numpy as np
from keras import ops


def weighted_cross_entropy(pos_weight):
    def loss(y_true, y_pred):
        y_true = ops.cast(y_true, y_pred.dtype)
        missed = y_true * ops.softplus(-y_pred)  # -log(p) of the positive samples
        return ops.mean(pos_weight * missed + (1 - y_true) * ops.softplus(y_pred), -1)

    return loss


if __name__ == '__main__':
    x = np.random.rand(200, 8)
    y = (x[:, :1] > 0.9).astype('float32')
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])  # logits
    model.compile('adam', weighted_cross_entropy(9.0), metrics=[keras.metrics.BinaryAccuracy(threshold=0)])
    model.fit(x, y, epochs=2, verbose=2)
