import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K
from sklearn.metrics import precision_score, recall_score

LOGITS = np.array([-1000, -200, -104, -88, -50, -17, -10, -3, -1, -0.1, 0, 0.1, 1, 3, 10, 17, 50, 104, 200, 1000])


def float64_focal(z, positive, gamma=2.0, alpha=0.25):
    """Of logits, by logarithms: -log(p) is log(1 + exp(-z)), and log(1 - p) is -log(1 + exp(z))."""
    z = np.where(positive, z, -z)
    log_p, log_q = -np.logaddexp(0, -z), -np.logaddexp(0, z)
    return -np.where(positive, alpha, 1 - alpha) * np.exp(gamma * log_q) * log_p


def by_probability(gamma=2.0, alpha=0.25, clip=0.0):
    """As one writes it down from the paper."""

    def loss(y_true, y_pred):
        p = tf.clip_by_value(tf.sigmoid(y_pred), clip, 1 - clip)
        p = y_true * p + (1 - y_true) * (1 - p)
        return -(alpha * y_true + (1 - alpha) * (1 - y_true)) * (1 - p) ** gamma * tf.log(p)

    return loss


def value_and_gradient(loss, y_true, logits):
    t, z = K.placeholder((None,)), K.placeholder((None,))
    value = loss(t, z)
    return K.get_session().run([value, K.gradients(value, z)[0]], {t: y_true, z: logits})


@pytest.mark.parametrize('positive', [0, 1])
@pytest.mark.parametrize('gamma', [0.0, 0.5, 1.0, 2.0, 5.0])
def test_loss_and_gradient(module, gamma, positive):
    y_true = np.full(LOGITS.shape, positive)
    value, gradient = value_and_gradient(module.focal(gamma, 0.3), y_true, LOGITS)
    np.testing.assert_allclose(value, float64_focal(LOGITS, positive, gamma, 0.3), rtol=2e-5, atol=1e-35)
    up, down = (float64_focal(LOGITS + step, positive, gamma, 0.3) for step in (1e-4, -1e-4))
    # where the gradient is 0, TensorFlow 1.15 leaves up to 3e-8
    atol = 1e-7 if tf.__version__.startswith('1.15.') else 1e-8
    np.testing.assert_allclose(gradient, (up - down) / 2e-4, rtol=1e-4, atol=atol)


def test_by_probability_it_goes_wrong_at_the_ends(module):
    # logits whose sigmoid is 0 and above 0; between these of 1.15 it depends on where in the array they are
    ends = [-19.0, -16.0] if tf.__version__.startswith('1.15.') else [-88.0, -87.0]
    value, gradient = value_and_gradient(by_probability(), np.ones(4), np.array([-1000.0, *ends, -5.0]))
    assert np.isinf(value).tolist() == np.isnan(gradient).tolist() == [True, True, False, False]
    z = np.array([-88.0, -87.0, -18.0, -5.0])
    value, gradient = value_and_gradient(by_probability(clip=1e-7), np.ones(4), z)
    assert np.isfinite(value).all() and (gradient == 0).tolist() == [True, True, True, False]
    value, gradient = value_and_gradient(module.focal(), np.ones(4), z)
    np.testing.assert_allclose(gradient[:3], -0.25, rtol=1e-4)  # the slope of a cross-entropy, times alpha


def test_the_recipe(module, digits):
    found = module.run(digits, epochs=20, verbose=0)
    y_test = digits.y_test == 8
    logits, unscaled = (module.model.predict(x)[:, 0].astype(np.float64) for x in (digits.x_test, 1000 * digits.x_test))
    assert found['test_loss'] == pytest.approx(float64_focal(logits, y_test).mean(), rel=1e-4)
    assert np.abs(unscaled).max() > 1000
    assert found['test_loss_unscaled'] == pytest.approx(float64_focal(unscaled, y_test).mean(), rel=1e-4)
    assert found['recall'] == pytest.approx(recall_score(y_test, logits > 0)) and found['recall'] > 0.5
    assert found['precision'] == pytest.approx(precision_score(y_test, logits > 0)) and found['precision'] > 0.6


def test_by_probability_the_recipe_goes_wrong(module, digits, monkeypatch):
    monkeypatch.setattr(module, 'focal', by_probability)
    found = module.run(digits, epochs=20, verbose=0)
    assert not np.isfinite(found['test_loss_unscaled'])
    module.model.train_on_batch(1000 * digits.x_test, digits.y_test == 8)
    assert np.isnan(module.model.get_weights()[0]).any()
