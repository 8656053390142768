import h5py
import keras
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, recall_score

NAME = 'export/h5_custom_objects'


@pytest.fixture
def module(load_recipe, monkeypatch, tmp_path):
    """The recipe, which keeps a copy of the file it saves and the model that it loads."""
    module = load_recipe(NAME)
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


def test_the_loaded_model_predicts_trains_and_measures_as_the_saved_one(module, digits):
    found = module.run(digits, epochs=2, verbose=0)
    assert found['largest_difference'] == 0 and found['difference_after_an_epoch'] == 0
    predicted = module.loaded.predict(digits.x_test)
    assert found['test_accuracy'] == pytest.approx(accuracy_score(digits.y_test, predicted.argmax(1)), abs=1e-6)
    assert found['test_accuracy'] > 0.7  # chance is 0.1
    expected = recall_score(np.eye(10)[digits.y_test], predicted > 0.5, average='micro')
    assert found['test_recall'] == pytest.approx(expected, abs=1e-6)
    gain = next(layer for layer in module.loaded.layers if isinstance(layer, module.Gain))
    assert gain.start == 2.0


def test_what_is_wrong_with_a_file_is_said_in_a_sentence(module, digits, tmp_path):
    module.run(digits, epochs=1, verbose=0)
    with open(module.copy, 'rb') as f:
        whole = f.read()
    cut = str(tmp_path / 'cut.h5')
    with open(cut, 'wb') as f:
        f.write(whole[: len(whole) // 2])
    with pytest.raises(OSError):  # what Keras itself makes of it
        keras.models.load_model(cut)
    with pytest.raises(ValueError, match='cut.h5 is no whole HDF5 file: copy it again'):
        module.original_load(cut)
    with h5py.File(module.copy, 'a') as f:
        f.attrs['keras_version'] = b'2.10.0'
    with pytest.raises(ValueError, match='copy.h5 is of Keras 2.10.0, newer than this: build the model'):
        module.original_load(module.copy)


@pytest.mark.parametrize(
    'name, error',
    [('Gain', 'layer: Gain'), ('smooth_crossentropy', 'smooth_crossentropy'), ('recall', 'recall')],
)
def test_without_the_line_that_matters_names_are_unknown(module, digits, monkeypatch, name, error):
    load_model = keras.models.load_model

    def forgetful(path, custom_objects):
        return load_model(path, {k: v for k, v in custom_objects.items() if k != name})

    monkeypatch.setattr(keras.models, 'load_model', forgetful)
    with pytest.raises(ValueError, match='Unknown.*' + error):
        module.run(digits, epochs=1, verbose=0)
