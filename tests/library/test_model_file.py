"""What inspect says of a file, against what Keras does with it."""

import faulthandler
import functools
import gc
import inspect
import io
import json
import marshal
import opcode
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import types
import warnings
import zipfile

import h5py
import hypothesis
import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st
from keras import activations, constraints, initializers, layers, losses, metrics, optimizers, regularizers
from keras import backend as K
from keras.engine.base_layer import Layer
from keras.layers import core

from tensorflow_with_keras import __main__, bytecode, keras_names, model_file, recipe, session
from tensorflow_with_keras.recipe import ROOT

# tests whose other side is this Keras itself
by_keras_2_2 = pytest.mark.not_on(
    'tf1.15-keras2.3.1', reason='inspect says what Keras 2.2.4 loads, and that is not here'
)
FILES = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'model_files')
with open(os.path.join(FILES, 'bytecode.json')) as f:
    BYTECODE = json.load(f)
load = recipe.load('export/h5_custom_objects').load


def real(name):
    return os.path.join(FILES, name + '.h5')


def reality(path):
    """What inspect is to say in its key `loads`, found out by loading; and the model."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        for word, function in (('as it is', keras.models.load_model), ('mended', load)):
            session.start(seed=0, threads=1)
            try:
                return word, function(path)
            except Exception as e:
                print('%s: %s: %s' % (function.__name__, type(e).__name__, e))
    return 'no', None


def said(path):
    return model_file.examine(str(path))['loads']


def keywords(cls):
    """Names of the arguments of a constructor, those included that **kwargs hands to a base class."""
    found = set()
    for c in cls.__mro__ if inspect.isclass(cls) else ():
        if c in (Layer, object):
            break
        if '__init__' in vars(c):
            parameters = inspect.signature(c.__init__).parameters.values()
            found |= {p.name for p in parameters if p.kind == p.POSITIONAL_OR_KEYWORD and p.name != 'self'}
            if not any(p.kind == p.VAR_KEYWORD for p in parameters):
                break
    return found


def tables_of_keras():
    """The tables of keras_names, out of Keras."""

    def classes(module, base):
        found = {n: c for n, c in vars(module).items() if inspect.isclass(c) and issubclass(c, base)}
        return {n: keywords(c) for n, c in found.items() if n not in ('Model', 'Sequential')}  # which Keras adds late

    def functions(module):
        found = {n: f for n, f in vars(module).items() if inspect.isfunction(f) and not n.startswith('_')}
        return {
            n: set(inspect.signature(f).parameters)
            for n, f in found.items()
            if not n.endswith('serialize_keras_object') and n not in ('serialize', 'deserialize', 'get')
        }

    optimizer = optimizers.Optimizer
    strings = (c for c in Layer.__init__.__code__.co_consts if isinstance(c, str))
    return {
        'OF_ANY_LAYER': {s for s in strings if s.isidentifier() and s != '_'},
        'LAYERS': classes(layers, Layer),
        'INITIALIZERS': dict(classes(initializers, initializers.Initializer), **functions(initializers)),
        'REGULARIZERS': dict(classes(regularizers, regularizers.Regularizer), **functions(regularizers)),
        'CONSTRAINTS': classes(constraints, constraints.Constraint),
        'OPTIMIZERS': {n.lower(): k for n, k in classes(optimizers, optimizer).items() if n != 'Optimizer'},
        'ACTIVATIONS': set(functions(activations)),
        'LOSSES': set(functions(losses)),
        'METRICS': set(functions(metrics)),
        'OF_A_LAMBDA': {n for n in vars(core) if not n.startswith('__')},
        'OPCODES': set(opcode.opmap.values()),
    }


@by_keras_2_2
def test_the_tables_are_those_of_keras():
    for name, table in tables_of_keras().items():
        assert getattr(keras_names, name) == table, name


# --- strings as h5py 3 writes them


def strings(path):
    """Every attribute of text: its place, and how HDF5 keeps it. An empty list is no text."""
    found = {}

    def look(name, group):
        for key in group.attrs:
            kind = h5py.h5a.open(group.id, key.encode()).get_type()
            if isinstance(kind, h5py.h5t.TypeStringID):
                found[name + '@' + key] = kind.is_variable_str(), kind.get_cset()

    with h5py.File(path, 'r') as f:
        look('', f)
        f.visititems(look)
    return found


def as_h5py_3(path, kind=bytes):
    """Writes lists of names anew as h5py 3 writes a list of bytes (or of str): of variable length."""

    def write(name, group):
        for key in list(group.attrs):
            value = group.attrs[key]
            if isinstance(value, np.ndarray) and value.dtype.kind == 'S' and value.size:
                names = [n if kind is bytes else n.decode() for n in value]
                group.attrs.create(key, names, dtype=h5py.special_dtype(vlen=kind))

    with h5py.File(path, 'a') as f:
        write('', f)
        f.visititems(write)


def dense():
    stack = [layers.Flatten(input_shape=(6, 3)), layers.Dense(2, activation='softmax')]
    model = keras.models.Sequential(stack)
    model.compile('adam', 'categorical_crossentropy', metrics=['accuracy'])
    return model


def train(model):
    x = np.random.RandomState(0).rand(8, *model.input_shape[1:])
    model.fit(x, np.eye(2)[[0, 1] * 4], verbose=0)


@pytest.fixture
def saved(tmp_path):
    """A file of a small model with an optimizer's state."""
    session.start(seed=0, threads=1)
    model = dense()
    train(model)
    model.save(str(tmp_path / 'saved.h5'))
    return str(tmp_path / 'saved.h5')


