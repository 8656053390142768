import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K
from scipy.special import logsumexp
from sklearn.metrics import accuracy_score


def full_softmax(scores, labels):
    """In float64: -log of the probability of each label among all classes."""
    scores = scores.astype(np.float64)
    return logsumexp(scores, axis=1) - scores[np.arange(len(labels)), labels]


def small_model(module, *more):
    """Features straight into the recipe's layer, and some rows and labels."""
    layer = module.Scores(input_shape=(6,))
    model = keras.models.Sequential([*more, layer])
    model.compile('sgd', layer.loss)
    rng = np.random.RandomState(0)
    layer.set_weights([rng.randn(module.CLASSES, 6), rng.randn(module.CLASSES)])
    return model, layer, rng.randn(32, 6), rng.randint(module.CLASSES, size=32)


def losses(model, layer, x, y, phase):
    labels = K.placeholder((None, 1))
    loss = layer.loss(labels, model.output)
    return K.get_session().run(loss, {model.input: x, labels: y[:, np.newaxis], K.learning_phase(): phase})


def test_with_as_many_draws_as_classes_it_is_the_full_softmax(module, monkeypatch):
    monkeypatch.setattr(module, 'SAMPLED', module.CLASSES)
    model, layer, x, y = small_model(module)
    expected = full_softmax(model.predict(x), y)
    np.testing.assert_allclose(losses(model, layer, x, y, 1), expected, rtol=1e-4, atol=1e-5)


def test_few_draws_train_and_all_classes_are_asked_otherwise(module):
    model, layer, x, y = small_model(module)
    expected = full_softmax(model.predict(x), y)
    np.testing.assert_allclose(losses(model, layer, x, y, 0), expected, rtol=1e-5, atol=1e-6)
    first, second = (losses(model, layer, x, y, 1) for _ in range(2))
    assert np.abs(first - second).mean() > 0.1
    used = {op.type for op in tf.get_default_graph().get_operations()}
    assert 'UniformCandidateSampler' in used and 'LogUniformCandidateSampler' not in used


def test_the_recipe(module, digits):
    found = module.run(digits, epochs=8, verbose=0)
    x, y = module.numbers(digits.x_test, digits.y_test, 1000, seed=2)
    assert x.shape == (1000, 8, 16, 1) and y.min() == 0 and y.max() == 99
    scores = module.model.predict(x)
    assert module.model.uses_learning_phase  # or Keras would train on the full softmax, see below
    assert found['test_loss'] == pytest.approx(full_softmax(scores, y).mean(), rel=1e-5)
    assert found['test_accuracy'] == pytest.approx(accuracy_score(y, scores.argmax(1)))
    assert found['test_accuracy'] > 0.5  # chance is 0.01


def test_without_the_line_that_matters_the_test_loss_is_wrong(module, digits, monkeypatch):
    class RecipeBackend:  # what the recipe, and only the recipe, takes for keras.backend
        in_train_phase = staticmethod(lambda sampled, full: sampled)

    monkeypatch.setattr(module, 'K', RecipeBackend)
    found = module.run(digits, epochs=8, verbose=0)
    x, y = module.numbers(digits.x_test, digits.y_test, 1000, seed=2)
    assert found['test_loss'] < 0.8 * full_softmax(module.model.predict(x), y).mean()
    assert module.model.evaluate(x, y, verbose=0) != module.model.evaluate(x, y, verbose=0)


def test_without_a_layer_such_as_dropout_keras_trains_on_the_full_softmax(module):
    model, layer, x, y = small_model(module)
    expected = full_softmax(model.predict(x), y).mean()
    assert model.train_on_batch(x, y) == pytest.approx(expected, rel=1e-5)
    model, layer, x, y = small_model(module, keras.layers.Dropout(1e-7, input_shape=(6,)))
    expected = full_softmax(model.predict(x), y).mean()
    assert abs(model.train_on_batch(x, y) - expected) > 0.1


def test_the_sampler_that_tensorflow_takes_by_itself_prefers_low_classes():
    default = tf.nn.log_uniform_candidate_sampler
    kernel, bias, label = tf.zeros((100, 6)), tf.zeros((100,)), tf.zeros((1, 1), tf.int64)
    tf.nn.sampled_softmax_loss(kernel, bias, label, tf.zeros((1, 6)), 20, 100)
    assert 'LogUniformCandidateSampler' in {op.type for op in tf.get_default_graph().get_operations()}
    drawn, _, _ = default(label, 1, 20, unique=False, range_max=100)
    many = np.concatenate([K.get_session().run(drawn) for _ in range(50)])
    assert np.mean(many < 10) == pytest.approx(np.log(11) / np.log(101), abs=0.05)  # a uniform one: 0.1
