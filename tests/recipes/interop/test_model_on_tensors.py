import numpy as np
import pytest
import tensorflow as tf


def numpy_answer(weights, x):
    hidden, hidden_bias, out, out_bias = (w.astype(np.float64) for w in weights)
    logits = np.maximum(x.reshape(len(x), -1) @ hidden + hidden_bias, 0) @ out + out_bias
    return (1 / (1 + np.exp(-logits))).reshape(x.shape)


def test_the_tensors_hold_what_the_equations_say(module, digits):
    found = module.run(digits, epochs=4, verbose=0)
    assert found['variables_made'] == 0
    assert found['once_difference'] < 1e-6 and found['twice_difference'] < 1e-6
    noise = np.random.RandomState(0)
    noise.normal(0, 0.3, digits.x_train.shape)
    noisy = digits.x_test + noise.normal(0, 0.3, digits.x_test.shape).astype(np.float32)
    once = numpy_answer(module.model.get_weights(), noisy)
    twice = numpy_answer(module.model.get_weights(), once)
    for name, x in (('noisy', noisy), ('once', once), ('twice', twice)):
        assert found[name + '_error'] == pytest.approx(np.mean((x - digits.x_test) ** 2), rel=1e-4)
    constant = np.mean((digits.x_train.mean(0) - digits.x_test) ** 2)  # the mean image for every image
    assert found['once_error'] < 0.9 * min(constant, found['noisy_error'])


def patched(module, monkeypatch, call):
    build = module.build_model

    def build_model(shape):
        model = build(shape)

        class Called:
            def __getattr__(self, name):
                return getattr(model, name)

            def __call__(self, tensor):
                return call(model, build, shape, tensor)

        return Called()

    monkeypatch.setattr(module, 'build_model', build_model)


def test_without_the_line_that_matters_the_model_wants_its_own_placeholder(module, digits, monkeypatch):
    patched(module, monkeypatch, lambda model, build, shape, tensor: model.output)
    with pytest.raises(tf.errors.InvalidArgumentError, match='must feed a value for placeholder'):
        module.run(digits, epochs=1, verbose=0)


def test_a_model_built_again_is_untrained(module, digits, monkeypatch):
    patched(module, monkeypatch, lambda model, build, shape, tensor: build(shape)(tensor))
    found = module.run(digits, epochs=4, verbose=0)
    assert found['variables_made'] == 8 and found['once_difference'] > 0.1
    assert found['once_error'] > found['noisy_error']