def test_as_h5py_3_makes_what_h5py_3_makes(saved):
    before = strings(saved)
    as_h5py_3(saved)
    found = {k: v for k, v in strings(saved).items() if 'weight_names' in k or 'layer_names' in k}
    theirs = strings(real('keras_2.2.4_h5py_3.1'))
    assert set(found.values()) == {v for k, v in theirs.items() if 'weight_names' in k or 'layer_names' in k}
    assert len(found) == 3 and set(found.values()) == {(True, h5py.h5t.CSET_ASCII)}
    assert {before[k][0] for k in found} == {False}
    assert {v for k, v in theirs.items() if k not in found} == {v for k, v in before.items() if k not in found}


# --- real files of other writers


def built(name):
    if name == 'tf_2.11':
        images = layers.Input(shape=(6, 3))
        hidden = layers.GRU(2, recurrent_activation='sigmoid', reset_after=True)(images)
        return keras.models.Model(images, layers.Dense(2, activation='softmax')(hidden))
    return dense()


@pytest.mark.parametrize(
    'name, loads, library, version, way, because',
    [
        ('keras_2.2.4_h5py_3.1', 'mended', 'Keras', '2.2.4', "load('", 'strings of variable length'),
        ('keras_2.3.1', 'no', 'Keras', '2.3.1', 'compile=False', 'optimizer Adam has learning_rate'),
        ('keras_3', 'no', 'Keras 3', '3.', 'load_weights', 'InputLayer has batch_shape, optional, ragged'),
        ('tf_1.9', 'as it is', 'tf.keras', '2.1.6-tf', "keras.models.load_model('", None),
        ('tf_1.12', 'no', 'tf.keras', '2.1.6-tf', 'load_weights', 'knows no initializer GlorotUniform'),
        ('tf_1.15', 'no', 'tf.keras', '2.2.4-tf', 'load_weights', 'optimizer Adam has learning_rate, name'),
        (
            'tf_2.11',
            'no',
            'tf.keras',
            '2.11.0',
            "with GRU(recurrent_activation='sigmoid', reset_after=True), as the file has it",
            'Functional is what tf.keras calls a Model',
        ),
    ],
)
@by_keras_2_2
def test_real_files_of_other_writers(name, loads, library, version, way, because):
    report = model_file.examine(real(name))
    assert report['loads'] == loads and report['library'] == library and report['keras_version'].startswith(version)
    assert way in report['way'] and real(name) in report['way']
    assert any(because in p for p in report['problems']) if because else report['problems'] == []
    word, model = reality(real(name))
    assert word == loads
    with np.load(os.path.join(FILES, 'predictions.npz')) as predictions:
        x, y = predictions[name + ' x'], predictions[name + ' y']
    if model is None:  # the way that is named leads there
        if 'compile=False' in way:
            model = keras.models.load_model(real(name), compile=False)
        else:
            model = built(name)
            model.load_weights(real(name))
    np.testing.assert_allclose(model.predict(x), y, atol=1e-6)
    assert report['parameters'] == model.count_params()
    assert [layer['parameters'] for layer in report['layers'] if layer['class'] != 'InputLayer'] == [
        layer.count_params() for layer in model.layers if not isinstance(layer, layers.InputLayer)
    ]


@by_keras_2_2
def test_without_the_settings_that_the_way_names_the_answers_are_others():
    images = layers.Input(shape=(6, 3))
    hidden = layers.GRU(2, reset_after=True)(images)
    model = keras.models.Model(images, layers.Dense(2, activation='softmax')(hidden))
    model.load_weights(real('tf_2.11'))
    with np.load(os.path.join(FILES, 'predictions.npz')) as predictions:
        assert np.abs(model.predict(predictions['tf_2.11 x']) - predictions['tf_2.11 y']).max() > 1e-4


def test_the_weights_of_a_mended_file_are_those_of_the_file():
    model = load(real('keras_2.2.4_h5py_3.1'))
    with h5py.File(real('keras_2.2.4_h5py_3.1'), 'r') as f:
        group = f['model_weights/dense_1/dense_1']
        kernel, bias = group['kernel:0'][:], group['bias:0'][:]
        state = [f['optimizer_weights'][n][()] for n in f['optimizer_weights'].attrs['weight_names']]
    for ours, theirs in zip(model.get_weights(), (kernel, bias)):
        assert np.array_equal(ours, theirs)
    assert all(np.array_equal(a, b) for a, b in zip(model.optimizer.get_weights(), state)) and len(state) == 7
    by_weights = dense()
    by_weights.set_weights([kernel, bias])
    x = np.random.RandomState(0).rand(8, 6, 3)
    assert np.array_equal(model.predict(x), by_weights.predict(x))


# --- everything that Keras itself saves


def sequences():
    x = layers.Input(shape=(8, 4))
    convolved = [
        layers.Conv1D(3, 2, dilation_rate=2, kernel_regularizer='l2', kernel_constraint='max_norm')(x),
        layers.SeparableConv1D(3, 2, activation='elu', bias_initializer=initializers.Constant(0.1))(x),
        layers.LocallyConnected1D(3, 2, kernel_initializer='he_normal')(x),
        layers.TimeDistributed(layers.Dense(3, kernel_regularizer=regularizers.l1_l2(0.1, 0.1)))(x),
        layers.MaxPooling1D()(x),
        layers.AveragePooling1D()(x),
        layers.UpSampling1D()(x),
        layers.Cropping1D()(x),
        layers.ZeroPadding1D()(x),
        layers.SpatialDropout1D(0.1)(x),
        layers.GaussianNoise(0.1)(x),
        layers.GaussianDropout(0.1)(x),
        layers.AlphaDropout(0.1)(x),
        layers.Permute((2, 1))(x),
        layers.Reshape((4, 8))(x),
        layers.Bidirectional(layers.LSTM(2, return_sequences=True, dropout=0.1), merge_mode='sum')(x),
        layers.RNN([layers.LSTMCell(2), layers.GRUCell(2), layers.SimpleRNNCell(2)], return_sequences=True)(x),
        layers.SimpleRNN(2, return_sequences=True, recurrent_constraint='unit_norm')(x),
        layers.GRU(2, return_sequences=True, reset_after=True)(x),
    ]
    pooled = [layers.GlobalMaxPooling1D()(c) for c in convolved[:-3]]
    pooled += [layers.GlobalAveragePooling1D()(c) for c in convolved[-3:]]
    flat = layers.Concatenate()(pooled + [layers.Flatten()(convolved[0]), layers.LSTM(2)(layers.Masking()(x))])
    return keras.models.Model(x, layers.Dense(2, activity_regularizer='l2')(flat))


