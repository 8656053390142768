"""Gradient reversal: a layer that changes nothing on the way forward and the sign on the way back.

Different from Keras 2.2.4: tf.custom_gradient is keras.ops.custom_gradient, and instead of a Lambda a registered
layer of three lines is saved with the model.

Recipe: examples/layers/gradient_reversal.py
"""

import keras
import numpy as np
from keras import layers, ops

STRENGTH = 0.3


@ops.custom_gradient
def reverse(x):
    def gradient(*args, upstream=None):
        dy = args[-1] if upstream is None else upstream  # only PyTorch hands it over by name
        return -STRENGTH * dy

    return 1.0 * x, gradient


@keras.saving.register_keras_serializable('mine')
class Reversal(layers.Layer):
    def call(self, inputs):
        return reverse(inputs)


def build_model(shape, classes):
    images = keras.Input(shape)
    features = layers.Dense(32, activation='tanh', name='features')(layers.Flatten()(images))
    digit = layers.Dense(classes, activation='softmax', name='digit')(features)
    domain = layers.Dense(1, activation='sigmoid', name='domain')(Reversal()(features))
    return keras.Model(images, [digit, domain])


if __name__ == '__main__':
    x, y, z = np.random.rand(100, 8), np.random.randint(3, size=100), np.random.randint(2, size=(100, 1))
    model = build_model((8,), 3)
    model.compile('adam', ['sparse_categorical_crossentropy', 'binary_crossentropy'])
    model.fit(x, [y, z], epochs=2, verbose=2)
