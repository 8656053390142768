"""A TensorFlow function as a layer: Lambda, with its output shape, saved and loaded.

When: one TensorFlow function without weights of its own belongs between two layers, and Keras
has none like it. Here: the amplitudes of an image's two-dimensional Fourier transform, which
stay as they are when the image is shifted around its edges.

The line that matters: `load_model(path, custom_objects={'tf': tf})`. Lambda saves the bytes of the
function, a named one's too, and load_model runs them among the names of keras/layers/core.py.

Without it: the model trains and saves, but loading it raises NameError: there is no `tf` there,
nor any other name of your file. And without `output_shape`, TensorFlow does not know the size
after a reshape to -1, and the next layer cannot be built.

Checked: the layer, against NumPy's rfft2; the loaded model, against the saved one.

Sources: tf.spectral.rfft2d, TensorFlow 1.9; class Lambda in keras/layers/core.py.
"""

import os
import tempfile

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tensorflow_with_keras import recipe

CLASSES = 10


def amplitudes(images):
    """Images of shape (batch, height, width, 1) to (batch, height * (width // 2 + 1))."""
    spectrum = tf.abs(tf.spectral.rfft2d(tf.squeeze(images, 3)))
    return tf.reshape(spectrum, [tf.shape(images)[0], -1])


def build_model(shape):
    height, width = shape[:2]
    return keras.models.Sequential(
        [
            layers.Lambda(amplitudes, output_shape=(height * (width // 2 + 1),), input_shape=shape, name='amplitudes'),
            layers.BatchNormalization(),
            layers.Dense(64, activation='relu'),
            layers.Dense(CLASSES, activation='softmax'),
        ]
    )


def run(data, epochs=10, batch_size=64, verbose=2, callbacks=()):
    model = build_model(data.x_train.shape[1:])
    model.compile(loss='sparse_categorical_crossentropy', optimizer='adam', metrics=['accuracy'])
    model.fit(
        data.x_train, data.y_train, batch_size=batch_size, epochs=epochs, verbose=verbose, callbacks=list(callbacks)
    )
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'model.h5')
        model.save(path)
        loaded = keras.models.load_model(path, custom_objects={'tf': tf})
    before, after = model.predict(data.x_test), loaded.predict(data.x_test)
    shifted = loaded.predict(np.roll(data.x_test, (3, 2), axis=(1, 2)))
    accuracy, moved = ((p.argmax(1) == data.y_test).mean() for p in (after, shifted))
    print('Test accuracy after loading %.3f; with every image shifted around its edges %.3f.' % (accuracy, moved))
    return {
        'epochs': epochs,
        'test_accuracy': accuracy,
        'test_accuracy_shifted': moved,
        'largest_difference_after_loading': np.abs(after - before).max(),
    }


if __name__ == '__main__':
    recipe.main(run)