def images():
    x = layers.Input(shape=(8, 8, 3))
    convolved = [
        layers.Conv2D(3, 2, kernel_initializer=initializers.VarianceScaling())(x),
        layers.Conv2DTranspose(3, 2, kernel_initializer='orthogonal', bias_constraint=constraints.MinMaxNorm())(x),
        layers.SeparableConv2D(3, 2)(x),
        layers.DepthwiseConv2D(2)(x),
        layers.LocallyConnected2D(3, 2)(x),
        layers.MaxPooling2D()(x),
        layers.AveragePooling2D()(x),
        layers.UpSampling2D(interpolation='bilinear')(x),
        layers.Cropping2D()(x),
        layers.ZeroPadding2D()(x),
        layers.SpatialDropout2D(0.1)(x),
        layers.BatchNormalization()(x),
        layers.PReLU(shared_axes=[1, 2])(x),
        layers.ELU()(x),
        layers.LeakyReLU()(x),
        layers.ThresholdedReLU()(x),
        layers.ReLU(6.0)(x),
        layers.Softmax()(x),
        layers.Activation('selu')(x),
        layers.ActivityRegularization(0.1)(x),
        layers.Dropout(0.5, noise_shape=(None, 1, 1, 3))(x),
        layers.Lambda(lambda t: K.abs(t) + 1.0)(x),
    ]
    pooled = [layers.GlobalMaxPooling2D()(c) for c in convolved] + [layers.GlobalAveragePooling2D()(x)]
    merged = [
        kind()([pooled[0], pooled[1]])
        for kind in (layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum)
    ]
    merged.append(layers.Dot(1)([pooled[0], pooled[1]]))
    return keras.models.Model(x, layers.Dense(2)(layers.Concatenate()(pooled + merged)))


def volumes():
    x = layers.Input(shape=(4, 4, 4, 2))
    convolved = [
        layers.Conv3D(2, 2)(x),
        layers.Conv3DTranspose(2, 2)(x),
        layers.MaxPooling3D()(x),
        layers.AveragePooling3D()(x),
        layers.UpSampling3D()(x),
        layers.Cropping3D()(x),
        layers.ZeroPadding3D()(x),
        layers.SpatialDropout3D(0.1)(x),
    ]
    pooled = [layers.GlobalMaxPooling3D()(c) for c in convolved] + [layers.GlobalAveragePooling3D()(x)]
    moving = layers.Flatten()(layers.ConvLSTM2D(2, 2)(x))
    cells = layers.Flatten()(layers.ConvRNN2D(layers.ConvLSTM2DCell(2, 2))(x))
    return keras.models.Model(x, layers.Dense(2)(layers.Concatenate()(pooled + [moving, cells])))


def words():
    inner = keras.models.Sequential([layers.Embedding(9, 3, input_length=5), layers.Flatten(), layers.RepeatVector(2)])
    again = keras.models.Sequential([inner, layers.GRU(2), layers.Dense(2, activation='exponential')])
    return again


@pytest.mark.parametrize('build', [sequences, images, volumes, words])
@by_keras_2_2
def test_every_layer_as_keras_saves_it(build, tmp_path):
    path = str(tmp_path / 'model.h5')
    model = build()
    model.compile(optimizers.SGD(0.1, clipnorm=1.0), 'mse', metrics=['mae', 'accuracy'])
    model.save(path)
    assert said(path) == 'as it is' and reality(path)[0] == 'as it is'
    as_h5py_3(path)
    assert said(path) == 'mended' and reality(path)[0] == 'mended'


def test_no_layer_was_forgotten():
    source = ''.join(inspect.getsource(f) for f in (sequences, images, volumes, words))
    classes = {c.__name__ for c in vars(layers).values() if inspect.isclass(c) and issubclass(c, Layer)}
    legacy = {'AtrousConvolution1D', 'AtrousConvolution2D', 'Highway', 'MaxoutDense', 'Merge', 'Recurrent'}
    cudnn = {'CuDNNGRU', 'CuDNNLSTM'}
    bases = {'Model', 'Sequential', 'Layer', 'InputLayer', 'Wrapper', 'StackedRNNCells', 'ConvRecurrent2D'}
    assert {c for c in classes - legacy - bases - cudnn if 'layers.%s(' % c not in source} - {
        'Add', 'Subtract', 'Multiply', 'Average', 'Maximum', 'Minimum',
    } == set()  # fmt: skip


@pytest.mark.parametrize('name', sorted(keras_names.OPTIMIZERS))
@by_keras_2_2
def test_every_optimizer_as_keras_saves_it(name, tmp_path):
    path = str(tmp_path / 'model.h5')
    if name == 'tfoptimizer':  # Keras leaves it out of the file
        optimizer = optimizers.TFOptimizer(tf.train.AdamOptimizer())
    else:
        optimizer = optimizers.get({'class_name': name, 'config': {'clipvalue': 0.5}})
    model = dense()
    model.compile(optimizer, 'mse')
    train(model)
    model.save(path)
    assert said(path) == reality(path)[0] == 'as it is'
    assert model_file.examine(path)['optimizer_state'] is (name != 'tfoptimizer')


