"""Variables that a TensorFlow function makes for itself, trained and saved by Keras.

When: you want `tf.layers`, `tf.contrib.layers` or `tf.get_variable` inside a Keras model.

The line that matters: `self._trainable_weights = template.trainable_variables`, in `build`.

Without it, which is what a Lambda is: the model runs and its loss falls, but the function's
variables stay at their random start. Keras counts, trains and saves only weights that layers
show it, so a loaded file has the function start from other random values. No message says so.
(A failure with a message: `tf.layers` right on a Keras tensor, 'no attribute outbound_nodes'.)

Checked: each variable before and after fit; the contents of the saved file; the predictions of
a new model that loads it.

Sources: tf.make_template, TensorFlow 1.9; keras/engine/base_layer.py of Keras 2.2.4.
"""

import tempfile

import h5py
import keras
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import recipe

CLASSES = 10


def features(x):
    """Three ways by which TensorFlow makes variables."""
    x = tf.identity(x)  # tf.layers takes a tensor of Keras for one of tf.keras and fails
    x = tf.layers.dense(x, 64, tf.nn.relu, name='dense')
    x = tf.contrib.layers.layer_norm(x, scope='norm')
    return x * tf.get_variable('scale', [64], initializer=tf.ones_initializer())


class TensorFlowFunction(layers.Layer):
    """A function that makes variables, as a layer; they are made once, in build."""

    def __init__(self, function, output_shape, **kwargs):
        super().__init__(**kwargs)
        self.function, self.shape = function, output_shape

    def build(self, input_shape):
        self.template = template = tf.make_template(self.name, self.function, create_scope_now_=True)
        template(tf.placeholder(K.floatx(), input_shape))  # makes the variables
        self._trainable_weights = template.trainable_variables
        super().build(input_shape)

    def call(self, inputs):
        return self.template(inputs)

    def compute_output_shape(self, input_shape):
        return (input_shape[0],) + self.shape


def build_model(shape, layer):
    images = layers.Input(shape)
    x = layers.Reshape((int(np.prod(shape)),))(images)  # Flatten would hide the size from TensorFlow
    x = layer(features, output_shape=(64,), name='features')(x)
    return keras.models.Model(images, layers.Dense(CLASSES, activation='softmax')(x))


def run(data, epochs=5, batch_size=64, verbose=2, callbacks=()):
    found = {'epochs': epochs}
    for way, layer in (('lambda', layers.Lambda), ('layer', TensorFlowFunction)):
        others = tf.trainable_variables()
        model = build_model(data.x_train.shape[1:], layer)
        variables = [v for v in tf.trainable_variables() if v not in others + model.layers[-1].weights]
        before = K.batch_get_value(variables)
        model.compile(loss='sparse_categorical_crossentropy', optimizer='adam')
        model.fit(
            data.x_train, data.y_train, batch_size=batch_size, epochs=epochs, verbose=verbose, callbacks=list(callbacks)
        )
        trained = sum((after != old).any() for after, old in zip(K.batch_get_value(variables), before))
        with tempfile.TemporaryDirectory() as folder:
            model.save_weights(folder + '/model.h5')
            with h5py.File(folder + '/model.h5', 'r') as f:
                saved = len(f['features'].attrs['weight_names'])
        print('%s: of %d variables %d were trained, %d are in the file.' % (way, len(variables), trained, saved))
        accuracy = (model.predict(data.x_test).argmax(1) == data.y_test).mean()
        found.update({way + '_trained': trained, way + '_saved': saved, way + '_test_accuracy': accuracy})
    return found


if __name__ == '__main__':
    recipe.main(run)
