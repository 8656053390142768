"""What StreamingMetric costs a training step of the post's network, over metrics=['accuracy'] alone.

    .venv/bin/python benchmarks/streaming_metric.py [ROUNDS]

Both models live in one process and take turns, batch by batch, so that the machine's moods strike both alike. Prints
the median of the ratios of paired steps, with a 95 % interval of that median by bootstrap.
"""

import os
import sys
import time

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '1')

import keras  # noqa: E402
import numpy as np  # noqa: E402

from tensorflow_with_keras import recipe, session  # noqa: E402
from tensorflow_with_keras.streaming import StreamingMetric  # noqa: E402

BATCH = 128


def main(rounds):
    session.start(seed=0)
    example = recipe.load('metrics/cohens_kappa')
    x = np.random.rand(BATCH, 28, 28, 1).astype(np.float32)
    y = np.eye(10, dtype=np.float32)[np.random.randint(0, 10, BATCH)]
    models = {}
    for name, metrics in (('accuracy', []), ('with kappa', [StreamingMetric(example.cohens_kappa)])):
        models[name] = example.build_model(x.shape[1:])
        models[name].compile(keras.optimizers.Adadelta(), 'categorical_crossentropy', metrics=['accuracy'] + metrics)
    seconds = {name: [] for name in models}
    names = sorted(models)
    for i in range(rounds + 3):
        for name in names if i % 2 else reversed(names):
            begin = time.perf_counter()
            models[name].train_on_batch(x, y)
            if i >= 3:  # the first steps allocate
                seconds[name].append(time.perf_counter() - begin)
        if sys.stderr.isatty():
            print('\rround %d of %d' % (i + 1, rounds + 3), end='', file=sys.stderr)
    base, streaming = np.array(seconds['accuracy']), np.array(seconds['with kappa'])
    ratios = streaming / base
    draws = np.random.RandomState(0).choice(ratios, (2000, len(ratios)))
    low, high = np.percentile(np.median(draws, axis=1), [2.5, 97.5])
    print('\nstep with accuracy        %.1f ms (median of %d)' % (1e3 * np.median(base), rounds))
    print('step with kappa beside it %.1f ms' % (1e3 * np.median(streaming)))
    print('ratio                     %.4f (95 %% interval %.4f to %.4f)' % (np.median(ratios), low, high))


if __name__ == '__main__':
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