# --- the same verdict as Keras, whatever is in the file


def config_of(f, name='model_config'):
    return json.loads(f.attrs[name].decode())


def rewrite(path, change, name='model_config'):
    with h5py.File(path, 'a') as f:
        config = config_of(f, name)
        change(config)
        f.attrs[name] = json.dumps(config).encode()


def of_layer(change, number=-1):
    return 'model_config', lambda config: change(config['config']['layers'][number])


def of_training(change):
    return 'training_config', change


CHANGES = {
    'nothing': of_training(lambda c: None),
    'a keyword': of_layer(lambda d: d['config'].update(ragged=False)),
    'a keyword of every layer': of_layer(lambda d: d['config'].update(batch_size=3)),
    'a layer': of_layer(lambda d: d.update(class_name='MultiHeadAttention')),
    'Functional': ('model_config', lambda c: c.update(class_name='Functional')),
    'an initializer': of_layer(lambda d: d['config']['kernel_initializer'].update(class_name='GlorotUniform')),
    'a dtype of an initializer': of_layer(lambda d: d['config']['bias_initializer']['config'].update(dtype='float32')),
    'a dtype of a function': of_layer(
        lambda d: d['config'].update(
            kernel_initializer={'class_name': 'glorot_uniform', 'config': {'dtype': 'float32'}}
        )
    ),
    'no initializer': of_layer(lambda d: d['config'].update(bias_initializer=None)),
    'an initializer by name': of_layer(lambda d: d['config'].update(bias_initializer='ones')),
    'a regularizer': of_layer(lambda d: d['config'].update(kernel_regularizer={'class_name': 'L2', 'config': {}})),
    'a constraint': of_layer(lambda d: d['config'].update(kernel_constraint={'class_name': 'Mine', 'config': {}})),
    'a known regularizer': of_layer(lambda d: d['config'].update(bias_regularizer={'class_name': 'l1', 'config': {}})),
    'an activation': of_layer(lambda d: d['config'].update(activation='swish')),
    'another activation': of_layer(lambda d: d['config'].update(activation='exponential')),
    'no activation': of_layer(lambda d: d['config'].update(activation=None)),
    'an activation as an object': of_layer(
        lambda d: d['config'].update(activation={'class_name': 'ReLU', 'config': {}})
    ),
    'a policy': of_layer(lambda d: d['config'].update(dtype={'class_name': 'Policy', 'config': {}}), number=0),
    'a policy by name': of_layer(lambda d: d['config'].update(dtype='mixed_float16'), number=0),
    'a policy where nobody looks': of_layer(lambda d: d['config'].update(dtype={'class_name': 'Policy', 'config': {}})),
    'a list of layers': ('model_config', lambda c: c.update(config=c['config']['layers'])),
    'no description': of_layer(lambda d: d.pop('config')),
    'a loss': of_training(lambda c: c.update(loss='huber_loss')),
    'a list of losses': of_training(lambda c: c.update(loss=['mae'])),
    'a loss as an object': of_training(lambda c: c.update(loss={'class_name': 'MeanSquaredError', 'config': {}})),
    'a metric': of_training(lambda c: c.update(metrics=['auc'])),
    'a metric as an object': of_training(lambda c: c.update(metrics=[{'class_name': 'AUC', 'config': {}}])),
    'metrics in a list': of_training(lambda c: c.update(metrics=[['accuracy']])),
    'no metrics': of_training(lambda c: c.update(metrics=None)),
    'metrics by output': of_training(lambda c: c.update(metrics={'dense_1': ['acc', 'mae']})),
    'a metric by output': of_training(lambda c: c.update(metrics={'dense_1': 'auc'})),
    'a metric of another output': of_training(lambda c: c.update(metrics={'dense_7': 'auc'})),
    'a loss by output': of_training(lambda c: c.update(loss={'dense_1': 'mae'})),
    'a loss of another output': of_training(lambda c: c.update(loss={'dense_7': 'mae'})),
    'too many losses': of_training(lambda c: c.update(loss=['mae', 'mae'])),
    'an optimizer': of_training(lambda c: c['optimizer_config'].update(class_name='AdamW')),
    'an optimizer in lower case': of_training(lambda c: c['optimizer_config'].update(class_name='adam')),
    'a keyword of the optimizer': of_training(lambda c: c['optimizer_config']['config'].update(learning_rate=0.1)),
    'a norm to clip to': of_training(lambda c: c['optimizer_config']['config'].update(clipnorm=1.0)),
    'no sample_weight_mode': of_training(lambda c: c.pop('sample_weight_mode')),
}


@pytest.mark.parametrize('what', sorted(CHANGES))
@by_keras_2_2
def test_of_each_change_inspect_says_what_keras_does(saved, what):
    name, change = CHANGES[what]
    rewrite(saved, change, name)
    assert said(saved) == reality(saved)[0]


def chunk(group, name):
    """As Keras writes a list that is too long for one attribute."""
    value = group.attrs[name]
    del group.attrs[name]
    half = (len(value) + 1) // 2
    group.attrs[name + '0'], group.attrs[name + '1'] = value[:half], value[half:]


def as_text(group, name):
    group.attrs[name] = group.attrs[name].decode()


def without_biases(f):
    """A model of one weight a layer, whose lists of names hold one each."""
    del f['model_weights/dense_1'].attrs['weight_names']
    f['model_weights/dense_1'].attrs['weight_names'] = [b'dense_1/kernel:0']
    config = config_of(f)
    config['config']['layers'][-1]['config']['use_bias'] = False
    f.attrs['model_config'] = json.dumps(config).encode()


