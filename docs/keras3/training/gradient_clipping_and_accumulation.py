"""Several small batches as one large one, its gradient clipped by the global norm: options of an optimizer.

Different from Keras 2.2.4: every optimizer has gradient_accumulation_steps, and clips what has been
accumulated. `clipnorm` is another thing than it was: in Keras 3 it clips each variable by itself, and
what 2.2.4 called clipnorm is `global_clipnorm`.

Recipe: examples/training/gradient_clipping_and_accumulation.py
"""

import keras
import numpy as np

SMALL_BATCHES = 4  # in a large one
NORM = 0.5


def accumulated(rate=0.1):
    return keras.optimizers.SGD(rate, momentum=0.9, gradient_accumulation_steps=SMALL_BATCHES, global_clipnorm=NORM)


if __name__ == '__main__':
    x, y = np.random.rand(256, 8), np.random.randint(3, size=256)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3, activation='softmax')])
    model.compile(accumulated(), 'sparse_categorical_crossentropy')
    model.fit(x, y, batch_size=16, epochs=2, verbose=2)
    print(int(model.optimizer.iterations), 'steps')
