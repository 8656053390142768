"""Pearson's correlation over all samples of an epoch, by means and moments that grow batch by batch.

Different from Keras 2.2.4: Keras 3 has a keras.metrics.PearsonCorrelation, which is another number. It
correlates along the last axis of each sample and averages that over the samples; for a regression with
one output that is 0 / 0, NaN. This one correlates over the samples.

Recipe: examples/metrics/pearson_correlation.py
"""

import keras
import numpy as np
from keras import ops


class Pearson(keras.metrics.Metric):
    """Of all numbers in y_true with those in y_pred; 0 before the first sample."""

    def __init__(self, name='pearson', **kwargs):
        super().__init__(name=name, **kwargs)
        self.count = self.add_variable((), 'zeros', name='count')
        self.means = self.add_variable((2,), 'zeros', name='means')
        self.moments = self.add_variable((2, 2), 'zeros', name='moments')

    def update_state(self, y_true, y_pred, sample_weight=None):
        both = ops.stack([ops.reshape(ops.cast(y, self.dtype), (-1,)) for y in (y_true, y_pred)])
        weight = ops.ones_like(both[0]) if sample_weight is None else sample_weight
        weight = ops.reshape(ops.cast(weight, self.dtype), (-1,))  # one for each number
        n = ops.sum(weight)
        mean = ops.divide_no_nan(ops.sum(both * weight, 1), n)
        centred = both - mean[:, None]
        total = self.count + n
        shift = mean - self.means  # the two parts have means of their own (Chan et al., 1979)
        between = ops.outer(shift, shift) * ops.divide_no_nan(self.count * n, total)
        self.moments.assign_add(ops.matmul(centred * weight, ops.transpose(centred)) + between)
        self.means.assign_add(shift * ops.divide_no_nan(n, total))
        self.count.assign(total)

    def result(self):
        spread = ops.sqrt(self.moments[0, 0]) * ops.sqrt(self.moments[1, 1])
        return ops.divide_no_nan(self.moments[0, 1], spread)


if __name__ == '__main__':
    x = np.random.rand(200, 8)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
    model.compile('adam', 'mse', metrics=[Pearson()])
    model.fit(x, x.mean(1, keepdims=True), epochs=2, validation_split=0.2, verbose=2)
