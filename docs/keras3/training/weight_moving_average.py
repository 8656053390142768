"""A moving average of the weights, kept under fit and swapped in for evaluation: options of an optimizer.

Different from Keras 2.2.4: use_ema and the callback SwapEMAWeights, which must come before a ModelCheckpoint
that is to save averages. Keras 3's average begins with the weights after the first step, that of
tf.train.ExponentialMovingAverage with those before it.

Recipe: examples/training/weight_moving_average.py
"""

import keras
import numpy as np


def averaged(decay=0.98):
    # no overwriting: the training itself goes on from where it was
    return keras.optimizers.SGD(0.1, momentum=0.9, use_ema=True, ema_momentum=decay, ema_overwrite_frequency=None)


if __name__ == '__main__':
    x, y = np.random.rand(256, 8), np.random.randint(3, size=256)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3, activation='softmax')])
    model.compile(averaged(), 'sparse_categorical_crossentropy', metrics=['accuracy'])
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)  # validation is by the averages
    model.fit(x, y, epochs=2, validation_data=(x, y), callbacks=[swap], verbose=2)