def one_weight_in_chunks_of_layers(f):
    """So that nothing but the chunks can keep Keras from loading it."""
    without_biases(f)
    del f['optimizer_weights']
    chunk(f['model_weights'], 'layer_names')


STRINGS = {
    'one weight a layer, and chunks of layers': one_weight_in_chunks_of_layers,
    'text for the configuration': lambda f: as_text(f, 'model_config'),
    'text for the training': lambda f: as_text(f, 'training_config'),
    'text for the version that nobody reads': lambda f: as_text(f, 'keras_version'),
    'text for the version': lambda f: as_text(f['model_weights'], 'keras_version'),
    'text for the backend': lambda f: as_text(f['model_weights'], 'backend'),
    'no version': lambda f: f.attrs.pop('keras_version'),
    'chunks of layers': lambda f: chunk(f['model_weights'], 'layer_names'),
    'chunks of weights': lambda f: chunk(f['model_weights/dense_1'], 'weight_names'),
    "chunks of the optimizer's weights": lambda f: chunk(f['optimizer_weights'], 'weight_names'),
    'one weight a layer': without_biases,
    'no weights': lambda f: f.pop('model_weights'),
    "no optimizer's state": lambda f: f.pop('optimizer_weights'),
    'no training': lambda f: f.attrs.pop('training_config'),
}


@pytest.mark.parametrize('kind', [None, bytes, str])
@pytest.mark.parametrize('what', sorted(STRINGS))
@by_keras_2_2
def test_of_every_kind_of_strings_inspect_says_what_keras_does(saved, what, kind):
    with h5py.File(saved, 'a') as f:
        STRINGS[what](f)
    if kind:
        as_h5py_3(saved, kind)
    assert said(saved) == reality(saved)[0]


@st.composite
def stacks(draw):
    """Layers on sequences of 6 times 3 numbers, and what is on top."""
    chosen = draw(
        st.lists(
            st.sampled_from(
                [
                    lambda: layers.Dense(3, activation='relu'),
                    lambda: layers.Conv1D(2, 2, padding='same', use_bias=False),
                    lambda: layers.BatchNormalization(),
                    lambda: layers.Dropout(0.3),
                    lambda: layers.GRU(2, return_sequences=True),
                    lambda: layers.Bidirectional(layers.SimpleRNN(2, return_sequences=True)),
                    lambda: layers.TimeDistributed(layers.Dense(2, use_bias=False)),
                    lambda: layers.PReLU(),
                ]
            ),
            max_size=3,
        )
    )
    return [*chosen, layers.Flatten, lambda: layers.Dense(2, activation='softmax')]


