import keras
import numpy as np
import pytest
from keras import layers


def test_the_layer_is_numpys_transform_and_the_loaded_model_the_saved_one(module, digits):
    found = module.run(digits, epochs=8, verbose=0)
    layer = module.model.get_layer('amplitudes')
    assert layer.output_shape == (None, 40)
    amplitudes = keras.models.Model(module.model.input, layer.output).predict(digits.x_test)
    expected = np.abs(np.fft.rfft2(digits.x_test[..., 0].astype(np.float64))).reshape(len(digits.x_test), -1)
    np.testing.assert_allclose(amplitudes, expected, rtol=1e-5, atol=1e-4)
    assert found['largest_difference_after_loading'] == 0
    predicted = module.model.predict(digits.x_test).argmax(1)
    assert found['test_accuracy'] == pytest.approx(np.mean(predicted == digits.y_test), abs=1e-9)
    assert found['test_accuracy'] > 0.6  # chance is 0.1
    # a shift changes phases only, so at most a sample that lies on an edge may tip over
    assert found['test_accuracy_shifted'] == pytest.approx(found['test_accuracy'], abs=1.5 / 360)


def test_without_the_line_that_matters_it_does_not_load(module, digits, monkeypatch):
    load_model = keras.models.load_model
    # not even where it is told of the function by its name
    monkeypatch.setattr(
        keras.models, 'load_model', lambda path, custom_objects: load_model(path, {'amplitudes': module.amplitudes})
    )
    with pytest.raises(NameError, match="'tf' is not defined"):
        module.run(digits, epochs=1, verbose=0)


def test_without_the_output_shape_the_next_layer_cannot_be_built(module, monkeypatch):
    def without(function, output_shape, **kwargs):
        return keras.layers.core.Lambda(function, **kwargs)

    monkeypatch.setattr(layers, 'Lambda', without)
    with pytest.raises((TypeError, ValueError), match='None'):
        module.build_model((8, 8, 1))
    model = keras.models.Sequential([without(module.amplitudes, (40,), input_shape=(8, 8, 1))])
    assert model.output_shape == (None, None)
    with pytest.raises(TypeError, match='NoneType'):
        model.add(layers.Dense(10))
