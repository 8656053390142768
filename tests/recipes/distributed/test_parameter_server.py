import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import session
from tensorflow_with_keras.recipe import ROOT

NAME = 'distributed/parameter_server'
SERVERS = []  # they have to be kept; TensorFlow 1.9 has no way to end one
COMMAND = [sys.executable, '-m', 'tensorflow_with_keras', 'run', NAME, '--threads', '1']


def free_addresses(n):
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(('127.0.0.1', 0))
    addresses = ['127.0.0.1:%d' % s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return addresses


def tf_config(cluster, job, index):
    return json.dumps({'cluster': cluster, 'task': {'type': job, 'index': index}})


def cluster_of(workers):
    """A parameter server in this process, and the addresses of workers that it knows."""
    cluster = {'ps': free_addresses(1), 'worker': free_addresses(workers)}
    SERVERS.append(tf.train.Server(cluster, 'ps', 0))
    return cluster


@pytest.fixture
def module(module, monkeypatch):
    """The recipe, whose networks begin with the same weights and see the images in the same order."""

    def build(shape):
        start = [keras.initializers.glorot_uniform(seed) for seed in (1, 2)]
        hidden = layers.Dense(64, activation='relu', kernel_initializer=start[0])
        top = layers.Dense(10, activation='softmax', kernel_initializer=start[1])
        np.random.seed(7)
        module.model = keras.models.Sequential([layers.Flatten(input_shape=shape), hidden, top])
        return module.model

    monkeypatch.setattr(module, 'build_model', build)
    return module


def test_one_worker_is_a_single_process_whose_weights_lie_on_the_server(module, digits, monkeypatch, tmp_path):
    digits = digits._replace(x_train=digits.x_train[: 44 * 32], y_train=digits.y_train[: 44 * 32])  # whole batches
    cluster = cluster_of(workers=1)
    monkeypatch.setenv('TF_CONFIG', tf_config(cluster, 'worker', 0))
    found = module.run(digits, epochs=3, batch_size=32, verbose=0, out=str(tmp_path), resume=str(tmp_path))
    weights, names = module.model.get_weights(), [w.op.name for w in module.model.weights]
    assert all(w.device.startswith('/job:ps') for w in module.model.weights)
    assert found['updates'] == 3 * 44

    config = K.get_session()._config
    assert config.operation_timeout_in_ms == 30000 and config.device_filters == ['/job:ps', '/job:worker/task:0']

    # asked for by name, by a stranger who never initialised them
    with tf.Graph().as_default(), tf.device('/job:ps/task:0'):
        variables = [tf.Variable(np.zeros_like(w), name=n) for n, w in zip(names, weights)]
        with tf.Session('grpc://' + cluster['ps'][0]) as stranger:
            on_server = stranger.run(variables)
    assert all(np.array_equal(a, b) for a, b in zip(on_server, weights))
    saved = tf.train.load_checkpoint(str(tmp_path / 'model'))
    assert all(np.array_equal(saved.get_tensor(n), w) for n, w in zip(names, weights))

    session.start(seed=0, threads=1)
    module.build_model((8, 8, 1))
    module.model.compile(keras.optimizers.SGD(0.02, 0.9), 'sparse_categorical_crossentropy', metrics=['accuracy'])
    for _ in range(3):  # one call would shuffle what the epoch before it has shuffled
        module.model.fit(digits.x_train, digits.y_train, batch_size=32, verbose=0)
    for here, there in zip(module.model.get_weights(), weights):
        np.testing.assert_allclose(there, here, atol=1e-6)
    loss, accuracy = module.model.evaluate(digits.x_test, digits.y_test, verbose=0)
    assert found['test_loss'] == pytest.approx(loss, abs=1e-5)
    assert found['test_accuracy'] == pytest.approx(accuracy, abs=1e-6) and accuracy > 0.7  # chance is 0.1


def test_the_chiefs_last_line_has_all_updates_wherever_the_other_worker_made_the_last(
    module, digits, monkeypatch, tmp_path
):
    cluster = cluster_of(workers=1)
    monkeypatch.setenv('TF_CONFIG', tf_config(cluster, 'worker', 0))
    lines = []

    def say(line):
        lines.append(line)
        if len(lines) == 1:  # at this very moment the other worker makes all updates that are left; each counts twice
            K.get_session().run(tf.assign_add(module.model.optimizer.iterations, 2 * 1000))

    monkeypatch.setattr(module, 'print', say, raising=False)
    found = module.run(digits, epochs=3, batch_size=32, out=str(tmp_path), resume=str(tmp_path))
    said = [[int(n) for n in line.split(':')[0].split()[1::2]] for line in lines]
    wanted = 3 * len(digits.x_train) // 32
    assert said == [[said[0][0], wanted], [found['updates'], wanted]]
    assert said[0][0] < wanted <= found['updates'] == said[0][0] + 1000 + 1


@pytest.mark.parametrize(
    'optimizer, updates_that_stay',
    [
        (lambda: keras.optimizers.TFOptimizer(tf.train.GradientDescentOptimizer(0.5)), 2),
        (lambda: keras.optimizers.SGD(0.5), 1),  # reads, computes, assigns
    ],
    ids=['tf.train', 'Keras'],
)
def test_updates_of_two_workers_add_up_only_with_tf_trains_optimizers(optimizer, updates_that_stay):
    cluster = cluster_of(workers=2)
    servers = [tf.train.Server(cluster, 'worker', i) for i in (0, 1)]
    read, go_on = threading.Event(), threading.Event()

    def dawdle(x):
        read.set()
        assert go_on.wait(30)
        return x

    workers = []
    for i in (0, 1):
        with tf.Graph().as_default() as graph:
            filters = tf.ConfigProto(device_filters=['/job:ps', '/job:worker/task:%d' % i])
            K.set_session(tf.Session(servers[i].target, graph, config=filters))
            with tf.device(tf.train.replica_device_setter(cluster=cluster, worker_device='/job:worker/task:%d' % i)):
                weight = tf.Variable([8.0], name='weight_' + str(updates_that_stay))
                # worker 0 takes its time after it has read the weight; the gradient is [1]
                seen = tf.py_func(dawdle, [weight.read_value()], tf.float32) if i == 0 else weight.read_value()
                seen.set_shape([1])
                loss = tf.reduce_sum(weight * (1 + 0 * tf.stop_gradient(seen)))
                updates = optimizer().get_updates(loss=loss, params=[weight])
            if i == 1:
                K.get_session().run(tf.global_variables_initializer())
            workers.append((K.get_session(), graph, weight, updates))
    slow = threading.Thread(target=workers[0][0].run, args=(workers[0][3],))
    slow.start()
    assert read.wait(30)
    time.sleep(0.5)  # for all else that worker 0 reads before it computes
    workers[1][0].run(workers[1][3])
    go_on.set()
    slow.join(30)
    assert workers[1][0].run(workers[1][2]) == 8 - 0.5 * updates_that_stay


def start(out, *options, **environment):
    clean = {k: v for k, v in os.environ.items() if k != 'PYTHONUNBUFFERED'}  # lines have to come without its help
    return subprocess.Popen(
        COMMAND + ['--out', str(out)] + list(options),
        cwd=ROOT,
        env=dict(clean, **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )


def test_on_this_machine_it_is_three_processes(digits, tmp_path):
    launcher = start(tmp_path, '--epochs', '8')
    out, err = launcher.communicate(timeout=200)
    assert launcher.returncode == 0 and err == 'Using TensorFlow backend.\n'
    assert 'test_accuracy' in out.splitlines()[-3] and out.splitlines()[0].startswith('update ')
    folder = tmp_path / 'distributed-parameter_server'
    record = json.loads((folder / 'result.json').read_text())
    assert (folder / record['metrics']['checkpoint']).exists() and record['metrics']['updates'] in (359, 360)
    assert record['metrics']['test_accuracy'] > 0.8  # chance is 0.1


@pytest.mark.parametrize('filtered', [True, False])
def test_a_worker_begins_without_the_others_only_with_device_filters(filtered, tmp_path):
    cluster = cluster_of(workers=2)  # of which the second is never there
    code = (
        """
import runpy, sys, tensorflow as tf
sys.argv = ['', '--threads', '1', '--epochs', '1', '--out', sys.argv[1]]
ConfigProto = tf.ConfigProto
if not %r:
    tf.ConfigProto = lambda device_filters=None, **options: ConfigProto(**options)
runpy.run_path('examples/distributed/parameter_server.py', run_name='__main__')
"""
        % filtered
    )
    python_path = ROOT + os.pathsep + os.environ.get('PYTHONPATH', '')
    done = subprocess.run(
        [sys.executable, '-c', code, str(tmp_path)],
        cwd=ROOT,
        env=dict(os.environ, TF_CONFIG=tf_config(cluster, 'worker', 0), TFK_TIMEOUT='10', PYTHONPATH=python_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    assert done.returncode == (0 if filtered else 3), done.stderr
    assert ('reached no server' in done.stderr) == (not filtered)


def single_process_accuracy(module, data, updates):
    session.start(seed=0, threads=1)
    model = module.build_model(data.x_train.shape[1:])
    model.compile(keras.optimizers.SGD(0.02, 0.9), 'sparse_categorical_crossentropy', metrics=['accuracy'])
    model.fit(data.x_train, data.y_train, batch_size=32, epochs=updates * 32 // len(data.x_train), verbose=0)
    return model.evaluate(data.x_test, data.y_test, verbose=0)[1]


def member(launcher, job, index):
    """The process that is `job` `index`, of those that a launcher has started."""
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/%s/stat' % pid) as f, open('/proc/%s/environ' % pid) as e:
                child_of, environment = int(f.read().rsplit(')', 1)[1].split()[1]), e.read()
        except OSError:
            continue
        if child_of == launcher.pid and '"type": "%s", "index": %d' % (job, index) in environment:
            return int(pid)


def runs(pid):
    try:
        with open('/proc/%d/stat' % pid) as f:
            return f.read().rsplit(')', 1)[1].split()[0] != 'Z'  # in a container nobody may ask for its end
    except OSError:
        return False


def wait_for_update(launcher, count):
    """Reads the chief's lines until it has reported so many updates."""
    for line in launcher.stdout:
        if line.startswith('update ') and int(line.split()[1]) >= count:
            return
    pytest.fail(launcher.stderr.read())


def test_whoever_is_killed_the_run_ends_well(module, digits, tmp_path):
    launcher = start(tmp_path, '--epochs', '40')
    for count, victim in ((100, ('worker', 1)), (500, ('ps', 0)), (900, ('worker', 0))):
        wait_for_update(launcher, count)
        os.kill(member(launcher, *victim), signal.SIGKILL)
    out, err = launcher.communicate(timeout=200)
    assert launcher.returncode == 0, err
    for name in ('worker 1', 'ps 0', 'worker 0'):
        assert name + ' was killed by signal 9; starting it again' in err
    found = json.loads((tmp_path / NAME.replace('/', '-') / 'result.json').read_text())['metrics']
    wanted = 40 * len(digits.x_train) // 32
    assert wanted <= found['updates'] <= wanted + 1  # the other worker's last
    assert found['test_accuracy'] == pytest.approx(single_process_accuracy(module, digits, wanted), abs=0.03)
    assert os.listdir(str(tmp_path)) == ['distributed-parameter_server']


def test_with_the_launcher_everyone_goes(tmp_path):
    launcher = start(tmp_path, '--epochs', '1000')
    wait_for_update(launcher, 1)
    members = [member(launcher, *who) for who in (('ps', 0), ('worker', 0), ('worker', 1))]
    launcher.kill()
    launcher.wait()
    assert None not in members
    deadline = time.time() + 10
    while any(map(runs, members)) and time.time() < deadline:
        time.sleep(0.1)
    assert not any(map(runs, members))


def test_each_process_ends_when_it_is_told_to(tmp_path):
    cluster = {'ps': free_addresses(1), 'worker': free_addresses(2)}
    members = [
        start(tmp_path, '--epochs', '1000', TF_CONFIG=tf_config(cluster, job, index))
        for job, index in (('ps', 0), ('worker', 0), ('worker', 1))
    ]
    wait_for_update(members[1], 1)
    for process in reversed(members):  # the server last, which is in TensorFlow for ever
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=10)
        assert process.returncode == 143 and 'Traceback' not in err


def test_ctrl_c_leaves_a_checkpoint_from_which_the_same_command_goes_on(tmp_path):
    launcher = start(tmp_path, '--epochs', '60')
    wait_for_update(launcher, 200)
    launcher.send_signal(signal.SIGINT)
    _, err = launcher.communicate(timeout=60)
    assert launcher.returncode == 130 and 'the same command resumes from there' in err
    again = start(tmp_path, '--epochs', '60')
    out, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    first = int(out.split()[1])
    assert first > 200


def one_sentence(process, expected):
    out, err = process.communicate(timeout=60)
    lines = [line for line in err.splitlines() if line != 'Using TensorFlow backend.']
    assert process.returncode == 3 and lines[-1].startswith('error: ') and expected in lines[-1], err
    assert 'Traceback' not in err


def test_a_server_that_is_not_there_is_one_sentence(tmp_path):
    cluster = {'ps': free_addresses(1), 'worker': free_addresses(2)}
    for index in (0, 1):  # the chief, and one that waits for it
        worker = start(tmp_path, TF_CONFIG=tf_config(cluster, 'worker', index), TFK_TIMEOUT='3')
        one_sentence(worker, 'reached no server at ' + cluster['ps'][0])


def test_a_port_in_use_is_one_sentence(tmp_path):
    taken = socket.socket()
    taken.bind(('127.0.0.1', 0))
    taken.listen(1)
    address = '127.0.0.1:%d' % taken.getsockname()[1]
    config = tf_config({'ps': free_addresses(1), 'worker': [address]}, 'worker', 0)
    one_sentence(start(tmp_path, TF_CONFIG=config), 'cannot listen on %s: end what has that port' % address)
