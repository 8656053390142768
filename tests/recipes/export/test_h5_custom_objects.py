import json
import os
import re

import h5py
import keras
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, recall_score

FILES = os.path.join(os.path.dirname(__file__), '..', '..', 'library', 'model_files')
with open(os.path.join(FILES, 'bytecode.json')) as f:
    BYTECODE = json.load(f)


@pytest.fixture
def module(module, monkeypatch, tmp_path):
    """The recipe, which keeps a copy of the file it saves and the model that it loads."""
    load = module.load
    module.copy = str(tmp_path / 'copy.h5')

    def keep(path):
        with open(path, 'rb') as source, open(module.copy, 'wb') as target:
            target.write(source.read())
        module.loaded = load(path)
        return module.loaded

    monkeypatch.setattr(module, 'load', keep)
    module.original_load = load
    return module


def test_the_loaded_model_predicts_trains_and_measures_as_the_saved_one(module, digits, tmp_path):
    found = module.run(digits, epochs=2, verbose=0, out=str(tmp_path))
    assert found['largest_difference'] == 0 and found['difference_after_an_epoch'] == 0
    predicted = module.loaded.predict(digits.x_test)
    assert found['test_accuracy'] == pytest.approx(accuracy_score(digits.y_test, predicted.argmax(1)), abs=1e-6)
    assert found['test_accuracy'] > 0.7  # chance is 0.1
    expected = recall_score(np.eye(10)[digits.y_test], predicted > 0.5, average='micro')
    assert found['test_recall'] == pytest.approx(expected, abs=1e-6)
    gain = next(layer for layer in module.loaded.layers if isinstance(layer, module.Gain))
    assert gain.start == 2.0
    kernel, bias, gains, kernel_2, bias_2 = (w.astype('f8') for w in module.loaded.get_weights())
    assert (gains != 2.0).any()  # it was trained
    hidden = np.maximum(digits.x_test.reshape(len(digits.x_test), -1) @ kernel + bias, 0) * gains
    odds = np.exp(hidden @ kernel_2 + bias_2)
    np.testing.assert_allclose(predicted, odds / odds.sum(1, keepdims=True), atol=1e-5)


