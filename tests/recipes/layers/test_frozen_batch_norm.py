import keras
import numpy as np
import pytest
from keras import backend as K


@pytest.fixture
def base(module):
    """A base whose BatchNormalization has statistics, gamma and beta of its own."""
    base = module.build_base((8, 8, 1))
    random = np.random.RandomState(1)
    base.layers[1].set_weights([random.uniform(0.5, 2, 16) for _ in range(4)])
    return base


def in_training(model, x):
    """What the new layer gets in training."""
    features = K.function([model.input, K.learning_phase()], [model.layers[-1].input])
    return features([x, 1])[0]


def test_in_training_it_normalises_by_what_was_learned(module, base, digits):
    x = digits.x_test[:20]
    model = module.build_model(base, True)
    convolution = keras.models.Model(base.input, base.layers[0].get_output_at(0)).predict(x)
    gamma, beta, mean, variance = base.layers[1].get_weights()
    expected = gamma * (convolution - mean) / np.sqrt(variance + 1e-3) + beta
    expected = np.maximum(expected, 0).reshape(20, -1)
    np.testing.assert_allclose(in_training(model, x), expected, atol=1e-4)
    np.testing.assert_allclose(base.predict(x), expected, atol=1e-4)


def test_frozen_alone_it_normalises_by_the_batch(module, base, digits):
    x = digits.x_test[:20]
    model = module.build_model(base, False)
    convolution = keras.models.Model(base.input, base.layers[0].get_output_at(0)).predict(x)
    gamma, beta, _, _ = base.layers[1].get_weights()
    mean, variance = convolution.mean((0, 1, 2)), convolution.var((0, 1, 2))
    expected = gamma * (convolution - mean) / np.sqrt(variance + 1e-3) + beta
    np.testing.assert_allclose(in_training(model, x), np.maximum(expected, 0).reshape(20, -1), atol=1e-4)
    assert np.abs(in_training(model, x) - base.predict(x)).max() > 0.5


def test_nothing_of_the_base_moves(module, base, digits):
    before = base.get_weights()
    model = module.build_model(base, True)
    model.compile('adam', 'sparse_categorical_crossentropy')
    model.fit(digits.x_train[:64], digits.y_train[:64], verbose=0)
    for old, new in zip(before, base.get_weights()):
        np.testing.assert_array_equal(old, new)
    assert len(model.trainable_weights) == 2 and model.updates == []


@pytest.mark.not_on('tf1.15-keras2.3.1', reason='in Keras 2.3 moving averages begin at 0 and 1')
def test_fine_tuning_works_and_frozen_alone_fails(module, digits):
    found = module.run(digits, verbose=0)
    model, alone = module.built
    x = 0.2 * digits.x_test
    assert found['test_accuracy'] == pytest.approx((model.predict(x).argmax(1) == digits.y_test).mean(), abs=1e-6)
    wrong = (alone.predict(x).argmax(1) == digits.y_test).mean()
    assert found['test_accuracy_frozen_alone'] == pytest.approx(wrong, abs=1e-6)
    assert found['test_accuracy'] > 0.8 > 0.5 > wrong
    # training looks as good in both: it does not show the fault
    assert found['train_loss_frozen_alone'] < 0.1 and found['test_loss_frozen_alone'] > 3 * found['test_loss']


def test_it_works_on_images_of_mnists_size(module, digits):
    """Many more features reach the new layer there, so that too high a rate ends in 0 or 1 for every class."""
    margin = [(0, 0), (2, 2), (2, 2), (0, 0)]
    large = [np.pad(np.kron(x, np.ones((1, 3, 3, 1))), margin, 'constant') for x in (digits.x_train, digits.x_test)]
    found = module.run(digits._replace(x_train=large[0], x_test=large[1]), epochs=8, verbose=0)
    assert found['test_accuracy'] > 0.8 > found['test_accuracy_frozen_alone']
    assert found['train_loss'] < 1
