"""One small model for each layer of Keras 2.2.4 and each way of wiring: `python cases.py FOLDER` saves them.

Beside Keras 2.2.4. Weights are random and wide, so that no bias stays zero and no gate stays in its linear part. Writes
FOLDER/NNN.h5 and FOLDER/cases.json, a list of {name, file, custom}.
"""

import json
import os
import sys

import keras
import numpy as np
from keras import backend as K
from keras import layers as L
from keras.models import Model, Sequential

CASES = []  # (name, function that makes the model, names in CUSTOM)


def case(name, custom=()):
    def add(make):
        CASES.append((name, make, list(custom)))
        return make

    return add


def one(name, layer, *shape, **keywords):
    """A case of one layer on an input of that shape."""

    def make():
        x = L.Input(batch_shape=keywords['batch_shape']) if 'batch_shape' in keywords else L.Input(shape)
        return Model(x, layer()(x))

    CASES.append((name, make, []))


# --- activations and the simplest layers
one('Activation[hard_sigmoid]', lambda: L.Activation('hard_sigmoid'), 6)
one('Activation[softmax 3D]', lambda: L.Activation('softmax'), 4, 5)
one('ActivityRegularization', lambda: L.ActivityRegularization(0.1, 0.1), 6)
one('AlphaDropout', lambda: L.AlphaDropout(0.3), 6)
one('Dropout', lambda: L.Dropout(0.3), 6)
one('Dropout[noise_shape]', lambda: L.Dropout(0.3, noise_shape=(None, 1, 4)), 3, 4)
one('GaussianDropout', lambda: L.GaussianDropout(0.3), 6)
one('GaussianNoise', lambda: L.GaussianNoise(0.3), 6)
one('SpatialDropout1D', lambda: L.SpatialDropout1D(0.3), 5, 4)
one('SpatialDropout2D', lambda: L.SpatialDropout2D(0.3), 4, 4, 3)
one('SpatialDropout3D', lambda: L.SpatialDropout3D(0.3), 4, 4, 3, 2)
for _name in (
    'elu',
    'exponential',
    'hard_sigmoid',
    'linear',
    'relu',
    'selu',
    'sigmoid',
    'softmax',
    'softplus',
    'softsign',
    'tanh',
):
    one('Dense[%s]' % _name, lambda name=_name: L.Dense(5, activation=name), 6)
one('Dense[3D input]', lambda: L.Dense(5), 4, 6)
one('Dense[no bias]', lambda: L.Dense(5, use_bias=False), 6)
one(
    'Dense[regularizers, constraints]',
    lambda: L.Dense(
        5,
        kernel_regularizer='l2',
        bias_regularizer=keras.regularizers.l1(0.1),
        activity_regularizer=keras.regularizers.l1_l2(0.1, 0.2),
        kernel_constraint=keras.constraints.MaxNorm(2),
        bias_constraint='non_neg',
        kernel_initializer='he_normal',
    ),
    6,
)
one('ELU', lambda: L.ELU(0.7), 6)
one('LeakyReLU', lambda: L.LeakyReLU(0.1), 6)
one('LeakyReLU[default]', lambda: L.LeakyReLU(), 6)
one('PReLU', lambda: L.PReLU(), 4, 5)
one('PReLU[shared_axes]', lambda: L.PReLU(shared_axes=[1, 2]), 4, 4, 3)
one('ReLU', lambda: L.ReLU(), 6)
one('ReLU[max 6]', lambda: L.ReLU(6.0), 6)
one('ReLU[slope, threshold]', lambda: L.ReLU(negative_slope=0.2, threshold=0.5), 6)
one('Softmax', lambda: L.Softmax(), 6)
one('Softmax[axis 1]', lambda: L.Softmax(axis=1), 4, 5)
one('ThresholdedReLU', lambda: L.ThresholdedReLU(0.7), 6)
one('Flatten', lambda: L.Flatten(), 4, 3, 2)
one('Flatten[channels_first]', lambda: L.Flatten(data_format='channels_first'), 2, 4, 3)
one('Permute', lambda: L.Permute((2, 1)), 4, 5)
one('RepeatVector', lambda: L.RepeatVector(3), 6)
one('Reshape', lambda: L.Reshape((-1, 2)), 4, 3)

