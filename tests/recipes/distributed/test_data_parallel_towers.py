import collections

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K
from keras import layers
from keras.utils import multi_gpu_utils

from tensorflow_with_keras import session

EPOCHS, BATCH = 2, 64  # 1437 = 22 * 64 + 29, an odd number


@pytest.fixture
def module(module, monkeypatch):
    """The recipe, whose networks begin with the same weights and see the images in the same order."""
    build_model = module.build_model

    def build(shape):
        model, random = build_model(shape), np.random.RandomState(3)
        model.set_weights([random.randn(*w.shape) / 8 for w in model.get_weights()])
        np.random.seed(7)
        return model

    monkeypatch.setattr(module, 'build_model', build)
    return module


def on_one_device(module, data, rate=0.05, batch_size=BATCH):
    """The weights after Keras's fit with its own SGD, in a second graph, the last batch's loss, and the accuracy."""

    def entropy(y_true, y_pred):
        return K.categorical_crossentropy(y_true, y_pred, from_logits=True)

    session.start(seed=0, threads=1)
    model, losses = module.build_model(data.x_train.shape[1:]), []
    model.compile(keras.optimizers.SGD(rate, momentum=0.9), entropy, metrics=['accuracy'])
    record = keras.callbacks.LambdaCallback(on_batch_end=lambda batch, logs: losses.append(logs['loss']))
    y_train, y_test = (keras.utils.to_categorical(y, 10) for y in (data.y_train, data.y_test))
    model.fit(data.x_train, y_train, batch_size, EPOCHS, verbose=0, callbacks=[record])
    return model.get_weights(), losses[-1], model.evaluate(data.x_test, y_test, verbose=0)[1]


@pytest.mark.parametrize('gpus, expected', [(0, 'CPU'), (1, 'CPU'), (2, 'GPU'), (3, 'GPU')])
def test_two_gpus_or_more_are_taken_and_else_two_cpu_devices(module, monkeypatch, gpus, expected):
    def listed(session):
        cpus = session._config.device_count['CPU']
        return [Device(kind, '%s:%d' % (kind, i)) for kind, n in (('CPU', cpus), ('GPU', gpus)) for i in range(n)]

    Device = collections.namedtuple('Device', 'device_type name')
    monkeypatch.setattr(tf.Session, 'list_devices', listed)
    assert module.all_devices() == ['%s:%d' % (expected, i) for i in range(max(2, gpus))]


def furthest(weights, others):
    return max(np.abs(a - b).max() for a, b in zip(weights, others))


def fewer(digits, n):
    return digits._replace(x_train=digits.x_train[:n], y_train=digits.y_train[:n])


class RecipesTensorFlow:
    """TensorFlow, but for a mean in each tower, which is divided by `parts`."""

    def __init__(self, parts):
        self.reduce_sum, self.to_float = tf.reduce_mean, lambda count: parts

    def __getattr__(self, name):
        return getattr(tf, name)


@pytest.mark.parametrize('towers', [2, 3])
def test_the_towers_are_one_device_with_the_whole_batch(module, digits, monkeypatch, towers):
    all_devices = module.all_devices
    monkeypatch.setattr(module, 'all_devices', lambda: (all_devices() * 2)[:towers])
    found = module.run(digits, epochs=EPOCHS, batch_size=BATCH, verbose=0)
    weights = module.model.get_weights()
    expected, loss, accuracy = on_one_device(module, digits)
    assert found['towers'] == towers and furthest(weights, expected) < 1e-6
    assert found['last_loss'] == pytest.approx(loss, abs=1e-6)
    assert found['test_accuracy'] == pytest.approx(accuracy, abs=1e-6)
    assert accuracy > 0.75  # chance is 0.1


def step_of(module, model, devices):
    """The recipe's step on a model, and what it has to be fed for the first images of digits."""
    images, labels = model.input, tf.placeholder(tf.float32, [None, 10])
    step = module.training_step(model, devices, images, labels)
    return step, lambda data, n: {images: data.x_train[:n], labels: np.eye(10)[data.y_train[:n]], K.learning_phase(): 1}


def test_every_tower_computes_on_its_device_and_the_weights_are_on_the_first(module, digits):
    devices = module.all_devices()
    step, feed = step_of(module, module.build_model((8, 8, 1)), devices)
    record = tf.RunMetadata()
    K.get_session().run(step, feed(digits, 9), tf.RunOptions(output_partition_graphs=True), record)
    ran = [node for graph in record.partition_graphs for node in graph.node]
    for i, device in enumerate(devices):
        tower = [node for node in ran if node.name.startswith('tower_%d/' % i) and node.op not in ('_Send', '_Recv')]
        assert {node.device for node in tower} == {device}
        types = {node.op for node in tower}
        assert types >= {'MatMul', 'Relu', 'ReluGrad', 'BiasAddGrad', 'SoftmaxCrossEntropyWithLogits'}
    variables = [node.device for node in ran if node.op == 'VariableV2']
    assert len(variables) == 8 and all('CPU:0' in device for device in variables)  # 4 weights, 4 momenta
    assert sum(node.op == 'ApplyMomentum' for node in ran) == 4  # once each


