"""The mean of the classes' accuracies, which Keras 3 has not, over a whole epoch.

Different from Keras 2.2.4: nothing is wrapped, and the metric returns the mean itself, where the update
operation of tf.metrics.mean_per_class_accuracy gave the vector. A class without samples counts as 0
here as there; scikit-learn's balanced_accuracy_score leaves it out. The matrix of who is taken for
whom is the variable of CohensKappa, in metrics/cohens_kappa.py beside this.

Recipe: examples/metrics/per_class_accuracy.py
"""

import keras
import numpy as np
from keras import ops


class MeanPerClassAccuracy(keras.metrics.Metric):
    """Of one-hot labels and class probabilities."""

    def __init__(self, classes, name='mean_accuracy', **kwargs):
        super().__init__(name=name, **kwargs)
        self.classes = classes
        self.right = self.add_variable((classes,), 'zeros', name='right')
        self.total = self.add_variable((classes,), 'zeros', name='total')

    def update_state(self, y_true, y_pred, sample_weight=None):
        true = ops.one_hot(ops.argmax(y_true, -1), self.classes)
        if sample_weight is not None:
            true *= ops.reshape(ops.cast(sample_weight, true.dtype), (-1, 1))
        predicted = ops.one_hot(ops.argmax(y_pred, -1), self.classes)
        self.right.assign_add(ops.sum(true * predicted, 0))
        self.total.assign_add(ops.sum(true, 0))

    def result(self):
        return ops.mean(ops.divide_no_nan(self.right, self.total))

    def get_config(self):
        return {**super().get_config(), 'classes': self.classes}


if __name__ == '__main__':
    x, y = np.random.rand(200, 8), np.eye(3)[np.random.randint(3, size=200)]
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3, activation='softmax')])
    model.compile('adam', 'categorical_crossentropy', metrics=['accuracy', MeanPerClassAccuracy(3)])
    model.fit(x, y, epochs=2, validation_data=(x, y), verbose=2)
