import numpy as np
import pytest
import scipy.special
import tensorflow as tf


def expected(module, digits):
    """SciPy's losses of the test set's predictions: their mean, and that with sevens four times."""
    losses = scipy.special.huber(1.0, digits.y_test - module.model.predict(digits.x_test)[:, 0].astype(np.float64))
    weights = np.array([4.0 if y == 7 else 1.0 for y in digits.y_test])
    return losses.mean(), (losses * weights).mean()


def test_the_losses_are_scipys(module, digits):
    found = module.run(digits, epochs=15, verbose=0)
    mean, weighted = expected(module, digits)
    assert found['test_loss'] == pytest.approx(mean, rel=1e-5)
    assert found['test_loss_weighted'] == pytest.approx(weighted, rel=1e-5)
    errors = np.abs(digits.y_test - module.model.predict(digits.x_test)[:, 0])
    assert found['test_mean_absolute_error'] == pytest.approx(errors.mean(), rel=1e-5)
    assert found['test_mean_absolute_error'] < 1.4 < 2.4 < found['median_mean_absolute_error']
    assert found['losses_in_collection'] == 0


def test_without_the_line_that_matters_the_weights_go_to_the_batch(module, digits, monkeypatch):
    monkeypatch.setattr(module, 'huber', lambda y_true, y_pred: tf.losses.huber_loss(y_true, y_pred))
    found = module.run(digits, epochs=15, verbose=0)
    mean, weighted = expected(module, digits)
    assert found['test_loss'] == pytest.approx(mean, rel=1e-5)  # without weights nothing is to be seen
    assert abs(found['test_loss_weighted'] / weighted - 1) > 0.02
    # the wrong targets, weighted 0, drew the predictions up
    assert found['test_mean_absolute_error'] > 1.6
    assert found['losses_in_collection'] == 1


@pytest.mark.not_on('tf1.15-keras2.3.1', reason='Keras 2.3 divides by all samples, those of weight 0 included')
@pytest.mark.parametrize('reduction', ['none', 'weighted_sum_by_nonzero_weights'])
def test_a_sample_of_weight_0(module, reduction):

    def reduced(y_true, y_pred):
        return tf.losses.huber_loss(y_true, y_pred, reduction=reduction)

    loss = module.huber if reduction == 'none' else reduced
    model = module.build_model((8, 8, 1))
    model.compile('sgd', loss)
    x, y = np.random.RandomState(0).rand(2, 8, 8, 1), np.array([2.0, 60.0])
    weights = np.array([1.0, 0.0])
    first, second = scipy.special.huber(1.0, y - model.predict(x)[:, 0])
    # Keras divides by the share of the weights that are not 0
    right = first if reduction == 'none' else (first + second) / 2
    assert model.evaluate(x, y, sample_weight=weights, verbose=0) == pytest.approx(right, rel=1e-5)