@hypothesis.settings(suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(
    stack=stacks(),
    functional=st.booleans(),
    compiled=st.booleans(),
    changes=st.lists(st.sampled_from(sorted(CHANGES)), max_size=2),
    kind=st.sampled_from([None, bytes, str]),
)
@by_keras_2_2
def test_of_any_model_inspect_says_what_keras_does(tmp_path_factory, stack, functional, compiled, changes, kind):
    path = str(tmp_path_factory.mktemp('any') / 'model.h5')
    session.start(seed=0, threads=1)
    if functional:
        x = y = layers.Input(shape=(6, 3))
        for make in stack:
            y = make()(y)
        model = keras.models.Model(x, y)
    else:
        made = [layers.Reshape((6, 3), input_shape=(6, 3))] + [make() for make in stack]
        model = keras.models.Sequential(made)
    if compiled:
        model.compile('adam', 'categorical_crossentropy', metrics=['accuracy'])
        train(model)
    model.save(path)
    for change in changes:
        name, function = CHANGES[change]
        try:
            if compiled or name == 'model_config':
                rewrite(path, function, name)
        except (KeyError, TypeError):  # the first change has taken away what the second changes
            pass
    if kind:
        as_h5py_3(path, kind)
    assert said(path) == reality(path)[0]


def test_the_axis_of_a_normalization_as_tf_keras_writes_it(tmp_path):
    path = str(tmp_path / 'model.h5')
    keras.models.Sequential([layers.BatchNormalization(input_shape=(6, 3))]).save(path)
    assert said(path) == reality(path)[0] == 'as it is'
    rewrite(path, of_layer(lambda d: d['config'].update(axis=[2]))[1])
    assert said(path) == reality(path)[0] == 'no'


@pytest.mark.parametrize('cell', [layers.LSTM, layers.GRU])
def test_layers_of_cudnn(cell, tmp_path):
    path = str(tmp_path / 'model.h5')
    settings = {'recurrent_activation': 'sigmoid', **({'reset_after': True} if cell is layers.GRU else {})}
    model = keras.models.Sequential([cell(2, input_shape=(6, 3), **settings), layers.Dense(2)])
    model.save(path)
    kind = 'CuDNN' + cell.__name__
    known = keras_names.LAYERS[kind] | keras_names.OF_ANY_LAYER

    def by_cudnn(description):
        description.update(class_name=kind, config={k: v for k, v in description['config'].items() if k in known})

    rewrite(path, of_layer(by_cudnn, 0)[1])
    report = model_file.examine(path)
    assert report['loads'] == reality(path)[0]
    if report['loads'] == 'no':
        calls = {layers.LSTM: "LSTM(recurrent_activation='sigmoid')"}
        calls[layers.GRU] = "GRU(recurrent_activation='sigmoid', reset_after=True)"
        assert calls[cell] in report['way'] and kind + ' runs on a GPU alone' in report['problems'][0]


# --- what custom_objects has to give


class Gain(layers.Layer):
    def call(self, inputs):
        return inputs


def half(x):
    return x / 2


def ones(shape, dtype=None):
    return K.ones(shape, dtype)


def small(weights):
    return K.sum(weights)


def even(weights):
    return weights


def far(y_true, y_pred):
    return K.mean(y_pred - y_true)


def near(y_true, y_pred):
    return K.mean(y_true - y_pred)


@by_keras_2_2
def test_custom_objects_are_named_and_are_all_it_wants(tmp_path):
    path = str(tmp_path / 'model.h5')
    dense = layers.Dense(
        2, activation=half, kernel_initializer=ones, kernel_regularizer=small, bias_constraint=even, name='dense'
    )
    double = layers.Lambda(lambda x: [tf.abs(each) for each in (x, x)][1] * max(2, K.ndim(x)))
    model = keras.models.Sequential([Gain(input_shape=(3,)), dense, double])
    model.compile('sgd', {double.name: far}, metrics=[near, 'mae'])
    model.save(path)
    objects = dict(Gain=Gain, half=half, even=even, small=small, tf=tf, far=far, near=near, ones=ones)
    for name in (
        'even',
        'small',
        'ones',
    ):  # as a class of the user is written; of a function Keras does not know better
        key = {'even': 'bias_constraint', 'small': 'kernel_regularizer', 'ones': 'kernel_initializer'}[name]
        value = {'class_name': name + '_of_mine', 'config': {}}
        objects[name + '_of_mine'] = functools.partial({name: objects[name]}.get, name)
        rewrite(path, of_layer(lambda d, key=key, value=value: d['config'].update({key: value}), 1)[1])
        del objects[name]
    report = model_file.examine(path)
    assert {each['name'] for each in report['custom_objects']} == set(objects)
    assert report['loads'] == reality(path)[0] == 'no'
    assert 'custom_objects' in report['way'] and all('%r: …' % name in report['way'] for name in objects)
    keras.models.load_model(path, objects)
    for name in objects:  # none too many
        session.start(seed=0, threads=1)
        with pytest.raises((ValueError, NameError), match=name):
            keras.models.load_model(path, {k: v for k, v in objects.items() if k != name})


# --- Lambdas of other Pythons


PYTHONS = {
    '2.7': '2',
    '3.6': '3.6 or 3.7',
    '3.7': '3.7',
    '3.8': '3.8 to 3.10',
    '3.9': '3.8 to 3.10',
    '3.10': '3.8 to 3.10',
    '3.11': '3.11 or newer',
    '3.12': '3.11 or newer',
    '3.13': '3.11 or newer',
}
GLOBALS = {'double': (), 'closed': (), 'method': ('K',), 'named': ('K', 'tf')}


@pytest.mark.parametrize('python', sorted(BYTECODE))
@pytest.mark.parametrize('name', sorted(GLOBALS))
def test_the_python_of_a_lambda_and_whether_it_runs(python, name, tmp_path):
    found = bytecode.examine(BYTECODE[python][name])
    # without a call of a method the code of 3.7 is that of 3.6
    as_3_6 = python == '3.7' and name in ('double', 'closed')
    assert found.python == ('3.6 or 3.7' if as_3_6 else PYTHONS[python])
    assert found.runs == (as_3_6 or python == '3.6')
    assert found.globals == (GLOBALS[name] if found.runs else ())

    path = str(tmp_path / 'model.h5')
    keras.models.Sequential([layers.Lambda(lambda x: x, input_shape=(3,))]).save(path)
    function = [BYTECODE[python][name], [2] if name == 'named' else None, [3] if name == 'closed' else None]
    of_the_lambda = of_layer(lambda d: d['config'].update(function=function))[1]
    rewrite(path, of_the_lambda)
    report = model_file.examine(path)
    assert report['loads'] == reality(path)[0]
    assert [each['python'] for each in report['lambdas']] == [found.python]
    if not found.runs:
        assert 'load_weights' in report['way'] and 'bytecode of Python %s' % PYTHONS[python] in str(report['problems'])
        with pytest.raises(ValueError, match='model.h5 has a Lambda of another Python: build it and load_weights.$'):
            load(path)
    elif name == 'named':
        assert "custom_objects={'tf': …}" in report['way']


def code(**changes):
    function = (lambda x: x * 2).__code__
    names = (
        'argcount kwonlyargcount nlocals stacksize flags code consts names varnames filename name firstlineno lnotab'
    )
    return types.CodeType(*(changes.get(n, getattr(function, 'co_' + n)) for n in names.split()))


def base64_of(data):
    import codecs

    return codecs.encode(data, 'base64').decode()


def test_the_bytecode_of_python_3_5_is_not_taken_for_that_of_3_6():
    """X * 2 in instructions of one byte and of three: Python 3.6 reads it, and would run something else."""
    old = code(code=b'|\0\0d\1\0\x14S')
    assert bytecode.examine(base64_of(marshal.dumps(old))) == ('3.0 to 3.5', False, ())
    inner = code(consts=(None, 2, old))
    assert bytecode.examine(base64_of(marshal.dumps(inner))) == ('3.0 to 3.5', False, ())


def test_bytecode_that_keras_wrote_before_2_1_2():
    text = marshal.dumps(code()).decode('raw_unicode_escape')
    assert bytecode.examine(text) == ('3.6 or 3.7', True, ())


@hypothesis.given(st.binary(max_size=80), st.integers(0, 200), st.sampled_from(sorted(BYTECODE)))
def test_no_bytes_end_in_anything_but_an_answer(noise, at, python):
    import codecs

    data = codecs.decode(BYTECODE[python]['named'].encode(), 'base64')
    for each in (noise, data[:at], data[:at] + noise + data[at:], data + noise):
        assert isinstance(bytecode.examine(base64_of(each)), bytecode.Function)
    assert bytecode.examine(base64_of(data[:-1])).python is None


@hypothesis.given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers(),
        lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(st.integers(), max_size=3),
    )
)
def test_marshal_of_any_constants_is_read(constant):
    assert bytecode.examine(base64_of(marshal.dumps(code(consts=(None, constant))))).runs


