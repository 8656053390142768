import numpy as np
import pytest
from keras import layers
from keras.models import Sequential
from sklearn.metrics import precision_score, recall_score


def float64_loss(y_true, logits, weight):
    """-w log(p) of the positive samples, -log(1 - p) of the others."""
    logits = logits.astype(np.float64)
    return np.where(y_true, weight * np.logaddexp(0, -logits), np.logaddexp(0, logits)).mean()


def test_losses_recall_and_precision(module, digits):
    found = module.run(digits, epochs=15, verbose=0)
    y_train, y_test = digits.y_train == 8, digits.y_test == 8
    weights = {'plain': 1, 'weighted': np.sum(~y_train) / np.sum(y_train)}
    assert found['pos_weight'] == pytest.approx(weights['weighted'])
    for model, (name, weight) in zip(module.built, weights.items()):
        logits = model.predict(digits.x_test)[:, 0]
        assert found[name + '_test_loss'] == pytest.approx(float64_loss(y_test, logits, weight), rel=1e-5)
        assert found[name + '_recall'] == pytest.approx(recall_score(y_test, logits > 0))
        assert found[name + '_precision'] == pytest.approx(precision_score(y_test, logits > 0))
    assert found['weighted_recall'] > found['plain_recall'] + 0.2
    assert found['weighted_recall'] > 0.7 and found['weighted_precision'] > 3 * y_test.mean()
    # With the weight taken out again the probabilities say how many eights there are. With it in, they do not.
    assert found['weighted_mean_probability'] == pytest.approx(y_test.mean(), abs=0.05)
    assert (1 / (1 + np.exp(-logits))).mean() > y_test.mean() + 0.1


def test_with_a_sigmoid_it_goes_wrong(module, digits, monkeypatch):
    class Layers:  # what the recipe, and only the recipe, takes for keras.layers
        Flatten = layers.Flatten
        Dense = staticmethod(lambda units: layers.Dense(units, activation='sigmoid'))

    right = module.run(digits, epochs=15, verbose=0)
    monkeypatch.setattr(module, 'layers', Layers)
    wrong = module.run(digits, epochs=15, verbose=0)
    assert wrong['plain_recall'] == 1 and wrong['plain_precision'] == pytest.approx((digits.y_test == 8).mean())
    assert wrong['plain_test_loss'] > 0.6 > 0.2 > right['plain_test_loss']  # log(2) = 0.69: none is under 0.5


def test_accuracy_rounds_the_logit(module):
    model = Sequential([layers.Activation('linear', input_shape=(1,))])
    model.compile('sgd', module.weighted_cross_entropy(1.0), metrics=['accuracy'])
    assert model.evaluate(np.array([[3.0], [-3.0]]), np.array([1, 0]), verbose=0)[1] == 0
