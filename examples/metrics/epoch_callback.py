"""A metric that cannot stream: computed once an epoch, where EarlyStopping can watch it.

When: the metric needs all predictions at once, as every metric does that sorts them, or exists
only in scikit-learn. Here it is the exact average precision, one class against the rest.

The line that matters: `callbacks=[score, stop, keep_best, *callbacks]`. The callback that writes
the metric into `logs` comes before those that read it: Keras hands one dict to all callbacks of
an epoch, in the order of the list.

What goes wrong: with `score` behind them, EarlyStopping and ModelCheckpoint warn that their
metric is not available, training goes on to the last epoch, and no weights are kept. History
shows the metric all the same, since Keras puts it at the end of the list. Keras's progress line
does not show it even here: its logger comes first. So the callback prints a line of its own.

Reaches: test ap 0.95 after 7 epochs, 3 s on 2 cores, 0.20 GB.

Checked: the average precision of every epoch, the epoch at which training stops and the kept
weights, against scikit-learn's average_precision_score of predictions that the test makes.

Sources: keras/callbacks.py and keras/engine/training_arrays.py, Keras 2.2.4.
"""

import os
import tempfile

import keras
from keras import layers
from sklearn.metrics import average_precision_score

from tensorflow_with_keras import recipe

CLASSES = 10


class EpochScore(keras.callbacks.Callback):
    def __init__(self, x, y):
        super().__init__()
        self.x = x
        self.y = y

    def on_epoch_end(self, epoch, logs=None):
        logs['val_ap'] = average_precision_score(self.y, self.model.predict(self.x), average='macro')
        if self.params['verbose']:
            print(f'val_ap: {logs["val_ap"]:.4f}')


def build_model(shape):
    hidden = layers.Dense(128, activation='relu')
    output = layers.Dense(CLASSES, activation='softmax')
    return keras.models.Sequential([layers.Flatten(input_shape=shape), hidden, output])


def run(data, epochs=40, batch_size=32, callbacks=(), **fit):
    y_train = keras.utils.to_categorical(data.y_train, CLASSES)
    y_test = keras.utils.to_categorical(data.y_test, CLASSES)
    n = len(y_train) * 4 // 5  # the rest decides when to stop, so that the test set need not
    x_val, y_val = data.x_train[n:], y_train[n:]

    model = build_model(data.x_train.shape[1:])
    model.compile(keras.optimizers.Adam(0.01), 'categorical_crossentropy', metrics=['accuracy'])
    with tempfile.TemporaryDirectory() as folder:
        best = os.path.join(folder, 'best.h5')
        score = EpochScore(x_val, y_val)
        stop = keras.callbacks.EarlyStopping('val_ap', mode='max', patience=2)
        keep_best = keras.callbacks.ModelCheckpoint(
            best, 'val_ap', mode='max', save_best_only=True, save_weights_only=True
        )
        history = model.fit(
            data.x_train[:n],
            y_train[:n],
            batch_size=batch_size,
            epochs=epochs,
            validation_data=(x_val, y_val),
            callbacks=[score, stop, keep_best, *callbacks],  # <- the line that matters
            **fit,
        ).history
        model.load_weights(best)

    return {
        'epochs': len(history['val_ap']),
        'best_val_ap': max(history['val_ap']),
        'last_val_ap': history['val_ap'][-1],
        'test_ap': average_precision_score(y_test, model.predict(data.x_test), average='macro'),
    }


if __name__ == '__main__':
    recipe.main(run)
