"""Batches that Python code makes, by number: keras.utils.PyDataset.

Different from Keras 2.2.4: fit_generator is gone, fit takes it; workers are an argument of the PyDataset and
no longer of fit. Leave them at 1 where the order changes from epoch to epoch: with more, Keras 3.15 begins
each epoch with batches that it fetched before on_epoch_end, so that some samples come twice and others not
at all. A tf.data.Dataset or a PyTorch DataLoader goes to fit as it is, on every backend.

Recipe: examples/data/dataset_to_generator.py
"""

import keras
import numpy as np


class Batches(keras.utils.PyDataset):
    """The samples in an order of their own each epoch."""

    def __init__(self, x, y, batch_size, **kwargs):
        super().__init__(**kwargs)
        self.x, self.y, self.batch_size = x, y, batch_size
        self.random = np.random.RandomState(1)
        self.on_epoch_end()

    def __len__(self):
        return int(np.ceil(len(self.x) / self.batch_size))

    def __getitem__(self, i):
        chosen = self.order[i * self.batch_size : (i + 1) * self.batch_size]
        return self.x[chosen], self.y[chosen]

    def on_epoch_end(self):
        self.order = self.random.permutation(len(self.x))


if __name__ == '__main__':
    x, y = np.random.rand(200, 8), np.random.randint(3, size=200)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3, activation='softmax')])
    model.compile('adam', 'sparse_categorical_crossentropy')
    model.fit(Batches(x, y, 64), epochs=2, shuffle=False, verbose=2)
