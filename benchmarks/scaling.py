"""Images a second of one process and of two, by Horovod and by a parameter server, and the bytes between them.

    EXAMPLE=distributed/horovod scripts/front-door venv     # once: Horovod for the local environment
    .venv/bin/python benchmarks/scaling.py [ROUNDS]
    .venv/bin/python benchmarks/scaling.py --paper FILE     # only what docs/scaling.md reckons: its table and picture

The post's network on 28x28 images, batches of 64 in each process, one thread for each process but where it says two.
The ways take turns, round by round; each starts anew, warms up, waits for its other processes, and takes 40 steps. The
bytes are those of the loopback interface.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '1')

import keras  # noqa: E402
import numpy as np  # noqa: E402

from tensorflow_with_keras import cluster  # noqa: E402

BATCH, STEPS, WARM_UP = 64, 40, 5
ONE, TWO_THREADS, HOROVOD, SERVER = 'one process', 'one, two threads', 'two, Horovod', 'two, parameter server'


def network():
    from tensorflow_with_keras import recipe

    return recipe.load('metrics/cohens_kappa').build_model((28, 28, 1))


def train(way, meet):
    """What each process does; the folder `meet` is where they wait for each other."""
    import tensorflow as tf
    from keras import backend as K

    from tensorflow_with_keras import session

    session.start(seed=0, threads=2 if way == TWO_THREADS else 1)
    optimizer, device, processes = keras.optimizers.SGD(0.01), None, 1
    if way == HOROVOD:
        import horovod.keras as hvd

        hvd.init()
        optimizer, processes = hvd.DistributedOptimizer(optimizer), hvd.size()
    if way == SERVER:
        config = json.loads(os.environ['TF_CONFIG'])
        spec, job, index = config['cluster'], config['task']['type'], config['task']['index']
        server, processes = tf.train.Server(spec, job, index), len(spec['worker'])
        if job == 'ps':
            server.join()
        me = '/job:worker/task:%d' % index
        K.set_session(tf.Session(server.target, config=tf.ConfigProto(device_filters=['/job:ps', me])))
        optimizer = keras.optimizers.TFOptimizer(tf.train.GradientDescentOptimizer(0.01))
        device = tf.train.replica_device_setter(cluster=spec, worker_device=me)
    with tf.device(device):
        model = network()
        model.compile(optimizer, 'categorical_crossentropy')
        model._make_train_function()
    x = np.random.rand(BATCH, 28, 28, 1).astype(np.float32)
    y = np.eye(10, dtype=np.float32)[np.random.randint(0, 10, BATCH)]
    for _ in range(WARM_UP):
        model.train_on_batch(x, y)
    tempfile.mkdtemp(dir=meet)
    while len(os.listdir(meet)) < processes:
        time.sleep(0.01)
    begin, before = time.time(), loopback()
    for _ in range(STEPS):
        model.train_on_batch(x, y)
    seconds, sent = time.time() - begin, loopback() - before
    print('measured', STEPS * BATCH / seconds, sent / STEPS, flush=True)


def loopback():
    """Bytes that have gone through the loopback interface so far."""
    with open('/proc/net/dev') as f:
        return int(re.search(r'lo:\s*(\d+)', f.read()).group(1))


def measure(way):
    """Images a second of all processes, and the bytes between them in the time of a step of each."""
    with tempfile.TemporaryDirectory() as meet:
        command = [sys.executable, __file__, '--way', way, meet]
        done = subprocess.run(command, stdout=subprocess.PIPE, universal_newlines=True, check=True)
    found = np.array(re.findall(r'measured (\S+) (\S+)', done.stdout), float)
    return found[:, 0].sum(), found[:, 1].mean()


def main(rounds):
    ways = [ONE, TWO_THREADS, HOROVOD, SERVER]
    images, sent = {way: [] for way in ways}, {way: [] for way in ways}
    for n in range(rounds):
        for way in ways if n % 2 else ways[::-1]:
            print('round %d of %d: %s' % (n + 1, rounds, way), file=sys.stderr)
            for record, value in zip((images, sent), measure(way)):
                record[way].append(value)
    parameters = 4 * network().count_params()
    print('%-22s %12s %20s %26s' % ('', 'images/s', 'over one process', 'bytes a step / parameters'))
    for way in ways:
        ratios = np.array(images[way]) / np.array(images[ONE])
        spread = '%.2f (%.2f to %.2f)' % (np.median(ratios), ratios.min(), ratios.max())
        print('%-22s %12.0f %20s %26.3f' % (way, np.median(images[way]), spread, np.median(sent[way]) / parameters))


# --- what docs/scaling.md reckons


STEP = 0.2  # seconds of arithmetic, assumed


def faster(way, processes, transfer):
    """How many times the images a second of one process. `transfer`: seconds in which a link carries the parameters."""
    if way == HOROVOD:  # every process sends and receives 2 (N - 1) / N of them
        return processes * STEP / (STEP + 2 * (processes - 1) / processes * transfer)
    # every worker fetches them and sends their gradient; the server's link carries one worker's at a time, each way
    return min(processes * STEP / (STEP + 2 * transfer), STEP / transfer)


def table():
    for name in ('MobileNet', 'ResNet50', 'VGG16'):
        parameters = getattr(keras.applications, name)(weights=None).count_params()
        slow, fast = (parameters * 32 / (gigabit * 1e9) for gigabit in (10, 100))
        cells = ['%.1f M' % (parameters / 1e6), '%.3g ms' % (1e3 * slow), '%.3g ms' % (1e3 * fast)]
        cells.append(' / '.join('%.0f' % (STEP / c + 2) for c in (slow, fast)))
        cells.append(' / '.join('%.0f %%' % (100 * STEP / (STEP + 2 * c)) for c in (slow, fast)))
        print('| %s | %s |' % (name, ' | '.join(cells)))


def plot(file, parameters=25636712):
    """ResNet-50 of keras.applications, no traffic hidden behind a step's arithmetic."""
    from matplotlib import pyplot as plt

    processes = np.arange(2, 257)
    figure, axes = plt.subplots(figsize=(7, 4.5))
    for way, name, color in ((HOROVOD, 'Horovod', 'C0'), (SERVER, 'one parameter server', 'C1')):
        for gigabit, style in ((100, '-'), (10, '--')):
            transfer = parameters * 32 / (gigabit * 1e9)
            times = [faster(way, n, transfer) for n in processes]
            axes.loglog(processes, times, style, color=color, label='%s, %d Gbit/s' % (name, gigabit))
    axes.loglog(processes, processes, ':', color='gray', label='no traffic')
    axes.set(
        xlabel='processes', ylabel='times the images a second of one process', title='ResNet-50, 0.2 s a step, on paper'
    )
    axes.legend()
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(file, dpi=100, metadata={'Software': None})


if __name__ == '__main__':
    if sys.argv[1:2] == ['--paper']:
        table()
        plot(sys.argv[2])
    elif sys.argv[1:2] == ['--way']:
        way, meet = sys.argv[2:]
        launcher = {HOROVOD: cluster.Horovod(2), SERVER: cluster.ParameterServer(1, 2)}.get(way)
        if launcher and not launcher.join():
            sys.exit(launcher.launch([sys.executable] + sys.argv))
        train(way, meet)
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
