"""A function with weights of another library as a layer, trained and saved by Keras: JaxLayer.

Different from Keras 2.2.4: no template and no collection of variables. A function of JAX gets its weights as
an argument, and keras.layers.JaxLayer holds them; FlaxLayer, TFSMLayer and TorchModuleWrapper are the same
for Flax, a SavedModel and PyTorch. Hand it the weights: made by its init_fn, they need TensorFlow
installed, on JAX too.

Recipe: examples/layers/foreign_variables.py
"""

import math

import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras import layers

UNITS = 64


def make(width, seed=0):
    kernel = jax.nn.initializers.glorot_uniform()(jax.random.key(seed), (width, UNITS))
    start = {'bias': jnp.zeros, 'gamma': jnp.ones, 'beta': jnp.zeros, 'scale': jnp.ones}
    return {'kernel': kernel, **{name: f(UNITS) for name, f in start.items()}}  # an array each, which a step gives away


def features(params, inputs):
    """A dense layer and a layer normalization, as tf.layers and tf.contrib.layers have them."""
    x = jax.nn.relu(inputs @ params['kernel'] + params['bias'])
    x = (x - x.mean(1, keepdims=True)) / jnp.sqrt(x.var(1, keepdims=True) + 1e-12)
    return (x * params['gamma'] + params['beta']) * params['scale']


def build_model(shape, classes):
    layer = layers.JaxLayer(features, params=make(math.prod(shape)), name='features')
    return keras.Sequential([keras.Input(shape), layers.Flatten(), layer, layers.Dense(classes)])


if __name__ == '__main__':
    x, y = np.random.rand(100, 8), np.random.randint(3, size=100)
    model = build_model((8,), 3)
    model.compile('adam', keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, epochs=2, verbose=2)
    print(len(model.get_layer('features').trainable_weights), 'arrays of weights in the layer')
