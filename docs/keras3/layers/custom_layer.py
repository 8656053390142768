"""A layer of your own: weights, mask, saving. Attention that reads a sequence of any length.

Different from Keras 2.2.4: `add_weight` takes the shape first, so name its arguments; Keras 3 finds the
output's shape by itself; and a registered class is loaded without custom_objects. The mask is dropped by
returning None from compute_mask, as before.

Recipe: examples/layers/custom_layer.py
"""

import keras
import numpy as np
from keras import layers, ops


@keras.saving.register_keras_serializable('mine')
class Attention(layers.Layer):
    """(batch, time, features) to (batch, features): the sum over time, weighted by attention."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.supports_masking = True

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[2], self.units), initializer='glorot_uniform', name='kernel')
        self.query = self.add_weight(shape=(self.units,), initializer='uniform', name='query')

    def call(self, inputs, mask=None):
        scores = ops.einsum('btu,u->bt', ops.tanh(ops.matmul(inputs, self.kernel)), self.query)
        if mask is not None:
            scores += (ops.cast(mask, scores.dtype) - 1) * 1e9
        return ops.einsum('bt,btf->bf', ops.softmax(scores), inputs)

    def compute_mask(self, inputs, previous_mask=None):
        return None  # the output has no time steps left to mask

    def get_config(self):
        return {**super().get_config(), 'units': self.units}


if __name__ == '__main__':
    x, y = np.random.rand(100, 7, 4), np.random.randint(3, size=100)
    x[np.arange(7) >= np.random.randint(1, 8, (100, 1))] = 0
    stack = [keras.Input((None, 4)), layers.Masking(), Attention(16), layers.Dense(3, activation='softmax')]
    model = keras.Sequential(stack)
    model.compile('adam', 'sparse_categorical_crossentropy')
    model.fit(x, y, epochs=2, verbose=2)
