"""Needs Horovod, which `nox -s tests` does not have: `nox -s cluster` runs it in an image that has."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from keras import backend as K
from keras import layers

from tensorflow_with_keras import session
from tensorflow_with_keras.recipe import ROOT

NAME = 'distributed/horovod'
COMMAND = [sys.executable, '-m', 'tensorflow_with_keras', 'run', NAME]
EPOCHS, BATCH, RATE = 3, 32, 0.02

# The recipe on one rank, in images' own order, from weights of the rank's own. What is to be seen goes to a file.
RANK = """
import json, sys
import numpy as np, keras, tensorflow as tf
import horovod.keras as hvd
from keras import backend as K
from tensorflow_with_keras import datasets, recipe, session

out, without = sys.argv[1:]
hvd.init()
session.start(seed=hvd.rank(), threads=1)
module = recipe.load('distributed/horovod')
build_model, average, seen = module.build_model, hvd.callbacks.MetricAverageCallback.on_epoch_end, []

def build(shape):
    module.model = model = build_model(shape)
    fit = model.fit
    def fit_in_order(*args, **kwargs):
        if without == 'broadcast':
            kwargs['callbacks'].insert(0, hvd.callbacks.BroadcastGlobalVariablesCallback(0))
        return fit(*args, shuffle=False, **kwargs)
    model.fit = fit_in_order
    return model

def on_epoch_end(self, epoch, logs=None):
    seen.append([epoch, 'before', float(logs['acc'])])
    average(self, epoch, logs)
    seen.append([epoch, 'after', float(logs['acc'])])

module.build_model, hvd.callbacks.MetricAverageCallback.on_epoch_end = build, on_epoch_end
if without == 'broadcast':
    hvd.broadcast_global_variables = lambda root: None
if without == 'optimizer':
    hvd.DistributedOptimizer = lambda optimizer: optimizer
data = datasets.load('digits')
if without == 'images' and hvd.rank() == 1:
    data = data._replace(x_train=data.x_train[:-1], y_train=data.y_train[:-1])
chiefs = {'out': out, 'resume': out} if hvd.rank() == 0 else {}
found = module.run(data, epochs=%d, batch_size=%d, verbose=0, **chiefs)
np.savez('%%s/rank%%d.npz' %% (out, hvd.rank()), *module.model.get_weights())
with open('%%s/rank%%d.json' %% (out, hvd.rank()), 'w') as f:
    json.dump({'seen': seen, 'found': {k: str(v) for k, v in found.items()}}, f)
""" % (EPOCHS, BATCH)


def ranks(out, without='nothing', launcher=('horovodrun', '-np', '2', '--gloo', '--disable-cache')):
    done = subprocess.run(
        list(launcher) + [sys.executable, '-c', RANK, str(out), without],
        cwd=ROOT,
        env=dict(os.environ, PYTHONPATH=ROOT + os.pathsep + os.environ.get('PYTHONPATH', '')),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        timeout=250,
    )
    return done


def weights_of(out, rank):
    with np.load(str(out / ('rank%d.npz' % rank))) as f:
        return [f['arr_%d' % i] for i in range(len(f.files))]


def furthest(weights, others):
    return max(np.abs(a - b).max() for a, b in zip(weights, others))


def one_process(data, start):
    """The weights after the joint batches, with the warm-up of Goyal et al. by hand, and the accuracy."""
    session.start(seed=0, threads=1)
    hidden = layers.Dense(64, activation='relu')
    top = layers.Dense(10, activation='softmax')
    model = keras.models.Sequential([layers.Flatten(input_shape=(8, 8, 1)), hidden, top])
    model.compile(keras.optimizers.SGD(2 * RATE, momentum=0.9), 'sparse_categorical_crossentropy', metrics=['accuracy'])
    model.set_weights(start)
    steps = len(data.x_train) // (2 * BATCH)
    rate = 2 * RATE
    for step in range(EPOCHS * steps):
        epochs = (step + 1) / steps
        before, rate = rate, RATE * (1 + min(epochs, 2) / 2)  # from one process's rate to twice that, in two epochs
        K.set_value(model.optimizer.lr, rate)
        K.set_value(model.optimizer.momentum, 0.9 * rate / before)
        own = slice(step % steps * BATCH, (step % steps + 1) * BATCH)
        joint = [np.concatenate([a[rank::2][own] for rank in (0, 1)]) for a in (data.x_train, data.y_train)]
        model.train_on_batch(*joint)
    return model.get_weights(), model.evaluate(data.x_test, data.y_test, verbose=0)[1]


def first_weights():
    """Those that the recipe's network has on rank 0."""
    from tensorflow_with_keras import recipe

    session.start(seed=0, threads=1)
    return recipe.load(NAME).build_model((8, 8, 1)).get_weights()


