"""Padding left out of loss and metric: sequences of different lengths, with a label for every step.

When: your sequences are padded to one length, and the accuracy that Keras prints counts padding, or
is NaN for some batches.

The line that matters: `mask = tf.cast(tf.not_equal(y_true[..., 0], PADDING), tf.float32)`. The mask
comes from the labels, whose padding is -1; loss and metric both use it as weights.

Without it: padded steps count as if somebody had labelled them. The mask of a Masking layer does reach
Keras's own loss and metrics, but they average over batches as if each had as many real steps, and a
batch that is padding alone makes them 0 / 0, so that one NaN spoils loss and weights.

Reaches: test accuracy 0.95 after 8 epochs, 4 s on 2 cores, 0.24 GB.

Checked: NumPy's accuracy and mean loss of the real steps, with batches of padding alone among them.

Sources: the argument `weights` of tf.metrics.accuracy and of tf.losses, TensorFlow 1.9;
`weighted_masked_objective` in keras/engine/training_utils.py, Keras 2.2.4.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tensorflow_with_keras import recipe
from tensorflow_with_keras.streaming import StreamingMetric

CLASSES, PADDING = 3, -1


def labels_and_mask(y_true):
    mask = tf.cast(tf.not_equal(y_true[..., 0], PADDING), tf.float32)  # <- the line that matters
    labels = tf.cast(tf.maximum(y_true[..., 0], 0), tf.int64)  # padding becomes some class, of weight 0
    return labels, mask


def loss_of_real_steps(y_true, logits):
    labels, mask = labels_and_mask(y_true)
    return tf.losses.sparse_softmax_cross_entropy(labels, logits, mask)  # 0 where all is padding


def accuracy_of_real_steps(y_true, logits):
    labels, mask = labels_and_mask(y_true)
    return tf.metrics.accuracy(labels, tf.argmax(logits, -1), mask)


def padded_sequences(images, random):
    """The rows of an image as steps; is a row darker than the one before it (0), alike (1) or brighter (2)?"""
    steps = images[..., 0]
    brightness = steps.sum(2)
    labels = np.ones(brightness.shape, int)
    labels[:, 1:] += np.sign(np.round(np.diff(brightness))).astype(int)
    lengths = random.randint(2, steps.shape[1] + 1, len(steps))
    is_padding = np.arange(steps.shape[1]) >= lengths[:, np.newaxis]
    steps = np.where(is_padding[..., np.newaxis], PADDING, steps)
    return steps, np.where(is_padding, PADDING, labels)[..., np.newaxis]


def build_model(shape):
    return keras.models.Sequential(
        [
            layers.Masking(PADDING, input_shape=shape),  # the LSTM passes over padded steps
            layers.LSTM(32, return_sequences=True),
            layers.Dense(CLASSES),
            layers.Lambda(tf.identity),  # ends Keras's mask here, which would divide by zero
        ]
    )


def run(data, epochs=8, batch_size=32, **fit):
    random = np.random.RandomState(1)
    x_train, y_train = padded_sequences(data.x_train, random)
    x_test, y_test = padded_sequences(data.x_test, random)
    model = build_model(x_train.shape[1:])
    accuracy = StreamingMetric(accuracy_of_real_steps, sparse_labels=True)
    # labels of another shape than the logits: Keras has to be told
    labels = tf.placeholder(tf.float32, [None, None, 1])
    model.compile(keras.optimizers.Adam(0.01), loss_of_real_steps, [accuracy], target_tensors=[labels])
    model.fit(x_train, y_train, batch_size=batch_size, epochs=epochs, **fit)
    test_loss, test_accuracy = model.evaluate(x_test, y_test, batch_size, verbose=0)
    return {
        'epochs': epochs,
        'test_accuracy': test_accuracy,
        'test_loss': test_loss,
        'share_of_padding': (y_test == PADDING).mean(),
    }


if __name__ == '__main__':
    recipe.main(run)