# --- batch normalization
one('BatchNormalization', lambda: L.BatchNormalization(), 6)
one('BatchNormalization[4D]', lambda: L.BatchNormalization(), 4, 4, 3)
one('BatchNormalization[axis 1]', lambda: L.BatchNormalization(axis=1), 3, 4, 4)
one('BatchNormalization[center=False]', lambda: L.BatchNormalization(center=False), 6)
one('BatchNormalization[epsilon .1]', lambda: L.BatchNormalization(epsilon=0.1), 6)
one('BatchNormalization[scale=False]', lambda: L.BatchNormalization(scale=False), 6)

# --- convolutions
one('Conv1D[valid]', lambda: L.Conv1D(4, 3), 10, 3)
one('Conv1D[same, stride 2]', lambda: L.Conv1D(4, 3, strides=2, padding='same'), 10, 3)
one('Conv1D[causal]', lambda: L.Conv1D(4, 3, padding='causal'), 10, 3)
one('Conv1D[causal, dilation 2]', lambda: L.Conv1D(4, 3, padding='causal', dilation_rate=2), 10, 3)
one('Conv1D[channels_first]', lambda: L.Conv1D(4, 3, data_format='channels_first'), 3, 10)
one('Conv2D[valid, relu]', lambda: L.Conv2D(4, 3, activation='relu'), 8, 9, 3)
one('Conv2D[same, stride 2]', lambda: L.Conv2D(4, 3, strides=2, padding='same'), 8, 9, 3)
one('Conv2D[dilation 2]', lambda: L.Conv2D(4, 3, dilation_rate=2), 8, 9, 3)
one('Conv2D[channels_first]', lambda: L.Conv2D(4, 3, data_format='channels_first'), 3, 8, 9)
one('Conv3D', lambda: L.Conv3D(4, 3, padding='same'), 5, 6, 5, 3)
one('Conv3D[channels_first]', lambda: L.Conv3D(4, 3, data_format='channels_first'), 3, 5, 6, 5)
one('Conv2DTranspose[valid]', lambda: L.Conv2DTranspose(4, 3), 5, 6, 3)
one('Conv2DTranspose[same, stride 2]', lambda: L.Conv2DTranspose(4, 3, strides=2, padding='same'), 5, 6, 3)
one(
    'Conv2DTranspose[output_padding]',
    lambda: L.Conv2DTranspose(4, 3, strides=2, output_padding=1),
    5,
    6,
    3,
)
one(
    'Conv2DTranspose[same, output_padding 0]',
    lambda: L.Conv2DTranspose(4, 3, strides=2, padding='same', output_padding=0),
    5, 6, 3,
)  # fmt: skip
one(
    'Conv2DTranspose[channels_first]', lambda: L.Conv2DTranspose(4, 3, strides=2, data_format='channels_first'), 3, 5, 6
)
one('Conv3DTranspose', lambda: L.Conv3DTranspose(2, 2, strides=2), 3, 4, 3, 2)
one('DepthwiseConv2D', lambda: L.DepthwiseConv2D(3, depth_multiplier=2), 8, 9, 3)
one('DepthwiseConv2D[channels_first]', lambda: L.DepthwiseConv2D(3, data_format='channels_first'), 3, 8, 9)
one('SeparableConv1D', lambda: L.SeparableConv1D(4, 3), 10, 3)
one('SeparableConv1D[stride 2]', lambda: L.SeparableConv1D(4, 3, strides=2), 10, 3)
one('SeparableConv2D', lambda: L.SeparableConv2D(4, 3, depth_multiplier=2, padding='same'), 8, 9, 3)
one('SeparableConv2D[dilation 2]', lambda: L.SeparableConv2D(4, 3, dilation_rate=2), 8, 9, 3)
one('LocallyConnected1D', lambda: L.LocallyConnected1D(4, 3), 8, 3)
one('LocallyConnected2D', lambda: L.LocallyConnected2D(4, 3), 6, 7, 3)
one('LocallyConnected2D[strides, tanh]', lambda: L.LocallyConnected2D(4, 3, strides=2, activation='tanh'), 7, 9, 3)

