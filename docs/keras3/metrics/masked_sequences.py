"""Padding left out of loss and metric: in Keras 3 the mask of a Masking layer is enough.

Different from Keras 2.2.4: metrics weigh every real step alike over the epoch, and a batch of padding
alone adds nothing, where it made everything NaN. The loss of a batch is the mean over its real steps; the
loss of an epoch weighs batches by their samples, so that it is not the mean over all real steps unless
every batch has as many of them. The gates of an LSTM have another default: Keras 2.2.4's hard_sigmoid is
the function below.

Recipe: examples/metrics/masked_sequences.py
"""

import keras
import numpy as np
from keras import ops

CLASSES, PADDING = 3, -1


@keras.saving.register_keras_serializable('keras2')
def hard_sigmoid(x):  # Keras 3 has another function of that name
    return ops.clip(0.2 * x + 0.5, 0, 1)


def build_model(width, units=8):
    return keras.Sequential(
        [
            keras.Input((None, width)),
            keras.layers.Masking(PADDING),
            keras.layers.LSTM(units, recurrent_activation=hard_sigmoid, return_sequences=True),
            keras.layers.Dense(CLASSES),
        ]
    )


def compile_model(model):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # labels of padded steps may be anything that is a class
    model.compile(keras.optimizers.Adam(0.01), loss, weighted_metrics=['accuracy'])
    return model


if __name__ == '__main__':
    x, y = np.random.rand(100, 7, 4), np.random.randint(CLASSES, size=(100, 7))
    x[np.arange(7) >= np.random.randint(1, 8, (100, 1))] = PADDING
    compile_model(build_model(4)).fit(x, y, epochs=2, verbose=2)
