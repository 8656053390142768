"""Fine-tuning under frozen BatchNormalization: in Keras 3, trainable = False is enough.

Different from Keras 2.2.4: a BatchNormalization that is not trainable runs by the statistics that it has
learned, in training as well; there it went on with those of each batch, unless called with training=False.
So `trainable = False` means more than it did, and a model that was trained with it before trains
differently now.

Recipe: examples/layers/frozen_batch_norm.py
"""

import keras
import numpy as np
from keras import layers


def build_base(shape):
    stack = [layers.Conv2D(16, 3), layers.BatchNormalization(), layers.Activation('relu'), layers.Flatten()]
    return keras.Sequential([keras.Input(shape), *stack])


def build_model(base, classes):
    """`base`, frozen, under a new layer that alone is trained."""
    base.trainable = False
    return keras.Sequential([base, layers.Dense(classes, activation='softmax')])


if __name__ == '__main__':
    x, y = np.random.rand(100, 8, 8, 1), np.random.randint(3, size=100)
    model = build_model(build_base((8, 8, 1)), 3)
    model.compile('adam', 'sparse_categorical_crossentropy')
    model.fit(x, y, epochs=2, verbose=2)