def test_two_ranks_are_one_process_over_the_joint_batches(digits, tmp_path):
    done = ranks(tmp_path)
    assert done.returncode == 0, done.stderr
    first, second = (weights_of(tmp_path, rank) for rank in (0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first, second))
    expected, accuracy = one_process(digits, first_weights())
    assert furthest(first, expected) < 1e-5
    records = [json.loads((tmp_path / ('rank%d.json' % rank)).read_text()) for rank in (0, 1)]
    for rank in (0, 1):
        assert float(records[rank]['found']['test_accuracy']) == pytest.approx(accuracy, abs=1e-6)
    assert accuracy > 0.7  # chance is 0.1
    for (_, when, own), (_, _, other) in zip(*(r['seen'] for r in records)):
        if when == 'before':
            mean, apart = (own + other) / 2, own != other
        else:
            assert own == other == pytest.approx(mean, abs=1e-6) and apart


def test_the_callback_broadcasts_too_late_for_the_first_batch(digits, tmp_path):
    done = ranks(tmp_path, without='broadcast')
    assert done.returncode == 0, done.stderr
    first, second = (weights_of(tmp_path, rank) for rank in (0, 1))
    assert furthest(first, second) == 0  # which hides it
    assert furthest(first, one_process(digits, first_weights())[0]) > 1e-3


def test_without_its_optimizer_every_rank_learns_alone(digits, tmp_path):
    done = ranks(tmp_path, without='optimizer')
    assert done.returncode == 0, done.stderr
    assert furthest(weights_of(tmp_path, 0), weights_of(tmp_path, 1)) > 0.01


def test_ranks_with_different_data_are_one_sentence(tmp_path):
    done = ranks(tmp_path, without='images')
    assert done.returncode != 0
    assert 'error: the processes must have the same training images, and have [1437, 1436] of them' in done.stderr


@pytest.mark.skipif(not shutil.which('mpirun'), reason='the images have no MPI; nox -s cluster runs this where it is')
def test_the_same_under_mpirun(digits, tmp_path):
    done = ranks(tmp_path, launcher=['mpirun', '--allow-run-as-root', '--oversubscribe', '-np', '2'])
    assert done.returncode == 0, done.stderr
    expected, _ = one_process(digits, first_weights())
    assert furthest(weights_of(tmp_path, 0), expected) < 1e-5 and furthest(weights_of(tmp_path, 1), expected) < 1e-5


