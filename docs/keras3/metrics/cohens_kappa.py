"""Cohen's kappa of a whole epoch, which Keras 3 has not: a metric of your own that counts.

Different from Keras 2.2.4: a metric is an object that Keras sets back before every epoch and before
validation, so nothing has to be wrapped or initialised. TensorFlow's function is not needed.

Recipe: examples/metrics/cohens_kappa.py
"""

import keras
import numpy as np
from keras import ops


class CohensKappa(keras.metrics.Metric):
    """Of one-hot labels and class probabilities; 0 where it is not defined, as tf.contrib had it."""

    def __init__(self, classes, name='cohens_kappa', **kwargs):
        super().__init__(name=name, **kwargs)
        self.classes = classes
        self.counts = self.add_variable((classes, classes), 'zeros', name='counts')

    def update_state(self, y_true, y_pred, sample_weight=None):
        true = ops.one_hot(ops.argmax(y_true, -1), self.classes)
        if sample_weight is not None:
            true *= ops.reshape(ops.cast(sample_weight, true.dtype), (-1, 1))
        predicted = ops.one_hot(ops.argmax(y_pred, -1), self.classes)
        self.counts.assign_add(ops.matmul(ops.transpose(true), predicted))

    def result(self):
        total = ops.sum(self.counts)
        agreed = ops.trace(self.counts)
        by_chance = ops.divide_no_nan(ops.sum(ops.sum(self.counts, 0) * ops.sum(self.counts, 1)), total)
        return ops.divide_no_nan(agreed - by_chance, total - by_chance)

    def get_config(self):
        return {**super().get_config(), 'classes': self.classes}


if __name__ == '__main__':
    x, y = np.random.rand(200, 8), np.eye(3)[np.random.randint(3, size=200)]
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3, activation='softmax')])
    model.compile('adam', 'categorical_crossentropy', metrics=['accuracy', CohensKappa(3)])
    model.fit(x, y, epochs=2, validation_data=(x, y), verbose=2)
