"""Huber's loss, with every sample keeping its own weight: Keras 3 has it.

Different from Keras 2.2.4: keras.losses.Huber gives Keras a loss for each sample, so that no `reduction` has
to be named. The weighted loss is another number: Keras 3 divides by the number of samples, 2.2.4 by the
number of samples whose weight is not zero. With reduction='mean_with_sample_weight' Keras 3 divides by the
sum of the weights.

Recipe: examples/losses/huber.py
"""

import keras
import numpy as np


def huber():
    return keras.losses.Huber(delta=1.0)


if __name__ == '__main__':
    x = np.random.rand(200, 8)
    wrong = np.random.rand(200, 1) < 0.4
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
    model.compile('adam', huber(), metrics=['mean_absolute_error'])
    model.fit(x, x.mean(1, keepdims=True) + 50 * wrong, sample_weight=1.0 - wrong[:, 0], epochs=2, verbose=2)
