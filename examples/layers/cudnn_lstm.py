"""Weights of CuDNNLSTM in an LSTM: trained on a GPU, served on a CPU.

When: a model was trained with CuDNNLSTM, which runs on NVIDIA GPUs only, and must serve elsewhere.

The line that matters: `LSTM(UNITS, recurrent_activation='sigmoid')`.

Without it: LSTM's gates take a hard sigmoid, Keras's default, where cuDNN's take the true one. The
weights load without a word, and the predictions are others.

What goes wrong louder: the weights by `set_weights`, without the loader, raise ValueError, since
cuDNN has two biases for each gate; and with those added up the matrices still lie transposed.

Checked: the served model, against the equations of cuDNN's layer in NumPy, with the weights in
cuDNN's own layout. Where there is no GPU an LSTM is trained in the place of CuDNNLSTM, and its
weights are brought into that layout; where there is one, CuDNNLSTM itself is run.

Sources: cuDNN 7 developer guide, cudnnRNNMode_t; keras/engine/saving.py of Keras 2.2.4.
"""

import os

import keras
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras import layers
from keras.engine.saving import preprocess_weights_for_loading

from tensorflow_with_keras import recipe

CLASSES = 10
UNITS = 32


def lstm():
    return layers.LSTM(UNITS, recurrent_activation='sigmoid')


def build_model(shape, recurrent):
    return keras.models.Sequential(
        [layers.Reshape(shape[:2], input_shape=shape), recurrent, layers.Dense(CLASSES, activation='softmax')]
    )


def run(data, epochs=6, batch_size=64, verbose=2, callbacks=(), out='.'):
    shape = data.x_train.shape[1:]
    on_gpu = any(device.device_type == 'GPU' for device in K.get_session().list_devices())
    trained = build_model(shape, layers.CuDNNLSTM(UNITS) if on_gpu else lstm())
    trained.compile(loss='sparse_categorical_crossentropy', optimizer=keras.optimizers.Adam(0.01), metrics=['accuracy'])
    trained.fit(
        data.x_train, data.y_train, batch_size=batch_size, epochs=epochs, verbose=verbose, callbacks=list(callbacks)
    )
    weights = trained.layers[1].get_weights()
    if not on_gpu:
        weights = preprocess_weights_for_loading(layers.CuDNNLSTM(UNITS), weights)
    np.savez(os.path.join(out, 'cudnn_weights.npz'), kernel=weights[0], recurrent_kernel=weights[1], bias=weights[2])

    with tf.device('/cpu:0'):
        served = build_model(shape, lstm())
    # What load_weights does with a file that holds a CuDNNLSTM. It tells the layouts apart by the length of the bias.
    served.layers[1].set_weights(preprocess_weights_for_loading(served.layers[1], weights))
    served.layers[2].set_weights(trained.layers[2].get_weights())
    expected, found = trained.predict(data.x_test), served.predict(data.x_test)
    print('Trained with %s, served with LSTM.' % ('CuDNNLSTM' if on_gpu else 'LSTM, for want of a GPU'))
    return {
        'epochs': epochs,
        'test_accuracy': (found.argmax(1) == data.y_test).mean(),
        'agreement_of_classes': (found.argmax(1) == expected.argmax(1)).mean(),
        'weights': 'cudnn_weights.npz',
    }


if __name__ == '__main__':
    recipe.main(run)
