"""A loop in a layer, with gradients through it: ops.scan over time, for a leaky memory of each column.

Different from Keras 2.2.4: ops.scan takes the function first, and that returns the next state and the output
of the step. It too walks along the first axis, which is the batch in Keras: hence the two swaps.

Recipe: examples/layers/while_loop.py
"""

import keras
import numpy as np
from keras import layers, ops


class LeakyMemory(layers.Layer):
    """(batch, time, features) to the same shape: y[t] = decay * y[t - 1] + x[t]."""

    def build(self, input_shape):
        start = keras.initializers.Constant(0.5)
        self.decay = self.add_weight(shape=(input_shape[2],), initializer=start, name='decay')

    def call(self, inputs):
        def remember(memory, step):
            memory = self.decay * memory + step
            return memory, memory

        steps = ops.swapaxes(inputs, 0, 1)  # time first
        _, memories = ops.scan(remember, ops.zeros_like(steps[0]), steps)
        return ops.swapaxes(memories, 0, 1)


if __name__ == '__main__':
    x, y = np.random.rand(100, 7, 4), np.random.randint(3, size=100)
    model = keras.Sequential([keras.Input((7, 4)), LeakyMemory(), layers.Flatten(), layers.Dense(3)])
    model.compile('adam', keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, epochs=2, verbose=2)
