"""Layers in Keras 3 against those of the recipes, on the same arrays and weights; what differs, differing."""

import arrays
import keras
import numpy as np
import pytest
from arrays import floats, random
from numpy.testing import assert_allclose
from scipy import ndimage
from sides import gradient_of, twin, with_weights


def test_custom_layer(old):
    x, _, real = arrays.sequences('custom_layer')
    x, real = np.where(real[..., np.newaxis], x, 0)[:8], real[:8]
    r = random('custom_layer weights')
    attention = twin('layers/custom_layer').Attention(5)
    model = keras.Sequential([keras.Input((None, 4)), keras.layers.Masking(), attention])
    kernel, query = floats(r, 4, 5), floats(r, 5)
    with_weights(model, [kernel, query])
    found = model.predict(x, verbose=0)
    assert_allclose(found, old('layers/custom_layer', 'value'), atol=1e-5)
    padded = np.pad(x, ((0, 0), (0, 3), (0, 0)))
    assert_allclose(model.predict(padded, verbose=0), found, atol=1e-5)
    assert_allclose(found, old('layers/custom_layer', 'longer'), atol=1e-5)
    for n, steps in enumerate(real):  # the padding left out
        kept = x[n][steps].astype(float)
        share = np.exp(np.tanh(kept @ kernel) @ query)
        assert_allclose(found[n], share @ kept / share.sum(), atol=1e-5)
    model.save('attention.keras')
    assert_allclose(keras.models.load_model('attention.keras').predict(x, verbose=0), found)  # no custom_objects


def test_gradient_reversal(old):
    reverse = twin('layers/gradient_reversal').Reversal()
    x = floats(random('gradient_reversal'), 5, 4)
    assert_allclose(keras.ops.square(reverse(x)), old('layers/gradient_reversal', 'value'), rtol=1e-6)
    gradient = gradient_of(lambda x: keras.ops.square(reverse(x)), x)
    assert_allclose(gradient, old('layers/gradient_reversal', 'gradient'), rtol=1e-6)
    assert_allclose(gradient, -0.3 * 2 * x, rtol=1e-5)


def test_lambda_op(old):
    module = twin('layers/lambda_op')
    x = floats(random('lambda_op'), 5, 6, 7, 1)
    found = module.amplitudes(x)
    assert_allclose(found, old('layers/lambda_op', 'value'), rtol=1e-4, atol=1e-4)
    assert_allclose(found, np.abs(np.fft.rfft2(x[..., 0].astype(float))).reshape(5, -1), rtol=1e-4, atol=1e-4)
    model = module.build_model((6, 7, 1), 3)
    model.save('named.keras')
    assert_allclose(keras.models.load_model('named.keras').predict(x, verbose=0), model.predict(x, verbose=0))
    keras.Sequential([keras.Input((6,)), keras.layers.Lambda(lambda x: 2 * x)]).save('unnamed.keras')
    with pytest.raises(ValueError, match='safe_mode|unsafe'):
        keras.models.load_model('unnamed.keras')
    loaded = keras.models.load_model('unnamed.keras', safe_mode=False)
    assert (loaded.predict(np.ones((2, 6)), verbose=0) == 2).all()


def test_py_func_layer(old):
    module = twin('layers/py_func_layer')
    x = floats(random('py_func_layer'), 3, 6, 6, 2)
    layer = module.Contrast()
    assert_allclose(keras.ops.square(layer(x)), old('layers/py_func_layer', 'value'), rtol=1e-4, atol=1e-6)
    gradient = gradient_of(lambda x: keras.ops.square(layer(x)), x)
    assert_allclose(gradient, old('layers/py_func_layer', 'gradient'), rtol=1e-4, atol=1e-5)
    change = np.zeros(x.shape)
    change[1, 2, 3, 0] = 1e-5
    both = [
        ((x + s * change) / np.sqrt(1 + ndimage.gaussian_filter((x + s * change) ** 2, (0, 1, 1, 0), mode='constant')))
        for s in (1, -1)
    ]
    assert_allclose(gradient[1, 2, 3, 0], ((both[0] ** 2).sum() - (both[1] ** 2).sum()) / 2e-5, rtol=1e-3)