def start(out, *options, **environment):
    return subprocess.Popen(
        COMMAND + ['--threads', '1', '--verbose', '2', '--out', str(out)] + list(options),
        cwd=ROOT,
        env=dict(os.environ, **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )


def find(out, rank):
    """The process id of a rank of the run that writes to `out`, or of horovodrun."""
    for pid in map(int, filter(str.isdigit, os.listdir('/proc'))):
        try:
            with open('/proc/%d/cmdline' % pid) as f, open('/proc/%d/environ' % pid) as e:
                command, environment = f.read().split('\0'), e.read().split('\0')
        except OSError:
            continue
        if str(out) in command and rank == 'horovodrun' and 'run_commandline' in command[2]:
            return pid
        if str(out) in command and command[1] == '-m' and 'HOROVOD_RANK=%s' % rank in environment:
            return pid


def wait_for_epoch(process, epoch):
    for line in process.stdout:
        if line == 'Epoch %d/60\n' % epoch:
            return
    pytest.fail(process.stderr.read())


@pytest.mark.parametrize(
    'victim, sentence',
    [
        (0, 'error: rank 0 ended with 137, and so all were stopped; '),
        (1, 'error: rank 1 ended with 137, and so all were stopped; '),
        ('horovodrun', 'error: horovodrun was killed by signal 9: '),
    ],
)
def test_whoever_is_killed_all_end(victim, sentence, tmp_path):
    process = start(tmp_path, '--epochs', '60')
    wait_for_epoch(process, 5)
    os.kill(find(tmp_path, victim), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 3 and sentence in err.splitlines()[-1], err
    deadline = time.time() + 10
    while find(tmp_path, 0) or find(tmp_path, 1):
        assert time.time() < deadline
    assert not list(tmp_path.glob('*/result.json'))
    if victim == 0:  # the same command goes on from the checkpoint
        again = start(tmp_path, '--epochs', '60')
        out, err = again.communicate(timeout=200)
        assert again.returncode == 0, err
        first = int(out.split('/', 1)[0].rsplit(' ', 1)[1])
        assert first >= 5 and 'Epoch 60/60' in out
        record = json.loads((tmp_path / 'distributed-horovod' / 'result.json').read_text())
        assert record['metrics']['test_accuracy'] > 0.85 and record['metrics']['steps'] == 60 * 22


def test_two_runs_with_one_thread_have_the_same_bits(tmp_path):
    results = []
    for n in ('1', '2'):
        process = start(tmp_path / n, '--epochs', '2')
        _, err = process.communicate(timeout=200)
        assert process.returncode == 0 and err == 'Using TensorFlow backend.\n'
        results.append(json.loads((tmp_path / n / 'distributed-horovod' / 'result.json').read_text())['metrics'])
        files = tmp_path / n / 'distributed-horovod'
        results[-1]['bits'] = (files / 'model.data-00000-of-00001').read_bytes()
    assert results[0] == results[1]


def start_in_job(out, index, port):
    """A rank as Kubernetes starts it in an indexed job with deploy/kubernetes/horovod.yaml."""
    return start(
        out,
        '--epochs',
        '2',
        JOB_COMPLETION_INDEX=str(index),
        HOROVOD_SIZE='2',
        HOROVOD_GLOO_IFACE='lo',
        HOROVOD_GLOO_RENDEZVOUS_ADDR='localhost',
        HOROVOD_GLOO_RENDEZVOUS_PORT=str(port),
    )


def test_ranks_of_an_indexed_job_find_each_other(tmp_path):
    with socket.socket() as s:
        s.bind(('', 0))
        port = s.getsockname()[1]
    second = start_in_job(tmp_path, 1, port)  # which waits for the first
    first = start_in_job(tmp_path, 0, port)
    for process in (first, second):
        _, err = process.communicate(timeout=100)
        assert process.returncode == 0, err
    record = json.loads((tmp_path / 'distributed-horovod' / 'result.json').read_text())
    assert record['metrics']['processes'] == 2 and record['metrics']['test_accuracy'] > 0.6


def test_a_rendezvous_port_in_use_is_one_sentence(tmp_path):
    with socket.socket() as s:
        s.bind(('', 0))
        s.listen(1)
        port = s.getsockname()[1]
        process = start_in_job(tmp_path, 0, port)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 3 and err.splitlines()[-1].startswith('error: cannot listen on port %d (' % port)


@pytest.mark.skipif(bool(shutil.which('mpirun')), reason='this environment has MPI')
def test_mpirun_without_mpi_in_horovod_is_one_sentence(tmp_path):
    process = start(tmp_path, OMPI_COMM_WORLD_RANK='0', OMPI_COMM_WORLD_SIZE='2')
    _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert err.splitlines()[-1].startswith('error: mpirun started this, but this Horovod was built without MPI: ')
