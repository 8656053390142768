"""Training in Keras 3 against the recipes, from the same weights on the same batches; what differs, differing."""

import json

import arrays
import keras
import numpy as np
import pytest
from arrays import N, floats, network, random, split
from numpy.testing import assert_allclose
from sides import dense, flat, twin, with_weights


def trained(name, optimizer, steps=10, size=16):
    """Weights after some steps of the network of that name, by train_on_batch."""
    x, y = arrays.task(name, steps * size)
    model = dense(name, 6, 8, 3)
    model.compile(optimizer, 'categorical_crossentropy')
    for batch in split(size, x, y):
        model.train_on_batch(*batch)
    return flat(model.get_weights())


@pytest.fixture
def small_norm(monkeypatch):
    """Gradients of this network are small: a norm that does clip."""
    module = twin('training/gradient_clipping_and_accumulation')
    monkeypatch.setattr(module, 'NORM', 0.05)
    return module


def test_gradient_clipping_and_accumulation(old, small_norm):
    was = old('training/gradient_clipping_and_accumulation', 'weights')
    optimizer = small_norm.accumulated()
    assert_allclose(trained('gradient_clipping', optimizer, 12), was, atol=1e-5)
    assert int(optimizer.iterations) == 3  # steps, not batches
    # the same with three large batches, which clips as often
    large = keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.05)
    assert_allclose(trained('gradient_clipping', large, 3, 64), was, atol=1e-5)
    each_by_itself = keras.optimizers.SGD(0.1, momentum=0.9, gradient_accumulation_steps=4, clipnorm=0.05)
    assert np.abs(trained('gradient_clipping', each_by_itself, 12) - was).max() > 1e-3


def test_learning_rate_decay(old):
    optimizer = twin('training/learning_rate_decay').decayed(4)
    assert_allclose(
        trained('learning_rate_decay', optimizer), old('training/learning_rate_decay', 'weights'), atol=1e-5
    )
    assert_allclose(float(optimizer.learning_rate), 0.5 * 0.8 ** (10 / 4), rtol=1e-5)
    with pytest.raises(ValueError, match='lr'):
        keras.optimizers.SGD(lr=0.1)
    with pytest.warns(UserWarning, match='will be ignored'):
        keras.optimizers.SGD(decay=0.1)


def test_tf_optimizer(old):
    optimizer = twin('training/tf_optimizer').AddSign()
    found = trained('tf_optimizer', optimizer)
    assert_allclose(found, old('training/tf_optimizer', 'weights'), atol=1e-5)
    assert all(np.abs(mean.numpy()).max() > 0 for mean in optimizer.means)


def test_tf_optimizer_is_saved_with_its_state():
    x, y = arrays.task('tf_optimizer', 64)
    model = dense('tf_optimizer', 6, 8, 3)
    model.compile(twin('training/tf_optimizer').AddSign(), 'categorical_crossentropy')
    model.train_on_batch(x, y)
    model.save('model.keras')
    loaded = keras.models.load_model('model.keras')
    for each in (model, loaded):
        each.train_on_batch(x, y)
    assert_allclose(flat(loaded.get_weights()), flat(model.get_weights()), atol=1e-7)


def test_multi_task(old):
    r = random('multi_task')
    x, y, ink = floats(r, N, 6, 1), np.eye(3)[r.randint(0, 3, N)], r.rand(N, 1)
    model = twin('training/multi_task').build_model((6, 1), 3)
    shared = [
        w
        for name in ('dense', 'digit', 'ink')
        for layer in model.layers
        if layer.name.startswith(name)
        for w in layer.weights
    ]
    for variable, value in zip(shared, arrays.two_tasks('multi_task')):
        variable.assign(value)
    model.compile(keras.optimizers.SGD(0.1))
    losses = []
    for weight in (0, 0.25, 1):  # no compiling again
        model.weight.assign(weight)
        model.reset_metrics()
        losses.append(model.train_on_batch(x, [y, ink]))
    assert_allclose(losses, old('training/multi_task', 'losses'), rtol=1e-5)
    assert_allclose(flat([w.numpy() for w in shared]), old('training/multi_task', 'weights'), atol=1e-5)


@pytest.mark.parametrize('way', ['in loss_weights', 'in the loss'])
def test_multi_task_by_a_variable_that_the_model_does_not_know_keeps_its_first_value(way):
    weight = keras.Variable(1.0)
    model = dense('multi_task', 6, 3)
    if way == 'in the loss':
        model.compile(keras.optimizers.SGD(0.0), lambda y, p: weight * keras.losses.mean_squared_error(y, p))
    else:
        model.compile(keras.optimizers.SGD(0.0), 'mse', loss_weights=[weight])
    losses = []
    for value in (1.0, 0.0):
        weight.assign(value)
        model.reset_metrics()
        losses.append(model.train_on_batch(np.ones((2, 6)), np.ones((2, 3))))
    assert losses[0] == losses[1] > 0


