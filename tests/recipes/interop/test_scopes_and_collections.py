import numpy as np
import tensorflow as tf
from keras import layers


def test_what_lands_where(module, digits):
    found = module.run(digits, epochs=2)
    names = [weight.op.name for weight in module.model.weights]
    layers_of = sorted(name.rsplit('/', 1)[0] for name in names)
    assert layers_of == ['head/classes'] * 2 + ['trunk/frozen'] * 2 + ['trunk/norm'] * 4
    nodes = {node.name: node for node in tf.get_default_graph().as_graph_def().node}
    for name in names:
        assert nodes[name].device == ('/device:CPU:0' if name.startswith('trunk/') else '')
    assert found['weights'] == found['in_trainable_collection'] == len(names) == 8
    assert found['trainable_weights'] == 4  # gamma, beta, kernel, bias
    assert (found['updates'], found['in_update_collection']) == (2, 0)
    assert (found['losses'], found['in_loss_collection']) == (1, 0)
    assert found['frozen_layer_moved'] == 0
    predicted = module.model.predict(digits.x_test).argmax(1)
    assert found['test_accuracy'] == np.mean(predicted == digits.y_test) > 0.7  # chance is 0.1
    moving_mean = module.model.get_layer('norm').get_weights()[2]
    assert np.abs(moving_mean).max() > 0.05  # the updates have run


def test_it_trains_in_the_training_phase(module, digits, monkeypatch):
    """One step with all samples, against NumPy, whose batch normalisation takes the batch's own mean and variance."""
    build, begin = module.build_model, []

    def build_model(shape):
        model = build(shape)
        begin.append(model.get_weights())
        return model

    monkeypatch.setattr(module, 'build_model', build_model)
    module.run(digits, epochs=1, batch_size=len(digits.x_train))
    kernel, bias, _, _, mean, variance, dense, dense_bias = (w.astype(np.float64) for w in begin[0])
    assert (mean == 0).all() and (variance == 1).all() and (dense_bias == 0).all()
    x = digits.x_train.astype(np.float64)
    patches = np.stack([x[:, i : i + 6, j : j + 6, 0] for i in range(3) for j in range(3)], -1)
    hidden = np.maximum(patches @ kernel.reshape(9, 16) + bias, 0).reshape(len(x), -1)
    logits = (hidden - hidden.mean(0)) / np.sqrt(hidden.var(0) + 1e-3) @ dense
    predicted = np.exp(logits - logits.max(1, keepdims=True))
    gradient = (predicted / predicted.sum(1, keepdims=True) - np.eye(10)[digits.y_train]).mean(0)
    np.testing.assert_allclose(module.model.get_weights()[-1], -0.1 * gradient, atol=1e-6)


def test_without_the_line_that_matters_the_frozen_layer_is_trained(module, digits, monkeypatch):
    minimize = tf.train.Optimizer.minimize
    monkeypatch.setattr(tf.train.Optimizer, 'minimize', lambda self, loss, var_list: minimize(self, loss))
    assert module.run(digits, epochs=1)['frozen_layer_moved'] > 0.01


def test_a_variable_scope_shares_no_keras_layer(module):
    with tf.variable_scope('shared', reuse=tf.AUTO_REUSE):
        x = layers.Input((3,))
        first, second = layers.Dense(2), layers.Dense(2)
        first(x), second(x)
        third = [tf.layers.Dense(2, name='tf', _reuse=tf.AUTO_REUSE) for _ in range(2)]
        [layer(tf.zeros((1, 3))) for layer in third]
    assert first.kernel is not second.kernel and first.kernel.name != second.kernel.name
    assert third[0].kernel is third[1].kernel  # TensorFlow's own layers do share
