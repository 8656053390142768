import h5py
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K

from tensorflow_with_keras import session

MADE = ['dense/bias', 'dense/kernel', 'norm/beta', 'norm/gamma', 'scale']


def variables(prefix):
    """What TensorFlow itself holds, by name, whatever Keras knows of it."""
    names = [prefix + name for name in MADE]
    found = {v.op.name: v for v in tf.global_variables()}
    return K.get_session().run([found[name] for name in names])


def loaded_into_a_new_model(module, model, layer, path, x):
    """Predictions of the model, and of a new one, with other random values, that loads its file."""
    model.save_weights(path)
    before = model.predict(x)
    session.start(seed=1, threads=1)
    fresh = module.build_model(x.shape[1:], layer)
    fresh.load_weights(path)
    return before, fresh.predict(x)


def test_the_layers_variables_are_trained_and_saved(module, digits, tmp_path):
    found = module.run(digits, epochs=2, verbose=0)
    assert (found['layer_trained'], found['layer_saved']) == (5, 5)
    model = module.built[1]
    assert found['layer_test_accuracy'] == np.mean(model.predict(digits.x_test).argmax(1) == digits.y_test)
    assert found['layer_test_accuracy'] > 0.6  # chance is 0.1
    held = variables('features/')
    before, after = loaded_into_a_new_model(
        module, model, module.TensorFlowFunction, str(tmp_path / 'weights.h5'), digits.x_test
    )
    np.testing.assert_array_equal(after, before)
    with h5py.File(str(tmp_path / 'weights.h5'), 'r') as f:
        for name, value in zip(MADE, held):
            np.testing.assert_array_equal(f['features']['features/%s:0' % name], value)


def test_the_layers_variables_are_where_gradient_descent_takes_them(module, digits):
    """One step of plain gradient descent by hand, with TensorFlow's own gradients."""
    model = module.build_model(digits.x_train.shape[1:], module.TensorFlowFunction)
    model.compile('sgd', 'sparse_categorical_crossentropy')
    x, y = digits.x_train[:64], digits.y_train[:64, np.newaxis]
    weights = [v for v in tf.trainable_variables() if v.name.startswith('features')]
    before = K.batch_get_value(weights)
    gradients = K.get_session().run(
        tf.gradients(model.total_loss, weights),
        {model.inputs[0]: x, model.targets[0]: y, model.sample_weights[0]: np.ones(64)},
    )
    model.train_on_batch(x, y)
    for old, gradient, new in zip(before, gradients, K.batch_get_value(weights)):
        np.testing.assert_allclose(new, old - 0.01 * gradient, rtol=1e-5, atol=1e-6)


def test_a_lambdas_variables_are_neither_trained_nor_saved(module, digits, tmp_path):
    found = module.run(digits, epochs=2, verbose=0)
    assert (found['lambda_trained'], found['lambda_saved']) == (0, 0)
    assert found['lambda_test_accuracy'] > 0.3  # it looks as if it works: chance is 0.1
    assert len(module.built[0].weights) == 2  # of the last Dense
    before, after = loaded_into_a_new_model(
        module, module.built[0], module.layers.Lambda, str(tmp_path / 'weights.h5'), digits.x_test
    )
    assert np.abs(after - before).max() > 0.1


def test_tf_layers_refuses_a_keras_tensor(module, monkeypatch):
    monkeypatch.setattr(tf, 'identity', lambda x: x)
    with pytest.raises(AttributeError, match="no attribute '(outbound_nodes|layer)'"):
        module.build_model((8, 8, 1), module.TensorFlowFunction)
