import functools
import hashlib
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K

from tensorflow_with_keras import recipe

PROCESS = """
import sys
import numpy as np
import tensorflow as tf
from keras import backend as K
from tensorflow_with_keras import datasets, recipe, session
session.order_updates()
module = recipe.load('sessions/deterministic')
data = datasets.load('digits')
config = {'threads': int(sys.argv[2])} if len(sys.argv) > 2 else {}
module.start(0, 0, **{'threads': 1, **config})
hashes = [module.weights_hash(module.train(data, 1, verbose=0, **config)) for _ in range(int(sys.argv[1]))]
numbers = tf.placeholder(tf.float32)
print(K.get_session().run(tf.reduce_sum(numbers), {numbers: np.random.RandomState(0).rand(3000000)}), *hashes)
"""


def of_a_process(*arguments):
    """A long sum, and the hashes after trainings, in a process whose first session is the recipe's."""
    done = subprocess.run(
        [sys.executable, '-c', PROCESS] + [str(a) for a in arguments],
        cwd=os.path.dirname(recipe.EXAMPLES),
        stdout=subprocess.PIPE,
        universal_newlines=True,
        check=True,
    )
    words = done.stdout.split()
    return float(words[0]), [int(word) for word in words[1:]]


def long_sum():
    numbers = tf.placeholder(tf.float32)
    total = K.get_session().run(tf.reduce_sum(numbers), {numbers: np.random.RandomState(0).rand(3000000)})
    return float(str(total))


def test_the_same_bits_in_two_processes(module, digits):
    here = module.weights_hash(module.train(digits, 1, verbose=0))  # this process has one thread
    assert of_a_process(2) == (long_sum(), [here, here])


@pytest.mark.not_on(
    'tf1.15-keras2.2.4', 'tf1.15-keras2.3.1', reason='TensorFlow 1.15 adds in one order, for all numbers of threads'
)
def test_other_bits_with_more_threads(module):
    module.start(0, 0, threads=1)
    # Whether threads between operations give other weights is chance, so it is asked of the session, not of a run;
    # threads within an operation give another sum each time.
    assert K.get_session()._config.inter_op_parallelism_threads == 1
    assert of_a_process(0, 4)[0] != long_sum()


def test_the_hash_is_of_every_weight_and_only_equal_seeds_give_it(module, digits, monkeypatch):
    weights_hash, weights = module.weights_hash, []

    def recorded(model):
        weights.append(model.get_weights())
        return weights_hash(model)

    monkeypatch.setattr(module, 'weights_hash', recorded)
    found = module.run(digits, epochs=2, verbose=0)
    digest = hashlib.sha256()
    for array in weights[0]:
        digest.update(np.ascontiguousarray(array))
    assert '%08x' % found['hash'] == digest.hexdigest()[:8]
    equal = [all(map(np.array_equal, weights[0], others)) for others in weights[1:]]
    assert equal == [True, False, False]
    flags = ('equal_with_same_seeds', 'equal_with_other_numpy_seed', 'equal_with_other_tensorflow_seed')
    assert [found[flag] for flag in flags] == equal
    assert found['test_accuracy'] > 0.5  # chance is 0.1

    numbers = (digits.x_train / 3).ravel()[:90000]
    exact = math.fsum(numbers.tolist())
    first, second = numbers[:45000], numbers[45000:]
    assert found['sum_by_one'] == functools.reduce(np.add, numbers)  # in Python, number by number
    assert found['sum_by_two'] == functools.reduce(np.add, first) + functools.reduce(np.add, second)
    assert found['sum_by_one'] != found['sum_by_two']
    for kind in ('sum_by_one', 'sum_by_two'):
        # the bound on the error of a sum one by one: (n - 1) times half the spacing of float32 at 1
        assert 0 < abs(found[kind] - exact) < (len(numbers) - 1) * 2.0**-24 * exact


@pytest.mark.parametrize('owner, function', [(np.random, 'seed'), (tf, 'set_random_seed')])
def test_without_one_of_the_seeds_the_weights_differ(module, digits, monkeypatch, owner, function):
    monkeypatch.setattr(owner, function, lambda seed: None)
    first, second = (module.weights_hash(module.train(digits, 1, verbose=0)) for _ in range(2))
    assert first != second
