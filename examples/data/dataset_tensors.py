"""Training on tf.data's tensors, and then predicting on arrays with the same weights.

When: the data comes out of a tf.data pipeline, and you want Keras to read it in the graph,
with no arrays in between; yet the trained network shall take ordinary arrays.

The line that matters: `training = keras.models.Model(inputs, network(inputs))`. The network stands
on a placeholder of its own, and is called on the tensors: two models, the same weights.

Without it: what is built straight on the tensors has nowhere to put an array, so predict(x) and
evaluate(x, y) are a ValueError. It also goes wrong with images and labels out of two calls of
get_next, since each takes a batch of its own; and, unnoticed, with Keras's own optimizers: they
may update a layer before the gradient of the layer beneath has passed through it, and here they
do. TensorFlow's wait for that.

Checked: weights, losses and predictions, against a second model that is trained on the same batches
as arrays.

Sources: tf.data.Iterator, TensorFlow 1.9; keras.models.Model.compile(target_tensors=), Keras 2.2.4.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import recipe

CLASSES = 10


def batches(x, y, batch_size):
    """An iterator over the samples, in another order each time round, without end."""
    arrays = [tf.placeholder(a.dtype, a.shape) for a in (x, y)]  # so the arrays are no constants in the graph
    dataset = tf.data.Dataset.from_tensor_slices(tuple(arrays)).shuffle(len(x), seed=1)
    dataset = dataset.map(lambda image, label: (image, tf.one_hot(label, CLASSES)))
    iterator = dataset.batch(batch_size).repeat().prefetch(1).make_initializable_iterator()
    K.get_session().run(iterator.initializer, dict(zip(arrays, (x, y))))
    return iterator


def build_network(shape):
    return keras.models.Sequential(
        [
            layers.Flatten(input_shape=shape),
            layers.Dense(32, activation='relu'),
            layers.Dense(CLASSES, activation='softmax'),
        ]
    )


def run(data, epochs=15, batch_size=64, verbose=2, callbacks=()):
    network = build_network(data.x_train.shape[1:])
    images, labels = batches(
        data.x_train, data.y_train, batch_size
    ).get_next()  # one call, so that they belong together
    inputs = layers.Input(tensor=images)
    training = keras.models.Model(inputs, network(inputs))
    training.compile(
        loss='categorical_crossentropy',
        optimizer=tf.train.AdamOptimizer(0.005),  # not Keras's: see above
        metrics=['accuracy'],
        target_tensors=[labels],
    )
    steps = int(np.ceil(len(data.x_train) / batch_size))  # the last batch is a short one
    history = training.fit(epochs=epochs, steps_per_epoch=steps, verbose=verbose, callbacks=list(callbacks)).history
    accuracy = np.mean(network.predict(data.x_test).argmax(1) == data.y_test)
    print('%d steps an epoch from tf.data; %.1f %% of the test arrays are right.' % (steps, 100 * accuracy))
    return {
        'epochs': epochs,
        'steps_per_epoch': steps,
        'train_loss': history['loss'][-1],
        'test_accuracy': accuracy,
    }


if __name__ == '__main__':
    recipe.main(run)