# --- files that are none


def archive(*names):
    data = io.BytesIO()
    with zipfile.ZipFile(data, 'w') as z:
        for name in names:
            z.writestr(name, b'x')
    return data.getvalue()


def graph():
    with tf.Graph().as_default() as g:
        tf.constant(1.0, name='one')
        return g.as_graph_def().SerializeToString()


@pytest.mark.parametrize(
    'name, content, sentence, code',
    [
        ('empty.h5', lambda: b'', 'is empty: copy it again', 3),
        ('text.h5', lambda: b'hello', 'is no HDF5 file: name one that model.save wrote', 2),
        ('model.onnx', lambda: b'\x08\3\x12\7pytorch\x1a', 'is an ONNX model', 2),
        ('unnamed', lambda: b'\x08\3\x12\7pytorch\x1a', 'is an ONNX model', 2),
        ('model.keras', lambda: archive('metadata.json', 'config.json', 'model.weights.h5'), 'is a .keras file', 2),
        ('weights.npz', lambda: archive('arr_0.npy'), 'is a NumPy .npz file', 2),
        ('packed.zip', lambda: archive('model.h5'), 'is a zip archive, no HDF5 file: unpack it', 2),
        ('packed.zip', lambda: archive('model.h5')[:30], 'is a damaged zip archive', 2),
        ('frozen.pb', graph, 'is a graph of TensorFlow, whose weights are constants', 2),
        ('frozen', graph, 'is a graph of TensorFlow, whose weights are constants', 2),
        ('model.pkl', lambda: pickle.dumps({'a': 1}, 2), 'is a pickle', 2),
        ('model.pkl', lambda: pickle.dumps({'a': 1}, 4), 'is a pickle', 2),
        ('model.tflite', lambda: b'\x1c\0\0\0TFL3' + bytes(90), 'is a TensorFlow Lite model', 2),
        ('model.json', lambda: dense().to_json().encode(), 'is the architecture alone, as JSON', 2),
        ('model.yaml', lambda: dense().to_yaml().encode(), 'is the architecture alone, as YAML', 2),
    ],
)
def test_what_is_no_model_file_is_said_in_a_sentence(tmp_path, name, content, sentence, code):
    path = tmp_path / name
    path.write_bytes(content())
    with pytest.raises(model_file.NoModel) as e:
        model_file.examine(str(path))
    assert str(e.value).startswith('%s %s' % (path, sentence)) and e.value.code == code
    assert '\n' not in str(e.value)


@pytest.mark.parametrize('part', [0.02, 0.5, 0.99])
def test_a_file_that_is_cut_off(saved, part):
    with open(saved, 'rb') as f:
        whole = f.read()
    with open(saved, 'wb') as f:
        f.write(whole[: int(len(whole) * part)])
    with pytest.raises(model_file.NoModel, match='saved.h5 is a damaged HDF5 file, cut off perhaps') as e:
        model_file.examine(saved)
    assert e.value.code == 3


def test_a_file_that_is_damaged_inside_never_ends_in_a_traceback(saved):
    with open(saved, 'rb') as f:
        whole = bytearray(f.read())
    random = np.random.RandomState(0)
    for _ in range(60):
        damaged = bytearray(whole)
        at = random.randint(96, len(damaged) - 64)
        damaged[at : at + 64] = bytes(random.randint(0, 256, 64, 'u1'))
        with open(saved, 'wb') as f:
            f.write(damaged)
        try:
            model_file.examine_apart(saved)
        except model_file.NoModel as e:
            assert e.code in (2, 3)


