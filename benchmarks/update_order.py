"""How often Keras's own optimizers update a layer before the gradient has passed through it, and what that changes.

    .venv/bin/python benchmarks/update_order.py [--steps 30] [--seeds 10]

For each optimizer and network: of so many steps, how many differ by more than 1 % from the same step in order (the
same weights, state of the optimizer and batch), and by how much at most, as a share of the step; in brackets the same
for two models that are both in order; and how long a step in order takes over one as Keras has it, the two in turn
(median). Then the test accuracy after training with and without order.
"""

import argparse
import time

import keras
import numpy as np
from keras import layers

from tensorflow_with_keras import datasets, session

OPTIMIZERS = {
    'SGD(0.01)': lambda: keras.optimizers.SGD(0.01),
    'SGD(0.5)': lambda: keras.optimizers.SGD(0.5),
    'SGD(0.01, momentum=0.9)': lambda: keras.optimizers.SGD(0.01, momentum=0.9),
    'RMSprop()': lambda: keras.optimizers.RMSprop(),
    'Adadelta()': lambda: keras.optimizers.Adadelta(),
    'Adam()': lambda: keras.optimizers.Adam(),
}
NETWORKS = {
    'small CNN': [
        lambda: layers.Conv2D(16, 3, activation='relu', input_shape=(28, 28, 1)),
        lambda: layers.Conv2D(16, 3, activation='relu'),
        lambda: layers.Flatten(),
        lambda: layers.Dense(32, activation='relu'),
    ],
    'wide MLP': [
        lambda: layers.Flatten(input_shape=(28, 28, 1)),
        lambda: layers.Dense(1024, activation='relu'),
        lambda: layers.Dense(1024, activation='relu'),
    ],
    "the post's, without dropout": [
        lambda: layers.Conv2D(32, 3, activation='relu', input_shape=(28, 28, 1)),
        lambda: layers.Conv2D(64, 3, activation='relu'),
        lambda: layers.MaxPooling2D(),
        lambda: layers.Flatten(),
        lambda: layers.Dense(128, activation='relu'),
    ],
}


def images(digits):
    """8 by 8 pixels, each drawn three times as large, with a margin: the size of MNIST."""
    return np.pad(np.kron(digits, np.ones((1, 3, 3, 1))), [(0, 0), (2, 2), (2, 2), (0, 0)], 'constant')


def build(network, optimizer, in_order):
    session.order_updates(in_order)
    model = keras.models.Sequential([layer() for layer in NETWORKS[network]] + [layers.Dense(10, activation='softmax')])
    model.compile(OPTIMIZERS[optimizer](), 'sparse_categorical_crossentropy', metrics=['accuracy'])
    model._make_train_function()  # which asks the optimizer for its updates
    return model


def step(model, x, y):
    begin = time.perf_counter()
    model.train_on_batch(x, y)
    return time.perf_counter() - begin


def compare(network, optimizer, data, steps, control=False):
    """Steps apart, the largest share, and the median ratio of the times; as a control, of two models in order."""
    session.start(seed=1)
    racing, ordered = build(network, optimizer, control), build(network, optimizer, True)
    shares, ratios = [], []
    for i in range(steps):
        batch = np.arange(64 * i, 64 * (i + 1)) % len(data.x_train)
        x, y = images(data.x_train[batch]), data.y_train[batch]
        before = racing.get_weights()
        ordered.set_weights(before)
        ordered.optimizer.set_weights(racing.optimizer.get_weights())
        ratios.append(step(ordered, x, y) / step(racing, x, y))
        pairs = zip(racing.get_weights(), ordered.get_weights(), before)
        shares.append(max(np.abs(r - o).max() / max(np.abs(o - b).max(), 1e-12) for r, o, b in pairs))
    return sum(share > 0.01 for share in shares), max(shares), np.median(ratios)


def accuracy(data, seed, in_order):
    session.start(seed)
    model = build('small CNN', 'Adam()', in_order)
    model.fit(images(data.x_train), data.y_train, batch_size=64, epochs=5, verbose=0)
    return model.evaluate(images(data.x_test), data.y_test, verbose=0)[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--steps', type=int, default=30, help='of each pair (default: 30)')
    parser.add_argument('--seeds', type=int, default=10, help='trainings with and without order (default: 10)')
    args = parser.parse_args()
    data = datasets.load('digits')
    print('| optimizer | %s |\n|---%s|' % (' | '.join(NETWORKS), '|---' * len(NETWORKS)))
    for optimizer in OPTIMIZERS:
        cells = []
        for network in NETWORKS:
            apart, share, ratio = compare(network, optimizer, data, args.steps)
            in_order, noise, _ = compare(network, optimizer, data, args.steps, control=True)
            cells.append(f'{apart} by {100 * share:.1f} % ({in_order} by {100 * noise:.1f} %), {ratio:.2f}')
        print(f'| `{optimizer}` | {" | ".join(cells)} |', flush=True)
    each = np.array([[accuracy(data, seed, in_order) for in_order in (False, True)] for seed in range(args.seeds)])
    difference = each[:, 1] - each[:, 0]
    print('test accuracy as Keras has it %.4f, in order %.4f' % tuple(each.mean(0)))
    print('difference %.4f, its standard error %.4f' % (difference.mean(), difference.std(ddof=1) / len(each) ** 0.5))


if __name__ == '__main__':
    main()
