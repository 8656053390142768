import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K
from scipy.stats import pearsonr


@pytest.fixture
def sorted_digits(digits):
    """The test set in the order of its labels: nearly one kind of digit a batch."""
    order = np.argsort(digits.y_test, kind='mergesort')
    return digits._replace(x_test=digits.x_test[order], y_test=digits.y_test[order])


def truth(data):
    """The ink of each lower half, and what the model says of the upper one."""
    return [x[4:].mean() for x in data.x_test]


def scipy_pearson(module, data):
    return pearsonr(truth(data), module.model.predict(data.x_test[:, :4])[:, 0])[0]


def one_batch(metric_fn):
    """What one writes without StreamingMetric: the correlation of a batch, for Keras to average."""

    def pearson(y_true, y_pred):
        t, p = y_true - K.mean(y_true), y_pred - K.mean(y_pred)
        return K.sum(t * p) / K.sqrt(K.sum(t * t) * K.sum(p * p))

    return pearson


def update_op(metric_fn):
    """What the web puts in the place of StreamingMetric."""

    def pearson(y_true, y_pred):
        result = metric_fn(y_true, y_pred)[1]
        K.get_session().run(tf.local_variables_initializer())
        return result

    return pearson


def test_it_is_scipys_over_the_whole_test_set(module, digits):
    found = module.run(digits, epochs=6, verbose=0)
    assert found['test_pearson'] == pytest.approx(scipy_pearson(module, digits), abs=1e-5)
    assert found['test_pearson'] > 0.4  # guessing gives 0
    assert found['test_variance'] == pytest.approx(np.var(truth(digits)), rel=1e-5)
    assert found['test_mse'] < found['test_variance']  # better than always saying the mean


def test_the_order_of_the_samples_does_not_matter(module, sorted_digits):
    found = module.run(sorted_digits, epochs=3, verbose=0)
    assert found['test_pearson'] == pytest.approx(scipy_pearson(module, sorted_digits), abs=1e-5)


def test_averaged_over_batches_it_is_wrong(module, sorted_digits, monkeypatch):
    monkeypatch.setattr(module, 'StreamingMetric', one_batch)
    found = module.run(sorted_digits, epochs=10, verbose=0)
    predicted = module.model.predict(sorted_digits.x_test[:, :4])[:, 0]
    batches = [slice(i, i + 32) for i in range(0, 360, 32)]
    each = [pearsonr(truth(sorted_digits)[b], predicted[b])[0] for b in batches]
    sizes = [len(predicted[b]) for b in batches] if keras.__version__ < '2.3' else None  # a short batch counts as whole
    mean = np.average(each, weights=sizes)
    assert found['test_pearson'] == pytest.approx(mean, abs=1e-4)
    assert abs(mean - scipy_pearson(module, sorted_digits)) > 0.1


def test_the_update_op_is_wrong(module, digits, monkeypatch):
    monkeypatch.setattr(module, 'StreamingMetric', update_op)
    found = module.run(digits, epochs=3, verbose=0)
    assert abs(found['test_pearson'] - scipy_pearson(module, digits)) > 0.1
