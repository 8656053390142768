"""Checkpoints by tf.train.Saver under fit, and a resumed run with the bits of one never stopped.

When: long training that may be cut off, on a machine that may be taken away; or a checkpoint
that other TensorFlow code is to read.

The line that matters: `model._make_train_function()`, before the Saver is made. Keras makes the
optimizer's slots (Adam's moments) only when training starts, and a Saver keeps the variables
that exist when it is made.

Without it: the checkpoint has the weights and no moments, restores without a word, and the run
goes on from moments of zero, to other weights than the run that was never stopped.

Checked: every weight after the resumed run, against a run without a stop: the same bits, with
one thread. Not in a checkpoint, so not in this recipe: the order of a shuffling fit, which is
NumPy's, and the state of random operations such as dropout.

Sources: tf.train.Saver, TensorFlow 1.9; fit_loop in keras/engine/training_arrays.py and
_make_train_function in keras/engine/training.py, Keras 2.2.4.
"""

import os
import tempfile

import keras
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import recipe


def build_model(shape):
    stack = [layers.Conv2D(16, 3, activation='relu', input_shape=shape), layers.BatchNormalization()]
    model = keras.models.Sequential(stack + [layers.Flatten(), layers.Dense(10, activation='softmax')])
    model.compile('adam', 'sparse_categorical_crossentropy', metrics=['accuracy'])
    return model


class Checkpoints(keras.callbacks.Callback):
    def __init__(self, saver, path):
        super().__init__()
        self.saver, self.path = saver, path

    def on_epoch_end(self, epoch, logs=None):
        self.saver.save(K.get_session(), self.path, global_step=epoch + 1, write_meta_graph=False)


def train(data, folder, stop, batch_size=32, verbose=0, callbacks=()):
    """The model after epoch `stop`, from the last checkpoint in the folder where there is one."""
    with tf.Graph().as_default(), tf.Session().as_default() as session:
        np.random.seed(0)  # the same first weights each time: Keras draws the initialisers' seeds from NumPy
        tf.set_random_seed(0)
        model = build_model(data.x_train.shape[1:])
        model._make_train_function()
        saver = tf.train.Saver(max_to_keep=2)
        last, epoch = tf.train.latest_checkpoint(folder), 0
        if last:
            K.get_session()  # Keras initialises its variables here, once; what is restored now stays
            saver.restore(session, last)
            epoch = int(last.rsplit('-', 1)[1])
            print('Resumed after epoch %d.' % epoch)
        callbacks = [Checkpoints(saver, os.path.join(folder, 'model'))] + list(callbacks)
        x, y = data.x_train, data.y_train
        model.fit(x, y, batch_size, stop, verbose, callbacks, shuffle=False, initial_epoch=epoch)
        return model.get_weights(), np.mean(model.predict(data.x_test).argmax(1) == data.y_test)


def run(data, epochs=4, batch_size=32, verbose=2, callbacks=()):
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        train(data, folder, (epochs + 1) // 2, batch_size, verbose, callbacks)
        resumed, accuracy = train(data, folder, epochs, batch_size, verbose, callbacks)
        straight, _ = train(data, other, epochs, batch_size)
    difference = max(np.abs(a - b).max() for a, b in zip(resumed, straight))
    print('Largest difference from the run never stopped, 0 with --threads 1: %g' % difference)
    return {'epochs': epochs, 'test_accuracy': accuracy, 'largest_difference': difference}


if __name__ == '__main__':
    recipe.main(run)
