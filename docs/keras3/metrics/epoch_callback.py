"""A metric that cannot stream: computed once an epoch by a callback, where EarlyStopping can watch it.

Different from Keras 2.2.4: Keras's progress line shows the number, since its logger comes last, and
EarlyStopping asks for `mode` where it cannot tell which way is better (2.2.4 took less to be better,
silently). As there, the callback that writes has to stand before those that read.

Recipe: examples/metrics/epoch_callback.py
"""

import keras
import numpy as np


def average_precision(y_true, score):
    """The exact one: the precision at each positive, best score first. sklearn.metrics has it for ties as well."""
    found = np.asarray(y_true)[np.argsort(-np.asarray(score), kind='stable')]
    return (np.cumsum(found) / np.arange(1, len(found) + 1))[found == 1].mean()


class EpochScore(keras.callbacks.Callback):
    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def on_epoch_end(self, epoch, logs=None):
        scores = self.model.predict(self.x, verbose=0)
        logs['val_ap'] = float(np.mean([average_precision(*pair) for pair in zip(self.y.T, scores.T)]))


def callbacks(x, y, patience=3):
    stop = keras.callbacks.EarlyStopping('val_ap', mode='max', patience=patience, restore_best_weights=True)
    return [EpochScore(x, y), stop]  # in this order


if __name__ == '__main__':
    x, y = np.random.rand(200, 8), np.eye(3)[np.random.randint(3, size=200)]
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3, activation='softmax')])
    model.compile('adam', 'categorical_crossentropy')
    model.fit(x, y, epochs=8, callbacks=callbacks(x, y), verbose=2)
