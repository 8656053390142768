"""Memory and building time of one model after the other in one process, with `K.clear_session()` or without.

    .venv/bin/python benchmarks/many_models.py clear
    .venv/bin/python benchmarks/many_models.py keep

Prints by how many MiB the process grew for ten models, after the first ten of 40, and the median time to build a model
and train one step, of the first ten and of the last ten.
"""

import os
import sys
import time

import keras
import numpy as np
from keras import backend as K
from keras import layers

MODELS = 40


def resident():
    """MiB of memory that this process has, as Linux says."""
    with open('/proc/self/statm') as f:
        return int(f.read().split()[1]) * os.sysconf('SC_PAGE_SIZE') / 2**20


def build_and_step(images, labels):
    model = keras.models.Sequential(
        [
            layers.Conv2D(32, 3, activation='relu', input_shape=images.shape[1:]),
            layers.Flatten(),
            layers.Dense(128, activation='relu'),
            layers.Dense(10, activation='softmax'),
        ]
    )
    model.compile('adam', 'sparse_categorical_crossentropy')
    model.train_on_batch(images, labels)


def main():
    if sys.argv[1:] not in (['clear'], ['keep']):
        sys.exit(__doc__)
    images, labels = np.random.rand(64, 28, 28, 1), np.zeros(64)
    times, after_ten = [], 0
    for i in range(MODELS):
        begin = time.perf_counter()
        if sys.argv[1] == 'clear':
            K.clear_session()
        build_and_step(images, labels)
        times.append(time.perf_counter() - begin)
        if i == 9:
            after_ten = resident()
    grown = (resident() - after_ten) / (MODELS - 10) * 10
    print('%.0f MiB for ten models; %.2f s, then %.2f s' % (grown, np.median(times[:10]), np.median(times[-10:])))


if __name__ == '__main__':
    main()