# --- pooling, cropping, padding, upsampling
for _n, _shape in ((1, (9, 3)), (2, (7, 8, 3)), (3, (5, 6, 5, 2))):
    for _padding in ('same', 'valid'):
        for _kind in ('Average', 'Max'):
            _cls = getattr(L, '%sPooling%dD' % (_kind, _n))
            one(
                '%s[%s]' % (_cls.__name__, _padding),
                lambda cls=_cls, padding=_padding: cls(2, padding=padding),
                *_shape,
            )
    for _kind in ('Average', 'Max'):
        _cls = getattr(L, 'Global%sPooling%dD' % (_kind, _n))
        one(_cls.__name__, _cls, *_shape)
one('GlobalAveragePooling2D[channels_first]', lambda: L.GlobalAveragePooling2D(data_format='channels_first'), 3, 7, 8)
one('MaxPooling1D[channels_first]', lambda: L.MaxPooling1D(2, data_format='channels_first'), 3, 9)
one('MaxPooling2D[channels_first]', lambda: L.MaxPooling2D(2, data_format='channels_first'), 3, 7, 8)
one('Cropping1D', lambda: L.Cropping1D((1, 2)), 8, 3)
one('Cropping2D', lambda: L.Cropping2D(((1, 2), (0, 1))), 6, 7, 3)
one('Cropping2D[channels_first]', lambda: L.Cropping2D(((1, 2), (0, 1)), data_format='channels_first'), 3, 6, 7)
one('Cropping3D', lambda: L.Cropping3D(((1, 1), (0, 1), (1, 0))), 5, 5, 5, 2)
one('ZeroPadding1D', lambda: L.ZeroPadding1D((1, 2)), 5, 3)
one('ZeroPadding2D', lambda: L.ZeroPadding2D(((1, 2), (0, 3))), 4, 5, 3)
one('ZeroPadding2D[channels_first]', lambda: L.ZeroPadding2D(((1, 2), (0, 3)), data_format='channels_first'), 3, 4, 5)
one('ZeroPadding3D', lambda: L.ZeroPadding3D((1, 2, 1)), 3, 3, 3, 2)
one('UpSampling1D', lambda: L.UpSampling1D(3), 5, 3)
one('UpSampling2D[nearest]', lambda: L.UpSampling2D((2, 3)), 4, 5, 3)
one('UpSampling2D[bilinear]', lambda: L.UpSampling2D((2, 3), interpolation='bilinear'), 4, 5, 3)
one('UpSampling2D[channels_first]', lambda: L.UpSampling2D((2, 3), data_format='channels_first'), 3, 4, 5)
one('UpSampling3D', lambda: L.UpSampling3D((2, 1, 2)), 3, 3, 3, 2)

