import keras
import numpy as np
import pytest

from tensorflow_with_keras import session


def train(module, model, digits, weights, way):
    """The model's weights after two epochs in order, with each sample's loss weighted in one of three ways."""
    model.set_weights(weights)
    x, y = digits.x_train, np.eye(10)[digits.y_train]
    confidence = np.linspace(0.2, 1, len(x))
    inputs, more = {
        'closure': ([x, confidence[:, None]], {'y': y}),
        'add_loss': ([x, confidence[:, None], y], {}),
        'sample_weight': ([x, np.zeros((len(x), 1))], {'y': y, 'sample_weight': confidence}),
    }[way]
    model.fit(inputs, epochs=2, shuffle=False, verbose=0, **more)
    return model.get_weights()


def test_all_ways_train_the_same_as_keras_sample_weight(module, digits):
    session.order_updates()
    plain = module.build_model((8, 8, 1))
    plain.compile('adam', 'categorical_crossentropy')
    weights = plain.get_weights()
    expected = train(module, plain, digits, weights, 'sample_weight')
    closure = module.build_model((8, 8, 1))
    closure.compile('adam', module.weighted_by(closure.inputs[1]))
    for model, way in ((closure, 'closure'), (module.build_with_add_loss((8, 8, 1)), 'add_loss')):
        for one, other, start in zip(train(module, model, digits, weights, way), expected, weights):
            np.testing.assert_allclose(one, other, atol=1e-5)
            assert np.abs(one - start).max() > 0.01


def test_the_numbers_of_a_run(module, digits, tmp_path):
    found = module.run(digits, epochs=6, verbose=0, out=str(tmp_path))
    confidence = np.random.RandomState(1)
    confidence.uniform(0.2, 1, (1437, 1))
    confidence = confidence.uniform(0.2, 1, (360, 1))
    scores = module.model.predict([digits.x_test, confidence])
    expected = -(confidence[:, 0] * np.log(scores[np.arange(360), digits.y_test])).mean()
    assert found['test_loss'] == pytest.approx(expected, rel=1e-5)
    assert found['test_loss_after_loading'] == pytest.approx(expected, rel=1e-5)
    assert found['test_accuracy'] == (scores.argmax(1) == digits.y_test).mean() > 0.7  # chance is 0.1
    assert (tmp_path / found['file']).exists()


def test_a_saved_model_cannot_be_loaded_whole(module, tmp_path):
    path = str(tmp_path / 'model.h5')
    model = module.build_model((8, 8, 1))
    model.compile('adam', module.weighted_by(model.inputs[1]))
    model.save(path)
    with pytest.raises(ValueError, match='Unknown loss function:weighted_crossentropy'):
        keras.models.load_model(path)
    assert len(model.inputs) == 2 and len(keras.models.load_model(path, compile=False).inputs) == 1


def test_an_array_in_the_closure_is_the_same_for_every_batch(module, digits):
    confidence = np.linspace(0.2, 1, 1437, dtype='float32')[:, None]
    model = module.build_model((8, 8, 1))
    model.compile('sgd', module.weighted_by(confidence[:32]))
    x, y = [digits.x_train, confidence], np.eye(10)[digits.y_train]
    assert model.train_on_batch([v[:32] for v in x], y[:32]) > 0
    with pytest.raises(Exception, match='Incompatible shapes|must be equal|broadcast'):
        model.train_on_batch([v[:29] for v in x], y[:29])
    # and with another batch of 32, the first one's confidences, with no error
    got = model.test_on_batch([v[-32:] for v in x], y[-32:])
    scores = model.predict([v[-32:] for v in x])
    right = -(confidence[-32:, 0] * np.log(scores[np.arange(32), digits.y_train[-32:]])).mean()
    assert abs(got - right) > 0.1


def test_a_loss_of_three_arguments_is_an_error(module):
    model = module.build_model((8, 8, 1))
    with pytest.raises(TypeError):
        model.compile('sgd', lambda y_true, y_pred, confidence: y_pred)
