"""TensorFlow functions as initializer, regularizer and constraint of a Keras layer.

When: TensorFlow has the start, the penalty or the bound that you want, and Keras takes any
function: `shape -> values` to start with, `weights -> scalar` to add to the loss,
`weights -> weights` after every step.

The line that matters: `custom_objects={…: lambda: function}`, in `FUNCTIONS`.

Without it: Keras trains with the functions and saves their names, but load_model calls what it
finds under such a name without arguments, as it would a class, and so raises TypeError.

What goes wrong without a word: `tf.clip_by_norm` with no `axes=[0]` bounds the norm of the whole
matrix instead of each unit's weights, the columns of a Dense kernel.

Checked: mean, spread and bounds of the first weights, against those of the truncated normal
distribution (SciPy); the penalty, against NumPy; the columns' norms after every batch; the loaded model.

Sources: tf.truncated_normal_initializer, tf.contrib.layers.l1_l2_regularizer and
tf.clip_by_norm, TensorFlow 1.9; keras/constraints.py of Keras 2.2.4.
"""

import tempfile

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tensorflow_with_keras import recipe

CLASSES = 10
SPREAD, L1, L2 = 0.05, 1e-4, 1e-3
LARGEST_NORM = 0.5


def truncated_normal(shape):
    return tf.truncated_normal_initializer(stddev=SPREAD)(shape)


def elastic_net(w):
    return tf.contrib.layers.l1_l2_regularizer(L1, L2)(w)


def bounded_columns(w):
    return tf.clip_by_norm(w, LARGEST_NORM, axes=[0])


# what load_model calls to get each of them
FUNCTIONS = {f.__name__: lambda f=f: f for f in (truncated_normal, elastic_net, bounded_columns)}


def build_model(shape):
    return keras.models.Sequential(
        [
            layers.Flatten(input_shape=shape),
            layers.Dense(
                64,
                activation='relu',
                kernel_initializer=truncated_normal,
                kernel_regularizer=elastic_net,
                kernel_constraint=bounded_columns,
            ),
            layers.Dense(CLASSES, activation='softmax'),
        ]
    )


def run(data, epochs=8, batch_size=32, verbose=2, callbacks=()):
    model = build_model(data.x_train.shape[1:])
    model.compile('adam', 'sparse_categorical_crossentropy', metrics=['accuracy'])
    start = model.get_weights()[0]
    model.fit(
        data.x_train, data.y_train, batch_size=batch_size, epochs=epochs, verbose=verbose, callbacks=list(callbacks)
    )
    with tempfile.TemporaryDirectory() as folder:
        model.save(folder + '/model.h5')
        loaded = keras.models.load_model(folder + '/model.h5', custom_objects=FUNCTIONS)
    return {
        'epochs': epochs,
        'test_accuracy': (loaded.predict(data.x_test).argmax(1) == data.y_test).mean(),
        'first_spread': start.std(),
        'last_largest_norm': np.sqrt((loaded.get_weights()[0] ** 2).sum(axis=0)).max(),
    }


if __name__ == '__main__':
    recipe.main(run)
