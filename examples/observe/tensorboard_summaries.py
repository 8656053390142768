"""tf.summary scalars, histograms and images of every epoch, for TensorBoard.

When: you want to watch more than Keras's own TensorBoard callback draws: your own images,
histograms of your own tensors, curves under names of your choice.

The line that matters: `writer.add_summary(session.run(summaries, feed), epoch)`, in a callback.

Without it: nothing of them is written. fit runs only the operations that the loss, the metrics
and the updates need, so a tf.summary in a model, a loss or a metric is never run.

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
    stack = [layers.Conv2D(16, 3, activation='relu', input_shape=shape, name='conv'), layers.Flatten()]
    return keras.models.Sequential(stack + [layers.Dense(10, activation='softmax')])


class Summaries(keras.callbacks.Callback):
    """Writes an epoch's logs, the kernel's distribution and what the first filters see in some images."""

    def __init__(self, folder, images):
        super().__init__()
        self.folder, self.images = folder, images

    def on_train_begin(self, logs=None):
        conv = self.model.get_layer('conv')
        self.summaries = tf.summary.merge(
            [
                tf.summary.histogram('kernels/conv', conv.kernel),
                tf.summary.histogram('outputs/conv', conv.output),
                tf.summary.image('outputs/first_filter', conv.output[..., :1], max_outputs=3),
            ]
        )
        self.writer = tf.summary.FileWriter(self.folder)

    def on_epoch_end(self, epoch, logs=None):
        session, writer, feed = K.get_session(), self.writer, {self.model.input: self.images}
        writer.add_summary(session.run(self.summaries, feed), epoch)
        for name, value in logs.items():  # a number needs no operation in the graph
            writer.add_summary(tf.Summary(value=[tf.Summary.Value(tag='epoch/' + name, simple_value=value)]), epoch)

    def on_train_end(self, logs=None):
        self.writer.close()


def run(data, epochs=4, batch_size=32, verbose=2, callbacks=(), out='.'):
    model = build_model(data.x_train.shape[1:])
    model.compile('adam', 'sparse_categorical_crossentropy', metrics=['accuracy'])
    callbacks = list(callbacks) + [Summaries(out, data.x_test[:3])]
    tested = (data.x_test, data.y_test)
    model.fit(data.x_train, data.y_train, batch_size, epochs, verbose, callbacks, validation_data=tested)
    written = max(file for file in os.listdir(out) if file.startswith('events.out.tfevents'))
    os.replace(os.path.join(out, written), os.path.join(out, 'fit.tfevents'))  # so a second run takes its place

    events = tf.train.summary_iterator(os.path.join(out, 'fit.tfevents'))
    tags = [(value.tag, value.WhichOneof('value')) for event in events for value in event.summary.value]
    for tag, kind in sorted(set(tags)):
        print('%-26s %-12s %d times' % (tag, kind, tags.count((tag, kind))))
    kinds = [kind for _, kind in tags]
    return {
        'file': 'fit.tfevents',
        'test_accuracy': np.mean(model.predict(data.x_test).argmax(1) == data.y_test),
        'scalars': kinds.count('simple_value'),
        'histograms': kinds.count('histo'),
        'images': kinds.count('image'),
    }


if __name__ == '__main__':
    recipe.main(run)
