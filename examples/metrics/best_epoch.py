"""The best epoch by a metric of your own: checkpoints, early stopping and learning rate follow it.

When: ModelCheckpoint keeps the worst epoch, EarlyStopping stops too soon, or ReduceLROnPlateau cuts
the learning rate while the metric still improves.

The line that matters: `follow = {'monitor': 'val_' + METRIC, 'mode': 'max'}`, handed to every callback
that watches the metric.

Without it: mode='auto' takes more to be better only for names with "acc" in them (and names that
begin with "fmeasure"); anything else, such as kappa, F1 or AUC, it takes for a loss. Keras says
nothing, and saves the worst epoch. Something else spoils the number itself: `model.evaluate` in the
middle of an epoch, as in on_batch_end, sets the metric's counts back. Evaluate between epochs.

Reaches: test kappa 0.89 after 12 epochs, 5 s on 2 cores, 0.26 GB.

Checked: scikit-learn's kappa of every epoch's predictions; the file kept against the best of them.

Sources: `ModelCheckpoint`, `EarlyStopping` and `ReduceLROnPlateau` in keras/callbacks.py, Keras
2.2.4; tf.contrib.metrics.cohen_kappa, TensorFlow 1.9.
"""

import os

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tensorflow_with_keras import recipe
from tensorflow_with_keras.streaming import StreamingMetric

CLASSES = 10
METRIC = 'cohens_kappa'


def cohens_kappa(y_true, y_pred):
    return tf.contrib.metrics.cohen_kappa(tf.argmax(y_true, 1), tf.argmax(y_pred, 1), CLASSES)


def build_model(shape):
    return keras.models.Sequential([layers.Flatten(input_shape=shape), layers.Dense(CLASSES, activation='softmax')])


def run(data, epochs=12, batch_size=32, callbacks=(), out='.', **fit):
    y_train = keras.utils.to_categorical(data.y_train, CLASSES)
    y_test = keras.utils.to_categorical(data.y_test, CLASSES)
    model = build_model(data.x_train.shape[1:])
    model.compile(keras.optimizers.Adam(0.05), 'categorical_crossentropy', [StreamingMetric(cohens_kappa)])

    follow = {'monitor': 'val_' + METRIC, 'mode': 'max'}  # <- the line that matters
    best, best_by_auto = os.path.join(out, 'best.h5'), os.path.join(out, 'best_by_auto.h5')
    watching = [
        keras.callbacks.ModelCheckpoint(best, save_best_only=True, **follow),
        keras.callbacks.EarlyStopping(patience=5, **follow),
        keras.callbacks.ReduceLROnPlateau(patience=2, factor=0.3, **follow),
        keras.callbacks.ModelCheckpoint(best_by_auto, save_best_only=True, monitor='val_' + METRIC),  # the pitfall
    ]
    # yours come first: one that calls predict would, on Keras 2.3, take back that EarlyStopping has stopped
    fit.update(validation_data=(data.x_test, y_test), callbacks=[*callbacks, *watching])
    history = model.fit(data.x_train, y_train, batch_size=batch_size, epochs=epochs, **fit).history

    kappas = np.array(history['val_' + METRIC])
    kept = []
    for file in (best, best_by_auto):
        loaded = keras.models.load_model(file, {METRIC: StreamingMetric(cohens_kappa)})  # for each its own
        kept.append(loaded.evaluate(data.x_test, y_test, verbose=0)[1])
    return {
        'epochs': len(kappas),
        'best_epoch': 1 + kappas.argmax(),
        'test_kappa': kept[0],
        'worst_epoch': 1 + kappas.argmin(),
        'test_kappa_by_auto': kept[1],
        'last_rate': history['lr'][-1],
        'file': 'best.h5',
    }


if __name__ == '__main__':
    recipe.main(run)