def test_saliency(old):
    module = twin('training/saliency')
    r = random('saliency')
    x, classes = floats(r, 9, 4, 4, 1), r.randint(0, 10, 9)
    weights = network('saliency weights', 16, 64, 10)
    model = with_weights(module.build_model((4, 4, 1), 10), weights)
    found = np.array(module.saliency(model)(x, classes))
    assert_allclose(found, old('training/saliency', 'gradient'), atol=1e-5)
    w, b, v, _ = [each.astype(float) for each in weights]
    active = x.reshape(9, 16) @ w + b > 0
    assert_allclose(found.reshape(9, 16), (v[:, classes].T * active) @ w.T, atol=1e-5)


def test_weight_moving_average(old):
    x, y = arrays.task('weight_moving_average', 160)
    model = dense('weight_moving_average', 6, 8, 3)
    optimizer = twin('training/weight_moving_average').averaged(0.9)
    model.compile(optimizer, 'categorical_crossentropy')
    start, after = flat(model.get_weights()), []
    for batch in split(16, x, y):
        model.train_on_batch(*batch)
        after.append(flat(model.get_weights()))
    assert_allclose(after[-1], old('training/weight_moving_average', 'weights'), atol=1e-5)
    found = flat([v.numpy() for v in optimizer._model_variables_moving_average])
    for begin, average in ((after[0], found), (start, old('training/weight_moving_average', 'average'))):
        expected = begin
        for weights in after:
            expected = 0.9 * expected + 0.1 * weights
        assert_allclose(average, expected, atol=1e-5)
    assert np.abs(found - old('training/weight_moving_average', 'average')).max() > 1e-3


def test_weight_moving_average_is_what_validates_and_not_what_trains():
    x, y = arrays.task('weight_moving_average', 160)

    def fit(callbacks):
        model = dense('weight_moving_average', 6, 8, 3)
        model.compile(twin('training/weight_moving_average').averaged(0.9), 'categorical_crossentropy')
        fitting = {'batch_size': 16, 'shuffle': False, 'epochs': 2, 'verbose': 0, 'validation_data': (x, y)}
        return model, model.fit(x, y, callbacks=callbacks, **fitting).history

    swapped, history = fit([keras.callbacks.SwapEMAWeights(swap_on_epoch=True)])
    plain, plain_history = fit([])
    assert_allclose(history['loss'], plain_history['loss'], rtol=1e-5)
    assert np.abs(np.subtract(history['val_loss'], plain_history['val_loss'])).min() > 1e-4
    averages = flat([v.numpy() for v in plain.optimizer._model_variables_moving_average])
    assert_allclose(flat(swapped.get_weights()), averages, atol=1e-6)  # and what is left in the end


def test_tf_training_loop(old):
    module = twin('training/tf_training_loop')
    x, y = arrays.task('tf_training_loop', 160)
    x = x[..., np.newaxis]
    model = with_weights(module.build_model((6, 1), 3, dropout=0.0), arrays.normalized('tf_training_loop'))
    losses = module.train(model, keras.optimizers.SGD(0.05, momentum=0.9), split(16, x, y.argmax(1)))
    found = model.get_weights()
    was = [old('training/tf_training_loop', f'weight_{n}') for n in range(8)]
    for n in (0, 1, 2, 3, 6, 7):  # all that is trained
        assert_allclose(found[n], was[n], atol=2e-5)
    # the moving averages: 0.9 of the old one each time, and 0.1 of the batch's
    fitted = with_weights(module.build_model((6, 1), 3, dropout=0.0), arrays.normalized('tf_training_loop'))
    fitted.compile(keras.optimizers.SGD(0.05, momentum=0.9), keras.losses.SparseCategoricalCrossentropy(True))
    hidden = keras.Model(fitted.inputs, fitted.layers[1].output)
    average, corrected, steps, reported = [np.zeros(64), np.ones(64)], [np.zeros(64), np.zeros(64)], 0, []
    for batch, labels in split(16, x, y.argmax(1)):
        h = hidden.predict(batch, verbose=0).astype(float)
        average = [0.9 * average[0] + 0.1 * h.mean(0), 0.9 * average[1] + 0.1 * h.var(0)]
        corrected = [0.9 * corrected[0] + 0.1 * h.mean(0), 0.9 * corrected[1] + 0.1 * h.var(0, ddof=1)]
        steps += 1
        fitted.reset_metrics()
        reported.append(fitted.train_on_batch(batch, labels))
    assert_allclose(losses, reported, rtol=1e-5)  # the loop is what fit does, regularizer and all
    for a, b in zip(found, fitted.get_weights()):
        assert_allclose(a, b, atol=1e-5)
    for n in (0, 1):
        assert_allclose(found[4 + n], average[n], atol=1e-4)
        assert_allclose(was[4 + n], corrected[n] / (1 - 0.9**steps), atol=1e-3)
        assert np.abs(found[4 + n] - was[4 + n]).max() > 0.01


