"""tf.data behind fit_generator, and a keras.utils.Sequence for the same with several workers.

When: what trains is made for arrays (train_on_batch, callbacks that want them, sample weights),
and the data comes out of tf.data; or out of Python code that shall run in several workers.

The line that matters: `batch = iterator.get_next()`, before any worker begins. What the worker
calls is no more than session.run(batch), and `iter(function, None)` makes a generator of that.

Without it: get_next for every batch makes the graph grow without end. It also goes wrong where a
Python generator makes the pipeline in its body, which begins only in the worker's thread, whose
default graph is another one: ValueError, "not an element of this graph". With several workers a
Python generator is a RuntimeError, "NOT thread-safe", and any other stream may lose its order.
tf.data brings its own threads, so one worker will do; a Sequence is asked for its batches by
number, so that several workers keep the order.

Checked: the samples of every epoch, counted one by one, and that each comes with its label.

Sources: keras.utils.Sequence, keras/utils/data_utils.py, Keras 2.2.4; tf.data, TensorFlow 1.9.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import recipe

CLASSES = 10


def generator(x, y, batch_size):
    arrays = [tf.placeholder(a.dtype, a.shape) for a in (x, y)]  # so the arrays are no constants in the graph
    dataset = tf.data.Dataset.from_tensor_slices(tuple(arrays))
    dataset = dataset.map(lambda image, label: (image, tf.one_hot(label, CLASSES)))
    # repeat comes last: before shuffle it would mix the epochs, before batch it would leave no short batch
    dataset = dataset.shuffle(len(x), seed=1).batch(batch_size).repeat().prefetch(2)
    iterator = dataset.make_initializable_iterator()
    batch = iterator.get_next()
    session = K.get_session()
    session.run(iterator.initializer, dict(zip(arrays, (x, y))))
    return iter(lambda: session.run(batch), None)


class Batches(keras.utils.Sequence):
    """The samples in an order of their own each epoch; any worker can make any batch."""

    def __init__(self, x, y, batch_size):
        self.x, self.y, self.batch_size = x, keras.utils.to_categorical(y, CLASSES), batch_size
        self.random = np.random.RandomState(1)
        self.on_epoch_end()

    def __len__(self):
        return int(np.ceil(len(self.x) / self.batch_size))

    def __getitem__(self, i):
        chosen = self.order[i * self.batch_size : (i + 1) * self.batch_size]
        return self.x[chosen], self.y[chosen]

    def on_epoch_end(self):
        self.order = self.random.permutation(len(self.x))


def run(data, epochs=10, batch_size=64, verbose=2, callbacks=()):
    found = {'epochs': epochs}
    sequence = Batches(data.x_train, data.y_train, batch_size)
    stream = generator(data.x_train, data.y_train, batch_size)
    for name, batches, workers in (('generator', stream, 1), ('sequence', sequence, 2)):
        stack = [layers.Flatten(input_shape=data.x_train.shape[1:]), layers.Dense(32, activation='relu')]
        model = keras.models.Sequential(stack + [layers.Dense(CLASSES, activation='softmax')])
        model.compile(keras.optimizers.Adam(0.005), 'categorical_crossentropy')
        model.fit_generator(
            batches,
            steps_per_epoch=len(sequence),
            epochs=epochs,
            workers=workers,
            shuffle=False,  # the batches of a Sequence, which has shuffled the samples already
            verbose=verbose,
            callbacks=list(callbacks),
        )
        found[name + '_test_accuracy'] = np.mean(model.predict(data.x_test).argmax(1) == data.y_test)
        print('%.1f %% of the test set are right, from the %s.' % (100 * found[name + '_test_accuracy'], name))
    return found


if __name__ == '__main__':
    recipe.main(run)
