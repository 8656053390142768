import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import accuracy_score


def test_both_libraries_predict_the_same(module, digits, monkeypatch):
    predict, answers = tf.keras.models.Sequential.predict, []

    def kept(self, x):
        answers.append(predict(self, x))
        return answers[-1]

    monkeypatch.setattr(tf.keras.models.Sequential, 'predict', kept)
    found = module.run(digits, epochs=2, verbose=0)
    for name, answer in zip(('image', 'row'), answers):
        assert found[name + '_accuracy'] == accuracy_score(digits.y_test, answer.argmax(1))
        assert found[name + '_difference'] < 1e-5 and found[name + '_difference_back'] == 0
        assert found[name + '_accuracy'] > 0.2  # chance is 0.1
        assert found[name + '_file_opens'] == (not tf.__version__.startswith('1.9.'))


def test_without_the_line_that_matters_tf_keras_answers_something_else(module, digits, monkeypatch):
    model = type(module.image_model(tf.keras, (8, 8, 1)))
    monkeypatch.setattr(model, 'set_weights', lambda self, weights: None)
    found = module.run(digits, epochs=2, verbose=0)
    assert found['image_difference'] > 0.03 and found['row_difference'] > 0.03


@pytest.mark.not_on(
    'tf1.12-keras2.2.4',
    'tf1.15-keras2.2.4',
    'tf1.15-keras2.3.1',
    reason='tf.keras of TensorFlow 1.12 and later opens the file',
)
def test_why_the_file_does_not_open(module, tmp_path):
    model = module.image_model(keras, (8, 8, 1))
    assert sorted(model.get_config()) == ['layers', 'name']  # tf.keras 1.9 wants the list of layers itself
    model.save(str(tmp_path / 'model.h5'))
    with pytest.raises(ValueError, match='Unknown layer: ?name'):
        tf.keras.models.load_model(str(tmp_path / 'model.h5'))


@pytest.mark.parametrize('name', ['image_model', 'row_model'])
def test_the_weights_have_the_same_names_in_the_same_order(module, name):
    build = getattr(module, name)
    ours, theirs = (
        [[w.op.name.split('/')[-1] for w in layer.weights] for layer in build(library, (8, 8, 1)).layers]
        for library in (keras, tf.keras)
    )
    assert ours == theirs
    assert np.sum([len(layer) for layer in ours]) >= 10
