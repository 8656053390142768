"""The models that wrong migrations are made of: `python wrong_cases.py FOLDER`, beside Keras 2.2.4."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import cases
from keras import layers as L
from keras.models import Model, Sequential

cases.CASES.clear()


@cases.case('dense')
def _():
    x = L.Input((6,))
    y = L.Dense(6, activation='tanh', name='square')(x)
    y = L.BatchNormalization(name='bn')(L.Dense(6, activation='tanh', name='second')(y))
    return Model(x, L.Dense(3, name='last')(L.Dropout(0.5, name='dropout')(y)))


@cases.case('lstm')
def _():
    return Sequential(
        [
            L.Masking(0.5, input_shape=(7, 4), name='masking'),
            L.LSTM(5, return_sequences=True, name='lstm'),
            L.Dense(3, name='last'),
        ]
    )


@cases.case('conv')
def _():
    x = L.Input((9, 9, 3))
    y = L.Conv2D(4, 3, strides=2, name='conv')(L.ZeroPadding2D(((0, 1), (0, 1)), name='pad')(x))
    return Model(x, L.Dense(3, name='last')(L.Flatten()(y)))


@cases.case('saturated')
def _():
    x = L.Input((6,))
    y = L.Lambda(lambda t: t * 1e4, name='huge')(L.Dense(6, name='square')(x))
    return Model(x, L.Dense(5, activation='softmax', name='last')(y))


@cases.case('saturated map')  # whose softmax of four dimensions is several operations
def _():
    x = L.Input((9, 9, 3))
    y = L.Lambda(lambda t: t * 1e4, name='huge')(L.Conv2D(6, 3, name='conv')(x))
    y = L.UpSampling2D(2, name='up')(L.Conv2D(5, 1, name='narrow')(y))
    return Model(x, L.Activation('softmax', name='last')(y))


@cases.case('constant')
def _():
    x = L.Input((6,))
    y = L.ReLU(threshold=1e6, name='dead')(L.Dense(6, name='square')(x))
    return Model(x, L.Dense(5, activation='sigmoid', name='last')(y))


if __name__ == '__main__':
    cases.main(*sys.argv[1:2])
