"""TensorFlow's Huber loss in Keras, with every sample keeping its own weight.

When: you want one of tf.losses, or any TensorFlow loss that reduces the batch to one number,
and you use `sample_weight` or `class_weight`. Huber's loss is for targets with outliers: far
from the target it grows no faster than the distance.

The line that matters: `reduction=tf.losses.Reduction.NONE`, so that Keras gets one loss for each
sample.

Without it: the loss is one number for the batch, and Keras multiplies that by the mean of the
weights. No error; but a sample of weight 0 counts as much as any other. Here two fifths of the
targets are known to be wrong and have weight 0, and without the line the model learns from them
all the same: the error on the test set grows. `loss_collection=None` keeps the loss out of
tf.GraphKeys.LOSSES, where each call would add one more for `tf.losses.get_total_loss()` to sum up.

Reaches: test mean absolute error 0.99 after 30 epochs, 3 s on 2 cores, 0.20 GB.

Checked: the weighted loss that Keras reports, against scipy.special.huber of the predictions,
weighted in NumPy.

Sources: tf.losses.huber_loss, TensorFlow 1.9; weighted_masked_objective in
keras/engine/training_utils.py; Huber (1964), Robust estimation of a location parameter.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tensorflow_with_keras import recipe


def huber(y_true, y_pred):
    return tf.losses.huber_loss(
        y_true,
        y_pred,
        delta=1.0,
        loss_collection=None,
        reduction=tf.losses.Reduction.NONE,  # <- the line that matters
    )  # (batch, 1), as y_true and y_pred are


def build_model(shape):
    return keras.models.Sequential(
        [
            layers.Flatten(input_shape=shape),
            layers.Dense(64, activation='relu'),
            layers.Dense(1),
        ]
    )


def run(data, epochs=30, batch_size=32, **fit):
    # Regression: read off the digit's value. Two fifths of the targets are 50 too high, and known to be.
    wrong = np.random.RandomState(0).rand(len(data.y_train)) < 0.4
    targets = data.y_train + 50.0 * wrong

    model = build_model(data.x_train.shape[1:])
    model.compile(loss=huber, optimizer=keras.optimizers.Adam(0.003), metrics=['mean_absolute_error'])
    model.fit(data.x_train, targets, sample_weight=1.0 - wrong, batch_size=batch_size, epochs=epochs, **fit)

    loss, error = model.evaluate(data.x_test, data.y_test, verbose=0)
    # once more, with sevens counted four times
    weights = np.where(data.y_test == 7, 4.0, 1.0)
    weighted_loss, _ = model.evaluate(data.x_test, data.y_test, sample_weight=weights, verbose=0)

    median = np.median(data.y_train)
    median_error = np.abs(data.y_test - median).mean()
    print(f'The test digits are {error:.2f} off on average; always to say the median would be {median_error:.2f} off.')
    return {
        'epochs': epochs,
        'test_loss': loss,
        'test_loss_weighted': weighted_loss,
        'test_mean_absolute_error': error,
        'median_mean_absolute_error': median_error,
        'losses_in_collection': len(tf.get_collection(tf.GraphKeys.LOSSES)),
    }


if __name__ == '__main__':
    recipe.main(run)