class SumOfLabels(keras.metrics.Sum):
    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(y_true)


def read_by_fit(workers):
    """The sum of all labels that fit read in each epoch; the labels are 0 to 199."""
    x = np.arange(200.0).reshape(-1, 1)
    batches = twin('data/dataset_to_generator').Batches(x, x, 64, workers=workers)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), 'mse', metrics=[SumOfLabels(name='read')])
    return model.fit(batches, epochs=3, shuffle=False, verbose=0).history['read']


def test_dataset_to_generator():
    """The samples of every epoch, counted one by one, each with its label."""
    x = np.arange(200.0).reshape(-1, 1)
    batches = twin('data/dataset_to_generator').Batches(x, 2 * x, 64)
    assert [len(batches[i][0]) for i in range(len(batches))] == [64, 64, 64, 8]
    orders = []
    for _ in range(2):
        pairs = [batches[i] for i in range(len(batches))]
        assert all((b == 2 * a).all() for a, b in pairs)
        orders.append(np.concatenate([a[:, 0] for a, _ in pairs]))
        assert (np.sort(orders[-1]) == x[:, 0]).all()
        batches.on_epoch_end()
    assert (orders[0] != orders[1]).any()
    assert read_by_fit(workers=1) == [19900] * 3
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile('sgd', 'mse')
    assert not hasattr(model, 'fit_generator')
    with pytest.raises(TypeError):
        model.fit(batches, workers=2)


def test_dataset_to_generator_by_several_workers_reads_batches_of_the_epoch_before():
    assert all(read != 19900 for read in read_by_fit(workers=2))


class Stop(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


@pytest.mark.parametrize('dropout', [0, 0.3])
def test_checkpoint(dropout):
    """A run that was broken off, and one never stopped: the same bits, but for what is random."""
    module = twin('export/checkpoint')
    x, y = arrays.task('checkpoint', 96)

    def build():
        keras.utils.set_random_seed(1)
        stack = [keras.layers.Dense(8), keras.layers.BatchNormalization(), keras.layers.Dropout(dropout)]
        model = keras.Sequential([keras.Input((6,)), *stack, keras.layers.Dense(3, activation='softmax')])
        model.compile('adam', 'categorical_crossentropy')
        return model

    whole, stopped, resumed = build(), build(), build()
    module.fit(whole, x, y, 'one', 4)
    with pytest.raises(KeyboardInterrupt):
        module.fit(stopped, x, y, 'two', 4, [Stop()])
    assert module.fit(resumed, x, y, 'two', 4).epoch == [2, 3]
    assert (flat(resumed.get_weights()) == flat(whole.get_weights())).all() == (dropout == 0)


def test_h5_custom_objects(old):
    module = twin('export/h5_custom_objects')
    _, y, p = arrays.scores('h5_custom_objects', 10)
    each = np.array(module.smooth_crossentropy(y, p))
    assert_allclose(each.mean(), old('export/h5_custom_objects', 'loss'), rtol=1e-5)  # there the mean of the batch
    assert_allclose(each, -((0.9 * y + 0.01) * np.log(p)).sum(1), rtol=1e-4)
    x, y = arrays.task('h5_custom_objects', 64)
    model = module.build_model(6, 3)
    model.fit(x, y, verbose=0)
    model.save('custom.keras')
    loaded = keras.models.load_model('custom.keras')
    assert_allclose(loaded.evaluate(x, y, verbose=0), model.evaluate(x, y, verbose=0), rtol=1e-6)
    for one in (model, loaded):  # the optimizer's state came along
        one.fit(x, y, verbose=0, shuffle=False)
    assert_allclose(flat(loaded.get_weights()), flat(model.get_weights()), atol=1e-7)
    assert loaded.get_layer(index=1).start == 2.0


def test_timeline_profile(tmp_path):
    import gzip

    x, y = arrays.task('timeline_profile', 96)
    model = dense('timeline_profile', 6, 3)
    model.compile('sgd', 'categorical_crossentropy')
    model.fit(x, y, batch_size=16, verbose=0, callbacks=[twin('observe/timeline_profile').Profile('trace')])
    [trace] = (tmp_path / 'trace').rglob('perfetto_trace.json.gz')
    names = {event.get('name', '') for event in json.loads(gzip.decompress(trace.read_bytes()))['traceEvents']}
    assert len(names) > 20
