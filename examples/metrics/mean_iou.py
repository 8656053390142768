"""Mean intersection over union of a segmentation, over all pixels of the epoch.

When: each pixel gets a class and most pixels are background, so that the accuracy looks good
whatever the model does. Here: noisy images of digits, where each pixel is background, ink of
an even digit, or ink of an odd one.

The line that matters: `metrics=['acc', StreamingMetric(mean_iou)]`.

Without it: the update op of tf.metrics.mean_iou returns no mean at all, but the confusion
matrix: pixels counted by their true and their predicted class. Given to Keras as a metric,
`mean_iou(…)[1]` is reduced to the mean of this matrix, a number of pixels that grows from epoch
to epoch. The mean of the batches' own means is wrong as well, most of all where batches differ
in the classes that they hold.

Reaches: test mean iou 0.63 after 8 epochs, 4 s on 2 cores, 0.22 GB.

Checked: against intersections and unions counted by NumPy in the predictions of the test set.

Sources: tf.metrics.mean_iou, TensorFlow 1.9.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tensorflow_with_keras import recipe
from tensorflow_with_keras.streaming import StreamingMetric

CLASSES = 3  # background, ink of an even digit, ink of an odd digit


def mean_iou(y_true, y_pred):
    true = tf.argmax(y_true, 3)
    predicted = tf.argmax(y_pred, 3)
    return tf.metrics.mean_iou(true, predicted, CLASSES)


def scenes(images, digits, seed):
    """Noisy images, and the class of each pixel as a one-hot vector."""
    noise = np.random.RandomState(seed).normal(0, 0.2, images.shape)
    ink = images[..., 0] > 0.5
    parity = digits.reshape(-1, 1, 1) % 2
    classes = np.where(ink, 1 + parity, 0)
    return images + noise, keras.utils.to_categorical(classes, CLASSES)


def build_model(shape):
    height, width, _ = shape
    inputs = layers.Input(shape)
    local = layers.Conv2D(16, 3, padding='same', activation='relu')(inputs)
    # which digit it is takes the whole image
    whole = layers.Flatten()(inputs)
    whole = layers.Dense(64, activation='relu')(whole)
    whole = layers.Dense(2 * height * width, activation='relu')(whole)
    whole = layers.Reshape((height, width, 2))(whole)
    outputs = layers.Conv2D(CLASSES, 1, activation='softmax')(layers.concatenate([local, whole]))
    return keras.models.Model(inputs, outputs)


def run(data, epochs=8, batch_size=32, **fit):
    x_train, y_train = scenes(data.x_train, data.y_train, seed=1)
    x_test, y_test = scenes(data.x_test, data.y_test, seed=2)

    model = build_model(x_train.shape[1:])
    model.compile(
        loss='categorical_crossentropy',
        optimizer='adam',
        metrics=['acc', StreamingMetric(mean_iou)],  # <- the line that matters
    )
    history = model.fit(
        x_train, y_train, batch_size=batch_size, epochs=epochs, validation_data=(x_test, y_test), **fit
    ).history

    return {
        'epochs': epochs,
        'test_background': y_test[..., 0].mean(),
        'test_accuracy': history['val_acc'][-1],
        'test_mean_iou': history['val_mean_iou'][-1],
    }


if __name__ == '__main__':
    recipe.main(run)
