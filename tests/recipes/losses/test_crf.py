import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K
from scipy.special import logsumexp

from tensorflow_with_keras import session


def by_brute_force(scores, transitions):
    """Every tag sequence and its score: what its tags have, and what each pair of neighbours has."""
    steps, tags = scores.shape
    paths = np.array(list(itertools.product(range(tags), repeat=steps)))
    own = scores[np.arange(steps), paths].sum(1)
    return paths, own + transitions[paths[:, :-1], paths[:, 1:]].sum(1)


@pytest.fixture
def small(module):
    """A model that is the recipe's layer alone, with scores of 8 sequences of 5 steps and 4 tags."""
    field = module.ConditionalRandomField(input_shape=(5, 4))
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


def test_before_training_it_is_the_cross_entropy_of_each_step(module):
    field = module.ConditionalRandomField(input_shape=(5, 4))
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
    scores, transitions = module.model.predict(x), module.model.get_weights()[-1]
    decoded = np.array([tf.contrib.crf.viterbi_decode(own, transitions)[0] for own in scores])  # in NumPy
    assert found['step_by_step_accuracy'] == pytest.approx((scores.argmax(2) == y[..., 0]).mean())
    assert found['viterbi_accuracy'] == pytest.approx((decoded == y[..., 0]).mean())
    for name, tags in [('step_by_step', scores.argmax(2)), ('viterbi', decoded)]:
        possible = [(after - before) % 10 in (1, 3) for row in tags for before, after in zip(row, row[1:])]
        assert found[name + '_transitions_possible'] == pytest.approx(np.mean(possible))
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
            likelihood, transitions = tf.contrib.crf.crf_log_likelihood(y_pred, tags, lengths)
            vars(self)['transitions'] = transitions  # Keras 2.3 makes a weight of a variable that a layer is given
            session.initialize_uninitialized()  # Keras 2.3 leaves a variable of somebody else without a value
            before.append(K.get_value(self.transitions))
            return -likelihood

    before = []
    monkeypatch.setattr(module, 'ConditionalRandomField', Field)
    found = module.run(digits, epochs=4, verbose=0)
    field = module.model.layers[-1]
    after = K.get_value(field.transitions)
    np.testing.assert_array_equal(before[0], after)  # as random as it started
    assert before[0].std() > 0.1
    assert field.weights == []  # so it is not saved either
    assert found['viterbi_transitions_possible'] < 0.85
    with pytest.raises(ValueError, match='already exists'):
        module.model.compile('sgd', field.loss)


def test_a_saved_model_is_loaded_with_the_layer_and_without_its_loss(module, digits, tmp_path):
    x, y = module.sequences(digits.x_test, digits.y_test, 40, seed=3)
    model = module.build_model(x.shape[1:])
    model.compile('sgd', model.layers[-1].loss)
    model.layers[-1].set_weights([np.random.RandomState(1).randn(10, 10)])
    model.save(str(tmp_path / 'crf.h5'))
    custom = {'ConditionalRandomField': module.ConditionalRandomField}
    with pytest.raises(ValueError, match='Unknown loss function'):
        keras.models.load_model(str(tmp_path / 'crf.h5'), custom)
    loaded = keras.models.load_model(str(tmp_path / 'crf.h5'), custom, compile=False)
    loaded.compile('sgd', loaded.layers[-1].loss)
    assert loaded.evaluate(x, y, verbose=0) == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-6)
