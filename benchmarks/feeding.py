"""What a training step of the post's network takes, by threads and by the way in which batches come to it.

.venv/bin/python benchmarks/feeding.py [--rounds N] [--steps N]

`arrays` is fit on NumPy arrays, `dataset` on the tensors of a tf.data.Dataset that prepares the next batch meanwhile;
`constant` trains on one batch that is in the graph, so it has no feeding at all and is the bound for both. Each run is
a process of its own, they take turns, and memory is kept (docs/memory.md). Prints medians of N rounds: milliseconds a
step, processor time a step, and the ratio of seconds to that of arrays with all threads. Run it on a quiet machine.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import allocator

WAYS = ('arrays', 'dataset', 'constant')
BATCH, SAMPLES, WARM = 128, 60 * 128, 5


def one_run(way, threads, steps):
    """Seconds and processor seconds of one step, in this process."""
    import keras
    import numpy as np
    import tensorflow as tf

    from tensorflow_with_keras import recipe, session

    session.start(seed=0, threads=threads)
    x = np.random.rand(SAMPLES, 28, 28, 1).astype(np.float32)
    y = np.eye(10, dtype=np.float32)[np.random.randint(0, 10, SAMPLES)]
    network = recipe.load('metrics/cohens_kappa').build_model(x.shape[1:])
    marks = []

    class Clock(keras.callbacks.Callback):
        def on_batch_end(self, *_):
            marks.append((time.perf_counter(), time.process_time()))

    options = {'callbacks': [Clock()], 'verbose': 0}
    compiled = {'loss': 'categorical_crossentropy', 'optimizer': keras.optimizers.Adadelta(), 'metrics': ['accuracy']}
    if way == 'arrays':
        network.compile(**compiled)
        network.fit(x[: BATCH * (steps + WARM)], y[: BATCH * (steps + WARM)], batch_size=BATCH, **options)
    else:
        if way == 'dataset':
            of = [tf.placeholder(each.dtype, each.shape) for each in (x, y)]
            dataset = tf.data.Dataset.from_tensor_slices(tuple(of)).shuffle(SAMPLES).batch(BATCH).repeat().prefetch(1)
            iterator = dataset.make_initializable_iterator()
            keras.backend.get_session().run(iterator.initializer, dict(zip(of, (x, y))))
            images, labels = iterator.get_next()
        else:
            images, labels = tf.constant(x[:BATCH]), tf.constant(y[:BATCH])
        inputs = keras.layers.Input(tensor=images)
        model = keras.models.Model(inputs, network(inputs))
        model.compile(target_tensors=[labels], **compiled)
        model.fit(steps_per_epoch=steps + WARM, **options)
    assert len(marks) == steps + WARM
    return [(marks[-1][i] - marks[WARM - 1][i]) / steps for i in (0, 1)]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--rounds', type=int, default=7)
    p.add_argument('--steps', type=int, default=50)
    p.add_argument('--one', nargs=2, metavar=('WAY', 'THREADS'), help='one run, in this process, as JSON')
    args = p.parse_args()
    if not 1 <= args.steps <= SAMPLES // BATCH - WARM:
        p.error('--steps is a number from 1 to %d' % (SAMPLES // BATCH - WARM))
    if args.one:
        print(json.dumps(one_run(args.one[0], int(args.one[1]) or None, args.steps)))
        return
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    environment = dict(os.environ, TF_CPP_MIN_LOG_LEVEL='2', PYTHONPATH=root, **allocator.settings())
    variants = [(way, threads) for threads in (0, 1) for way in WAYS]
    found = {variant: [] for variant in variants}
    for n in range(args.rounds):
        for way, threads in variants[n % len(variants) :] + variants[: n % len(variants)]:
            print('round %d of %d: %s, threads %s' % (n + 1, args.rounds, way, threads or 'all'), file=sys.stderr)
            line = [sys.executable, __file__, '--steps', str(args.steps), '--one', way, str(threads)]
            done = subprocess.run(
                line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True
            )
            if done.returncode:
                sys.exit('%s\n%s failed' % (done.stderr, ' '.join(line)))
            found[way, threads].append(json.loads(done.stdout.splitlines()[-1]))
    base = found['arrays', 0]
    for (way, threads), runs in found.items():
        ratios = sorted(run[0] / other[0] for run, other in zip(runs, base))
        middle = [1e3 * statistics.median(run[i] for run in runs) for i in (0, 1)]
        line = '%-9s %-4s threads  %7.1f ms  processor %7.1f ms  ratio %.2f (%.2f to %.2f)'
        print(line % (way, threads or 'all', *middle, statistics.median(ratios), ratios[0], ratios[-1]))


if __name__ == '__main__':
    main()