def test_py_func_layer_without_a_gradient_is_an_error():
    import jax

    def plain(x):
        return jax.pure_callback(lambda x: 2 * np.asarray(x), jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    with pytest.raises(ValueError, match='JVP|differentiat'):
        gradient_of(plain, np.ones(3, 'float32'))


def test_while_loop(old):
    r = random('while_loop')
    x, decay = floats(r, 5, 7, 3), r.uniform(0.2, 0.9, 3).astype('float32')
    layer = twin('layers/while_loop').LeakyMemory()
    layer.build(x.shape)
    layer.set_weights([decay])
    found = np.array(layer(x))
    assert_allclose(found, old('layers/while_loop', 'value'), atol=1e-5)
    closed = [sum(decay ** (t - s) * x[:, s].astype(float) for s in range(t + 1)) for t in range(7)]
    assert_allclose(found, np.stack(closed, 1), atol=1e-5)

    def square(decay):
        out, _ = layer.stateless_call([decay], [], x)
        return keras.ops.square(out)

    assert_allclose(gradient_of(square, decay), old('layers/while_loop', 'gradient'), rtol=1e-4)


def test_tf_rnn_cell(old):
    x, units = floats(random('tf_rnn_cell'), 5, 7, 4), 6
    weights = arrays.cell('tf_rnn_cell', units, 4)
    cell = twin('layers/tf_rnn_cell').LayerNormLSTMCell(units)
    model = keras.Sequential([keras.Input((7, 4)), keras.layers.RNN(cell, return_sequences=True)])
    with_weights(model, list(weights.values()))  # in the order in which tf.contrib.rnn makes them
    assert len(model.trainable_weights) == 11
    assert_allclose(model.predict(x, verbose=0), old('layers/tf_rnn_cell', 'value'), atol=1e-5)


def test_frozen_batch_norm(old):
    module = twin('layers/frozen_batch_norm')
    x = floats(random('frozen_batch_norm'), 9, 6, 6, 1)
    weights = arrays.convolution('frozen_batch_norm', 16)
    base = with_weights(module.build_base((6, 6, 1)), weights)
    free = np.array(base(x, training=True))
    module.build_model(base, 10)
    base.set_weights(weights)  # the call above moved the statistics
    learned = old('layers/frozen_batch_norm', 'kept')
    assert_allclose(base(x, training=True), learned, atol=1e-4)
    assert_allclose(base(x, training=False), learned, atol=1e-4)
    assert_allclose(old('layers/frozen_batch_norm', 'kept_in_training'), learned, atol=1e-5)
    # Keras 2.2.4 without training=False: the statistics of the batch, as here where it is not frozen
    assert_allclose(old('layers/frozen_batch_norm', 'frozen_alone_in_training'), free, atol=1e-4)
    assert np.abs(free - learned).max() > 0.1
    kernel, bias, gamma, beta, mean, variance = [w.astype(float) for w in weights]
    windows = np.lib.stride_tricks.sliding_window_view(x[..., 0], (3, 3), (1, 2))
    conv = np.einsum('nhwij,ijf->nhwf', windows, kernel[:, :, 0]) + bias
    exact = np.maximum((conv - mean) / np.sqrt(variance + 1e-3) * gamma + beta, 0).reshape(9, -1)
    assert_allclose(base(x, training=True), exact, atol=1e-4)


def test_initializers_regularizers_constraints(old):
    layer = twin('layers/initializers_regularizers_constraints').dense(500)
    weights = floats(random('constraints'), 12, 5)
    penalty = float(layer.kernel_regularizer(weights))
    assert_allclose(penalty, old('layers/initializers_regularizers_constraints', 'penalty'), rtol=1e-5)
    whole = float(keras.regularizers.L1L2(1e-4, 1e-3)(weights))  # the factors as they were
    assert_allclose(whole - penalty, 1e-3 / 2 * (weights.astype(float) ** 2).sum(), rtol=1e-3)
    bounded = layer.kernel_constraint(weights / 3)
    assert_allclose(bounded, old('layers/initializers_regularizers_constraints', 'bounded'), atol=1e-6)
    norms = np.linalg.norm(weights / 3, axis=0)
    assert (norms > 0.5).any() and (np.linalg.norm(bounded, axis=0) < 0.5001).all()
    layer.build((None, 200))
    start = layer.get_weights()[0]
    assert np.abs(start).max() <= 0.1001  # two deviations of 0.05
    assert abs(start.std() / 0.05 - 0.8796) < 0.01  # of the truncated normal distribution


def test_image_augmentation(old):
    x = random('image_augmentation').rand(3, 9, 9, 1).astype('float32')
    random_rotation = twin('layers/image_augmentation').random_rotation(30)
    assert (np.array(random_rotation(x, training=False)) == x).all()
    by_20 = keras.layers.RandomRotation((20 / 360, 20 / 360), 'constant', fill_value=0.0)
    was = old('layers/image_augmentation', 'turned')
    found = np.array(by_20(x, training=True))
    assert_allclose(found, was, atol=1e-4)
    reflected = keras.layers.RandomRotation((20 / 360, 20 / 360))(x, training=True)
    assert np.abs(np.array(reflected) - was).max() > 0.1


def test_image_augmentation_turns_each_image_by_an_angle_of_its_own():
    x = np.zeros((200, 15, 15, 1), 'float32')
    x[:, 7, 7:] = 1  # a hand that points to the right
    turned = np.array(twin('layers/image_augmentation').random_rotation(30)(x, training=True))[..., 0]
    rows, columns = np.mgrid[-7:8, -7:8]
    angles = np.degrees(np.arctan2((turned * rows).sum((1, 2)), (turned * columns).sum((1, 2))))
    assert np.abs(angles).max() < 32 and abs(angles.mean()) < 5 and abs(angles.std() - 60 / np.sqrt(12)) < 3


def test_foreign_variables(old):
    module = twin('layers/foreign_variables')
    x, weights = floats(random('foreign_variables'), 9, 6), arrays.features('foreign_variables', 6, 64)
    names = {
        'dense/kernel': 'kernel',
        'dense/bias': 'bias',
        'norm/gamma': 'gamma',
        'norm/beta': 'beta',
        'scale': 'scale',
    }
    found = module.features({names[k]: w for k, w in weights.items()}, x)
    assert_allclose(found, old('layers/foreign_variables', 'value'), rtol=1e-4, atol=1e-4)

    model = module.build_model((6,), 3)
    layer = model.get_layer('features')
    assert len(layer.trainable_weights) == 5
    before = layer.get_weights()
    model.compile('sgd', keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.train_on_batch(x, np.arange(9) % 3)
    after = layer.get_weights()
    assert all((a != b).any() for a, b in zip(after, before))  # trained
    model.save_weights('model.weights.h5')
    other = module.build_model((6,), 3)
    other.load_weights('model.weights.h5')
    assert_allclose(other.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-6)  # and saved


def test_foreign_variables_made_by_the_layer_itself_need_tensorflow():
    import jax.numpy as jnp

    layer = keras.layers.JaxLayer(lambda params, inputs: inputs * params, lambda rng, inputs: jnp.ones(1))
    with pytest.raises(ImportError, match='tensorflow'):
        layer.build((None, 6))
