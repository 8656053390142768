"""Weights that reach a metric: weighted_metrics, which in Keras 3 is the weighted mean.

Different from Keras 2.2.4: there `weighted_metrics` was no weighted mean, since each batch was divided by
its number of weights that are not zero and then averaged. In Keras 3 it is sum(weight * value) /
sum(weight) over the epoch, and so `with_weights`, a last column of the labels, is not needed. What is in
`metrics` ignores the weights in both. The loss is weighted otherwise, too: Keras 3 divides by the number
of samples, 2.2.4 by the number of samples whose weight is not zero.

Recipe: examples/metrics/sample_weights.py
"""

import keras
import numpy as np


def compile_with_weights(model, optimizer='adam'):
    model.compile(
        optimizer,
        'categorical_crossentropy',
        metrics=[keras.metrics.CategoricalAccuracy(name='plain')],  # by position they would be loss_weights
        weighted_metrics=[keras.metrics.CategoricalAccuracy(name='weighted')],
    )
    return model


if __name__ == '__main__':
    x, y = np.random.rand(200, 8), np.eye(3)[np.random.randint(3, size=200)]
    weights = np.where(y[:, 0] == 1, 4.0, 0.5)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3, activation='softmax')])
    compile_with_weights(model).fit(x, y, sample_weight=weights, epochs=2, verbose=2)
