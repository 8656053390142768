"""What both sides are given: the same arrays from one seed, beside NumPy 1.16 and beside a current one.

RandomState gives the same numbers in both, which a Generator does not promise. `BATCHES` are the sizes of batches
that 97 samples are split into: alone, uneven, one batch.
"""

import numpy as np

N = 97
BATCHES = (1, 32, 97)


def random(name):
    """A RandomState for each name, so that no test depends on what another one drew."""
    return np.random.RandomState(sum(map(ord, name)))


def floats(r, *shape):
    return r.normal(0, 1, shape).astype('float32')


def scores(name, classes, n=N):
    """Labels, the same as one-hot vectors, and probabilities that are right more often than not."""
    r = random(name)
    labels = r.randint(0, classes, n)
    one_hot = np.eye(classes, dtype='float32')[labels]
    logits = r.normal(0, 1, (n, classes)) + 2 * one_hot
    odds = np.exp(logits)
    return labels, one_hot, (odds / odds.sum(1, keepdims=True)).astype('float32')


def split(size, *arrays):
    """The arrays in batches: a list of tuples."""
    return [tuple(a[i : i + size] for a in arrays) for i in range(0, len(arrays[0]), size)]


def weights():
    """Of N samples, a quarter of them 0, but none of a batch of one."""
    w = random('weights').randint(0, 4, N).astype('float32')
    w[-1] = 2
    return w


def pixels(name, void=None):
    """Labels of pixels (7 images of 5 by 5), one-hot labels, probabilities; `void` marks a fifth of the labels."""
    labels, one_hot, p = scores(name, 3, 175)
    labels, one_hot, p = labels.reshape(7, 5, 5), one_hot.reshape(7, 5, 5, 3), p.reshape(7, 5, 5, 3)
    if void is not None:
        labels = np.where(random(name + ' void').rand(7, 5, 5) < 0.2, void, labels)
    return labels, one_hot, p


def binary(name, n=N):
    """Rare positives as (n, 1), probabilities and logits."""
    r = random(name)
    y = (r.rand(n, 1) < 0.3).astype('float32')
    logits = (r.normal(0, 2, (n, 1)) + 2 * y - 1).astype('float32')
    return y, (1 / (1 + np.exp(-logits))).astype('float32'), logits


def operating(name):
    """Labels and scores, (samples, 10) with one class alone that counts, on which two rules part.

    Which threshold is taken for `name`, the nearest to the bound or the best that keeps it, makes a difference here.
    """
    if name == 'precision_at_recall':  # at 0.8 18 of 20 positives with 5 false ones, at 0.5 all with as many
        y = np.repeat([1, 0, 1, 0], [18, 5, 2, 20])
        p = np.repeat([0.8, 0.8, 0.5, 0.2], [18, 5, 2, 20])
    else:
        y, p, _ = binary('operating point %d' % (0 if name == 'specificity_at_sensitivity' else 2), 60)
    column = np.eye(10, dtype='float32')[[8]]
    return y.reshape(-1, 1) * column, p.reshape(-1, 1).astype('float32') * column


def network(name, *sizes):
    """Weights of Dense layers of these sizes: kernel, bias, kernel, bias."""
    r = random(name)
    return [w for a, b in zip(sizes, sizes[1:]) for w in (floats(r, a, b) / np.sqrt(a), floats(r, b) / 10)]


def sequences(name, n=12, steps=7, width=4, classes=3):
    """Padded sequences (-1), labels of steps, and which steps are real; the last four are padding alone."""
    r = random(name)
    x = floats(r, n, steps, width)
    labels = r.randint(0, classes, (n, steps))
    lengths = r.randint(1, steps + 1, n)
    lengths[8:] = 0
    real = np.arange(steps) < lengths[:, np.newaxis]
    return np.where(real[..., np.newaxis], x, -1).astype('float32'), labels, real


def lines(name, n=9, steps=12, classes=10, longest=3):
    """Labels padded with -1, and logits of each step with one class more, the blank, at the end."""
    r = random(name)
    labels = np.where(np.arange(longest) < r.randint(1, longest + 1, (n, 1)), r.randint(0, classes, (n, longest)), -1)
    return labels.astype('float32'), 2 * floats(r, n, steps, classes + 1)


def lstm(name, width, units, classes):
    r = random(name)
    gates = [floats(r, width, 4 * units), floats(r, units, 4 * units) / 4, floats(r, 4 * units)]
    return gates + network(name, units, classes)


def cell(name, units, width):
    """Weights of a normalised LSTM by the names that tf.contrib.rnn gives them."""
    r = random(name)
    weights = {'kernel': floats(r, width + units, 4 * units)}
    for gate in ('input', 'transform', 'forget', 'output', 'state'):
        weights[gate + '/gamma'], weights[gate + '/beta'] = 1 + floats(r, units) / 5, floats(r, units) / 5
    return weights


def features(name, width, units):
    """Weights of a dense layer and a layer normalization by the names that TensorFlow gives them."""
    r = random(name)
    weights = {'dense/kernel': floats(r, width, units), 'dense/bias': floats(r, units)}
    weights.update({'norm/' + w: floats(r, units) for w in ('gamma', 'beta')}, scale=floats(r, units))
    return weights


def normalization(r, n):
    """Of BatchNormalization: gamma, beta, and the mean and the variance that it has learned."""
    return [1 + floats(r, n) / 5, floats(r, n), floats(r, n), r.uniform(0.5, 2, n).astype('float32')]


def convolution(name, filters):
    r = random(name)
    return [floats(r, 3, 3, 1, filters), floats(r, filters)] + normalization(r, filters)


def normalized(name):
    first, last = network(name, 6, 64), network(name + ' last', 64, 3)
    return first + [np.ones(64, 'float32'), *np.zeros((2, 64), 'float32'), np.ones(64, 'float32')] + last


def two_tasks(name):
    return network(name, 6, 64) + network(name + ' digit', 64, 3) + network(name + ' ink', 64, 1)


def task(name, n):
    """Samples with one-hot labels of three classes that depend on them."""
    r = random(name)
    x = floats(r, n, 6)
    return x, np.eye(3, dtype='float32')[(x[:, :3] + 0.3 * floats(r, n, 3)).argmax(1)]
