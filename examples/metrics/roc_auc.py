"""Area under the ROC curve with several classes, one against the rest, and how exact it is.

When: you want to know how well the scores rank the samples, whatever threshold is chosen later.

The line that matters: `tf.metrics.auc(y_true[:, c], y_pred[:, c], **options)`, once for each
class.

What goes wrong: given the whole matrices, tf.metrics.auc puts all classes into one heap (the
micro average), where it ranks scores of different classes against each other. And it knows the
curve at `num_thresholds` evenly spaced thresholds only. A network that is sure of itself puts
most scores close to 0 and 1, between two thresholds, and the default of 200 is then not enough.

What helps: summation_method='minoring' and 'majoring' are a floor and a ceiling of the true
area. 'careful_interpolation' lies half-way between them, so half their distance is the largest
error that it can have. More thresholds bring floor and ceiling together slowly. Since only ranks
count here, scores may be spread out by an increasing function, such as the sigmoid of logits
divided by 20, and that brings them together at once.

Reaches: test auc 0.94 after 5 epochs, 4 s on 2 cores, 0.24 GB.

Checked: scikit-learn's roc_auc_score of the same predictions, averaged over the classes, lies
between floor and ceiling.

Sources: tf.metrics.auc, TensorFlow 1.9.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tensorflow_with_keras import recipe
from tensorflow_with_keras.streaming import StreamingMetric

CLASSES = 3  # closed loops in a digit, as most people write it: none, one, or two
LOOPS = np.array([1, 0, 0, 0, 0, 0, 1, 0, 2, 1])  # of the digits from 0 to 9


def one_vs_rest_auc(y_true, y_pred, **options):
    values = []
    update_ops = []
    for c in range(CLASSES):
        value, update_op = tf.metrics.auc(y_true[:, c], y_pred[:, c], **options)  # <- the line that matters
        values.append(value)
        update_ops.append(update_op)
    return tf.reduce_mean(values), tf.group(*update_ops)


def build_model(shape):
    hidden = layers.Dense(64, activation='relu')
    output = layers.Dense(CLASSES, activation='softmax')
    return keras.models.Sequential([layers.Flatten(input_shape=shape), hidden, output])


def run(data, epochs=5, batch_size=64, **fit):
    y_train = keras.utils.to_categorical(LOOPS[data.y_train], CLASSES)
    y_test = keras.utils.to_categorical(LOOPS[data.y_test], CLASSES)

    model = build_model(data.x_train.shape[1:])
    model.compile(
        loss='categorical_crossentropy',
        optimizer='adam',
        metrics=[
            StreamingMetric(one_vs_rest_auc, name='auc', summation_method='careful_interpolation'),
            StreamingMetric(one_vs_rest_auc, name='floor', summation_method='minoring'),
            StreamingMetric(one_vs_rest_auc, name='ceiling', summation_method='majoring'),
        ],
    )
    history = model.fit(
        data.x_train, y_train, batch_size=batch_size, epochs=epochs, validation_data=(data.x_test, y_test), **fit
    ).history

    auc = history['val_auc'][-1]
    floor = history['val_floor'][-1]
    ceiling = history['val_ceiling'][-1]
    print(f'ROC AUC of the test set: {auc:.4f}, and certainly between {floor:.4f} and {ceiling:.4f}.')
    return {'epochs': epochs, 'test_auc': auc, 'test_auc_floor': floor, 'test_auc_ceiling': ceiling}


if __name__ == '__main__':
    recipe.main(run)
