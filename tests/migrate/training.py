"""Ten steps of each optimizer from the same weights: `python training.py FILE.npz`, beside either Keras.

The arrays are the data, the weights to begin with, and on the way out the weights after each optimizer by its name.
"""

import sys

import keras
import numpy as np

NEW = keras.__version__.startswith('3')
RATE = 'learning_rate' if NEW else 'lr'
OPTIMIZERS = {
    'SGD': ('SGD', {RATE: 0.05}),
    'momentum': ('SGD', {RATE: 0.05, 'momentum': 0.9}),
    'Adam': ('Adam', {RATE: 0.01}),
    'Adadelta': ('Adadelta', {RATE: 1.0}),
    'Adamax': ('Adamax', {RATE: 0.01}),
    'RMSprop': ('RMSprop', {RATE: 0.01}),
    'Adagrad': ('Adagrad', {RATE: 0.05}),
    'Nadam': ('Nadam', {RATE: 0.01}),
    'clipnorm': ('SGD', {RATE: 0.5, 'clipnorm': 0.05}),
    'global_clipnorm': ('SGD', {RATE: 0.5, ('global_clipnorm' if NEW else 'clipnorm'): 0.05}),
}


def build(normalized):
    layers = [keras.layers.Dense(8, activation='tanh', input_shape=(6,))] if not NEW else [keras.Input((6,))]
    if NEW:
        layers.append(keras.layers.Dense(8, activation='tanh'))
    if normalized:
        layers.append(keras.layers.BatchNormalization())
    return keras.Sequential([*layers, keras.layers.Dense(1)])


def train(saved, name, normalized=False):
    kind, keywords = OPTIMIZERS[name]
    model = build(normalized)
    weights = [saved['w%d' % n] for n in range(4)]
    if normalized:
        one, zero = np.ones(8, 'float32'), np.zeros(8, 'float32')
        weights[2:2] = [one, zero, zero, one]
    model.set_weights(weights)
    model.compile(getattr(keras.optimizers, kind)(**keywords), 'mse')
    for _ in range(10):
        model.train_on_batch(saved['x'], saved['y'])
    return model.get_weights()


def main(path):
    if not NEW:
        from tensorflow_with_keras import session

        session.order_updates()  # else a gradient, or the count of steps, may be read before or after it changes
    with np.load(path) as file:
        saved = dict(file)
    out = {}
    for name in OPTIMIZERS:
        out[name] = np.concatenate([w.ravel() for w in train(saved, name)])
    out['BatchNormalization'] = train(saved, 'SGD', normalized=True)[5]
    np.savez(path.replace('.npz', '-%s.npz' % ('new' if NEW else 'old')), **out)


if __name__ == '__main__':
    main(sys.argv[1])
