"""Initializer, regularizer and constraint of a layer: Keras 3 has these three itself.

Different from Keras 2.2.4: none is a function of TensorFlow, and load_model needs no custom_objects. Mind two
numbers: tf.contrib's l2 regularizer is half the sum of squares, Keras's the whole, so that its factor
halves; and Keras's TruncatedNormal draws as TensorFlow's does, cut at two deviations.

Recipe: examples/layers/initializers_regularizers_constraints.py
"""

import keras
import numpy as np
from keras import layers

SPREAD = 0.05
L1, L2 = 1e-4, 1e-3  # as tf.contrib.layers.l1_l2_regularizer takes them
LARGEST_NORM = 0.5


def dense(units):
    return layers.Dense(
        units,
        activation='relu',
        kernel_initializer=keras.initializers.TruncatedNormal(stddev=SPREAD),
        kernel_regularizer=keras.regularizers.L1L2(L1, L2 / 2),
        kernel_constraint=keras.constraints.MaxNorm(LARGEST_NORM, axis=0),  # each unit's weights, a column
    )


if __name__ == '__main__':
    x, y = np.random.rand(100, 8), np.random.randint(3, size=100)
    model = keras.Sequential([keras.Input((8,)), dense(64), layers.Dense(3, activation='softmax')])
    model.compile('adam', 'sparse_categorical_crossentropy')
    model.fit(x, y, epochs=2, verbose=2)
    print(np.linalg.norm(model.get_weights()[0], axis=0).max())
