import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K

from tensorflow_with_keras import session

DECAY, EPOCHS = 0.98, 2


class Record(keras.callbacks.Callback):
    """The weights as training begins and after every batch."""

    def on_train_begin(self, logs=None):
        self.weights = [self.model.get_weights()]

    def on_batch_end(self, batch, logs=None):
        self.weights.append(self.model.get_weights())


def trained(module, digits, callbacks):
    """The model after fit, from the same weights with the same batches each time."""
    session.start(seed=0, threads=1)
    np.random.seed(0)
    model = module.build_model(digits.x_train.shape[1:])
    model.compile(tf.train.MomentumOptimizer(0.1, momentum=0.9), 'categorical_crossentropy', metrics=['accuracy'])
    y = np.eye(10)[digits.y_train]
    model.fit(digits.x_train, y, batch_size=64, epochs=EPOCHS, verbose=0, callbacks=callbacks)
    return model


def test_the_averages_are_numpys(module, digits):
    average, record = module.MovingAverage(digits.x_test, np.eye(10)[digits.y_test]), Record()
    model = trained(module, digits, [record, average])
    assert len(record.weights) == EPOCHS * 23 + 1
    expected = [w.astype(float) for w in record.weights[0]]
    for weights in record.weights[1:]:
        expected = [DECAY * e + (1 - DECAY) * w for e, w in zip(expected, weights)]
    found = K.batch_get_value(average.averages)
    for a, b in zip(found, expected):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert max(np.abs(a - b).max() for a, b in zip(found, model.get_weights())) > 0.05

    model.set_weights(expected)  # and what the callback logged is the loss and the accuracy of these
    predicted = model.predict(digits.x_test)
    logs = model.history.history
    entropy = -np.log(predicted[np.arange(len(predicted)), digits.y_test]).mean()
    assert logs['val_average_loss'][-1] == pytest.approx(entropy, abs=1e-4)
    assert logs['val_average_acc'][-1] == pytest.approx(np.mean(predicted.argmax(1) == digits.y_test), abs=1e-6)


def test_training_is_the_same_as_without_the_callback(module, digits):
    average = module.MovingAverage(digits.x_test, np.eye(10)[digits.y_test])
    with_it, without = trained(module, digits, [average]).get_weights(), trained(module, digits, []).get_weights()
    for a, b in zip(with_it, without):
        np.testing.assert_array_equal(a, b)


def test_not_swapped_back_the_training_is_another(module, digits):
    class NotSwappedBack(module.MovingAverage):
        def on_epoch_end(self, epoch, logs=None):
            K.batch_set_value(zip(self.variables, K.batch_get_value(self.averages)))

    average = NotSwappedBack(digits.x_test, np.eye(10)[digits.y_test])
    with_it, without = trained(module, digits, [average]).get_weights(), trained(module, digits, []).get_weights()
    assert max(np.abs(a - b).max() for a, b in zip(with_it, without)) > 0.05


def test_the_graph_does_not_grow_but_would_with_apply_in_every_batch(module, digits):
    class AppliedInEveryBatch(module.MovingAverage):
        def on_batch_end(self, batch, logs=None):
            K.get_session().run(tf.train.ExponentialMovingAverage(self.decay).apply(self.variables))

    class Sizes(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.sizes = getattr(self, 'sizes', []) + [len(tf.get_default_graph().get_operations())]

    sizes = Sizes()
    trained(module, digits, [module.MovingAverage(digits.x_test, np.eye(10)[digits.y_test]), sizes])
    assert sizes.sizes[-1] - sizes.sizes[0] < 50
    sizes = Sizes()
    with pytest.raises(tf.errors.FailedPreconditionError):  # and nobody has initialised the new variables
        trained(module, digits, [AppliedInEveryBatch(digits.x_test, np.eye(10)[digits.y_test]), sizes])


def test_the_recipe_on_digits(module, digits):
    found = module.run(digits, epochs=4, batch_size=16, verbose=0)
    assert found['val_average_acc'] > 0.8 and found['val_acc'] > 0.5  # chance is 0.1
    assert found['val_average_loss'] < found['val_loss']
    loss, accuracy = module.model.evaluate(digits.x_test, np.eye(10)[digits.y_test], verbose=0)
    assert (found['val_loss'], found['val_acc']) == pytest.approx((loss, accuracy), rel=1e-6)
