"""Training and validation from two tf.data pipelines through one feedable iterator, in fit itself.

When: both sets come out of tf.data, and fit shall validate after every epoch, with callbacks such
as EarlyStopping that want val_loss. Keras 2.2.4 takes no second pair of tensors for that.

The line that matters: `handle = tf.cond(K.learning_phase(), train.string_handle, test.string_handle)`.
Keras sets the learning phase to 1 when it trains and to 0 when it validates.

Without it: fit(validation_steps=) validates on the training pipeline, and those samples are missing
from the next epoch. It also goes wrong in a network without Dropout, BatchNormalization or another
layer that asks for the learning phase: Keras then never feeds it, it stays 0, and the network
trains on the test set; with validation_steps, fit itself breaks (UnboundLocalError). So the
recipe asks for model.uses_learning_phase.

Checked: which samples are read in which phase, counted one by one; the printed accuracy, against
that of predictions on arrays.

Sources: tf.data.Iterator.from_string_handle, TensorFlow 1.9; keras/engine/training.py, Keras 2.2.4.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import recipe

CLASSES = 10


def batches(x, y, batch_size, shuffle):
    arrays = [tf.placeholder(a.dtype, a.shape) for a in (x, y)]
    dataset = tf.data.Dataset.from_tensor_slices(tuple(arrays))
    dataset = dataset.map(lambda image, label: (image, tf.one_hot(label, CLASSES)))
    if shuffle:
        dataset = dataset.shuffle(len(x), seed=1)
    iterator = dataset.batch(batch_size).repeat().make_initializable_iterator()
    K.get_session().run(iterator.initializer, dict(zip(arrays, (x, y))))
    return iterator


def build_network(shape):
    return keras.models.Sequential(
        [
            layers.Flatten(input_shape=shape),
            layers.Dense(64, activation='relu'),
            layers.Dropout(0.2),
            layers.Dense(CLASSES, activation='softmax'),
        ]
    )


def run(data, epochs=12, batch_size=64, verbose=2, callbacks=()):
    train = batches(data.x_train, data.y_train, batch_size, shuffle=True)
    # the test set in one batch: counted in steps, Keras would weigh a short last batch like a full one
    test = batches(data.x_test, data.y_test, len(data.x_test), shuffle=False)
    handle = tf.cond(K.learning_phase(), train.string_handle, test.string_handle)
    iterator = tf.data.Iterator.from_string_handle(handle, train.output_types, train.output_shapes)
    images, labels = iterator.get_next()

    network = build_network(data.x_train.shape[1:])
    inputs = layers.Input(tensor=images)
    model = keras.models.Model(inputs, network(inputs))
    if not model.uses_learning_phase:
        raise ValueError('No layer asks for the learning phase, so Keras would train on the test set.')
    # an optimizer of Keras could mix new weights into the gradients: see data/dataset_tensors
    model.compile(
        tf.train.AdamOptimizer(0.002), 'categorical_crossentropy', metrics=['accuracy'], target_tensors=[labels]
    )
    steps = int(np.ceil(len(data.x_train) / batch_size))
    history = model.fit(
        epochs=epochs, steps_per_epoch=steps, validation_steps=1, verbose=verbose, callbacks=list(callbacks)
    ).history
    accuracy = np.mean(network.predict(data.x_test).argmax(1) == data.y_test)
    print(
        'fit says that %.2f %% of the test set are right, predict %.2f %%.'
        % (100 * history['val_acc'][-1], 100 * accuracy)
    )
    return {
        'epochs': epochs,
        'train_accuracy': history['acc'][-1],
        'val_accuracy': history['val_acc'][-1],
        'test_accuracy': accuracy,
    }


if __name__ == '__main__':
    recipe.main(run)