# --- recurrent layers
one('SimpleRNN[return_sequences=False]', lambda: L.SimpleRNN(5), 6, 4)
one('SimpleRNN[return_sequences=True]', lambda: L.SimpleRNN(5, return_sequences=True), 6, 4)
one('LSTM[default]', lambda: L.LSTM(5), 6, 4)
one('LSTM[dropouts]', lambda: L.LSTM(5, dropout=0.2, recurrent_dropout=0.3), 6, 4)
one('LSTM[go_backwards]', lambda: L.LSTM(5, go_backwards=True, return_sequences=True), 6, 4)
one('LSTM[no forget bias, no bias]', lambda: L.LSTM(5, unit_forget_bias=False, use_bias=False), 6, 4)
one('LSTM[return_sequences, implementation 2]', lambda: L.LSTM(5, return_sequences=True, implementation=2), 6, 4)
one('LSTM[return_state]', lambda: L.LSTM(5, return_state=True), 6, 4)
one('LSTM[sigmoid]', lambda: L.LSTM(5, recurrent_activation='sigmoid'), 6, 4)
one('LSTM[stateful]', lambda: L.LSTM(5, stateful=True), batch_shape=(4, 6, 4))
one('LSTM[unroll]', lambda: L.LSTM(5, unroll=True), 6, 4)
one('GRU[default]', lambda: L.GRU(5), 6, 4)
one('GRU[implementation 2]', lambda: L.GRU(5, implementation=2), 6, 4)
one('GRU[no bias]', lambda: L.GRU(5, use_bias=False), 6, 4)
one('GRU[reset_after]', lambda: L.GRU(5, reset_after=True), 6, 4)
one('GRU[reset_after, sigmoid]', lambda: L.GRU(5, reset_after=True, recurrent_activation='sigmoid'), 6, 4)
one('GRU[sigmoid]', lambda: L.GRU(5, recurrent_activation='sigmoid'), 6, 4)
one('CuDNNLSTM', lambda: L.CuDNNLSTM(5), 6, 4)
one('CuDNNGRU', lambda: L.CuDNNGRU(5), 6, 4)
one('ConvLSTM2D[default]', lambda: L.ConvLSTM2D(3, 3, padding='same'), 4, 6, 6, 2)
one(
    'ConvLSTM2D[return_sequences, sigmoid]',
    lambda: L.ConvLSTM2D(3, 3, return_sequences=True, recurrent_activation='sigmoid'),
    4, 6, 6, 2,
)  # fmt: skip
one('ConvLSTM2D[channels_first]', lambda: L.ConvLSTM2D(3, 3, data_format='channels_first'), 4, 2, 6, 6)
one('Bidirectional[CuDNNLSTM]', lambda: L.Bidirectional(L.CuDNNLSTM(5)), 6, 4)
one('Bidirectional[GRU]', lambda: L.Bidirectional(L.GRU(5, return_sequences=True)), 6, 4)
for _mode in ('ave', 'concat', 'mul', 'sum'):
    one('Bidirectional[LSTM, %s]' % _mode, lambda mode=_mode: L.Bidirectional(L.LSTM(5), merge_mode=mode), 6, 4)
one('Bidirectional[None]', lambda: L.Bidirectional(L.LSTM(5, return_sequences=True), merge_mode=None), 6, 4)
one('RNN[GRUCell]', lambda: L.RNN(L.GRUCell(5)), 6, 4)
one('RNN[LSTMCell]', lambda: L.RNN(L.LSTMCell(5), return_sequences=True), 6, 4)
one('RNN[StackedRNNCells LSTM]', lambda: L.RNN(L.StackedRNNCells([L.LSTMCell(5), L.LSTMCell(4)])), 6, 4)
one('RNN[StackedRNNCells GRU+SimpleRNN]', lambda: L.RNN(L.StackedRNNCells([L.GRUCell(5), L.SimpleRNNCell(4)])), 6, 4)
one('TimeDistributed[Dense]', lambda: L.TimeDistributed(L.Dense(5)), 4, 6)
one('TimeDistributed[Conv2D]', lambda: L.TimeDistributed(L.Conv2D(3, 3)), 4, 6, 6, 2)


@case('TimeDistributed[Model]')
def _():
    x = L.Input((6, 6, 2))
    y = L.Dense(4)(L.Flatten()(L.Conv2D(3, 3, activation='relu')(x)))
    inner = Model(x, y)
    x = L.Input((3, 6, 6, 2))
    return Model(x, L.LSTM(4)(L.TimeDistributed(inner)(x)))


