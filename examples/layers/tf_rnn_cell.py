"""A recurrent cell of tf.contrib.rnn under Keras's RNN layer.

When: the cell you want is among TensorFlow's and Keras has none like it. Here: an LSTM with
layer normalization, which reads an image row by row.

The line that matters: `self.step(…)` in `build`, before RNN calls the cell in its loop.

Without it: the cell makes its variables at the first step, when Keras has already asked for them.
The model runs and its loss falls, with a recurrent part that stays random and is not saved.

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
        self.state_size = tuple(cell.state_size)  # Keras sees (c, h) as two states

    def step(self, inputs, states):
        return self.cell(inputs, tf.contrib.rnn.LSTMStateTuple(*states))

    def build(self, input_shape):
        zeros = [tf.zeros((1, size), K.floatx()) for size in (input_shape[-1],) + self.state_size]
        with tf.variable_scope(self.name):
            self.step(zeros[0], zeros[1:])  # makes the variables
        self._trainable_weights = list(self.cell.trainable_variables)
        super().build(input_shape)

    def call(self, inputs, states):
        output, new_states = self.step(inputs, states)
        return output, list(new_states)


def build_model(shape, units=32):
    cell = tf.contrib.rnn.LayerNormBasicLSTMCell(units)
    return keras.models.Sequential(
        [
            layers.Reshape(shape[:2], input_shape=shape),  # rows as time steps
            layers.RNN(TensorFlowCell(cell, name='lstm'), return_sequences=True, name='rnn'),
            layers.Lambda(lambda sequence: sequence[:, -1], output_shape=(units,)),
            layers.Dense(CLASSES, activation='softmax'),
        ]
    )


def run(data, epochs=5, batch_size=64, verbose=2, callbacks=()):
    model = build_model(data.x_train.shape[1:])
    model.compile(loss='sparse_categorical_crossentropy', optimizer=keras.optimizers.Adam(0.01), metrics=['accuracy'])
    model.fit(
        data.x_train, data.y_train, batch_size=batch_size, epochs=epochs, verbose=verbose, callbacks=list(callbacks)
    )
    weights = model.get_layer('rnn').get_weights()
    print('Keras sees %d arrays of weights in the cell.' % len(weights))
    return {
        'epochs': epochs,
        'test_accuracy': (model.predict(data.x_test).argmax(1) == data.y_test).mean(),
        'weights_in_the_cell': len(weights),
        'parameters_in_the_cell': sum(w.size for w in weights),
    }


if __name__ == '__main__':
    recipe.main(run)
