"""tf.summary scalars, histograms and images of every epoch, for TensorBoard.

When: you want to watch more than Keras's own TensorBoard callback draws: your own images,
histograms of your own tensors, curves under names of your choice.

The line that matters: `self.writer.add_summary(K.get_session().run(self.summaries, feed), epoch)`.

Without it: no histogram or image is written. fit runs only the operations that the loss, the
metrics and the updates need, so a tf.summary in a model, a loss or a metric never runs. Keras's own
TensorBoard(histogram_freq=1) draws the weights, but refuses validation data from a generator.

Reaches: test accuracy 0.86 after 4 epochs, 3 s on 2 cores, 0.21 GB.

Checked: the events in the file, against the history that fit returns and against the kernel
that the model ends with; TensorBoard 1.9, started on the folder, lists every tag.

Sources: tf.summary, TensorFlow 1.9; keras/callbacks.py, Keras 2.2.4.
"""

import os

import keras
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import recipe


def build_model(shape):
    return keras.models.Sequential(
        [
            layers.Conv2D(16, 3, activation='relu', input_shape=shape, name='conv'),
            layers.Flatten(),
            layers.Dense(10, activation='softmax'),
        ]
    )


class Summaries(keras.callbacks.Callback):
    """Writes an epoch's logs, the kernel's distribution and what the first filter makes of some images."""

    def __init__(self, folder, images):
        super().__init__()
        self.folder = folder
        self.images = images

    def on_train_begin(self, logs=None):
        conv = self.model.get_layer('conv')
        kernel = tf.summary.histogram('kernels/conv', conv.kernel)
        output = tf.summary.histogram('outputs/conv', conv.output)
        image = tf.summary.image('outputs/first_filter', conv.output[..., :1], max_outputs=3)
        self.summaries = tf.summary.merge([kernel, output, image])
        self.writer = tf.summary.FileWriter(self.folder)

    def on_epoch_end(self, epoch, logs=None):
        feed = {self.model.input: self.images}
        self.writer.add_summary(K.get_session().run(self.summaries, feed), epoch)  # <- the line that matters
        for name, number in logs.items():  # a number needs no operation in the graph
            value = tf.Summary.Value(tag='epoch/' + name, simple_value=number)
            self.writer.add_summary(tf.Summary(value=[value]), epoch)

    def on_train_end(self, logs=None):
        self.writer.close()


def run(data, epochs=4, batch_size=32, out='.', callbacks=(), **fit):
    model = build_model(data.x_train.shape[1:])
    model.compile('adam', 'sparse_categorical_crossentropy', metrics=['acc'])
    model.fit(
        data.x_train,
        data.y_train,
        batch_size=batch_size,
        epochs=epochs,
        validation_data=(data.x_test, data.y_test),
        callbacks=[Summaries(out, data.x_test[:3]), *callbacks],
        **fit,
    )
    path = os.path.join(out, 'fit.tfevents')  # one name, so that a second run takes the place of the first
    written = max(file for file in os.listdir(out) if file.startswith('events.out.tfevents'))
    os.replace(os.path.join(out, written), path)

    kinds = []
    for event in tf.train.summary_iterator(path):
        kinds += [value.WhichOneof('value') for value in event.summary.value]
    return {
        'file': 'fit.tfevents',
        'test_accuracy': np.mean(model.predict(data.x_test).argmax(1) == data.y_test),
        'scalars': kinds.count('simple_value'),
        'histograms': kinds.count('histo'),
        'images': kinds.count('image'),
    }


if __name__ == '__main__':
    recipe.main(run)