@case('LSTM[initial_state, encoder-decoder]')
def _():
    a, b = L.Input((6, 4)), L.Input((5, 3))
    _, h, c = L.LSTM(5, return_state=True)(a)
    y = L.LSTM(5, return_sequences=True)(b, initial_state=[h, c])
    return Model([a, b], L.TimeDistributed(L.Dense(3, activation='softmax'))(y))


@case('Bidirectional[return_state, initial_state]')
def _():
    a, b = L.Input((6, 4)), L.Input((5, 3))
    states = L.Bidirectional(L.LSTM(5, return_state=True))(a)[1:]
    return Model([a, b], L.Bidirectional(L.LSTM(5, return_sequences=True))(b, initial_state=states))


@case('RNN[custom cell]', ['MinimalCell'])
def _():
    from custom_old import MinimalCell

    x = L.Input((6, 4))
    return Model(x, L.RNN(MinimalCell(5), return_sequences=True)(x))


# --- embeddings and masks
def embedded(name, *after, **keywords):
    def make():
        x = L.Input((7,), dtype=keywords.pop('dtype', None))
        y = L.Embedding(11, 4, **keywords)(x)
        for layer in after:
            y = layer()(y)
        return Model(x, y)

    CASES.append((name, make, []))


embedded('Embedding')
embedded('Embedding[input_length]', input_length=7)
embedded('int32 input Embedding', dtype='int32')
embedded('Embedding[mask_zero]+LSTM', lambda: L.LSTM(5), mask_zero=True)
embedded('Embedding[mask_zero]+GRU', lambda: L.GRU(5, return_sequences=True), mask_zero=True)
embedded('Embedding[mask_zero]+Bidirectional', lambda: L.Bidirectional(L.LSTM(5)), mask_zero=True)
embedded('Embedding[mask_zero]+GlobalAveragePooling1D', L.GlobalAveragePooling1D, mask_zero=True)
embedded(
    'Embedding[mask_zero]+TimeDistributed', lambda: L.TimeDistributed(L.Dense(3)), lambda: L.LSTM(5), mask_zero=True
)
embedded(
    'Embedding[mask_zero]+Bidirectional sequences',
    lambda: L.Bidirectional(L.LSTM(5, return_sequences=True)),
    lambda: L.TimeDistributed(L.Dense(3, activation='softmax')),
    mask_zero=True,
)


def masked(name, layer):
    def make():
        x = L.Input((7, 4))
        return Model(x, layer()(L.Masking(0.5)(x)) if layer else L.Masking(0.5)(x))

    CASES.append((name, make, []))


masked('Masking', None)
masked('Masking+LSTM', lambda: L.LSTM(5, return_sequences=True))
masked('Masking+GRU[reset_after]', lambda: L.GRU(5, reset_after=True))
masked('Masking+SimpleRNN', lambda: L.SimpleRNN(5, return_sequences=True))


@case('Masking+Concatenate+LSTM')
def _():
    a, b = L.Input((7, 4)), L.Input((7, 3))
    both = L.Concatenate()([L.Masking()(a), L.Masking(0.5)(b)])
    return Model([a, b], L.LSTM(5, return_sequences=True)(both))


# --- merges
def merged(name, layer, *shapes):
    def make():
        inputs = [L.Input(shape) for shape in shapes]
        return Model(inputs, layer()(inputs))

    CASES.append((name, make, []))


for _kind in ('Add', 'Average', 'Maximum', 'Minimum', 'Multiply'):
    merged('%s[3 inputs]' % _kind, getattr(L, _kind), (4, 5), (4, 5), (4, 5))
