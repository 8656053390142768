"""A loss written as a formula: the Kullback-Leibler divergence, finite on one-hot targets.

Different from Keras 2.2.4: keras.backend has no tensor functions any more; they are in keras.ops, under
NumPy's names. keras.losses.KLDivergence is this loss, but that it clips the targets' weight as well, which
adds up to 1e-6 for each class.

Recipe: examples/losses/backend_loss.py
"""

import keras
import numpy as np
from keras import ops


def kl_divergence(y_true, y_pred):
    y_true = ops.cast(y_true, y_pred.dtype)
    p = ops.clip(y_true, keras.config.epsilon(), 1)  # log(0) is -inf, and 0 times that is NaN
    q = ops.clip(y_pred, keras.config.epsilon(), 1)
    return ops.sum(y_true * (ops.log(p) - ops.log(q)), axis=-1)  # a number for each sample


if __name__ == '__main__':
    x, y = np.random.rand(200, 8), np.eye(3)[np.random.randint(3, size=200)]
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3, activation='softmax')])
    model.compile('adam', kl_divergence)
    model.fit(x, y, epochs=2, verbose=2)
