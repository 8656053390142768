"""A learning rate that decays from batch to batch: a schedule in the place of a number.

Different from Keras 2.2.4: keras.optimizers.schedules has TensorFlow's schedules, and any optimizer takes one.
It counts its own steps, once each. The argument `lr` is an error now, and `decay`, which was InverseTimeDecay, is
ignored with a warning.

Recipe: examples/training/learning_rate_decay.py
"""

import keras
import numpy as np

RATE = 0.5
DECAY = 0.8


def decayed(batches_per_decay):
    schedule = keras.optimizers.schedules.ExponentialDecay(RATE, batches_per_decay, DECAY)
    return keras.optimizers.SGD(schedule)


if __name__ == '__main__':
    x, y = np.random.rand(256, 8), np.random.randint(3, size=256)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3, activation='softmax')])
    model.compile(decayed(8), 'sparse_categorical_crossentropy')
    model.fit(x, y, batch_size=32, epochs=2, verbose=2)
    print('rate', float(model.optimizer.learning_rate))
