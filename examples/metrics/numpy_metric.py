"""Any NumPy or scikit-learn function as a metric, through tf.py_func.

When: the metric exists in Python and is a mean over samples, so that Keras's mean over batches
is right. Here: how high the true class ranks among the ten, 1 for first, 1/2 for second and so
on. A function that is no such mean, as F1, belongs into metrics/epoch_callback.

The line that matters: `score = tf.py_func(ranking, [y_true, y_pred], tf.float64)`. NumPy
computes in float64, and the type must be the one that the function returns: with tf.float32
it is an InvalidArgumentError at the first batch.

What goes wrong: TensorFlow does not know the shape of what Python returns. Keras's metrics do
not mind, but whatever looks at the shape does: without `set_shape` StreamingMetric refuses the
tensor. It has no gradient either, so it is no loss; and the function runs in this process,
once a batch, while the step waits: what that costs, this recipe prints.

Checked: against the function itself on the predictions of the whole test set, and against the
mean reciprocal rank by NumPy.

Sources: tf.py_func, TensorFlow 1.9; sklearn.metrics.label_ranking_average_precision_score.
"""

import time

import keras
import tensorflow as tf
from keras import layers
from sklearn.metrics import label_ranking_average_precision_score

from tensorflow_with_keras import recipe

CLASSES = 10
seconds = []  # that each call took


def ranking(y_true, y_pred):
    begin = time.perf_counter()
    score = label_ranking_average_precision_score(y_true, y_pred)
    seconds.append(time.perf_counter() - begin)
    return score


def reciprocal_rank(y_true, y_pred):
    score = tf.py_func(ranking, [y_true, y_pred], tf.float64)
    score.set_shape(())  # one number
    return tf.cast(score, tf.float32)


def build_model(shape):
    hidden = layers.Dense(64, activation='relu')
    return keras.models.Sequential(
        [layers.Flatten(input_shape=shape), hidden, layers.Dense(CLASSES, activation='softmax')]
    )


def run(data, epochs=6, batch_size=64, verbose=2, callbacks=()):
    y_train, y_test = (keras.utils.to_categorical(y, CLASSES) for y in (data.y_train, data.y_test))
    model = build_model(data.x_train.shape[1:])
    model.compile('adam', 'categorical_crossentropy', metrics=['accuracy', reciprocal_rank])
    del seconds[:]
    begin = time.perf_counter()
    history = model.fit(
        data.x_train,
        y_train,
        batch_size=batch_size,
        epochs=epochs,
        verbose=verbose,
        validation_data=(data.x_test, y_test),
        callbacks=list(callbacks),
    ).history
    step = (time.perf_counter() - begin) / len(seconds)
    print('A step took %.1f ms, of that the function %.1f ms.' % (1e3 * step, 1e3 * sum(seconds) / len(seconds)))
    return {
        'epochs': epochs,
        'calls': len(seconds),
        'test_accuracy': history['val_acc'][-1],
        'test_reciprocal_rank': history['val_reciprocal_rank'][-1],
    }


if __name__ == '__main__':
    recipe.main(run)
