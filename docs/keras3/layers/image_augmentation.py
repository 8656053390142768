"""Random rotations inside the model, in training only: a layer of Keras 3.

Different from Keras 2.2.4: keras.layers.RandomRotation takes a share of the whole circle, not degrees, and by
default reflects the image at its edges where tf.contrib.image.rotate fills in zeros. It is off in
evaluation and prediction by itself.

Recipe: examples/layers/image_augmentation.py
"""

import keras
import numpy as np
from keras import layers


def random_rotation(degrees):
    return layers.RandomRotation(degrees / 360, fill_mode='constant', fill_value=0.0, interpolation='bilinear')


if __name__ == '__main__':
    x, y = np.random.rand(100, 8, 8, 1), np.random.randint(3, size=100)
    stack = [keras.Input((8, 8, 1)), random_rotation(30), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(3)]
    model = keras.Sequential(stack)
    model.compile('adam', keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, epochs=2, verbose=2)
