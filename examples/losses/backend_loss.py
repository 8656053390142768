"""A loss written in keras.backend: the Kullback-Leibler divergence, finite on one-hot targets.

When: the loss you want is a short formula, and Keras has it not, or not as you want it. This
is the usual route, and needs no TensorFlow function at all.

The line that matters: `p, q = K.clip(y_true, K.epsilon(), 1), K.clip(y_pred, K.epsilon(), 1)`,
since the logarithm of 0 is -inf, and one-hot targets are mostly zeros.

Without it: the loss is NaN from the first batch on, since 0 * log(0) is. The loss of the post,
`K.sum(K.log(y_true) - K.log(y_pred))`, goes wrong further: it is -inf on one-hot targets; and
the targets are no part of its gradient, so that finite or not it can only learn to predict all
classes alike. Each term needs its weight, `y_true *`.

Checked: the loss of the test set, against float64 NumPy and SciPy's rel_entr; its gradient,
against numeric differences.

Sources: the post, "TensorFlow functions with Keras" (2019); keras.losses, Keras 2.2.4;
Kullback and Leibler (1951), On information and sufficiency.
"""

import keras
import numpy as np
from keras import backend as K
from keras import layers

from tensorflow_with_keras import recipe

CLASSES = 10


def kl_divergence(y_true, y_pred):
    p, q = K.clip(y_true, K.epsilon(), 1), K.clip(y_pred, K.epsilon(), 1)
    # one number a sample: Keras itself weights the samples and takes their mean
    return K.sum(y_true * (K.log(p) - K.log(q)), axis=-1)


def posts_loss(y_true, y_pred):
    return K.sum(K.log(y_true) - K.log(y_pred))


def build_model(shape):
    return keras.models.Sequential(
        [
            layers.Flatten(input_shape=shape),
            layers.Dense(32, activation='relu'),
            layers.Dense(CLASSES, activation='softmax'),
        ]
    )


def run(data, epochs=15, batch_size=64, verbose=2, callbacks=()):
    y_train, y_test = (keras.utils.to_categorical(y, CLASSES) for y in (data.y_train, data.y_test))
    found = {'epochs': epochs}
    for loss in (posts_loss, kl_divergence):
        model = build_model(data.x_train.shape[1:])
        model.compile(loss=loss, optimizer=keras.optimizers.Adam(0.005), metrics=['accuracy'])
        print('Training with %s' % loss.__name__)
        model.fit(
            data.x_train,
            y_train,
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            validation_data=(data.x_test, y_test),
            callbacks=list(callbacks),
        )
        value, accuracy = model.evaluate(data.x_test, y_test, verbose=0)
        print('The test set has a %s of %.4f, and %.1f %% are right.' % (loss.__name__, value, 100 * accuracy))
        found.update({loss.__name__ + '_finite': np.isfinite(value), loss.__name__ + '_accuracy': accuracy})
    found['test_loss'] = value
    return found


if __name__ == '__main__':
    recipe.main(run)
