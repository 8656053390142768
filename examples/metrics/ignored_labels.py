"""A void class: pixels without a label, left out of loss, accuracy and IoU alike.

When: your masks mark pixels that nobody labelled, often by the number 255.

The line that matters: `weights = tf.cast(tf.not_equal(labels, VOID), tf.float32)`. Void pixels get
the weight 0, in the metric and in the loss, after their label was replaced by some valid class.

Without it: 255 is no class, and a loss on it is NaN on a GPU and an error on a CPU; set to class 0
without weights, void pixels count as background, and accuracy and IoU are those of another task.

Reaches: test mean iou 0.75 after 6 epochs, 7 s on 2 cores, 0.23 GB.

Checked: NumPy's accuracy and mean IoU of the labelled pixels alone, and the loss of one batch.

Sources: the arguments `weights` of tf.metrics.mean_iou and tf.metrics.accuracy, and
tf.losses.sparse_softmax_cross_entropy, TensorFlow 1.9; PASCAL VOC's void label.
"""

import numpy as np
import tensorflow as tf
from keras import layers, models

from tensorflow_with_keras import recipe
from tensorflow_with_keras.streaming import StreamingMetric

CLASSES, VOID = 3, 255


def labels_and_weights(y_true):
    labels = tf.cast(y_true[..., 0], tf.int64)
    weights = tf.cast(tf.not_equal(labels, VOID), tf.float32)  # <- the line that matters
    return tf.where(weights > 0, labels, tf.zeros_like(labels)), weights


def loss_without_void(y_true, logits):
    labels, weights = labels_and_weights(y_true)
    return tf.losses.sparse_softmax_cross_entropy(labels, logits, weights)  # the mean of the labelled pixels


def accuracy_without_void(y_true, logits):
    labels, weights = labels_and_weights(y_true)
    return tf.metrics.accuracy(labels, tf.argmax(logits, -1), weights)


def mean_iou_without_void(y_true, logits):
    labels, weights = labels_and_weights(y_true)
    return tf.metrics.mean_iou(labels, tf.argmax(logits, -1), CLASSES, weights)


def masks(images, digits, random):
    """Classes of pixels: 0 background, 1 an even digit, 2 an odd one. A fifth of them has no label."""
    classes = np.where(images > 0.5, 1 + digits[:, None, None, None] % 2, 0)
    return np.where(random.rand(*classes.shape) < 0.2, VOID, classes)


def build_model(shape):
    return models.Sequential(
        [
            layers.Conv2D(32, 3, padding='same', activation='relu', input_shape=shape),
            layers.Conv2D(32, 5, padding='same', activation='relu'),
            layers.Conv2D(CLASSES, 5, padding='same'),
        ]
    )


def run(data, epochs=6, batch_size=32, **fit):
    random = np.random.RandomState(1)
    y_train = masks(data.x_train, data.y_train, random)
    y_test = masks(data.x_test, data.y_test, random)
    model = build_model(data.x_train.shape[1:])
    metrics = [StreamingMetric(f, sparse_labels=True) for f in (accuracy_without_void, mean_iou_without_void)]
    # sparse labels have another shape than the predictions, which Keras has to be told
    target = tf.placeholder(tf.float32, [None, None, None, 1])
    model.compile('adam', loss_without_void, metrics, target_tensors=[target])
    model.fit(data.x_train, y_train, batch_size=batch_size, epochs=epochs, **fit)
    loss, accuracy, mean_iou = model.evaluate(data.x_test, y_test, batch_size, verbose=0)
    return {
        'epochs': epochs,
        'test_mean_iou': mean_iou,
        'test_accuracy': accuracy,
        'test_loss': loss,
        'share_without_label': (y_test == VOID).mean(),
    }


if __name__ == '__main__':
    recipe.main(run)
