"""The same for a newer Keras, and for tf-keras where that is the target; and what the Lambdas compute."""

import os

if os.environ.get('KERAS_BACKEND') == 'jax':
    import keras
    from keras import ops
else:
    import tf_keras as keras
    from tensorflow.experimental import numpy as ops


class Scaled(keras.layers.Layer):
    def __init__(self, by, **kwargs):
        super().__init__(**kwargs)
        self.by = by

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer='ones', name='scale')

    def call(self, inputs):
        return inputs * self.scale * self.by

    def get_config(self):
        return {**super().get_config(), 'by': self.by}


class MinimalCell(keras.layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name='kernel')
        self.recurrent = self.add_weight(shape=(self.units, self.units), name='recurrent')

    def call(self, inputs, states):
        out = ops.tanh(ops.matmul(inputs, self.kernel)) + ops.matmul(states[0], self.recurrent) * 0.5
        return out, [out]

    def get_config(self):
        return {**super().get_config(), 'units': self.units}


def twice_and_one(t):
    return t * 2 + 1


def divided(t, by):
    return t / by


def normalized(t):
    return t / ops.sqrt(ops.sum(t * t, axis=-1, keepdims=True))
