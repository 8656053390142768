"""A function as a layer: Lambda, saved and loaded. Here the amplitudes of an image's Fourier transform.

Different from Keras 2.2.4: a registered function is saved by its name and loaded in any process that has
imported it, with no custom_objects. An unregistered lambda is still saved as bytecode, and Keras 3 refuses
to load it unless safe_mode=False.

Recipe: examples/layers/lambda_op.py
"""

import keras
import numpy as np
from keras import layers, ops


@keras.saving.register_keras_serializable('mine')
def amplitudes(images):
    """Images of shape (batch, height, width, 1) to (batch, height * (width // 2 + 1))."""
    real, imaginary = ops.rfft(ops.squeeze(images, 3))  # along the width
    real, imaginary = ops.swapaxes(real, 1, 2), ops.swapaxes(imaginary, 1, 2)
    real, imaginary = ops.fft((real, imaginary))  # along the height
    spectrum = ops.swapaxes(ops.sqrt(real**2 + imaginary**2), 1, 2)
    return ops.reshape(spectrum, (-1, spectrum.shape[1] * spectrum.shape[2]))


def build_model(shape, classes):
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.Lambda(amplitudes, name='amplitudes'),
            layers.BatchNormalization(),
            layers.Dense(classes, activation='softmax'),
        ]
    )


if __name__ == '__main__':
    x, y = np.random.rand(100, 8, 8, 1), np.random.randint(3, size=100)
    model = build_model((8, 8, 1), 3)
    model.compile('adam', 'sparse_categorical_crossentropy')
    model.fit(x, y, epochs=2, verbose=2)
    model.save('lambda_op.keras')
    print(abs(keras.models.load_model('lambda_op.keras').predict(x) - model.predict(x)).max())
