"""Area under the ROC curve, one class against the rest, with a floor and a ceiling, by Keras 3's own metric.

Different from Keras 2.2.4: keras.metrics.AUC takes the matrices, and multi_label=True has one curve for
each class; without it all classes are in one heap. `interpolation` is what TensorFlow called trapezoidal.
A class that the labels do not have counts as 0 here, and as 1 in tf.metrics.auc.

Recipe: examples/metrics/roc_auc.py
"""

import keras
import numpy as np

CLASSES = 3


def auc(name, summation_method, num_thresholds=200):
    return keras.metrics.AUC(num_thresholds, summation_method=summation_method, multi_label=True, name=name)


def metrics():
    # the true area lies between floor and ceiling
    return [auc('auc', 'interpolation'), auc('floor', 'minoring'), auc('ceiling', 'majoring')]


if __name__ == '__main__':
    x, y = np.random.rand(200, 8), np.eye(CLASSES)[np.random.randint(CLASSES, size=200)]
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(CLASSES, activation='softmax')])
    model.compile('adam', 'categorical_crossentropy', metrics=metrics())
    model.fit(x, y, epochs=2, validation_data=(x, y), verbose=2)
