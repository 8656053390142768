"""The classes of the test models for Keras 2.2.4."""

from keras import backend as K
from keras.layers import Layer


class Scaled(Layer):
    def __init__(self, by, **kwargs):
        super().__init__(**kwargs)
        self.by = by

    def build(self, input_shape):
        self.scale = self.add_weight('scale', (input_shape[-1],), initializer='ones')
        super().build(input_shape)

    def call(self, inputs):
        return inputs * self.scale * self.by

    def get_config(self):
        return dict(super().get_config(), by=self.by)


class MinimalCell(Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight('kernel', (input_shape[-1], self.units), initializer='glorot_uniform')
        self.recurrent = self.add_weight('recurrent', (self.units, self.units), initializer='orthogonal')
        super().build(input_shape)

    def call(self, inputs, states):
        out = K.tanh(K.dot(inputs, self.kernel)) + K.dot(states[0], self.recurrent) * 0.5
        return out, [out]

    def get_config(self):
        return dict(super().get_config(), units=self.units)
