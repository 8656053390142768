"""Several tasks: a loss for each output, and loss weights that change while training.

Different from Keras 2.2.4: a variable among loss_weights is taken, and keeps the value that it had at the
first step, without a word, since a step on JAX knows the variables of the model alone. So the weight is one
of those, by add_weight, and compute_loss multiplies by it.

Recipe: examples/training/multi_task.py
"""

import keras
import numpy as np
from keras import layers


class TwoTasks(keras.Model):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.weight = self.add_weight(shape=(), initializer='zeros', trainable=False, name='weight_of_digit')

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        digit = keras.losses.CategoricalCrossentropy()(y[0], y_pred[0])
        ink = keras.losses.MeanSquaredError()(y[1], y_pred[1])
        return self.weight * digit + (1 - self.weight) * ink


def build_model(shape, classes):
    images = keras.Input(shape)
    shared = layers.Dense(64, activation='relu')(layers.Flatten()(images))
    digit = layers.Dense(classes, activation='softmax', name='digit')(shared)
    return TwoTasks(images, [digit, layers.Dense(1, name='ink')(shared)])


class Schedule(keras.callbacks.Callback):
    """The easy task first, then more and more of the other."""

    def on_epoch_begin(self, epoch, logs=None):
        self.model.weight.assign(epoch / max(self.params['epochs'] - 1, 1))


if __name__ == '__main__':
    x, y = np.random.rand(200, 8), np.eye(3)[np.random.randint(3, size=200)]
    model = build_model((8,), 3)
    model.compile('adam', metrics=[['accuracy'], ['mean_absolute_error']])
    model.fit(x, [y, x.mean(1, keepdims=True)], epochs=3, callbacks=[Schedule()], verbose=2)
