"""A model file that load_model refuses: built in code here, it takes the weights out of the same file.

When: load_model fails on a file of tf.keras, of a newer Keras or with a Lambda of another Python
("Unknown initializer", "unexpected keyword argument", "bad marshal data").

The line that matters: `model.load_weights(path)`. It takes the file of a whole model, too, and reads
nothing of it but arrays, layer after layer.

Without it: the file describes the layers as its writer knows them. Here tf.keras has saved the axis of
a BatchNormalization as a list, at which Keras 2.2.4 stops with a TypeError. Weights go wrong quietly
where the model built here is not the same: an option that changes the answers and no shape (epsilon, an
activation, the defaults of LSTM and GRU since 2.3) has to be set as the writer had it.

Reaches: test accuracy 0.89 after 4 epochs, 3 s on 2 cores, 0.21 GB.

Checked: predict of the model that wrote the file, in tf.keras, against that of the model built here.

Sources: `load_weights_from_hdf5_group` in keras/engine/saving.py, Keras 2.2.4; tf.keras of TensorFlow
1.9; docs/model_files.md, for what each writer's files need.
"""

import os

import keras
import numpy as np
import tensorflow as tf

from tensorflow_with_keras import recipe


def build_model(layers, models, shape):
    """The same network for both: `layers` and `models` are those of keras or of tf.keras."""
    return models.Sequential(
        [
            layers.Conv2D(16, 3, activation='relu', input_shape=shape),
            layers.BatchNormalization(epsilon=0.01),
            layers.Flatten(),
            layers.Dense(10, activation='softmax'),
        ]
    )


def write(path, data, epochs, batch_size, fit):
    """Trains a model of tf.keras, saves it, and returns its predictions."""
    with tf.Graph().as_default(), tf.Session().as_default():
        tf.set_random_seed(1)
        model = build_model(tf.keras.layers, tf.keras.models, data.x_train.shape[1:])
        model.compile(tf.train.AdamOptimizer(), 'sparse_categorical_crossentropy')
        model.fit(data.x_train, data.y_train, batch_size=batch_size, epochs=epochs, **fit)
        model.save(path, include_optimizer=False)
        return model.predict(data.x_test)


def run(data, epochs=4, batch_size=32, out='.', **fit):
    path = os.path.join(out, 'of_tf_keras.h5')
    expected = write(path, data, epochs, batch_size, fit)
    try:
        keras.models.load_model(path)
    except (TypeError, ValueError) as e:
        print(f'load_model: {type(e).__name__}: {e}')

    model = build_model(keras.layers, keras.models, data.x_train.shape[1:])
    model.load_weights(path)  # <- the line that matters
    found = model.predict(data.x_test)
    return {
        'epochs': epochs,
        'test_accuracy': np.mean(found.argmax(1) == data.y_test),
        'largest_difference': np.abs(found - expected).max(),
        'file': 'of_tf_keras.h5',
    }


if __name__ == '__main__':
    recipe.main(run)
