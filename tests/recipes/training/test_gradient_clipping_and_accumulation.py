import keras
import numpy as np
import pytest
import tensorflow as tf

from tensorflow_with_keras import session

STEPS = 40


@pytest.fixture
def initial(module):
    random = np.random.RandomState(4)
    return [random.randn(*shape) / 3 for shape in ((64, 32), (32,), (32, 10), (10,))]


def trained(module, digits, initial, optimizer, batch_size):
    """The weights after one epoch of STEPS * 32 samples in their order, in a graph of its own."""
    session.start(seed=0, threads=1)
    model = module.build_model(digits.x_train.shape[1:])
    model.set_weights(initial)
    model.compile(optimizer(), 'categorical_crossentropy')
    n = STEPS * 32
    y = np.eye(10)[digits.y_train[:n]]
    model.fit(digits.x_train[:n], y, batch_size=batch_size, shuffle=False, verbose=0)
    return model.get_weights()


def accumulated(module, norm):
    return lambda: module.Accumulated(tf.train.MomentumOptimizer(0.1, momentum=0.9), 4, norm)


def large(norm):
    return lambda: keras.optimizers.SGD(0.1, momentum=0.9, clipnorm=norm)


def apart(a, b):
    return max(np.abs(x - y).max() for x, y in zip(a, b))


@pytest.mark.parametrize('norm', [0.5, 1e6])  # clips, and does not
def test_four_batches_of_8_are_one_of_32(module, digits, initial, norm):
    found = trained(module, digits, initial, accumulated(module, norm), 8)
    expected = trained(module, digits, initial, large(norm), 32)
    assert apart(found, expected) < 5e-5
    assert apart(expected, initial) > 0.1


def test_clipping_does_something(module, digits, initial):
    assert (
        apart(trained(module, digits, initial, large(0.5), 32), trained(module, digits, initial, large(1e6), 32)) > 0.1
    )


def per_batch(module):
    class PerBatch(module.Accumulated):
        def apply_gradients(self, grads_and_vars, **kwargs):
            gradients, variables = zip(*grads_and_vars)
            clipped, self.norm = tf.clip_by_global_norm(gradients, self.norm)[0], 1e6
            return super().apply_gradients(list(zip(clipped, variables)), **kwargs)

    return lambda: PerBatch(tf.train.MomentumOptimizer(0.1, momentum=0.9), 4, 0.5)


def per_variable(module):
    class RecipesTensorFlow:  # what the recipe, and only the recipe, takes for tensorflow
        @staticmethod
        def clip_by_global_norm(sums, norm):
            return [tf.clip_by_norm(s, norm) for s in sums], None

        def __getattr__(self, name):
            return getattr(tf, name)

    module.tf = RecipesTensorFlow()
    return accumulated(module, 0.5)


def not_a_mean(module):
    class Sum(module.Accumulated):
        def apply_gradients(self, grads_and_vars, **kwargs):
            return super().apply_gradients([(4 * g, v) for g, v in grads_and_vars], **kwargs)

    return lambda: Sum(tf.train.MomentumOptimizer(0.1, momentum=0.9), 4, 1e6)


@pytest.mark.parametrize('wrong, norm', [(per_batch, 0.5), (per_variable, 0.5), (not_a_mean, 1e6)])
def test_the_wrong_ways_are_not_the_large_batch(module, digits, initial, wrong, norm):
    found = trained(module, digits, initial, wrong(module), 8)
    assert apart(found, trained(module, digits, initial, large(norm), 32)) > 0.01


def test_it_learns_and_moves_once_in_four_batches(module, digits):
    found = module.run(digits, epochs=3, batch_size=64, verbose=0)
    assert found['batches'] == 3 * 88 and found['steps'] == 3 * 22  # 1408 samples, 22 times 64
    optimizer = module.built[-1].optimizer.optimizer
    assert optimizer.batches.dtype.base_dtype == optimizer.steps.dtype.base_dtype == tf.int64  # float32 counts to 2**24
    assert found['test_accuracy'] > 0.7  # chance is 0.1
