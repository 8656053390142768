import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K

WORKS = {'globally': 0, 'locally': 1, 'too_early': 0, 'in_another_session': 0, 'only_uninitialized': 1}


def test_each_way_against_tensorflows_own_report(module, digits, monkeypatch):
    evaluate, seen = keras.models.Sequential.evaluate, []

    def reported(model, *args, **kwargs):
        """What TensorFlow says is uninitialised, in the session that Keras is about to evaluate in."""
        newest = tf.report_uninitialized_variables(tf.local_variables()[-3:])
        weights = tf.report_uninitialized_variables(model.weights)
        # as it is: get_session() would initialise, but not in Keras 2.3, which has no such name
        session = getattr(K.tensorflow_backend, '_SESSION', None) or K.get_session()
        seen.append(
            (len(session.run(newest)), len(session.run(weights)), [w.tobytes() for w in session.run(model.weights)])
        )
        return evaluate(model, *args, **kwargs)

    monkeypatch.setattr(keras.models.Sequential, 'evaluate', reported)
    found = module.run(digits, epochs=2, verbose=0)
    trained = seen[1][2]
    assert list(module.WAYS) == list(WORKS)
    for way, (uninitialized, without_weights, weights) in zip(WORKS, seen):
        assert without_weights == 0
        assert uninitialized == (0 if WORKS[way] else 3)
        assert found['works_' + way] == WORKS[way]
        assert found['keeps_weights_' + way] == (weights == trained) == (way != 'globally')
    assert found['test_accuracy'] > 0.7  # chance is 0.1


def test_the_collections(module, digits):
    found = module.run(digits, epochs=1, verbose=0)
    with tf.Graph().as_default():  # the same metric in plain TensorFlow
        tf.contrib.metrics.cohen_kappa(tf.constant([1]), tf.constant([1]), 10)
        assert (len(tf.global_variables()), len(tf.local_variables())) == (0, found['local_variables_a_metric'])
    # kernel and bias, Adam's three accumulators of each, its step count and four hyperparameters
    assert (found['global_variables'], found['local_variables_before']) == (2 + 2 * 3 + 5, 0)


def test_without_the_line_that_matters_it_fails(module, digits):
    model = module.build_model((8, 8, 1))
    module.compile_with_kappa(model)
    with pytest.raises(tf.errors.FailedPreconditionError, match='uninitialized value metrics/cohens_kappa'):
        model.evaluate(digits.x_test, np.eye(10)[digits.y_test], verbose=0)
