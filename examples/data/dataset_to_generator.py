"""tf.data behind fit_generator, and a keras.utils.Sequence for the same with several workers.

When: your training code wants arrays (train_on_batch, callbacks that look at them, sample weights),
and the data comes out of tf.data; or out of Python code that is to run in several workers.

The line that matters: `batch = iterator.get_next()`, once, before any worker begins. All that the
worker then does for a batch is `session.run(batch)`.

Without it: get_next called anew for every batch makes the graph grow without end. It also goes wrong
where a Python generator makes the pipeline inside its own body: that body begins in the worker's
thread, whose default graph is another one, and raises a ValueError, "not an element of this graph".
With several workers a Python generator is a RuntimeError, "NOT thread-safe". tf.data has threads of
its own, so that one worker is enough; a Sequence is asked for its batches by number, so that several
workers keep their order.

Reaches: sequence test accuracy 0.89 after 10 epochs, 4 s on 2 cores, 0.21 GB.

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
    images = tf.placeholder(x.dtype, x.shape)  # or else the arrays would be constants in the graph
    labels = tf.placeholder(y.dtype, y.shape)
    dataset = tf.data.Dataset.from_tensor_slices((images, labels))
    dataset = dataset.map(lambda image, label: (image, tf.one_hot(label, CLASSES)))
    # repeat comes last: before shuffle it would mix the epochs, before batch it would leave no short batch
    dataset = dataset.shuffle(len(x), seed=1).batch(batch_size).repeat().prefetch(2)
    iterator = dataset.make_initializable_iterator()
    batch = iterator.get_next()  # <- the line that matters
    session = K.get_session()
    session.run(iterator.initializer, {images: x, labels: y})

    def arrays():  # in the worker's thread, so nothing here may add to the graph
        while True:
            yield session.run(batch)

    return arrays()


class Batches(keras.utils.Sequence):
    """The samples in an order of their own each epoch; any worker can make any batch."""

    def __init__(self, x, y, batch_size):
        self.x = x
        self.y = keras.utils.to_categorical(y, CLASSES)
        self.batch_size = batch_size
        self.random = np.random.RandomState(1)
        self.on_epoch_end()

    def __len__(self):
        return int(np.ceil(len(self.x) / self.batch_size))

    def __getitem__(self, i):
        chosen = self.order[i * self.batch_size : (i + 1) * self.batch_size]
        return self.x[chosen], self.y[chosen]

    def on_epoch_end(self):
        self.order = self.random.permutation(len(self.x))


def build_model(shape):
    hidden = layers.Dense(32, activation='relu')
    top = layers.Dense(CLASSES, activation='softmax')
    model = keras.models.Sequential([layers.Flatten(input_shape=shape), hidden, top])
    model.compile(keras.optimizers.Adam(0.005), 'categorical_crossentropy')
    return model


def run(data, epochs=10, batch_size=64, **fit):
    sequence = Batches(data.x_train, data.y_train, batch_size)
    model = build_model(data.x_train.shape[1:])
    stream = generator(data.x_train, data.y_train, batch_size)
    model.fit_generator(stream, steps_per_epoch=len(sequence), epochs=epochs, workers=1, **fit)
    from_generator = np.mean(model.predict(data.x_test).argmax(1) == data.y_test)

    model = build_model(data.x_train.shape[1:])
    # shuffle=False: it is the batches that Keras would shuffle, and the Sequence has shuffled the samples
    model.fit_generator(sequence, epochs=epochs, workers=2, shuffle=False, **fit)
    from_sequence = np.mean(model.predict(data.x_test).argmax(1) == data.y_test)
    print(f'Right: {100 * from_generator:.1f} % from the generator, {100 * from_sequence:.1f} % from the sequence.')
    return {'epochs': epochs, 'generator_test_accuracy': from_generator, 'sequence_test_accuracy': from_sequence}


if __name__ == '__main__':
    recipe.main(run)
