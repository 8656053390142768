"""What a detector finds at a chosen operating point, by Keras 3's own metrics.

Different from Keras 2.2.4: SensitivityAtSpecificity of Keras 3 takes, of all thresholds whose specificity
is at least the one wanted, that with the best sensitivity. TensorFlow 1.9 took the threshold whose
specificity is nearest to the wanted one, and so often one below it: its number can be higher. Precision
and recall at a threshold are the same.

Recipe: examples/metrics/operating_point.py
"""

import keras
import numpy as np

THRESHOLD = 0.3


def metrics():
    return [
        keras.metrics.SensitivityAtSpecificity(0.95, name='sensitivity_at_95'),
        keras.metrics.Precision(thresholds=THRESHOLD, name='precision'),
        keras.metrics.Recall(thresholds=THRESHOLD, name='recall'),
    ]


if __name__ == '__main__':
    x = np.random.rand(200, 8)
    y = (x[:, :1] > 0.8).astype('float32')
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1, activation='sigmoid')])
    model.compile('adam', 'binary_crossentropy', metrics=metrics())
    model.fit(x, y, epochs=2, validation_data=(x, y), verbose=2)
