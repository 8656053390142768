import keras
import pytest
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import session

LOW, REST = 64 * 96 + 96, 96 * 64 + 64 + 64 * 10 + 10  # parameters of the two halves, by hand
ADAM = 3 * 4  # bytes for each: the weight and its two moments, in float32


@pytest.fixture
def module(module, monkeypatch):
    """The recipe, which keeps the table of what ran where."""
    ran_where = module.ran_where

    def keep(record):
        module.record, module.where = record, ran_where(record)
        return module.where

    monkeypatch.setattr(module, 'ran_where', keep)
    return module


def second(module, part):
    """Whether all that has `part` in its name, and whether anything, ran on the second device."""
    on_second = ['CPU:1' in device or 'GPU:1' in device for name, device in module.where.items() if part in name]
    assert on_second, part
    return all(on_second), any(on_second)


def test_split_it_is_the_same_model_to_the_last_bit(module, digits, monkeypatch):
    build_model, first = module.build_model, []

    def build(*args):
        model = build_model(*args)
        first.append(model.get_weights())
        return model

    monkeypatch.setattr(module, 'build_model', build)
    found = module.run(digits, epochs=3, batch_size=64, verbose=0)
    weights = [model.get_weights() for model in module.built]

    session.start(seed=0, threads=1)  # a second graph, with one device and without tf.device
    stack = [
        layers.Flatten(input_shape=(8, 8, 1)),
        layers.Dense(96, activation='relu'),
        layers.Dense(64, activation='relu'),
    ]
    plain = keras.models.Sequential(stack + [layers.Dense(10, activation='softmax')])
    plain.set_weights(first[0])
    plain.compile(tf.train.AdamOptimizer(), 'sparse_categorical_crossentropy', metrics=['accuracy'])
    plain.fit(digits.x_train, digits.y_train, batch_size=64, epochs=3, verbose=0, shuffle=False)
    assert [w.tobytes() for w in plain.get_weights()] == [w.tobytes() for w in weights[0]]
    assert [w.tobytes() for w in weights[1]] == [w.tobytes() for w in weights[0]]
    assert found['difference_from_one_device'] == 0
    accuracy = plain.evaluate(digits.x_test, digits.y_test, verbose=0)[1]
    assert found['test_accuracy'] == pytest.approx(accuracy, abs=1e-6) and accuracy > 0.6  # chance is 0.1


def test_each_half_lies_and_runs_on_its_device(module, digits):
    found = module.run(digits, epochs=1, verbose=0)
    # beside the moments Adam's two powers and Keras's count of steps, which is on no device by name
    assert found['bytes_on_first_device'] - LOW * ADAM in (4 + 4, 4 + 4 + 8)
    assert found['bytes_on_second_device'] == REST * ADAM
    assert found['second_half_on_first_device'] == 0
    assert second(module, 'low/') == (False, False)
    ways = ['%s/MatMul', '%s/kernel/Adam', 'gradients/%s/MatMul_grad/MatMul_1', 'update_%s/kernel/ApplyAdam']
    for part in (way % layer for way in ways for layer in ('middle', 'top')):
        assert second(module, part) == (True, True)
    # the graph's own word for it: each partition holds one device's operations and no other
    devices = [{node.device for node in graph.node} for graph in module.record.partition_graphs]
    assert sorted(map(len, devices)) == [1, 1] and set.union(*devices) == set(module.where.values())


def around_construction(shape, devices):
    images = layers.Input(shape)
    with tf.device(devices[0]):
        flat, low = layers.Flatten(), layers.Dense(96, activation='relu', name='low')
    with tf.device(devices[1]):
        middle = layers.Dense(64, activation='relu', name='middle')
        top = layers.Dense(10, activation='softmax', name='top')
    return keras.models.Model(images, top(middle(low(flat(images)))))


def test_around_the_construction_alone_it_places_nothing(module, digits, monkeypatch):
    monkeypatch.setattr(module, 'build_model', around_construction)
    found = module.run(digits, epochs=1, verbose=0)
    assert found['difference_from_one_device'] == 0  # nothing to be seen in the numbers
    assert second(module, '/') == (False, False)
    assert found['bytes_on_second_device'] == 0 and found['second_half_on_first_device'] >= 40


@pytest.mark.parametrize('known', [True, False])
def test_a_sequential_that_does_not_know_its_input_shape_places_nothing(digits, module, known):
    devices = module.two_devices()
    model = keras.models.Sequential([layers.Flatten(input_shape=(8, 8, 1)) if known else layers.Flatten()])
    with tf.device(devices[1]):
        model.add(layers.Dense(10, activation='softmax'))
    model.compile('sgd', 'sparse_categorical_crossentropy')
    model.train_on_batch(digits.x_train[:9], digits.y_train[:9])
    assert bool(model.layers[1].kernel.device) == known


def test_a_tf_optimizer_as_it_is_computes_all_gradients_on_the_first_device(module, digits, monkeypatch):
    monkeypatch.setattr(module, 'Adam', tf.train.AdamOptimizer)
    found = module.run(digits, epochs=1, verbose=0)
    assert found['difference_from_one_device'] == 0
    assert second(module, 'gradients/top/MatMul_grad/MatMul') == (False, False)
    assert second(module, 'gradients/middle/') == (False, False)
    assert second(module, 'top/kernel/Adam') == second(module, 'update_top/kernel/ApplyAdam') == (True, True)
    assert found['bytes_on_second_device'] == REST * ADAM and found['second_half_on_first_device'] > 10


def test_a_keras_optimizer_keeps_the_state_of_all_layers_on_the_first_device(module, digits, monkeypatch):
    monkeypatch.setattr(module, 'Adam', keras.optimizers.Adam)
    found = module.run(digits, epochs=1, verbose=0)
    assert second(module, 'gradients/top/MatMul_grad/MatMul') == (True, True)
    assert found['bytes_on_second_device'] == REST * 4  # the weights alone
    assert second(module, 'training/Adam/Variable') == (False, False)  # the moments


def test_a_mistyped_device_is_an_error_only_without_soft_placement(module, digits, monkeypatch):
    two_devices = module.two_devices
    monkeypatch.setattr(module, 'two_devices', lambda: two_devices()[:1] + ['/cpu:7'])
    found = module.run(digits, epochs=1, verbose=0)
    assert found['difference_from_one_device'] == 0 and found['bytes_on_second_device'] == 0
    assert second(module, '/') == (False, False)
    K.clear_session()
    K.set_session(tf.Session(config=tf.ConfigProto(device_count={'CPU': 2}, allow_soft_placement=False)))
    monkeypatch.setattr(module, 'two_devices', lambda: ['/cpu:0', '/cpu:7'])
    with pytest.raises(tf.errors.InvalidArgumentError, match='Cannot assign a device for operation'):
        module.run(digits, epochs=1, verbose=0)
