"""F1, and any other function of a confusion matrix, counted over a whole epoch.

When: you want F1, macro F1 or quadratic weighted kappa in Keras's log, of all samples of an epoch.
Keras took its own precision, recall and F1 out in version 2.0, because they were averages of the
batches' scores.

The line that matters: `return f1, tf.group(update_precision, update_recall)`. A value that is made
of several counts needs all of their updates, joined into one operation.

Without it: with one update alone the other count stays at zero, and so does F1, with no error. And
the average of the batches' F1 is another number: a batch with no sample of the class counts as much
as any other.

Reaches: test macro f1 0.89 after 8 epochs, 3 s on 2 cores, 0.21 GB.

Checked: scikit-learn's f1_score, and its cohen_kappa_score with quadratic weights, of the same
predictions.

Sources: tf.metrics.precision, tf.metrics.recall and tf.confusion_matrix, TensorFlow 1.9; Cohen
(1968), Weighted kappa.
"""

import keras
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import recipe
from tensorflow_with_keras.streaming import StreamingMetric

CLASSES = 10


def f1_of_eights(y_true, y_pred):
    is_eight = tf.equal(tf.argmax(y_true, 1), 8)
    says_eight = tf.equal(tf.argmax(y_pred, 1), 8)
    precision, update_precision = tf.metrics.precision(is_eight, says_eight)
    recall, update_recall = tf.metrics.recall(is_eight, says_eight)
    f1 = 2 * precision * recall / tf.maximum(precision + recall, K.epsilon())
    return f1, tf.group(update_precision, update_recall)  # <- the line that matters


def confusion_matrix(y_true, y_pred):
    """A streaming metric of your own: counts in a local variable, rows true, columns predicted."""
    local = [tf.GraphKeys.LOCAL_VARIABLES]
    counts = tf.Variable(tf.zeros([CLASSES, CLASSES]), trainable=False, collections=local)
    batch = tf.confusion_matrix(tf.argmax(y_true, 1), tf.argmax(y_pred, 1), CLASSES, tf.float32)
    return counts, tf.assign_add(counts, batch)


def macro_f1(y_true, y_pred):
    counts, update = confusion_matrix(y_true, y_pred)
    true_and_predicted = tf.reduce_sum(counts, 0) + tf.reduce_sum(counts, 1)
    f1_of_each_class = 2 * tf.diag_part(counts) / tf.maximum(true_and_predicted, 1)
    return tf.reduce_mean(f1_of_each_class), update


def quadratic_kappa(y_true, y_pred):  # for classes that are grades: far off counts more than near by
    counts, update = confusion_matrix(y_true, y_pred)
    grades = tf.range(CLASSES, dtype=tf.float32)
    penalty = tf.square(grades[:, tf.newaxis] - grades)
    rows = tf.reduce_sum(counts, 1, keepdims=True)
    columns = tf.reduce_sum(counts, 0, keepdims=True)
    by_chance = rows * columns / tf.maximum(tf.reduce_sum(counts), 1)
    disagreement = tf.reduce_sum(penalty * counts) / tf.maximum(tf.reduce_sum(penalty * by_chance), K.epsilon())
    return 1 - disagreement, update


def batch_f1(y_true, y_pred):  # what the web copies: of one batch, which Keras averages
    is_eight = K.cast(K.equal(K.argmax(y_true), 8), 'float32')
    says_eight = K.cast(K.equal(K.argmax(y_pred), 8), 'float32')
    return 2 * K.sum(is_eight * says_eight) / K.maximum(K.sum(is_eight) + K.sum(says_eight), K.epsilon())


def build_model(shape):
    return keras.models.Sequential([layers.Flatten(input_shape=shape), layers.Dense(CLASSES, activation='softmax')])


def run(data, epochs=8, batch_size=32, **fit):
    y_train = keras.utils.to_categorical(data.y_train, CLASSES)
    y_test = keras.utils.to_categorical(data.y_test, CLASSES)
    model = build_model(data.x_train.shape[1:])
    streaming = [StreamingMetric(f) for f in (f1_of_eights, macro_f1, quadratic_kappa)]
    model.compile(keras.optimizers.Adam(0.01), 'categorical_crossentropy', metrics=[batch_f1, *streaming])
    model.fit(data.x_train, y_train, batch_size=batch_size, epochs=epochs, **fit)
    reached = dict(zip(model.metrics_names, model.evaluate(data.x_test, y_test, batch_size, verbose=0)))
    return {
        'epochs': epochs,
        'test_macro_f1': reached['macro_f1'],
        'test_quadratic_kappa': reached['quadratic_kappa'],
        'test_f1_of_eights': reached['f1_of_eights'],
        'mean_of_the_batches_f1': reached['batch_f1'],
    }


if __name__ == '__main__':
    recipe.main(run)
