"""A recurrent cell of tf.contrib.rnn under Keras's RNN layer.

When: TensorFlow has the recurrent cell that you want, and Keras has none like it. Here: an LSTM
with layer normalization, which reads an image row by row.

The line that matters: `self.step(inputs, states)` in `build`, which makes the cell's variables.

Without it: the cell makes them when RNN's loop takes its first step, which is after Keras has
asked the layer for its weights. The model runs and its loss falls, but the weights of the cell
stay random and are not saved, and no message says so.

Reaches: test accuracy 0.85 after 5 epochs, 6 s on 2 cores, 0.30 GB.

Checked: the outputs of every time step, against tf.nn.dynamic_rnn with the same weights in a
graph without Keras; that the weights are trained.

Sources: tf.contrib.rnn.LayerNormBasicLSTMCell, TensorFlow 1.9; keras/layers/recurrent.py;
Ba, Kiros and Hinton (2016), Layer normalization.
"""

import keras
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import recipe

CLASSES = 10


class TensorFlowCell(layers.Layer):
    """What keras.layers.RNN wants of a cell: `state_size`, and `call(inputs, states)`."""

    def __init__(self, cell, **kwargs):
        super().__init__(**kwargs)
        self.cell = cell
        self.state_size = tuple(cell.state_size)  # (c, h): two states for Keras

    def step(self, inputs, states):
        inputs._keras_history_checked = True  # or TensorFlow 1.15 looks for a Keras tensor behind it, and fails
        return self.cell(inputs, tf.contrib.rnn.LSTMStateTuple(*states))

    def build(self, input_shape):
        inputs = tf.zeros((1, input_shape[-1]), K.floatx())
        states = [tf.zeros((1, size), K.floatx()) for size in self.state_size]
        with tf.variable_scope(self.name):
            self.step(inputs, states)  # <- the line that matters
        self._trainable_weights = list(self.cell.trainable_variables)
        super().build(input_shape)

    def call(self, inputs, states):
        output, new_states = self.step(inputs, states)
        return output, list(new_states)


def build_model(shape, units=32):
    cell = tf.contrib.rnn.LayerNormBasicLSTMCell(units)
    return keras.models.Sequential(
        [
            layers.Reshape(shape[:2], input_shape=shape),  # each row of the image is a time step
            layers.RNN(TensorFlowCell(cell, name='lstm'), return_sequences=True, name='rnn'),
            layers.Lambda(lambda sequence: sequence[:, -1], output_shape=(units,)),  # the last step
            layers.Dense(CLASSES, activation='softmax'),
        ]
    )


def run(data, epochs=5, batch_size=64, **fit):
    model = build_model(data.x_train.shape[1:])
    model.compile(loss='sparse_categorical_crossentropy', optimizer=keras.optimizers.Adam(0.01), metrics=['accuracy'])
    model.fit(data.x_train, data.y_train, batch_size=batch_size, epochs=epochs, **fit)

    weights = model.get_layer('rnn').get_weights()
    print(f'Keras sees {len(weights)} arrays of weights in the cell.')
    return {
        'epochs': epochs,
        'test_accuracy': (model.predict(data.x_test).argmax(1) == data.y_test).mean(),
        'weights_in_the_cell': len(weights),
        'parameters_in_the_cell': sum(w.size for w in weights),
    }


if __name__ == '__main__':
    recipe.main(run)
