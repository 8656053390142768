"""Training and validation from two tf.data pipelines through one feedable iterator, in fit itself.

When: both sets come out of tf.data, and fit is to validate after every epoch, with callbacks such
as EarlyStopping that want val_loss. Keras 2.2.4 takes no second pair of tensors for that.

The line that matters: `handle = tf.cond(K.learning_phase(), train.string_handle, test.string_handle)`.
Keras sets the learning phase to 1 when it trains and to 0 when it validates.

Without it: fit(validation_steps=) validates on the training pipeline, and those samples are missing
from the next epoch. It also goes wrong in a model without Dropout, BatchNormalization or another
layer that asks for the learning phase. Keras then never sets it, it stays 0, and the model trains
on the test set; with validation_steps, fit itself breaks (UnboundLocalError). So the recipe asks
for model.uses_learning_phase.

Reaches: test accuracy 0.87 after 12 epochs, 3 s on 2 cores, 0.20 GB.

Checked: which samples are read in which phase, counted one by one; the accuracy that fit prints,
against that of predictions on arrays.

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
    images = tf.placeholder(x.dtype, x.shape)  # or else the arrays would be constants in the graph
    labels = tf.placeholder(y.dtype, y.shape)
    dataset = tf.data.Dataset.from_tensor_slices((images, labels))
    dataset = dataset.map(lambda image, label: (image, tf.one_hot(label, CLASSES)))
    if shuffle:
        dataset = dataset.shuffle(len(x), seed=1)
    iterator = dataset.batch(batch_size).repeat().make_initializable_iterator()
    K.get_session().run(iterator.initializer, {images: x, labels: y})
    return iterator


def build_model(shape):
    return keras.models.Sequential(
        [
            layers.Flatten(input_shape=shape),
            layers.Dense(64, activation='relu'),
            layers.Dropout(0.2),
            layers.Dense(CLASSES, activation='softmax'),
        ]
    )


def run(data, epochs=12, batch_size=64, **fit):
    train = batches(data.x_train, data.y_train, batch_size, shuffle=True)
    # the test set in one batch: Keras weighs every batch alike, a short last one too
    test = batches(data.x_test, data.y_test, len(data.x_test), shuffle=False)
    handle = tf.cond(K.learning_phase(), train.string_handle, test.string_handle)  # <- the line that matters
    iterator = tf.data.Iterator.from_string_handle(handle, train.output_types, train.output_shapes)
    images, labels = iterator.get_next()

    model = build_model(data.x_train.shape[1:])  # takes arrays
    inputs = layers.Input(tensor=images)
    training = keras.models.Model(inputs, model(inputs))  # takes the tensors, with the same weights
    if not training.uses_learning_phase:
        raise ValueError('No layer asks for the learning phase, so Keras would train on the test set.')
    # an optimizer of Keras could mix new weights into the gradients: see data/dataset_tensors
    optimizer = tf.train.AdamOptimizer(0.002)
    training.compile(optimizer, 'categorical_crossentropy', metrics=['acc'], target_tensors=[labels])
    steps = int(np.ceil(len(data.x_train) / batch_size))
    history = training.fit(epochs=epochs, steps_per_epoch=steps, validation_steps=1, **fit).history

    accuracy = np.mean(model.predict(data.x_test).argmax(1) == data.y_test)
    validated = history['val_acc'][-1]
    print(f'fit says that {100 * validated:.2f} % of the test set are right, predict {100 * accuracy:.2f} %.')
    return {
        'epochs': epochs,
        'train_accuracy': history['acc'][-1],
        'val_accuracy': validated,
        'test_accuracy': accuracy,
    }


if __name__ == '__main__':
    recipe.main(run)
