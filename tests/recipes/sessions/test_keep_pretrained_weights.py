import hashlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import accuracy_score


@pytest.fixture
def module(module, monkeypatch):
    """The recipe, with what stands in the file that it loads."""
    load_weights = keras.models.Sequential.load_weights

    def load(model, path):
        load_weights(model, path)
        module.loaded = bits(module, 0)

    monkeypatch.setattr(keras.models.Sequential, 'load_weights', load)
    return module


def bits(module, model=1):
    """The weights of the model, each as the hash of its bytes."""
    return [hashlib.sha256(w.tobytes()).hexdigest() for w in module.built[model].get_weights()]


def test_only_the_uninitialised_are_initialised(module, digits, monkeypatch):
    initialize, seen = module.initialize_uninitialized, {}

    def around(sess):
        report = tf.report_uninitialized_variables(tf.global_variables() + tf.local_variables())
        seen['before'] = len(sess.run(report))
        count = initialize(sess)
        seen['after'], seen['bits'] = len(sess.run(report)), bits(module)
        seen['accuracy'] = accuracy_score(digits.y_test, module.built[1].predict(digits.x_test).argmax(1))
        return count

    run, fed = tf.Session.run, []

    def recorded(self, fetches, feed_dict=None, **kwargs):
        fed.extend(value for key, value in (feed_dict or {}).items() if key.dtype == tf.int64)
        return run(self, fetches, feed_dict, **kwargs)

    monkeypatch.setattr(tf.Session, 'run', recorded)
    monkeypatch.setattr(module, 'initialize_uninitialized', around)
    found = module.run(digits, epochs=3, verbose=0)
    np.testing.assert_array_equal(np.concatenate(fed), digits.y_train)  # fine-tuned with every sample, once
    assert seen['before'] == found['initialized'] > 0 and seen['after'] == 0
    assert seen['bits'] == module.loaded
    assert found['weights_kept'] == found['weights'] == 4
    assert found['test_accuracy_kept'] == pytest.approx(seen['accuracy'], abs=1e-9)
    assert found['test_accuracy_kept'] > 0.7 and found['test_accuracy_fine_tuned'] > 0.7  # chance is 0.1
    # and the other way, which the recipe ran last, in the same session
    assert all(a != b for a, b in zip(bits(module)[::2], module.loaded[::2]))  # the kernels; biases begin as zeros
    assert found['weights_left_by_global'] == 0
    assert found['test_accuracy_after_global'] < 0.4


def test_with_the_global_initialiser_instead_the_weights_are_gone(module, digits, monkeypatch):
    def globally(sess):
        sess.run(tf.global_variables_initializer())
        assert all(a != b for a, b in zip(bits(module), module.loaded))
        return 0

    monkeypatch.setattr(module, 'initialize_uninitialized', globally)
    found = module.run(digits, epochs=3, verbose=0)
    assert found['weights_kept'] == 0 and found['test_accuracy_kept'] < 0.4


def test_without_the_line_that_matters_it_fails(module, digits, monkeypatch):
    monkeypatch.setattr(module, 'initialize_uninitialized', lambda sess: 0)
    with pytest.raises(tf.errors.FailedPreconditionError, match='uninitialized'):
        module.run(digits, epochs=1, verbose=0)


def test_keras_initialises_new_global_variables_and_no_local_ones():
    variables = [tf.Variable(1.0), tf.Variable(1.0, collections=[tf.GraphKeys.LOCAL_VARIABLES])]
    report = tf.report_uninitialized_variables(variables)
    model = keras.models.Sequential([keras.layers.Dense(2, input_shape=(2,))])
    model.predict(np.zeros((1, 2)))
    assert keras.backend.get_session().run(report).tolist() == [variables[1].op.name.encode()]
