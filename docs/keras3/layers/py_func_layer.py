"""A NumPy or SciPy function as a layer, with its own gradient: local contrast, x / sqrt(1 + blur(x²)).

Different from Keras 2.2.4: on JAX, jax.pure_callback takes the place of tf.py_func and wants the answer's
shape; without a gradient of its own it is an error there, never a wrong gradient.

Recipe: examples/layers/py_func_layer.py
"""

import jax
import keras
import numpy as np
from keras import layers
from scipy import ndimage

SIGMA = (0, 1, 1, 0)  # of the blur, in pixels, for batch, height, width and channels


def blur(x):
    # zeros around the image: with them the blur is its own transpose, which backward() needs
    return ndimage.gaussian_filter(x, SIGMA, mode='constant')


def forward(x):
    x = np.asarray(x)
    return x / np.sqrt(1 + blur(x**2))


def backward(x, dy):
    """The gradient of sum(dy * forward(x)) with respect to x."""
    x, dy = np.asarray(x), np.asarray(dy)
    squared = 1 + blur(x**2)
    return dy / np.sqrt(squared) - x * blur(dy * x / squared**1.5)


@jax.custom_vjp
def contrast(x):
    return jax.pure_callback(forward, jax.ShapeDtypeStruct(x.shape, x.dtype), x)


contrast.defvjp(
    lambda x: (contrast(x), x),
    lambda x, dy: (jax.pure_callback(backward, jax.ShapeDtypeStruct(x.shape, x.dtype), x, dy),),
)


class Contrast(layers.Layer):
    def call(self, inputs):
        return contrast(inputs)

    def compute_output_spec(self, inputs):  # or Keras would run NumPy to find the shape
        return keras.KerasTensor(inputs.shape, inputs.dtype)


if __name__ == '__main__':
    x, y = np.random.rand(100, 8, 8, 1), np.random.randint(3, size=100)
    stack = [keras.Input((8, 8, 1)), layers.Conv2D(4, 3), Contrast(), layers.Flatten(), layers.Dense(3)]
    model = keras.Sequential(stack)
    model.compile('adam', keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, epochs=2, verbose=2)
