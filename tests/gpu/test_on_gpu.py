"""On a real GPU: operations are placed there, and recipes give what they give on the CPU. `nox -s gpu` runs this."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K

from tensorflow_with_keras import recipe
from tensorflow_with_keras.recipe import ROOT

# Training differs in the last bits on a GPU and then drifts apart, so results agree as two seeds would: shares and
# scores within a tenth, anything else within a quarter of its size.
SHARE, SIZE = 0.1, 0.25


def test_there_is_a_gpu():
    assert tf.test.is_gpu_available(), 'no GPU: `python -m tensorflow_with_keras doctor` says why'


def test_a_keras_model_is_placed_on_the_gpu():
    model = keras.models.Sequential(
        [keras.layers.Conv2D(4, 3, input_shape=(8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(2)]
    )
    metadata = tf.RunMetadata()
    model.compile('sgd', 'mse', options=tf.RunOptions(output_partition_graphs=True), run_metadata=metadata)
    model.train_on_batch(np.zeros((2, 8, 8, 1)), np.zeros((2, 2)))
    devices = {node.op: node.device for graph in metadata.partition_graphs for node in graph.node}
    assert K.get_session().graph is tf.get_default_graph()
    for op in ('Conv2D', 'MatMul', 'Conv2DBackpropFilter'):
        assert 'GPU:0' in devices[op]


def results(name, out, **env):
    command = [sys.executable, '-m', 'tensorflow_with_keras', 'run', name, '--verbose', '0', '--out', str(out)]
    done = subprocess.run(command, cwd=ROOT, env=dict(os.environ, **env), stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    with open(os.path.join(str(out), name.replace('/', '-'), 'result.json')) as f:
        return json.load(f)['metrics']


@pytest.mark.parametrize('name', list(recipe.find()))
def test_a_recipe_gives_on_the_gpu_what_it_gives_on_the_cpu(name, tmp_path):
    cpu = results(name, tmp_path / 'cpu', CUDA_VISIBLE_DEVICES='-1')
    gpu = results(name, tmp_path / 'gpu')
    assert set(cpu) == set(gpu)
    for key, value in cpu.items():
        if isinstance(value, float):
            bound = SHARE if 0 <= abs(value) <= 1 else SIZE * abs(value)
            assert abs(gpu[key] - value) <= bound, '%s: %s on the GPU, %s on the CPU' % (key, gpu[key], value)
