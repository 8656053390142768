"""A variational autoencoder: the divergence joins the loss by add_loss, in the layer that draws the sample.

Different from Keras 2.2.4: model.add_loss takes no tensors in Keras 3, so that the layer adds its loss itself;
tf.distributions is gone, and its two formulas are written out. Random numbers come from a SeedGenerator
that belongs to the layer, or else every step draws the same ones.

Recipe: examples/losses/variational.py
"""

import keras
import numpy as np
from keras import layers, ops

CODE = 8


def reconstruction(y_true, y_pred):
    """Minus the log-likelihood of a whole image, y_pred being logits of black: a sum over pixels, no mean."""
    return ops.sum(ops.softplus(y_pred) - ops.cast(y_true, y_pred.dtype) * y_pred, axis=1)


def divergence(parameters):
    mean, log_deviation = ops.split(parameters, 2, axis=1)
    return ops.sum((ops.exp(2 * log_deviation) + ops.square(mean) - 1) / 2 - log_deviation, axis=1)


class Sample(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed = keras.random.SeedGenerator()

    def call(self, parameters):
        self.add_loss(ops.mean(divergence(parameters)))
        mean, log_deviation = ops.split(parameters, 2, axis=1)
        return mean + ops.exp(log_deviation) * keras.random.normal(ops.shape(mean), seed=self.seed)


def build_model(pixels, hidden=128):
    image = keras.Input((pixels,))
    parameters = layers.Dense(2 * CODE, name='parameters')(layers.Dense(hidden, activation='relu')(image))
    decoded = layers.Dense(hidden, activation='relu')(Sample()(parameters))
    return keras.Model(image, layers.Dense(pixels)(decoded))


if __name__ == '__main__':
    x = np.random.rand(200, 64)
    model = build_model(64)
    model.compile(keras.optimizers.Adam(0.003), reconstruction)
    model.fit(x, x, epochs=2, verbose=2)
