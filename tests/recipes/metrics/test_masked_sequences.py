import keras
import numpy as np
import pytest
import tensorflow as tf

PADDING = -1


def kept(model, x, y):
    """Labels of the real steps, and the logits for them."""
    real = y[..., 0] != PADDING
    return y[..., 0][real], model.predict(x)[real]


@pytest.fixture
def module(module, monkeypatch):
    """The recipe, which keeps the sequences that it makes, the test set's last."""
    padded_sequences = module.padded_sequences

    def keep(*args):
        module.test_set = padded_sequences(*args)
        return module.test_set

    monkeypatch.setattr(module, 'padded_sequences', keep)
    return module


@pytest.mark.parametrize('batch_size', [1, 32, 360])
def test_the_accuracy_is_that_of_the_real_steps(module, digits, batch_size):
    found = module.run(digits._replace(x_train=digits.x_train[:320]), epochs=1, batch_size=32, verbose=0)
    x, y = module.test_set
    labels, logits = kept(module.model, x, y)
    _, accuracy = module.model.evaluate(x, y, batch_size, verbose=0)
    assert accuracy == pytest.approx((logits.argmax(-1) == labels).mean(), abs=1e-6)
    assert found['test_accuracy'] == pytest.approx(accuracy, abs=1e-6)
    assert found['share_of_padding'] == pytest.approx(np.mean(y == PADDING)) and 0.3 < np.mean(y == PADDING) < 0.5


def test_it_learns(module, digits):
    found = module.run(digits, epochs=6, verbose=0)
    _, y = module.test_set
    most = np.bincount(y[y != PADDING]).max() / (y != PADDING).sum()
    assert found['test_accuracy'] > most + 0.2


def test_padding_alone_is_nothing(module):
    """One batch of three has no real step; neither loss nor accuracy nor weights notice."""
    random = np.random.RandomState(2)
    x, y = random.rand(12, 5, 4), random.randint(0, 3, (12, 5, 1))
    x[4:8], y[4:8] = PADDING, PADDING
    model = module.build_model((5, 4))
    labels = tf.placeholder(tf.float32, [None, None, 1])
    metric = module.StreamingMetric(module.accuracy_of_real_steps, sparse_labels=True)
    model.compile('sgd', module.loss_of_real_steps, [metric], target_tensors=[labels])
    labels, logits = kept(model, x, y)
    loss, accuracy = model.evaluate(x, y, 4, verbose=0)
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    each = -np.log(probabilities[np.arange(len(labels)), labels])
    assert accuracy == pytest.approx((logits.argmax(-1) == labels).mean(), abs=1e-6)
    assert loss == pytest.approx(each.sum() / len(labels) * 2 / 3, rel=1e-5)  # two of three batches, of equal size
    before = model.get_weights()
    assert model.train_on_batch(x[4:8], y[4:8])[0] == 0
    for old, new in zip(before, model.get_weights()):
        np.testing.assert_array_equal(old, new)


@pytest.mark.not_on('tf1.15-keras2.3.1', reason='Keras 2.3 gives 0 there')
def test_keras_own_mask_gives_nan_there():
    model = keras.models.Sequential([keras.layers.Masking(PADDING, input_shape=(5, 4))])
    model.add(keras.layers.LSTM(3, return_sequences=True))
    model.add(keras.layers.Dense(3))
    model.compile('sgd', 'mse')
    nothing = np.full((4, 5, 4), PADDING)
    assert np.isnan(model.train_on_batch(nothing, np.zeros((4, 5, 3))))
    assert any(np.isnan(w).any() for w in model.get_weights())


def test_without_the_mask_padding_counts(module, digits, monkeypatch):
    def all_steps(y_true):
        return tf.cast(tf.maximum(y_true[..., 0], 0), tf.int64), tf.ones_like(y_true[..., 0])

    monkeypatch.setattr(module, 'labels_and_mask', all_steps)
    found = module.run(digits, epochs=1, verbose=0)
    labels, logits = kept(module.model, *module.test_set)
    assert abs(found['test_accuracy'] - (logits.argmax(-1) == labels).mean()) > 0.02
