import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K


def moved_by(optimizer, batches):
    """The rates by which one weight really moves, under a loss whose gradient is always -1."""
    model = keras.models.Sequential([keras.layers.Dense(1, input_shape=(1,), kernel_initializer='zeros')])
    model.compile(optimizer, lambda y_true, y_pred: -y_pred)
    x, weights = np.ones((4, 1)), [0.0]
    for _ in range(batches):
        model.train_on_batch(x, x)
        weights.append(float(model.get_weights()[0][0, 0]))
    return np.diff(weights)


def test_the_weights_move_by_the_closed_form(module):
    expected = 0.5 * 0.8 ** (np.arange(30) / 5)
    optimizer = module.Decayed(5)
    np.testing.assert_allclose(moved_by(optimizer, 30), expected, atol=1e-5)
    assert K.get_value(optimizer.step) == 30


def test_the_rates_of_fit(module, digits, tmp_path):
    rates = []
    record = keras.callbacks.LambdaCallback(on_batch_end=lambda b, logs: rates.append(rate()))

    def rate():
        name = next(op.name for op in tf.get_default_graph().get_operations() if op.name.endswith('ExponentialDecay'))
        return K.get_session().run(name + ':0')

    found = module.run(digits, epochs=4, batch_size=64, verbose=0, callbacks=[record], out=str(tmp_path))
    expected = 0.5 * 0.8 ** (np.arange(1, 4 * 23 + 1) / 23)
    np.testing.assert_allclose(rates, expected, rtol=1e-5)
    assert found['last_rate'] == pytest.approx(expected[-2], rel=1e-5)
    assert found['test_accuracy'] > 0.7  # chance is 0.1
    assert (tmp_path / found['picture']).read_bytes().startswith(b'\x89PNG')


def test_with_keras_own_iterations_it_decays_twice_as_fast(module):
    optimizer = keras.optimizers.TFOptimizer(None)
    rate = tf.train.exponential_decay(0.5, optimizer.iterations, 5, 0.8)
    optimizer.optimizer = tf.train.GradientDescentOptimizer(rate)
    moved_by(optimizer, 1)
    assert K.get_value(optimizer.iterations) == 2
    counted = 11 if tf.__version__.startswith('1.15.') else 10  # 1.15 reads the count between the two that a batch adds
    np.testing.assert_allclose(moved_by(optimizer, 5)[-1], 0.5 * 0.8 ** (counted / 5), atol=1e-5)


def test_without_the_line_that_matters_the_rate_stays(module, digits, tmp_path, monkeypatch):
    monkeypatch.delattr(module.Decayed, 'apply_gradients')
    np.testing.assert_allclose(moved_by(module.Decayed(5), 10), 0.5, atol=1e-5)
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1)
    with pytest.raises(ValueError, match='"lr" attribute'):
        module.run(digits, epochs=1, verbose=0, callbacks=[schedule], out=str(tmp_path))
