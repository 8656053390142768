"""Pearson's correlation of a regression's predictions with the truth, over the whole epoch.

When: what matters in a regression is that predictions rise and fall with the truth, more than
that they hit its scale. Here: from the upper half of a digit, how much ink is in its lower half.

The line that matters: `metrics=[StreamingMetric(pearson)]`. It collects means, variances and the
covariance over the whole epoch.

Without it: a function that returns the correlation of one batch has Keras average correlations,
and the mean of many small batches' correlations is not the correlation of all samples. Sorted
data, where each batch has one kind of digit, show it most. The streaming function's update op
given as the metric, in turn, is the average of running values that are never reset.

Reaches: test pearson 0.57 after 10 epochs, 5 s on 2 cores, 0.24 GB.

Checked: against scipy.stats.pearsonr of the same predictions of the whole test set.

Sources: tf.contrib.metrics.streaming_pearson_correlation, TensorFlow 1.9.
"""

import keras
import tensorflow as tf
from keras import layers

from tensorflow_with_keras import recipe
from tensorflow_with_keras.streaming import StreamingMetric


def pearson(y_true, y_pred):
    return tf.contrib.metrics.streaming_pearson_correlation(predictions=y_pred, labels=y_true)


def halves(images):
    """The upper halves as inputs, and as targets the mean of the lower halves, from 0 (white) to 1 (black)."""
    middle = images.shape[1] // 2
    upper = images[:, :middle]
    lower = images[:, middle:]
    return upper, lower.mean((1, 2, 3)).reshape(-1, 1)


def build_model(shape):
    return keras.models.Sequential(
        [
            layers.Flatten(input_shape=shape),
            layers.Dense(64, activation='relu'),
            layers.Dense(1),
        ]
    )


def run(data, epochs=10, batch_size=32, **fit):
    x_train, y_train = halves(data.x_train)
    x_test, y_test = halves(data.x_test)

    model = build_model(x_train.shape[1:])
    model.compile(
        loss='mse',
        optimizer='adam',
        metrics=[StreamingMetric(pearson)],  # <- the line that matters
    )
    history = model.fit(
        x_train, y_train, batch_size=batch_size, epochs=epochs, validation_data=(x_test, y_test), **fit
    ).history

    return {
        'epochs': epochs,
        'train_pearson': history['pearson'][-1],
        'test_pearson': history['val_pearson'][-1],
        'test_mse': history['val_loss'][-1],
        'test_variance': y_test.var(),
    }


if __name__ == '__main__':
    recipe.main(run)