def test_what_is_wrong_with_a_file_is_said_in_a_sentence(module, digits, tmp_path):
    module.run(digits, epochs=1, verbose=0, out=str(tmp_path))
    with open(module.copy, 'rb') as f:
        whole = f.read()
    cut = str(tmp_path / 'cut.h5')
    with open(cut, 'wb') as f:
        f.write(whole[: len(whole) // 2])
    with pytest.raises(OSError):  # what Keras itself makes of it
        keras.models.load_model(cut)
    with pytest.raises(ValueError, match='cut.h5 is no whole HDF5 file: copy it again'):
        module.original_load(cut)
    of_2_3 = ('2.3.0', '2.3.1')
    newer, older = (of_2_3, ()) if keras.__version__ < '2.3' else ((), of_2_3)
    for version in newer + ('2.4.0', '2.10.0', '3.15.1', '2.1.6-tf', '2.2.4-tf', '2.3.0-tf'):
        for written in (version, version.encode()):  # both are found in files
            with h5py.File(module.copy, 'a') as f:
                f.attrs['keras_version'] = written
            sentence = 'copy.h5 is of tf.keras or a newer Keras, %s: build it and load_weights.' % version
            with pytest.raises(ValueError, match=re.escape(sentence) + '$'):
                module.original_load(module.copy)
    for version in older + ('2.2.5', '2.2.4', '2.1.6', '1.2.2', None):
        with h5py.File(module.copy, 'a') as f:
            f.attrs.pop('keras_version')
            if version:
                f.attrs['keras_version'] = version.encode()
        module.original_load(module.copy)


def small_model():
    stack = [keras.layers.Flatten(input_shape=(6, 3)), keras.layers.Dense(2, activation='softmax')]
    return keras.models.Sequential(stack)


@pytest.mark.not_on('tf1.15-keras2.3.1', reason='Keras 2.3 reads strings as h5py 3 writes them')
def test_keras_itself_cannot_load_a_file_as_h5py_3_writes_it():
    with pytest.raises(ValueError, match='truth value of an array'):
        keras.models.load_model(os.path.join(FILES, 'keras_2.2.4_h5py_3.1.h5'))


def test_a_file_as_h5py_3_writes_it_is_mended_in_memory(module):
    path = os.path.join(FILES, 'keras_2.2.4_h5py_3.1.h5')
    with open(path, 'rb') as f:
        before = f.read()
    loaded, by_weights = module.original_load(path), small_model()
    by_weights.load_weights(path)
    with np.load(os.path.join(FILES, 'predictions.npz')) as predictions:
        x, y = predictions['keras_2.2.4_h5py_3.1 x'], predictions['keras_2.2.4_h5py_3.1 y']
    assert np.abs(loaded.predict(x) - by_weights.predict(x)).max() == 0
    np.testing.assert_allclose(loaded.predict(x), y, atol=1e-6)
    with h5py.File(path, 'r') as f:
        group = f['optimizer_weights']
        state = [group[name][()] for name in group.attrs['weight_names']]
    assert len(state) == 7 and all(np.array_equal(a, b) for a, b in zip(loaded.optimizer.get_weights(), state))
    with open(path, 'rb') as f:
        assert f.read() == before


def test_a_configuration_too_long_for_an_attribute_of_fixed_length(module, tmp_path):
    path, model = str(tmp_path / 'model.h5'), small_model()
    model.save(path)
    with h5py.File(path, 'a') as f:
        f.attrs['model_config'] = f.attrs['model_config'].decode() + ' ' * 2**16
    x = np.ones((1, 6, 3))
    assert np.array_equal(module.original_load(path).predict(x), model.predict(x))


OF_2_3 = pytest.param('keras_2.3.1', marks=pytest.mark.not_on('tf1.15-keras2.3.1', reason='this Keras wrote it'))


@pytest.mark.parametrize('name', ['tf_1.9', 'tf_1.12', 'tf_1.15', 'tf_2.11', OF_2_3, 'keras_3'])
def test_a_real_file_of_tf_keras_or_a_newer_keras_gives_the_sentence(module, name):
    with pytest.raises(
        ValueError, match='%s.h5 is of tf.keras or a newer Keras, .*: build it and load_weights.$' % name
    ):
        module.original_load(os.path.join(FILES, name + '.h5'))


@pytest.mark.parametrize('python', ['2.7', '3.7', '3.8', '3.10', '3.11', '3.13'])
def test_a_lambda_of_another_python_gives_a_sentence(module, tmp_path, python):
    path = str(tmp_path / 'model.h5')
    model = keras.models.Sequential([keras.layers.Lambda(lambda x: x * 2, input_shape=(3,))])
    model.save(path)
    assert module.original_load(path).predict(np.ones((1, 3))).tolist() == [[2, 2, 2]]
    with h5py.File(path, 'a') as f:
        config = json.loads(f.attrs['model_config'].decode())
        config['config']['layers'][0]['config']['function'] = [BYTECODE[python]['method'], None, None]
        f.attrs['model_config'] = json.dumps(config).encode()
    with pytest.raises(ValueError, match='model.h5 has a Lambda of another Python: build it and load_weights.$'):
        module.original_load(path)


@pytest.mark.parametrize(
    'name, error',
    [('Gain', 'layer: Gain'), ('smooth_crossentropy', 'smooth_crossentropy'), ('recall', 'recall')],
)
def test_without_the_line_that_matters_names_are_unknown(module, digits, monkeypatch, tmp_path, name, error):
    load_model = keras.models.load_model

    def forgetful(path, custom_objects):
        return load_model(path, {k: v for k, v in custom_objects.items() if k != name})

    monkeypatch.setattr(keras.models, 'load_model', forgetful)
    with pytest.raises(ValueError, match='Unknown.*' + error):
        module.run(digits, epochs=1, verbose=0, out=str(tmp_path))
