import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K
from sklearn.linear_model import LogisticRegression


def thick(images):
    """The largest of the pixel, the one above it, the one left of it and the one between those."""
    p = np.pad(images, ((0, 0), (1, 0), (1, 0), (0, 0)), 'constant')
    return np.maximum.reduce([p[:, 1:, 1:], p[:, :-1, 1:], p[:, 1:, :-1], p[:, :-1, :-1]])


def test_the_gradient_is_turned_round(module, digits):
    model = module.build_model((8, 8, 1))
    layer = model.get_layer('reverse')
    above, below = tf.gradients(tf.log(model.outputs[1]), [layer.output, layer.input])
    above, below, x, y = K.get_session().run(
        [above, below, layer.input, layer.output], {model.input: digits.x_test[:20]}
    )
    np.testing.assert_array_equal(y, x)
    assert np.abs(above).max() > 0.01
    np.testing.assert_allclose(below, -0.3 * above, rtol=1e-6)


def test_the_domain_output_is_near_chance_and_the_other_style_is_read(module, digits):
    np.testing.assert_array_equal(module.bold(digits.x_test), thick(digits.x_test))
    found = module.run(digits, epochs=30, verbose=0)
    x = np.concatenate([digits.x_test, thick(digits.x_test)])
    digit, domain = module.model.predict(x)
    right, style = digit.argmax(1) == np.tile(digits.y_test, 2), np.repeat([0, 1], 360)
    assert found['test_accuracy_thin'] == right[:360].mean() and found['test_accuracy_bold'] == right[360:].mean()
    assert found['domain_accuracy'] == np.mean(np.round(domain[:, 0]) == style)
    assert abs(found['domain_accuracy'] - 0.5) < 0.12
    assert found['test_accuracy_thin'] > 0.85 and found['test_accuracy_bold'] > 0.62  # chance is 0.1

    train = np.concatenate([digits.x_train[:718], thick(digits.x_train[718:1436])])
    features = keras.models.Model(module.model.input, module.model.get_layer('features').output)
    probe = LogisticRegression(solver='liblinear').fit(features.predict(train), np.repeat([0, 1], 718))
    assert found['probe_accuracy'] == pytest.approx(np.mean(probe.predict(features.predict(x)) == style))
    assert found['probe_accuracy'] > found['domain_accuracy'] + 0.1


def test_without_the_line_that_matters_the_features_tell_the_style(module, digits, monkeypatch):
    monkeypatch.setattr(module, 'reverse', tf.identity)
    found = module.run(digits, epochs=30, verbose=0)
    assert found['domain_accuracy'] > 0.95
    assert found['test_accuracy_bold'] < 0.55
