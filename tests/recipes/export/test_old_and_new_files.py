import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import accuracy_score


@pytest.fixture
def written(module, digits, tmp_path):
    """The result of a run, the file that it left, and what tf.keras itself says of the test set from that file."""
    found = module.run(digits, epochs=2, out=str(tmp_path), verbose=0)
    path = str(tmp_path / found['file'])
    with tf.Graph().as_default(), tf.Session().as_default():
        predicted = tf.keras.models.load_model(path).predict(digits.x_test)
    return found, path, predicted


def test_the_answers_are_those_of_tf_keras(module, digits, written):
    found, path, predicted = written
    assert found['largest_difference'] < 1e-6
    assert found['test_accuracy'] == accuracy_score(digits.y_test, predicted.argmax(1)) > 0.7
    np.testing.assert_allclose(module.model.predict(digits.x_test), predicted, atol=1e-6)


def test_load_model_refuses_the_file(capsys, written):
    _, path, _ = written
    error, message = TypeError, 'tuple indices must be integers or slices, not list'
    if not tf.__version__.startswith('1.9.'):  # a later tf.keras has an initializer that Keras has not
        error, message = ValueError, 'Unknown initializer: GlorotUniform'
    assert f'load_model: {error.__name__}: {message}' in capsys.readouterr().out
    with pytest.raises(error, match=message):
        keras.models.load_model(path)


def test_another_epsilon_is_other_answers_without_an_error(module, digits, written, monkeypatch):
    _, path, predicted = written
    batch_normalization = keras.layers.BatchNormalization
    monkeypatch.setattr(keras.layers, 'BatchNormalization', lambda epsilon: batch_normalization())
    model = module.build_model(keras.layers, keras.models, (8, 8, 1))
    model.load_weights(path)
    assert np.abs(model.predict(digits.x_test) - predicted).max() > 0.001


@pytest.mark.not_on('tf1.15-keras2.3.1', reason='Keras 2.3 loads weights of another shape; predict fails')
def test_another_shape_is_an_error(module, written):
    _, path, _ = written
    model = module.build_model(keras.layers, keras.models, (9, 9, 1))
    with pytest.raises(ValueError, match='must be equal'):
        model.load_weights(path)