merged('Add[broadcast]', L.Add, (4, 5), (1, 5))
merged('Subtract', L.Subtract, (4, 5), (4, 5))
merged('Concatenate', L.Concatenate, (4, 5), (4, 3))
merged('Concatenate[axis 1]', lambda: L.Concatenate(axis=1), (4, 5), (3, 5))
merged('Dot', lambda: L.Dot(1), (5,), (5,))
merged('Dot[axes (2,1)]', lambda: L.Dot((2, 1)), (4, 5), (5, 3))
merged('Dot[normalize]', lambda: L.Dot(1, normalize=True), (5,), (5,))
merged('Dot[normalize, 3D]', lambda: L.Dot((2, 2), normalize=True), (4, 5), (3, 5))


# --- functions and classes of one's own
@case('Lambda[lambda]', ['twice_and_one'])
def _():
    x = L.Input((6,))
    return Model(x, L.Lambda(lambda t: t * 2 + 1, name='twice_and_one')(x))


def named(t, by):
    return t / by


@case('Lambda[named function]', ['divided'])
def _():
    x = L.Input((6,))
    return Model(x, L.Lambda(named, arguments={'by': 4.0}, name='divided')(x))


@case('Lambda[K.function]', ['normalized'])
def _():
    x = L.Input((4, 5))
    return Model(x, L.Lambda(lambda t: K.l2_normalize(t, axis=-1), name='normalized')(x))


@case('custom layer', ['Scaled'])
def _():
    from custom_old import Scaled

    x = L.Input((6,))
    return Model(x, Scaled(3.0)(x))


# --- wiring
@case('Sequential')
def _():
    return Sequential(
        [L.Dense(8, activation='relu', input_shape=(6,)), L.Dropout(0.5), L.Dense(3, activation='softmax')]
    )


@case('Sequential without input shape')
def _():
    model = Sequential([L.Dense(8, activation='tanh'), L.Dense(3)])
    model.build((None, 6))
    return model


@case('Sequential[InputLayer]')
def _():
    return Sequential([L.InputLayer((6,)), L.Dense(8, activation='tanh'), L.Dense(3)])


@case('U-Net, small')
def _():
    x = L.Input((16, 16, 3))
    a = L.Conv2D(4, 3, padding='same', activation='relu')(x)
    b = L.Conv2D(8, 3, padding='same', activation='relu')(L.MaxPooling2D()(a))
    up = L.Conv2DTranspose(4, 2, strides=2, padding='same')(b)
    y = L.Conv2D(4, 3, padding='same', activation='relu')(L.Concatenate()([a, up]))
    return Model(x, L.Conv2D(2, 1, activation='sigmoid')(y))


@case('channels_first network')
def _():
    x = L.Input((3, 12, 12))
    y = L.Conv2D(4, 3, data_format='channels_first', activation='relu')(x)
    y = L.MaxPooling2D(data_format='channels_first')(L.BatchNormalization(axis=1)(y))
    return Model(x, L.Dense(4, activation='softmax')(L.Flatten(data_format='channels_first')(y)))


@case('compiled, Adam, trained a step')
def _():
    model = Sequential([L.Dense(8, activation='relu', input_shape=(6,)), L.Dense(3, activation='softmax')])
    model.compile('adam', 'categorical_crossentropy', metrics=['accuracy'])
    model.train_on_batch(np.ones((4, 6)), np.eye(3)[[0, 1, 2, 0]])
    return model


@case('float64 input')
def _():
    x = L.Input((4, 5), dtype='float64')
    return Model(x, L.Activation('relu')(L.Flatten()(x)))


@case('frozen layers, trainable=False')
def _():
    x = L.Input((8, 8, 3))
    y = L.BatchNormalization(trainable=False)(L.Conv2D(4, 3, trainable=False)(x))
    return Model(x, L.Dense(3)(L.Flatten()(L.BatchNormalization()(L.Conv2D(4, 3)(y)))))


@case('fully convolutional, None shape')
def _():
    x = L.Input((None, None, 3))
    y = L.UpSampling2D()(L.Conv2D(4, 3, strides=2, padding='same', activation='relu')(x))
    return Model(x, L.Conv2D(2, 3, padding='same')(L.Concatenate()([x, y])))


