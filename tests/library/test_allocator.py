"""Freed memory that stays with the process (docs/memory.md): fewer page faults, and the same bits."""

import json
import os
import re
import subprocess
import sys

import pytest
import tensorflow as tf

from tensorflow_with_keras.recipe import ROOT

FILE = os.path.join(ROOT, 'docker', 'allocator.env')
NAMES = ('JEMALLOC_MALLOC_CONF', 'GLIBC_TUNABLES')
# A convolutional network whose buffers are megabytes; prints page faults a step, and the weights' digest.
TRAIN = """
import hashlib, json, resource, sys
import keras, numpy as np, tensorflow as tf
from keras import layers
keras.backend.set_session(tf.Session(config=tf.ConfigProto(
    intra_op_parallelism_threads=int(sys.argv[1]), inter_op_parallelism_threads=1)))
np.random.seed(0)
tf.set_random_seed(0)
model = keras.models.Sequential([
    layers.Conv2D(32, 3, activation='relu', input_shape=(28, 28, 1)),
    layers.Conv2D(32, 3, activation='relu'),
    layers.Flatten(),
    layers.Dense(10, activation='softmax'),
])
model.compile('sgd', 'categorical_crossentropy')
x, y = np.random.rand(64, 28, 28, 1), np.eye(10)[np.arange(64) % 10]
for _ in range(10):
    model.train_on_batch(x, y)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    model.train_on_batch(x, y)
faults = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 10
print(json.dumps([faults, hashlib.sha256(b''.join(w.tobytes() for w in model.get_weights())).hexdigest()]))
"""


def settings():
    """Ours, out of the file; in an image, which has no such file, out of its environment."""
    if not os.path.exists(FILE):
        return {name: os.environ[name] for name in NAMES}
    with open(FILE) as file:
        return dict(re.findall(r'^([A-Z_]+)=(.*)$', file.read(), re.M))


def train(threads, variables):
    environment = {name: value for name, value in os.environ.items() if name not in NAMES}
    environment.update(variables, PYTHONPATH=os.pathsep.join(sys.path))
    out = subprocess.check_output([sys.executable, '-c', TRAIN, str(threads)], env=environment)
    return json.loads(out.decode().splitlines()[-1])


@pytest.mark.parametrize('threads', [1, 2])
def test_training_faults_hardly_any_page_and_gives_the_same_bits(threads):
    ours = settings()
    assert set(ours) == set(NAMES)
    stock_faults, stock_bits = train(threads, {})
    faults, bits = train(threads, ours)
    if tf.__version__.startswith('1.9.'):  # later ones have no allocator of their own, and fault less
        assert stock_faults > 10000
    assert faults < max(0.1 * stock_faults, 1000)
    assert threads > 1 or bits == stock_bits
