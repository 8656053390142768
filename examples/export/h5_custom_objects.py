"""An HDF5 model with a custom loss, a custom layer and a StreamingMetric, loaded again.

When: one file is to hold the architecture, the weights and the optimizer's state, and the model
is built from more than Keras's own parts; or such a file comes from elsewhere.

The line that matters: `load_model(path, custom_objects={name: object, …})`. The file holds the
names of functions and classes and the layer's get_config(), never their code.

Without it: ValueError, Unknown layer or Unknown loss function. A file saved under h5py 3 has its
names in strings that Keras 2.2.4 cannot take ("The truth value of an array…"): `load` mends them
in memory. A damaged file, one of tf.keras or a newer Keras, and a Lambda of another Python end in
errors that do not say what to do; here they give a sentence.

Checked: predict before and after; the weights and the losses of one more epoch, trained by
the loaded model and by the one that was saved: the same bits, with one thread. Real files of
other writers are loaded too.

Sources: keras/engine/saving.py, Keras 2.2.4; the docstring of StreamingMetric;
docs/model_files.md, for what each writer's files need.
"""

import io
import tempfile

import h5py
import keras
import numpy as np
import tensorflow as tf

from tensorflow_with_keras import recipe
from tensorflow_with_keras.streaming import StreamingMetric


class Gain(keras.layers.Layer):
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
    return tf.losses.softmax_cross_entropy(y_true, tf.log(y_pred + 1e-7), label_smoothing=0.1)


def recall(y_true, y_pred):
    return tf.metrics.recall(y_true, y_pred > 0.5)


def load(path):
    """The model in the file, or a ValueError of one sentence."""
    custom = {'Gain': Gain, 'smooth_crossentropy': smooth_crossentropy, 'recall': StreamingMetric(recall)}
    try:
        with open(path, 'rb') as file, h5py.File(io.BytesIO(file.read()), 'r+') as f:
            groups = ['/']
            f.visit(groups.append)
            for group in map(f.get, groups):  # names as h5py 3 writes them, to bytes as Keras 2.2.4 reads them
                for key, value in list(group.attrs.items()):
                    if isinstance(value, str) or getattr(value, 'dtype', None) == 'O':
                        group.attrs[key] = value.encode() if isinstance(value, str) else np.array(value, 'S')
            version = f.attrs.get('keras_version', b'0').decode()
            if '-tf' in version or [int(n) for n in version.split('.')[:2]] > [2, 2]:
                raise ValueError(f'{path} is of tf.keras or a newer Keras, {version}: build it and load_weights.')
            return keras.models.load_model(f, custom_objects=custom)
    except OSError as e:
        raise ValueError(f'{path} is no whole HDF5 file: copy it again.') from e
    except (EOFError, SystemError, ValueError) as e:
        if isinstance(e, ValueError) and 'marshal' not in str(e):
            raise
        raise ValueError(f'{path} has a Lambda of another Python: build it and load_weights.') from e


def run(data, epochs=4, batch_size=32, verbose=2, callbacks=()):
    y_train, y_test = (keras.utils.to_categorical(y, 10) for y in (data.y_train, data.y_test))
    stack = [keras.layers.Flatten(input_shape=data.x_train.shape[1:]), keras.layers.Dense(64, activation='relu')]
    model = keras.models.Sequential(stack + [Gain(2.0), keras.layers.Dense(10, activation='softmax')])
    model.compile('adam', smooth_crossentropy, metrics=['accuracy', StreamingMetric(recall)])
    model.fit(data.x_train, y_train, batch_size, epochs, verbose, list(callbacks))
    with tempfile.TemporaryDirectory() as folder:
        model.save(folder + '/digits.h5')
        loaded = load(folder + '/digits.h5')
    difference = np.abs(model.predict(data.x_test) - loaded.predict(data.x_test)).max()
    for each in (model, loaded):  # the optimizer's state came back too, so both learn the same
        each.fit(data.x_train, y_train, batch_size, 1, verbose, shuffle=False)
    found = dict(zip(('test_loss', 'test_accuracy', 'test_recall'), loaded.evaluate(data.x_test, y_test, verbose=0)))
    after = max(np.abs(a - b).max() for a, b in zip(model.get_weights(), loaded.get_weights()))
    return dict(found, largest_difference=difference, difference_after_an_epoch=after)


if __name__ == '__main__':
    recipe.main(run)
