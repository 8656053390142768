"""A TensorFlow metric that makes no variables: it goes to compile as it is.

When: the TensorFlow function computes the metric of one batch and returns one tensor, as
tf.contrib.metrics.accuracy does, and the metric is a mean over samples, so that Keras's mean
over batches, weighted by their size, is the metric of the epoch.

The line that matters: `return tf.contrib.metrics.accuracy(predictions=…, labels=…)`. It makes
no local variables, so nothing need be initialised; StreamingMetric refuses it, having nothing
to reset. The classes are integers, by argmax: floating-point labels are a ValueError.

What goes wrong: its namesake tf.metrics.accuracy does make variables, and in its place, as
`tf.metrics.accuracy(…)[1]`, raises FailedPreconditionError. And the two take their arguments in
opposite order, (predictions, labels) here and (labels, predictions) there. Accuracy is the same
either way; tf.metrics.precision with the two exchanged is the recall. So name the arguments.

Checked: against Keras's own accuracy and scikit-learn's accuracy_score of the same predictions.

Sources: tf.contrib.metrics.accuracy and tf.metrics.accuracy, TensorFlow 1.9.
"""

import keras
import tensorflow as tf
from keras import layers

from tensorflow_with_keras import recipe

CLASSES = 10


def tf_accuracy(y_true, y_pred):
    return tf.contrib.metrics.accuracy(predictions=tf.argmax(y_pred, 1), labels=tf.argmax(y_true, 1))


def build_model(shape):
    return keras.models.Sequential(
        [
            layers.Flatten(input_shape=shape),
            layers.Dense(64, activation='relu'),
            layers.Dense(CLASSES, activation='softmax'),
        ]
    )


def run(data, epochs=5, batch_size=50, verbose=2, callbacks=()):
    y_train, y_test = (keras.utils.to_categorical(y, CLASSES) for y in (data.y_train, data.y_test))
    model = build_model(data.x_train.shape[1:])
    model.compile(loss='categorical_crossentropy', optimizer='adam', metrics=['accuracy', tf_accuracy])
    history = model.fit(
        data.x_train,
        y_train,
        batch_size=batch_size,
        epochs=epochs,
        verbose=verbose,
        validation_data=(data.x_test, y_test),
        callbacks=list(callbacks),
    ).history
    return {
        'epochs': epochs,
        'local_variables': len(tf.local_variables()),
        'keras_test_accuracy': history['val_acc'][-1],
        'tf_test_accuracy': history['val_tf_accuracy'][-1],
    }


if __name__ == '__main__':
    recipe.main(run)
