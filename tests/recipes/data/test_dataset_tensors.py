import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K

from tensorflow_with_keras import session

EPOCHS, BATCH, STEPS = 3, 64, 23


@pytest.fixture
def module(module, monkeypatch):
    """The recipe, which keeps the weights that its model began with."""
    build_model = module.build_model

    def build(shape):
        model = build_model(shape)
        module.initial = model.get_weights()
        return model

    monkeypatch.setattr(module, 'build_model', build)
    return module


def test_the_same_run_from_arrays_gives_the_same_weights(module, digits):
    found = module.run(digits, epochs=EPOCHS, batch_size=BATCH, verbose=0)
    weights, predicted = module.model.get_weights(), module.model.predict(digits.x_test)
    initial = module.initial

    session.start(seed=0, threads=1)  # a second graph: the batches as arrays, and a model on placeholders
    get_next = module.batches(digits.x_train, digits.y_train, BATCH).get_next()
    batches = [K.get_session().run(get_next) for _ in range(EPOCHS * STEPS)]
    first, second = (np.concatenate([x for x, _ in batches[i : i + STEPS]]) for i in (0, STEPS))
    assert len(first) == len(digits.x_train) and not np.array_equal(first, second)
    np.testing.assert_array_equal(sorted(map(bytes, first)), sorted(map(bytes, digits.x_train)))
    of_image = dict(zip(map(bytes, digits.x_train), digits.y_train))
    assert all(of_image[bytes(x)] == y.argmax() for x, y in zip(*batches[0]))

    model = module.build_model(digits.x_train.shape[1:])
    model.set_weights(initial)
    model.compile(loss='categorical_crossentropy', optimizer=tf.train.AdamOptimizer(0.005))
    losses = [model.train_on_batch(x, y) for x, y in batches]
    for a, b in zip(weights, model.get_weights()):
        np.testing.assert_allclose(a, b, atol=1e-6)
    np.testing.assert_allclose(predicted, model.predict(digits.x_test), atol=1e-6)
    # counted in steps, every batch weighs the same
    assert found['train_loss'] == pytest.approx(np.mean(losses[-STEPS:]), abs=1e-6)
    assert found['test_accuracy'] == np.mean(predicted.argmax(1) == digits.y_test)
    assert found['test_accuracy'] > 0.7  # chance is 0.1


def test_built_straight_on_the_tensors_it_takes_no_arrays(module, digits):
    images, labels = module.batches(digits.x_train, digits.y_train, BATCH).get_next()
    inputs = keras.layers.Input(tensor=images)
    outputs = inputs
    for layer in module.build_model(digits.x_train.shape[1:]).layers:
        outputs = layer(outputs)
    model = keras.models.Model(inputs, outputs)
    model.compile(loss='categorical_crossentropy', optimizer='sgd', target_tensors=[labels])
    model.fit(steps_per_epoch=1, verbose=0)
    with pytest.raises(ValueError, match='expected no data'):
        model.predict(digits.x_test)
    with pytest.raises(ValueError, match='expected no data'):
        model.evaluate(digits.x_test, keras.utils.to_categorical(digits.y_test))


@pytest.mark.not_on('tf1.15-keras2.3.1', reason='resource variables are read before they are written')
def test_keras_optimizers_mix_new_weights_into_the_gradient(load_recipe, digits):
    """On tensors the first layer's gradient is that of the second layer's updated weights; on arrays it is right."""
    rate, first_update = 0.1, {}
    optimizers = {'keras': lambda: keras.optimizers.SGD(rate), 'tf': lambda: tf.train.GradientDescentOptimizer(rate)}
    for name, optimizer in optimizers.items():
        module = load_recipe('data/dataset_tensors')
        session.order_updates(False)  # Keras as it is: one thread alone does not make it wait
        images, labels = module.batches(digits.x_train, digits.y_train, BATCH).get_next()
        network = module.build_model(digits.x_train.shape[1:])
        w, b, v, c = network.get_weights()
        inputs = keras.layers.Input(tensor=images)
        model = keras.models.Model(inputs, network(inputs))
        model.compile(loss='categorical_crossentropy', optimizer=optimizer(), target_tensors=[labels])
        model.fit(steps_per_epoch=1, verbose=0)
        first_update[name] = network.get_weights()[0] - w
    module = load_recipe('data/dataset_tensors')
    x, y = K.get_session().run(module.batches(digits.x_train, digits.y_train, BATCH).get_next())
    x = x.reshape(BATCH, -1)
    hidden = np.maximum(x @ w + b, 0)
    p = np.exp(hidden @ v + c)
    error = (p / p.sum(1, keepdims=True) - y) / BATCH
    right, mixed = (-rate * x.T @ (error @ m.T * (hidden > 0)) for m in (v, v - rate * hidden.T @ error))
    np.testing.assert_allclose(first_update['tf'], right, atol=1e-6)
    np.testing.assert_allclose(first_update['keras'], mixed, atol=1e-6)
    assert np.abs(right - mixed).max() > 1e-4


def test_two_calls_of_get_next_part_the_images_from_their_labels(module, digits, monkeypatch):
    batches = module.batches

    class TwoCalls:
        def __init__(self, *args):
            self.iterator = batches(*args)

        def get_next(self):
            return self.iterator.get_next()[0], self.iterator.get_next()[1]

    monkeypatch.setattr(module, 'batches', TwoCalls)
    # 479 divides 1437: with a short last batch the shapes would disagree, and that is an error
    assert module.run(digits, epochs=10, batch_size=479, verbose=0)['test_accuracy'] < 0.3
