"""A run that was broken off goes on with the bits of one never stopped: BackupAndRestore.

Different from Keras 2.2.4: one callback writes weights, optimizer and the number of the epoch, restores them
when fit is called again, and deletes them when it has ended. What is random is not in it, as it was not
there: neither the state of Dropout nor the order of a shuffling fit. A run with these goes on another way.

Recipe: examples/export/checkpoint.py
"""

import keras
import numpy as np


def fit(model, x, y, folder, epochs, callbacks=()):
    backup = keras.callbacks.BackupAndRestore(folder)
    return model.fit(x, y, epochs=epochs, shuffle=False, callbacks=[backup, *callbacks], verbose=2)


if __name__ == '__main__':
    x, y = np.random.rand(200, 8), np.random.randint(3, size=200)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3, activation='softmax')])
    model.compile('adam', 'sparse_categorical_crossentropy')
    fit(model, x, y, 'backup', 3)
