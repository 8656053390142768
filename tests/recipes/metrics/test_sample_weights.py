import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import accuracy_score


def weights_of(labels):
    return np.where(labels >= 8, 4.0, 0.5)


@pytest.mark.parametrize('batch_size', [13, 32, 360])
def test_the_accuracy_is_scikit_learns_with_weights(module, digits, batch_size):
    found = module.run(digits, epochs=2, batch_size=batch_size, verbose=0)
    predicted, weights = module.model.predict(digits.x_test).argmax(1), weights_of(digits.y_test)
    expected = accuracy_score(digits.y_test, predicted, sample_weight=weights)
    assert found['test_weighted_accuracy'] == pytest.approx(expected, abs=1e-6)


def test_what_keras_does_with_each(module, digits):
    found = module.run(digits, epochs=2, batch_size=32, verbose=0)
    right = module.model.predict(digits.x_test).argmax(1) == digits.y_test
    assert found['accuracy_in_metrics'] == pytest.approx(right.mean(), abs=1e-6)  # as if there were no weights
    assert abs(found['test_weighted_accuracy'] - right.mean()) > 0.005


@pytest.mark.not_on('tf1.15-keras2.3.1', reason='Keras 2.3 divides by the sum of the weights')
def test_weighted_metrics_of_keras_exceed_what_any_accuracy_may_be(module, digits):
    found = module.run(digits, epochs=2, batch_size=32, verbose=0)
    right = module.model.predict(digits.x_test).argmax(1) == digits.y_test
    expected = (weights_of(digits.y_test) * right).mean()  # no division by the sum of the weights
    assert found['accuracy_in_weighted_metrics'] == pytest.approx(expected, abs=1e-5)
    assert found['accuracy_in_weighted_metrics'] > found['test_weighted_accuracy'] + 0.1


def test_the_loss_is_keras_own_with_sample_weight(module):
    random = np.random.RandomState(1)
    x, labels, weights = random.rand(40, 8, 8, 1), random.randint(0, 10, 40), random.uniform(0, 2, 40)
    model = module.build_model((8, 8, 1))
    model.compile('sgd', 'categorical_crossentropy')
    expected = model.evaluate(x, np.eye(10)[labels], verbose=0, sample_weight=weights)
    model.compile('sgd', module.weighted_loss, target_tensors=[tf.placeholder(tf.float32, [None, 11])])
    assert model.evaluate(x, module.with_weights(labels, weights), verbose=0) == pytest.approx(expected, rel=1e-5)


def test_without_the_weights_it_is_the_plain_accuracy(module, digits, monkeypatch):
    accuracy = tf.metrics.accuracy
    monkeypatch.setattr(tf.metrics, 'accuracy', lambda labels, predictions, weights: accuracy(labels, predictions))
    found = module.run(digits, epochs=2, verbose=0)
    assert found['test_weighted_accuracy'] == pytest.approx(found['accuracy_in_metrics'], abs=1e-6)
