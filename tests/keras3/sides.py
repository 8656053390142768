"""Both sides of a twin: the file in docs/keras3, and the numbers of its recipe."""

import functools
import importlib.util
import os
import pathlib
import subprocess

import keras
import numpy as np
from arrays import BATCHES, network, split

ROOT = pathlib.Path(__file__).resolve().parents[2]
TWINS = sorted(str(p.relative_to(ROOT / 'docs/keras3'))[:-3] for p in ROOT.glob('docs/keras3/*/*.py'))


@functools.lru_cache(None)
def twin(name):
    """The module in docs/keras3."""
    path = ROOT / 'docs' / 'keras3' / f'{name}.py'
    spec = importlib.util.spec_from_file_location(name.replace('/', '_'), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class OldSide:
    """old.py beside Keras 2.2.4, which runs meanwhile."""

    def __init__(self, folder):
        self.file = folder / 'old.npz'
        self.log = folder / 'log'
        env = {**os.environ, 'PYTHONPATH': str(ROOT), 'KERAS_BACKEND': 'tensorflow', 'TF_CPP_MIN_LOG_LEVEL': '2'}
        command = [ROOT / '.venv-migrate-old/bin/python', '-W', 'ignore', ROOT / 'tests/keras3/old.py', self.file]
        with open(self.log, 'w') as log:
            self.process = subprocess.Popen(command, env=env, stdout=log, stderr=log)

    @functools.lru_cache(None)  # noqa: B019 (there is one)
    def numbers(self):
        assert self.process.wait() == 0, self.log.read_text()[-3000:]
        with np.load(self.file) as saved:
            return dict(saved)

    def end(self):
        self.process.kill()
        self.process.wait()


def by_split(make, y, p):
    """The value of a metric after all samples, for each size of batches."""
    return np.array([stream(make(), split(size, y, p)) for size in BATCHES])


def stream(metric, batches):
    for batch in batches:
        metric.update_state(*batch)
    return float(metric.result())


def identity(shape, loss='mse', **compiling):
    """A model that answers what it is given, to ask Keras for metrics and losses of chosen predictions."""
    model = keras.Sequential([keras.Input(shape), keras.layers.Identity()])
    model.compile('sgd', loss, **compiling)
    return model


def dense(name, *sizes):
    """The network of old.py of that name."""
    stack = [keras.layers.Dense(size, activation='tanh') for size in sizes[1:-1]]
    stack.append(keras.layers.Dense(sizes[-1], activation='softmax'))
    return with_weights(keras.Sequential([keras.Input(sizes[:1]), *stack]), network(name, *sizes))


def with_weights(model, weights):
    model.set_weights(weights)
    return model


def flat(weights):
    return np.concatenate([np.ravel(w) for w in weights])


def gradient_of(function, x):
    """Of the sum of what the function gives, as tf.gradients has it."""
    import jax

    return np.array(jax.grad(lambda x: keras.ops.sum(function(x)))(np.asarray(x)))
