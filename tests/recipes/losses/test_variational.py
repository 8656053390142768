import os

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K


def closed_form(parameters):
    """The divergence of each row's normal distributions from the standard one, in nats."""
    mean, log_deviation = np.split(parameters.astype(np.float64), 2, axis=1)
    return 0.5 * (mean**2 + np.exp(2 * log_deviation) - 1 - 2 * log_deviation).sum(1)


def float64_reconstruction(x, logits):
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    return -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum(1)


def contrast_of_draws(decoder):
    """How much the images drawn from the prior differ, in grey levels from 0 to 1."""
    logits = decoder.predict(np.random.RandomState(1).randn(200, 8))
    return (1 / (1 + np.exp(-logits))).std(0).mean()


def test_the_reconstruction(module):
    rng = np.random.RandomState(0)
    x, logits = rng.rand(20, 64), 4 * rng.randn(20, 64)
    found = K.get_session().run(module.reconstruction(tf.to_float(x), tf.to_float(logits)))
    np.testing.assert_allclose(found, float64_reconstruction(x, logits), rtol=1e-5)


def test_bound_and_divergence(module, digits, tmp_path):
    found = module.run(digits, epochs=25, verbose=0, out=str(tmp_path))
    x = digits.x_test.reshape(-1, 64).astype(np.float64)
    encode = K.function(module.model.inputs, [module.model.get_layer('parameters').output])
    parameters = encode([x])[0]
    divergence = closed_form(parameters)
    assert found['test_divergence'] == pytest.approx(divergence.mean(), rel=1e-5)
    assert found['test_divergence'] > 1  # nats

    # The bound by other draws of the code: the mean over 360 images varies by less than a tenth of a nat.
    mean, log_deviation = np.split(parameters, 2, axis=1)
    noise = np.random.RandomState(2).randn(30, *mean.shape)
    decoder = module.model.get_layer('decoder')
    logits = [decoder.predict(mean + np.exp(log_deviation) * n) for n in noise]
    bounds = [-(float64_reconstruction(x, each) + divergence).mean() for each in logits]
    assert np.std(bounds) < 0.1
    assert found['test_bound'] == pytest.approx(np.mean(bounds), abs=0.4)

    # Better than what knows each pixel's mean, but not that pixels belong together.
    mean_image = np.clip(digits.x_train.reshape(-1, 64).mean(0, keepdims=True), 1e-4, 1 - 1e-4)
    independent = -float64_reconstruction(x, np.log(mean_image / (1 - mean_image))).mean()
    assert found['test_bound'] > independent + 1.5
    assert contrast_of_draws(decoder) > 0.1
    assert os.path.getsize(str(tmp_path / found['picture'])) > 3000


def test_without_the_line_that_matters_the_code_holds_nothing(module, digits, monkeypatch, tmp_path):
    def mean_over_pixels(y_true, y_pred):
        return keras.losses.binary_crossentropy(y_true, tf.sigmoid(y_pred))

    monkeypatch.setattr(module, 'reconstruction', mean_over_pixels)
    found = module.run(digits, epochs=25, verbose=0, out=str(tmp_path))
    assert found['test_divergence'] < 0.05
    assert contrast_of_draws(module.model.get_layer('decoder')) < 0.02
