"""The best epoch by a metric of your own: checkpoints, early stopping and learning rate follow it.

Different from Keras 2.2.4: mode='auto' no longer takes a name that it does not know for a loss, and so no
longer keeps the worst epoch without a word. Keras 3 asks the metric, and where that does not say which
way is better, it raises a ValueError. `mode` by hand is right in both.

Recipe: examples/metrics/best_epoch.py
"""

import keras
import numpy as np


def best_epoch_callbacks(metric, file):
    follow = {'monitor': f'val_{metric}', 'mode': 'max'}
    return [
        keras.callbacks.ModelCheckpoint(file, save_best_only=True, **follow),
        keras.callbacks.EarlyStopping(patience=5, **follow),
        keras.callbacks.ReduceLROnPlateau(patience=2, factor=0.3, **follow),
    ]


if __name__ == '__main__':
    x, y = np.random.rand(200, 8), np.eye(3)[np.random.randint(3, size=200)]
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3, activation='softmax')])
    model.compile('adam', 'categorical_crossentropy', metrics=[keras.metrics.F1Score(average='macro', name='f1')])
    following = best_epoch_callbacks('f1', 'best.keras')
    model.fit(x, y, epochs=8, validation_split=0.2, callbacks=following, verbose=2)
    print(keras.models.load_model('best.keras').evaluate(x[160:], y[160:], verbose=0))