def readers_not_waited_for(module):
    """The towers' operations that read a weight, and that may run after it has changed."""
    session.start(seed=0, threads=1)
    step_of(module, module.build_model((8, 8, 1)), ['/cpu:0', '/cpu:1'])
    readers, late = 0, []
    for update in (op for op in tf.get_default_graph().get_operations() if op.type == 'ApplyMomentum'):
        before, todo = set(), [update]
        while todo:
            op = todo.pop()
            fresh = ({t.op for t in op.inputs} | set(op.control_inputs)) - before
            before |= fresh
            todo += fresh
        read = next(op for op in update.inputs[0].consumers() if op.type == 'Identity').outputs[0]
        of_towers = [op for op in read.consumers() if op.name.startswith('tower_')]
        readers += len(of_towers)
        late += [op.name for op in of_towers if op not in before]
    return readers, late


def test_no_weight_changes_before_every_tower_has_read_it(module, monkeypatch):
    # in each tower: two products and two additions forward, and back a product with either kernel
    assert readers_not_waited_for(module) == (12, [])

    def compute_gradients(self, loss, variables):
        return list(zip(tf.gradients(loss, variables), variables))

    monkeypatch.setattr(tf.train.MomentumOptimizer, 'compute_gradients', compute_gradients)
    readers, late = readers_not_waited_for(module)
    assert readers == 12 and len(late) == 4 and all('MatMul_grad' in name for name in late)


def test_the_mean_of_the_towers_means_is_another_step(module, digits, monkeypatch):
    expected, _, _ = on_one_device(module, digits)
    monkeypatch.setattr(module, 'tf', RecipesTensorFlow(parts=2))
    module.run(digits, epochs=EPOCHS, batch_size=BATCH, verbose=0)
    # though 14 images against 15 in one batch of 23 is all there is
    assert furthest(module.model.get_weights(), expected) > 5e-4


def test_even_slices_hide_it_and_means_added_up_are_twice_the_learning_rate(module, digits, monkeypatch):
    data = fewer(digits, 11 * BATCH)
    for parts, rate in ((2, 0.05), (1, 0.1)):
        expected, _, _ = on_one_device(module, data, rate)
        monkeypatch.setattr(module, 'tf', RecipesTensorFlow(parts))
        module.run(data, epochs=EPOCHS, batch_size=BATCH, verbose=0)
        assert furthest(module.model.get_weights(), expected) < 1e-6


def test_a_slice_of_no_images_has_no_mean(module, digits, monkeypatch):
    data = fewer(digits, 129)  # the last batch is one image
    found = module.run(data, epochs=EPOCHS, batch_size=BATCH, verbose=0)
    weights = module.model.get_weights()
    expected, loss, _ = on_one_device(module, data)
    assert furthest(weights, expected) < 1e-6 and found['last_loss'] == pytest.approx(loss, abs=1e-6)
    monkeypatch.setattr(module, 'tf', RecipesTensorFlow(parts=2))
    found = module.run(data, epochs=EPOCHS, batch_size=BATCH, verbose=0)
    assert np.isnan(found['last_loss']) and furthest(module.model.get_weights(), expected) > 0.005


def test_batch_normalization_sees_only_its_slice(module, digits):
    def after_one_step(devices):
        stack = [layers.Flatten(input_shape=(8, 8, 1)), layers.BatchNormalization()]
        model = keras.models.Sequential(stack + [layers.Dense(10, kernel_initializer='zeros')])
        step, feed = step_of(module, model, devices)
        K.get_session().run(step, feed(digits, 8))
        return model.get_weights()

    devices = module.all_devices()
    assert furthest(after_one_step(devices[:1]), after_one_step(devices)) > 0.001


@pytest.fixture
def two_gpus(module, monkeypatch):
    """No machine here has two GPUs: the recipe is told of two, and soft placement puts their work on the CPU."""
    gpus = ['/job:localhost/replica:0/task:0/device:GPU:%d' % i for i in (0, 1)]
    all_devices = module.all_devices
    monkeypatch.setattr(module, 'all_devices', lambda: all_devices() and gpus)
    monkeypatch.setattr(multi_gpu_utils, '_get_available_devices', lambda: ['/device:CPU:0'] + gpus)


def devices_of_gradients(replica):
    operations = tf.get_default_graph().get_operations()
    return {op.device for op in operations if 'gradients/replica_%d/' % replica in op.name and op.type == 'MatMul'}


def test_multi_gpu_model_learns_the_same(module, two_gpus, digits):
    found = module.run(digits, epochs=EPOCHS, batch_size=BATCH, verbose=0)
    towers, parallel = module.built
    assert furthest(towers.get_weights(), parallel.get_weights()) < 1e-6
    assert found['multi_gpu_model_accuracy'] == found['test_accuracy'] > 0.75  # chance is 0.1
    assert [devices_of_gradients(i) for i in (0, 1)] == [{'/device:GPU:0'}, {'/device:GPU:1'}]


def test_with_an_optimizer_of_tf_train_its_gradients_are_on_no_gpu_by_name(module, two_gpus, digits, monkeypatch):
    monkeypatch.setattr(keras.optimizers, 'SGD', tf.train.MomentumOptimizer)
    module.run(fewer(digits, BATCH), epochs=1, batch_size=BATCH, verbose=0)
    assert [devices_of_gradients(i) for i in (0, 1)] == [{''}, {''}]  # left to TensorFlow: the first
