"""An HDF5 model with a custom loss, a custom layer and a StreamingMetric, loaded again.

When: one file is to hold the architecture, the weights and the optimizer's state, and the model
is built from more than Keras's own parts.

The line that matters: `load_model(path, custom_objects={name: object, …})`. The file holds the
names of functions and classes and the layer's get_config(), never their code.

Without it: ValueError, Unknown layer or Unknown loss function. A damaged file and one of a
newer Keras also end in errors that do not say what to do; here they give a sentence.

Checked: predict before and after; the weights and the losses of one more epoch, trained by
the loaded model and by the one that was saved: the same bits, with one thread.

Sources: keras/engine/saving.py, Keras 2.2.4; the docstring of StreamingMetric.
"""

import os
import tempfile

import h5py
import keras
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import recipe
from tensorflow_with_keras.streaming import StreamingMetric


class Gain(layers.Layer):
    def __init__(self, start=1.0, **kwargs):
        super().__init__(**kwargs)
        self.start = start

    def build(self, input_shape):
        self.gain = self.add_weight('gain', (input_shape[-1],), initializer=keras.initializers.Constant(self.start))
        super().build(input_shape)

    def call(self, inputs):
        return inputs * self.gain

    def get_config(self):  # what __init__ has to be told again
        return dict(super().get_config(), start=self.start)


def smooth_crossentropy(y_true, y_pred):
    return tf.losses.softmax_cross_entropy(y_true, tf.log(y_pred + K.epsilon()), label_smoothing=0.1)


def recall(y_true, y_pred):
    return tf.metrics.recall(y_true, y_pred > 0.5)


def load(path):
    """The model in the file, or a ValueError of one sentence."""
    try:
        with h5py.File(path, 'r') as f:
            version = f.attrs.get('keras_version', b'0').decode()
    except OSError as e:
        raise ValueError('%s is no whole HDF5 file: copy it again, or take an older one.' % path) from e
    if [int(n) for n in version.split('.')[:2]] > [int(n) for n in keras.__version__.split('.')[:2]]:
        raise ValueError('%s is of Keras %s, newer than this: build the model and load_weights.' % (path, version))
    custom = {'Gain': Gain, 'smooth_crossentropy': smooth_crossentropy, 'recall': StreamingMetric(recall)}
    return keras.models.load_model(path, custom_objects=custom)


def run(data, epochs=4, batch_size=32, verbose=2, callbacks=()):
    y_train, y_test = (keras.utils.to_categorical(y, 10) for y in (data.y_train, data.y_test))
    stack = [layers.Flatten(input_shape=data.x_train.shape[1:]), layers.Dense(64, activation='relu'), Gain(2.0)]
    model = keras.models.Sequential(stack + [layers.Dense(10, activation='softmax')])
    model.compile('adam', smooth_crossentropy, metrics=['accuracy', StreamingMetric(recall)])
    model.fit(data.x_train, y_train, batch_size, epochs, verbose, list(callbacks))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'digits.h5')
        model.save(path)
        loaded = load(path)
    difference = np.abs(model.predict(data.x_test) - loaded.predict(data.x_test)).max()
    for each in (model, loaded):  # the optimizer's state came back too, so both learn the same
        each.fit(data.x_train, y_train, batch_size, 1, verbose, shuffle=False)
    pairs = zip(model.get_weights(), loaded.get_weights())
    found = dict(zip(('test_loss', 'test_accuracy', 'test_recall'), loaded.evaluate(data.x_test, y_test, verbose=0)))
    after = max(np.abs(a - b).max() for a, b in pairs)
    return dict(found, largest_difference=difference, difference_after_an_epoch=after)


if __name__ == '__main__':
    recipe.main(run)
