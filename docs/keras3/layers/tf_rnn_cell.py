"""A recurrent cell of your own under keras.layers.RNN: an LSTM with layer normalization.

Different from Keras 2.2.4: tf.contrib.rnn is gone, so that the cell is written out; its weights are Keras's
from the start, and nobody has to find them. Kernel, gammas and betas are those of
tf.contrib.rnn.LayerNormBasicLSTMCell, whose gates are in the order i, j, f, o.

Recipe: examples/layers/tf_rnn_cell.py
"""

import keras
import numpy as np
from keras import layers, ops


class LayerNormLSTMCell(layers.Layer):
    def __init__(self, units, forget_bias=1.0, **kwargs):
        super().__init__(**kwargs)
        self.units, self.state_size, self.output_size = units, (units, units), units
        self.forget_bias = forget_bias
        # Keras's own epsilon is 0.001
        self.norms = [layers.LayerNormalization(epsilon=1e-12, name=n) for n in ('i', 'j', 'f', 'o', 'state')]

    def build(self, input_shape):
        shape = (input_shape[-1] + self.units, 4 * self.units)
        self.kernel = self.add_weight(shape=shape, initializer='glorot_uniform', name='kernel')
        for norm in self.norms:
            norm.build((None, self.units))

    def call(self, inputs, states):
        c, h = states
        gates = ops.split(ops.matmul(ops.concatenate([inputs, h], 1), self.kernel), 4, axis=1)
        i, j, f, o = [norm(gate) for norm, gate in zip(self.norms, gates)]
        c = c * ops.sigmoid(f + self.forget_bias) + ops.sigmoid(i) * ops.tanh(j)
        c = self.norms[4](c)
        h = ops.tanh(c) * ops.sigmoid(o)
        return h, [c, h]


if __name__ == '__main__':
    x, y = np.random.rand(100, 7, 4), np.random.randint(3, size=100)
    model = keras.Sequential([keras.Input((7, 4)), layers.RNN(LayerNormLSTMCell(16)), layers.Dense(3)])
    model.compile('adam', keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, epochs=2, verbose=2)
