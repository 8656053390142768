"""Weights from Keras 2.2.4 to tf.keras 1.9 and back, for the layers that people use.

When: a trained Keras model is to go on in code written for tf.keras, which has functions that
Keras lacks (its own Estimator converter, distribution), or the other way round.

The line that matters: `theirs.set_weights(ours.get_weights())`, on a model built by the same
function with the other library's layers.

Without it: tf.keras.models.load_model does not read the file that Keras 2.2.4 writes for a
Sequential model, and raises ValueError; and a model of the same shape without the weights answers
at random. Each library has a session of its own, unless both find a default session, as here.

Reaches: image accuracy 0.86 after 4 epochs, 9 s on 2 cores, 0.33 GB.

Checked: the predictions of both libraries, of an image and a recurrent network, equal to
rounding, there and back; the accuracy, by tf.keras.

Sources: get_weights in keras/engine/network.py, Keras 2.2.4, and in
tensorflow/python/keras/engine/network.py, TensorFlow 1.9.
"""

import os
import tempfile

import keras
import numpy as np
import tensorflow as tf

from tensorflow_with_keras import recipe


def image_model(library, shape):
    layers = library.layers
    stack = [layers.Conv2D(16, 3, activation='relu', input_shape=shape), layers.BatchNormalization()]
    stack += [layers.SeparableConv2D(16, 3, activation='relu'), layers.Flatten(), layers.Dropout(0.2)]
    return library.models.Sequential(stack + [layers.Dense(10, activation='softmax')])


def row_model(library, shape):
    """Reads an image row by row, in both directions."""
    layers = library.layers
    gate = {'recurrent_activation': 'sigmoid'}  # is 'hard_sigmoid' unasked, but not in Keras 2.3
    stack = [layers.Reshape(shape[:2], input_shape=shape), layers.TimeDistributed(layers.Dense(16))]
    stack += [layers.Bidirectional(layers.LSTM(16, return_sequences=True, **gate)), layers.GRU(16, **gate)]
    return library.models.Sequential(stack + [layers.Dense(10, activation='softmax')])


def opens_in_tf_keras(model):
    """Whether tf.keras loads the file that Keras writes of the model."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'model.h5')
        model.save(path)
        try:
            tf.keras.models.load_model(path)
        except ValueError as e:
            print(f'tf.keras.models.load_model: ValueError: {e}')
            return False
    return True


def run(data, epochs=4, batch_size=32, **fit):
    results = {}
    shape = data.x_train.shape[1:]
    for name, build in (('image', image_model), ('row', row_model)):
        with tf.Graph().as_default(), tf.Session().as_default():
            tf.set_random_seed(0)
            ours = build(keras, shape)
            theirs = build(tf.keras, shape)
            back = build(keras, shape)
            ours.compile('adam', 'sparse_categorical_crossentropy', metrics=['accuracy'])
            ours.fit(data.x_train, data.y_train, batch_size=batch_size, epochs=epochs, **fit)
            theirs.set_weights(ours.get_weights())  # <- the line that matters
            back.set_weights(theirs.get_weights())

            expected = ours.predict(data.x_test)
            answer = theirs.predict(data.x_test)
            results[f'{name}_accuracy'] = np.mean(answer.argmax(1) == data.y_test)
            results[f'{name}_difference'] = np.abs(answer - expected).max()
            results[f'{name}_difference_back'] = np.abs(back.predict(data.x_test) - expected).max()
            results[f'{name}_file_opens'] = opens_in_tf_keras(ours)
    return results


if __name__ == '__main__':
    recipe.main(run)
