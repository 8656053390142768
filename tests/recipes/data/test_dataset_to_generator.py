import threading
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K

EPOCHS, BATCH, STEPS = 3, 64, 23


@pytest.fixture
def trained(monkeypatch):
    """The batches that Keras has trained on, each as the list of its images' bytes."""
    batches, train_on_batch = [], keras.models.Sequential.train_on_batch

    def recorded(self, x, y, **kwargs):
        batches.append(list(map(bytes, x)))
        return train_on_batch(self, x, y, **kwargs)

    monkeypatch.setattr(keras.engine.training.Model, 'train_on_batch', recorded)
    return batches


def epochs_of(batches):
    return [sum(batches[i : i + STEPS], []) for i in range(0, len(batches), STEPS)]


def test_every_sample_once_an_epoch(module, digits, trained):
    found = module.run(digits, epochs=EPOCHS, batch_size=BATCH, verbose=0)
    assert [len(batch) for batch in trained] == 2 * EPOCHS * (22 * [64] + [29])
    epochs = epochs_of(trained)
    everything = sorted(map(bytes, digits.x_train))
    assert len(epochs) == 2 * EPOCHS and all(sorted(epoch) == everything for epoch in epochs)
    assert epochs[0] != epochs[1] and epochs[EPOCHS] != epochs[EPOCHS + 1]  # shuffled anew
    for name in ('generator', 'sequence'):
        assert found[name + '_test_accuracy'] > 0.7  # chance is 0.1


def test_two_workers_share_the_sequence_and_keep_its_order(module, digits, trained, monkeypatch):
    get, threads, sequences = module.Batches.__getitem__, set(), []

    def slow(self, i):
        threads.add(threading.get_ident())
        sequences.append((i, list(map(bytes, get(self, i)[0]))))
        time.sleep(0.02 if i % 2 else 0)  # so that a later batch is done first
        return get(self, i)

    monkeypatch.setattr(module.Batches, '__getitem__', slow)
    module.run(digits, epochs=1, batch_size=BATCH, verbose=0)
    assert len(threads) == 2 and threading.get_ident() not in threads
    assert trained[STEPS:] == [batch for _, batch in sorted(sequences[:STEPS])]


def test_images_come_with_their_labels(module, digits):
    of_image = dict(zip(map(bytes, digits.x_train), digits.y_train))
    for x, y in (
        next(module.generator(digits.x_train, digits.y_train, BATCH)),
        module.Batches(digits.x_train, digits.y_train, BATCH)[5],
    ):
        assert [of_image[bytes(image)] for image in x] == y.argmax(1).tolist()


def test_the_graph_grows_only_without_the_line_that_matters(module, digits):
    def grown(stream):
        before = len(tf.get_default_graph().get_operations())
        for _ in range(5):
            next(stream)
        return len(tf.get_default_graph().get_operations()) - before

    assert grown(module.generator(digits.x_train, digits.y_train, BATCH)) == 0
    iterator = tf.data.Dataset.range(9).repeat().make_one_shot_iterator()
    assert grown(iter(lambda: K.get_session().run(iterator.get_next()), None)) >= 5


@pytest.fixture
def model(digits):
    model = keras.models.Sequential(
        [keras.layers.Flatten(input_shape=digits.x_train.shape[1:]), keras.layers.Dense(10, activation='softmax')]
    )
    model.compile('sgd', 'categorical_crossentropy')
    return model


@pytest.mark.not_on('tf1.15-keras2.3.1', reason="Keras 2.3 opens a session for the thread's own graph, which works")
def test_get_next_in_the_body_of_a_generator_is_in_another_graph(model, digits):
    dataset = tf.data.Dataset.from_tensor_slices((digits.x_train, np.eye(10)[digits.y_train])).batch(BATCH).repeat()

    def generator():
        batch = dataset.make_one_shot_iterator().get_next()
        while True:
            yield K.get_session().run(batch)

    with pytest.raises(ValueError, match='not an element of this graph'):
        model.fit_generator(generator(), steps_per_epoch=2, verbose=0, workers=1)


def test_a_python_generator_is_not_for_two_workers(module, model, digits):
    stream = module.generator(digits.x_train, digits.y_train, BATCH)

    def generator():
        for batch in stream:
            time.sleep(0.05)  # as long as any real work: the other worker comes in between
            yield batch

    with pytest.raises(RuntimeError, match='NOT thread-safe'):
        model.fit_generator(generator(), steps_per_epoch=10, verbose=0, workers=2)
