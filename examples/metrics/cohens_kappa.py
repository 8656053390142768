"""Cohen's kappa of every epoch, streamed by TensorFlow and right in Keras.

When: the metric you want is in tf.metrics or tf.contrib.metrics but not in Keras, and is not an
average over batches. Cohen's kappa is such a metric: how far predictions and labels agree
beyond what chance alone would give.

The line that matters: `metrics=['acc', StreamingMetric(cohens_kappa)]`.

Without it: Keras prints the running value averaged over the batches, carries every epoch into
the next and training into validation, and asks for an initialiser call first. The recipe
metrics/cohens_kappa_update_op shows that.

Reaches: test kappa 0.86 after 5 epochs, 5 s on 2 cores, 0.24 GB.

Checked: the kappas that Keras prints for the test set and for the training set, against
scikit-learn's cohen_kappa_score of the same predictions.

Sources: tf.contrib.metrics.cohen_kappa, TensorFlow 1.9; Cohen (1960), A coefficient of
agreement for nominal scales.
"""

import keras
import tensorflow as tf
from keras import layers

from tensorflow_with_keras import recipe
from tensorflow_with_keras.streaming import StreamingMetric

CLASSES = 10


def cohens_kappa(y_true, y_pred):
    # class numbers, from one-hot vectors and from class probabilities
    true = tf.argmax(y_true, 1)
    predicted = tf.argmax(y_pred, 1)
    return tf.contrib.metrics.cohen_kappa(true, predicted, CLASSES)


def build_model(shape):
    if shape[0] < 28:  # digits, 8 by 8
        stack = [layers.Conv2D(32, 3, activation='relu', input_shape=shape), layers.Flatten()]
    else:  # the MNIST network of Keras's examples and of the post
        stack = [
            layers.Conv2D(32, 3, activation='relu', input_shape=shape),
            layers.Conv2D(64, 3, activation='relu'),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(128, activation='relu'),
            layers.Dropout(0.5),
        ]
    return keras.models.Sequential(stack + [layers.Dense(CLASSES, activation='softmax')])


def run(data, epochs=5, batch_size=64, **fit):
    y_train = keras.utils.to_categorical(data.y_train, CLASSES)
    y_test = keras.utils.to_categorical(data.y_test, CLASSES)

    model = build_model(data.x_train.shape[1:])
    model.compile(
        loss='categorical_crossentropy',
        optimizer=keras.optimizers.Adadelta(),
        metrics=['acc', StreamingMetric(cohens_kappa)],  # <- the line that matters
    )
    history = model.fit(
        data.x_train, y_train, batch_size=batch_size, epochs=epochs, validation_data=(data.x_test, y_test), **fit
    ).history

    return {
        'epochs': epochs,
        'train_kappa': history['cohens_kappa'][-1],
        'test_accuracy': history['val_acc'][-1],
        'test_kappa': history['val_cohens_kappa'][-1],
    }


if __name__ == '__main__':
    recipe.main(run)
