import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K
from scipy.special import logsumexp

NAME = 'losses/crf'


@pytest.fixture
def module(load_recipe, monkeypatch):
    """The recipe, which keeps its models: the one it trains, and the one that decodes."""
    module = load_recipe(NAME)
    module.built = []

    class Sequential(keras.models.Sequential):
        def __init__(self, stack):
            super().__init__(stack)
            module.built.append(self)

    module.Sequential = Sequential
    monkeypatch.setattr(module, 'keras', type('Keras', (), {'optimizers': keras.optimizers, 'models': module}))
    return module


def by_brute_force(scores, transitions):
    """Every tag sequence and its score: what its tags have, and what each pair of neighbours has."""
    steps, tags = scores.shape
    paths = np.array(list(itertools.product(range(tags), repeat=steps)))
    own = scores[np.arange(steps), paths].sum(1)
    return paths, own + transitions[paths[:, :-1], paths[:, 1:]].sum(1)


@pytest.fixture
def small(load_recipe):
    """A model that is the recipe's layer alone, with scores of 8 sequences of 5 steps and 4 tags."""
    field = load_recipe(NAME).ConditionalRandomField(input_shape=(5, 4))
    model = keras.models.Sequential([field])
    rng = np.random.RandomState(0)
    transitions, scores, tags = 2 * rng.randn(4, 4), 2 * rng.randn(8, 5, 4), rng.randint(4, size=(8, 5))
    field.set_weights([transitions])
    return field, model, transitions, scores, tags


def test_the_loss_by_brute_force(small):
    field, model, transitions, scores, tags = small
    labels = K.placeholder((None, 5, 1))
    found = K.get_session().run(field.loss(labels, model.output), {model.input: scores, labels: tags[..., np.newaxis]})
    for value, own, sequence in zip(found, scores, tags):
        paths, path_scores = by_brute_force(own, transitions)
        this = path_scores[(paths == sequence).all(1)][0]
        assert value == pytest.approx(logsumexp(path_scores) - this, rel=1e-5, abs=1e-5)


def test_before_training_it_is_the_cross_entropy_of_each_step(load_recipe):
    field = load_recipe(NAME).ConditionalRandomField(input_shape=(5, 4))
    model = keras.models.Sequential([field])
    rng = np.random.RandomState(1)
    scores, tags = rng.randn(3, 5, 4), rng.randint(4, size=(3, 5))
    labels = K.placeholder((None, 5, 1))
    found = K.get_session().run(field.loss(labels, model.output), {model.input: scores, labels: tags[..., np.newaxis]})
    right = np.take_along_axis(scores, tags[..., np.newaxis], 2)[..., 0]
    np.testing.assert_allclose(found, (logsumexp(scores, axis=2) - right).sum(1), rtol=1e-5)


def test_the_decoding_by_brute_force(small):
    field, model, transitions, scores, _ = small
    found = K.get_session().run(field.decode(model.output), {model.input: scores})
    for sequence, own in zip(found, scores):
        paths, path_scores = by_brute_force(own, transitions)
        np.testing.assert_array_equal(sequence, paths[path_scores.argmax()])
    assert (found != scores.argmax(2)).mean() > 0.1


def test_the_recipe(module, digits):
    found = module.run(digits, epochs=4, verbose=0)
    x, y = module.sequences(digits.x_test, digits.y_test, 300, seed=2)
    model, reader = module.built
    scores, transitions = model.predict(x), model.get_weights()[-1]
    assert found['step_by_step_accuracy'] == pytest.approx((scores.argmax(2) == y[..., 0]).mean())
    assert found['viterbi_accuracy'] == pytest.approx((reader.predict(x) == y[..., 0]).mean())
    assert found['viterbi_accuracy'] > found['step_by_step_accuracy'] + 0.03
    assert found['viterbi_accuracy'] > 0.55  # chance is 0.1
    assert found['viterbi_transitions_possible'] > found['step_by_step_transitions_possible'] + 0.1
    # What the field has learnt is how the sequences were made: 1 or 3 more than before, modulo 10.
    best = np.argsort(transitions, axis=1)[:, -2:]
    assert [set(pair) for pair in best] == [{(d + 1) % 10, (d + 3) % 10} for d in range(10)]


def test_without_the_line_that_matters_nothing_is_learnt_of_transitions(module, digits, monkeypatch):
    class Field(module.ConditionalRandomField):
        def build(self, input_shape):
            keras.layers.Layer.build(self, input_shape)

        def loss(self, y_true, y_pred):
            tags, lengths = tf.cast(y_true[:, :, 0], tf.int32), module.lengths_of(y_pred)
            likelihood, self.transitions = tf.contrib.crf.crf_log_likelihood(y_pred, tags, lengths)
            before.append(K.get_value(self.transitions))
            return -likelihood

    before = []
    monkeypatch.setattr(module, 'ConditionalRandomField', Field)
    found = module.run(digits, epochs=4, verbose=0)
    field = module.built[0].layers[-1]
    after = K.get_value(field.transitions)
    np.testing.assert_array_equal(before[0], after)  # as random as it started
    assert before[0].std() > 0.1
    assert field.weights == []  # so it is not saved either
    assert found['viterbi_transitions_possible'] < 0.85
    with pytest.raises(ValueError, match='already exists'):
        module.built[0].compile('sgd', field.loss)
