import keras
import numpy as np
import pytest

RATE, ALPHA, BETA = 0.1, 1.0, 0.9


def test_the_weights_follow_the_rule(module, digits):
    model = module.build_model(digits.x_train.shape[1:])
    module.compiled(model)
    w, b = np.zeros((64, 10)), np.zeros(10)
    means = [np.zeros_like(w), np.zeros_like(b)]
    for i in range(6):
        x, y = digits.x_train[i * 50 : (i + 1) * 50], np.eye(10)[digits.y_train[i * 50 : (i + 1) * 50]]
        model.train_on_batch(x, y)
        x = x.reshape(50, 64).astype(float)
        p = np.exp(x @ w + b)
        error = (p / p.sum(1, keepdims=True) - y) / 50
        for j, (variable, gradient) in enumerate([(w, x.T @ error), (b, error.sum(0))]):
            means[j] = BETA * means[j] + (1 - BETA) * gradient
            variable -= RATE * (ALPHA + np.sign(gradient) * np.sign(means[j])) * gradient
        for found, expected in zip(model.get_weights(), (w, b)):
            np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.abs(w).max() > 0.01


def test_resumed_with_its_state_it_is_the_run_that_never_stopped(module, digits):
    found = module.run(digits, epochs=3, verbose=0)
    assert found['apart_with_state'] < 1e-6
    assert found['apart_without_state'] > 1e-4
    assert found['test_accuracy'] > 0.7  # chance is 0.1


def test_without_the_line_keras_saves_no_optimizer(module, digits, tmp_path):
    model = module.build_model(digits.x_train.shape[1:])
    module.compiled(model)
    model.train_on_batch(digits.x_train, np.eye(10)[digits.y_train])
    file = str(tmp_path / 'model.h5')
    with pytest.warns(UserWarning, match='TensorFlow optimizers do not'):
        model.save(file)
    with pytest.warns(UserWarning, match='No training configuration found'):
        loaded = keras.models.load_model(file)
    with pytest.raises(RuntimeError, match='must compile'):
        loaded.evaluate(digits.x_test, np.eye(10)[digits.y_test], verbose=0)
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1)
    with pytest.raises(ValueError, match='"lr" attribute'):
        model.fit(digits.x_train, np.eye(10)[digits.y_train], verbose=0, callbacks=[schedule])
