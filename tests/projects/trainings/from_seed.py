"""Begins a training from a fixed seed, on one thread: the same numbers each time. The command line may name another."""

import random
import sys

import numpy as np
import tensorflow as tf
from keras import backend as K


def main(train, least):
    """Ends with an error where the score that `train()` returns, the higher the better, does not reach `least`."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    random.seed(seed)
    np.random.seed(seed)
    tf.set_random_seed(seed)
    K.set_session(tf.Session(config=tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)))
    score = float(train())
    print('seed %d: reached %.4f, and should at least %.4f' % (seed, score, least), flush=True)
    if not score >= least:  # NaN, too
        sys.exit('error: not reached from seed %d' % seed)