def test_a_file_on_which_hdf5_ends_the_process(saved, monkeypatch):
    assert model_file.examine_apart(saved) == model_file.examine(saved)
    monkeypatch.setattr(model_file, 'open_hdf5', lambda *args: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(model_file.NoModel, match='saved.h5 is damaged inside: copy it again') as e:
        model_file.examine_apart(saved)
    assert e.value.code == 3


def test_its_process_collects_no_garbage_of_its_parents_and_crashes_quietly(saved, monkeypatch):
    """A graph of TensorFlow is deleted by waiting for threads, and a fork has none of its parent's."""
    monkeypatch.setattr(model_file, 'examine', lambda path: [gc.isenabled(), faulthandler.is_enabled()])
    faulthandler.enable()
    assert gc.isenabled() and model_file.examine_apart(saved) == [False, False]


def test_hdf5_without_a_model(saved, tmp_path):
    def sentence(change, code):
        path = str(tmp_path / 'changed.h5')
        with open(saved, 'rb') as source, open(path, 'wb') as target:
            target.write(source.read())
        with h5py.File(path, 'a') as f:
            change(f)
        with pytest.raises(model_file.NoModel) as e:
            model_file.examine(path)
        assert e.value.code == code
        return str(e.value)

    def alone(f):
        del f['model_weights'], f.attrs['model_config']

    def data(f):
        alone(f)
        del f['optimizer_weights']

    def keras_3(f):
        data(f)
        f.create_group('layers/dense/vars')
        f.create_group('vars')

    assert "holds an optimizer's state alone" in sentence(alone, 2)
    assert 'is an HDF5 file without a model of Keras' in sentence(data, 2)
    assert 'holds weights as Keras 3 and the last tf.keras 2 save them' in sentence(keras_3, 2)
    assert 'has a damaged configuration' in sentence(lambda f: f.attrs.modify('model_config', b'{'), 3)


@pytest.mark.parametrize('whole', [False, True])
def test_weights_alone_are_no_model_and_the_way_is_named(saved, tmp_path, whole):
    path = str(tmp_path / 'weights.h5')
    if whole:  # the file of a model that has lost its architecture
        path = saved
        with h5py.File(path, 'a') as f:
            del f.attrs['model_config']
    else:
        keras.models.load_model(saved).save_weights(path)
    report = model_file.examine(path)
    assert report['kind'] == 'weights' and report['loads'] == reality(path)[0] == 'no' and report['parameters'] == 38
    assert report['way'] == "build the model in code and model.load_weights('%s')" % path
    dense().load_weights(path)


def test_folders(tmp_path):
    def sentence():
        with pytest.raises(model_file.NoModel) as e:
            model_file.examine(str(tmp_path))
        assert e.value.code == 2
        return str(e.value)

    assert sentence().endswith('is a folder: name the .h5 file in it')
    x = tf.placeholder(tf.float32, [None])
    with tf.Session() as s:
        variable = tf.Variable(1.0)
        s.run(variable.initializer)
        tf.train.Saver([variable]).save(s, str(tmp_path / 'model.ckpt'))
        assert 'is a folder of TensorFlow checkpoints' in sentence()
        for name in ('model.ckpt', 'model.ckpt.index', 'model.ckpt.data-00000-of-00001'):
            with pytest.raises(model_file.NoModel, match='is part of a TensorFlow checkpoint'):
                model_file.examine(str(tmp_path / name))
        with pytest.raises(model_file.NoModel, match='is the list of a folder of TensorFlow checkpoints'):
            model_file.examine(str(tmp_path / 'checkpoint'))
        tf.saved_model.simple_save(s, str(tmp_path / 'saved'), {'x': x}, {'y': x * variable})
    tmp_path = tmp_path / 'saved'
    assert 'is a SavedModel, which Keras 2.2.4 does not read' in sentence()
    for name in ('saved_model.pb', 'unnamed'):
        if name == 'unnamed':
            (tmp_path / 'saved_model.pb').rename(tmp_path / name)
        with pytest.raises(model_file.NoModel, match='is (part of )?a SavedModel'):
            model_file.examine(str(tmp_path / name))


def test_a_path_that_is_none(tmp_path):
    for path, sentence in (
        (tmp_path / 'none.h5', 'there is no file .*none.h5'),
        ('/dev/null', 'is a device or a pipe'),
        ('a\0b', 'cannot be read'),
    ):
        with pytest.raises(model_file.NoModel, match=sentence):
            model_file.examine(str(path))
    os.mkfifo(str(tmp_path / 'pipe'))
    with pytest.raises(model_file.NoModel, match='is a device or a pipe'):
        model_file.examine(str(tmp_path / 'pipe'))


# --- the command


def call(*args, before=''):
    """The command in a process where neither Keras nor TensorFlow can be imported."""
    program = "import sys; sys.modules['keras'] = sys.modules['tensorflow'] = None; %s\n" % before
    program += 'from tensorflow_with_keras import __main__; sys.exit(__main__.main(sys.argv[1:]))'
    done = subprocess.run(
        [sys.executable, '-c', program, 'inspect', *args],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize('name, code', [('tf_1.9', 0), ('keras_2.2.4_h5py_3.1', 0), ('tf_2.11', 1)])
def test_the_command(name, code):
    found, out, err = call(real(name))
    assert found == code and err == ''
    report = model_file.examine(real(name))
    assert 'Loads in Keras 2.2.4 here: %s.' % report['loads'] in out and 'The way: ' + report['way'] in out
    assert all('because %s.' % problem in out for problem in report['problems'])
    assert all(layer['name'] in out and layer['class'] in out for layer in report['layers'])
    found, out, err = call('--json', real(name))
    assert found == code and err == '' and json.loads(out) == report


def test_errors_of_the_command_are_one_sentence_and_their_codes(tmp_path):
    cut = tmp_path / 'cut.h5'
    with open(real('tf_1.9'), 'rb') as f:
        cut.write_bytes(f.read()[:5000])
    for args, code, sentence in (
        ((str(cut),), 3, 'error: %s is a damaged HDF5 file' % cut),
        ((str(tmp_path),), 2, 'error: %s is a folder' % tmp_path),
        ((), 2, 'python -m tensorflow_with_keras inspect: the following arguments are required: MODEL.h5'),
    ):
        found, out, err = call(*args)
        assert (found, out) == (code, '') and err.startswith(sentence) and len(err.splitlines()) == 1
    found, out, err = call('x.h5', before="sys.modules['h5py'] = None")
    assert found == 3 and err.startswith('error: this Python has no h5py') and len(err.splitlines()) == 1


def test_a_file_that_this_user_may_not_read():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'mine.h5')
        with open(path, 'wb') as f:
            f.write(b'x')
        os.chmod(path, 0)
        os.chmod(folder, 0o755)
        child = os.fork()
        if not child:  # as a user who is not root
            code = 1
            try:
                if os.getuid() == 0:
                    os.setuid(65534)
                model_file.examine(path)
            except model_file.NoModel as e:
                said = str(e), e.code
                code = 0 if said == ('%s may not be read by this user: have its permissions changed' % path, 3) else 2
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0


def test_weights_are_not_read(saved):
    """A layer of four terabytes, which HDF5 keeps no room for before they are written."""
    with h5py.File(saved, 'a') as f:
        group = f['model_weights/dense_1/dense_1']
        del group['kernel:0']
        group.create_dataset('kernel:0', (10**6, 10**6), 'f4')
    report = model_file.examine(saved)
    assert report['parameters'] == 10**12 + 2 and report['layers'][1]['weights'][0]['shape'] == [10**6, 10**6]


def test_help_tells_the_exit_codes(capsys):
    with pytest.raises(SystemExit):
        __main__.main(['inspect', '--help'])
    out = ' '.join(capsys.readouterr().out.split())
    for words in ('Exit codes: 0: the file loads', '1: it does not', '2: an argument', '3: the'):
        assert words in out
