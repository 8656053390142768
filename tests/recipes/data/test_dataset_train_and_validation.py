import collections

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K
from keras import layers

TRAIN, TEST, EPOCHS = 1437, 360, 3


@pytest.fixture
def module(module, monkeypatch):
    """The recipe, which writes down the learning phase and the samples' numbers of every batch."""
    build_model = module.build_model
    module.read = []

    def record(x):
        def write(images, phase):
            module.read.append((bool(phase), np.rint(images[:, 0, 0, 0] * 4096).astype(int).tolist()))

        with tf.control_dependencies([tf.py_func(write, [x, K.learning_phase()], [])]):
            return tf.identity(x)

    def build(shape):
        return keras.models.Sequential([layers.Lambda(record, input_shape=shape)] + build_model(shape).layers)

    monkeypatch.setattr(module, 'build_model', build)
    return module


@pytest.fixture
def numbered(digits):
    """The digits, whose first pixel, always 0, says which sample it is: the test set goes on where training ends."""
    x_train, x_test = digits.x_train.copy(), digits.x_test.copy()
    x_train[:, 0, 0, 0] = np.arange(TRAIN) / 4096
    x_test[:, 0, 0, 0] = np.arange(TRAIN, TRAIN + TEST) / 4096
    return digits._replace(x_train=x_train, x_test=x_test)


def samples(read, phase):
    return [i for p, batch in read if p == phase for i in batch]


def test_every_sample_is_read_once_an_epoch_in_its_own_phase(module, numbered):
    found = module.run(numbered, epochs=EPOCHS, verbose=0)
    of_fit = module.read[: EPOCHS * (23 + 1)]  # what follows is predict
    assert [phase for phase, _ in of_fit] == EPOCHS * ([True] * 23 + [False])
    for epoch in range(EPOCHS):
        part = of_fit[24 * epoch : 24 * (epoch + 1)]
        assert sorted(samples(part, True)) == list(range(TRAIN))
        assert samples(part, False) == list(range(TRAIN, TRAIN + TEST))
    assert samples(of_fit[:24], True) != samples(of_fit[24:], True)  # shuffled anew
    assert found['val_accuracy'] == pytest.approx(found['test_accuracy'], abs=1e-6)
    assert found['test_accuracy'] > 0.6  # chance is 0.1


def test_without_the_switch_it_validates_on_the_training_pipeline(module, numbered, monkeypatch):
    class Recipes:  # what the recipe, and only the recipe, takes for tensorflow
        cond = staticmethod(lambda phase, train, test: train())

        def __getattr__(self, name):
            return getattr(tf, name)

    monkeypatch.setattr(module, 'tf', Recipes())
    module.run(numbered, epochs=EPOCHS, verbose=0)
    of_fit = module.read[: EPOCHS * 24]
    validated = samples(of_fit, False)
    assert len(validated) > 0 and max(validated) < TRAIN
    counts = collections.Counter(samples(of_fit, True))
    assert [counts[i] for i in range(TRAIN)] != [EPOCHS] * TRAIN  # some were taken for validation


def test_without_a_learning_phase_it_would_train_on_the_test_set(module, numbered, monkeypatch):
    build_model = module.build_model

    def without_dropout(shape):
        return keras.models.Sequential([x for x in build_model(shape).layers if not isinstance(x, layers.Dropout)])

    monkeypatch.setattr(module, 'build_model', without_dropout)
    with pytest.raises(ValueError, match='learning phase'):
        module.run(numbered, epochs=1, verbose=0)

    model_class = keras.models.Model

    class Unguarded(model_class):  # and if the recipe did not ask
        uses_learning_phase, validates = 'not asked', True

        def compile(self, *args, **kwargs):
            type(self).uses_learning_phase = model_class.uses_learning_phase
            super().compile(*args, **kwargs)

        def fit(self, validation_steps, **kwargs):
            if self.validates:
                return super().fit(validation_steps=validation_steps, **kwargs)
            history = super().fit(**kwargs)
            history.history['val_acc'] = [0]
            return history

    monkeypatch.setattr(module.keras.models, 'Model', Unguarded)
    with pytest.raises(UnboundLocalError, match='val_in(s|puts)'):
        module.run(numbered, epochs=1, verbose=0)
    monkeypatch.setattr(Unguarded, 'uses_learning_phase', 'not asked')
    monkeypatch.setattr(Unguarded, 'validates', False)
    module.run(numbered, epochs=1, verbose=0)
    trained_on = [i for _, batch in module.read[:23] for i in batch]
    assert len(trained_on) == 23 * TEST and min(trained_on) >= TRAIN