@case('layer name with slash')
def _():
    x = L.Input((6,), name='in')
    return Model(x, L.Dense(3, name='block/dense')(L.Dense(5, name='block/first', activation='relu')(x)))


@case('multi-input, multi-output')
def _():
    a, b = L.Input((6,), name='a'), L.Input((4,), name='b')
    both = L.Concatenate()([L.Dense(5, activation='tanh')(a), b])
    return Model([a, b], [L.Dense(3, name='first')(both), L.Dense(2, name='second', activation='sigmoid')(both)])


def mlp(inputs, outputs, **keywords):
    x = L.Input((inputs,))
    return Model(x, L.Dense(outputs, activation='tanh')(L.Dense(5, activation='relu', **keywords)(x)))


@case('nested model in Sequential')
def _():
    return Sequential([mlp(6, 4), L.Dense(3, activation='softmax')])


@case('nested model, doubly')
def _():
    inner = mlp(6, 4)
    x = L.Input((6,))
    middle = Model(x, L.Dense(5)(inner(x)))
    x = L.Input((6,))
    return Model(x, L.Dense(2)(middle(L.Dense(6, activation='tanh')(x))))


@case('nested model, inner trainable=False')
def _():
    x = L.Input((6,))
    inner = Model(x, L.Dense(4)(L.BatchNormalization()(L.Dense(5)(x))))
    inner.trainable = False
    x = L.Input((6,))
    return Model(x, L.Dense(2)(L.BatchNormalization()(inner(x))))


@case('nested multi-output model')
def _():
    x = L.Input((6,))
    hidden = L.Dense(5, activation='relu')(x)
    inner = Model(x, [L.Dense(3)(hidden), L.Dense(2)(hidden)])
    x = L.Input((6,))
    a, b = inner(x)
    return Model(x, [L.Dense(2)(b), L.Dense(4)(a)])


@case('shared layer')
def _():
    shared = L.Dense(5, activation='tanh')
    a, b = L.Input((6,)), L.Input((6,))
    return Model([a, b], L.Dense(2)(L.Concatenate()([shared(a), shared(b)])))


@case('siamese nested model')
def _():
    inner = mlp(6, 4)
    a, b = L.Input((6,)), L.Input((6,))
    return Model([a, b], L.Dense(1, activation='sigmoid')(L.Subtract()([inner(a), inner(b)])))


@case('variable-length input')
def _():
    x = L.Input((None, 4))
    return Model(x, L.Dense(3)(L.LSTM(5)(L.LSTM(5, return_sequences=True)(x))))


# ---


def widen(model, random):
    """Random weights, wide enough that activations leave their linear parts; a variance stays positive."""
    variables = model.weights
    values = []
    for variable in variables:
        shape = K.int_shape(variable)
        if 'moving_variance' in variable.name:
            values.append(random.uniform(0.5, 2, shape))
        else:
            fan = np.prod(shape[:-1]) if len(shape) > 1 else 4
            values.append(random.normal(0, 1 / np.sqrt(max(fan, 1)), shape))
    K.batch_set_value(list(zip(variables, values)))


def main(folder, names=None):
    listed = []
    for n, (name, make, custom) in enumerate(CASES):
        if names and name not in names:
            continue
        K.clear_session()
        random = np.random.RandomState(n)
        if 'CuDNN' in name:  # the processor has no kernel for them, but opens the graph
            import tensorflow as tf

            K.set_session(tf.Session(config=tf.ConfigProto(graph_options=tf.GraphOptions(place_pruned_graph=True))))
        model = make()
        widen(model, random)
        file = '%03d.h5' % n
        model.save(os.path.join(folder, file))
        listed.append({'name': name, 'file': file, 'custom': custom})
    with open(os.path.join(folder, 'cases.json'), 'w') as file:
        json.dump(listed, file, indent=1)


if __name__ == '__main__':
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    main(sys.argv[1], sys.argv[2:])
