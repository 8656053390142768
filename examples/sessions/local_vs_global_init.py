"""Local and global variables: five ways to initialise a TensorFlow metric, and which of them work.

When: a model with a metric of tf.metrics stops with `Attempting to use uninitialized value`.

The line that matters: `K.get_session().run(tf.local_variables_initializer())`, after compile,
which makes the metric's variables, and in Keras's own session, which holds the values.

Without it: FailedPreconditionError. Keras initialises only the global collection, where its
weights are; a streaming metric counts in the local one. tf.global_variables_initializer() does
not reach those counts and sets trained weights back; too early or elsewhere does nothing.

Checked: each way against tf.report_uninitialized_variables at the moment of evaluation, the
collections against a metric made in plain TensorFlow, the weights byte for byte.

Sources: tf.local_variables_initializer and tf.metrics, TensorFlow 1.9; get_session() in
keras/backend/tensorflow_backend.py, Keras 2.2.4.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import recipe, session

CLASSES = 10


def cohens_kappa(y_true, y_pred):
    return tf.contrib.metrics.cohen_kappa(tf.argmax(y_true, 1), tf.argmax(y_pred, 1), CLASSES)[1]


def compiled(model):
    # every compile calls the metric function again, which makes new local variables
    model.compile('adam', 'categorical_crossentropy', metrics=['accuracy', cohens_kappa])


def globally(model):
    compiled(model)
    K.get_session().run(tf.global_variables_initializer())


def locally(model):
    compiled(model)
    K.get_session().run(tf.local_variables_initializer())


def too_early(model):
    K.get_session().run(tf.local_variables_initializer())
    compiled(model)


def in_another_session(model):
    compiled(model)
    tf.Session().run(tf.local_variables_initializer())


def only_uninitialized(model):
    compiled(model)
    session.initialize_uninitialized()


WAYS = (globally, locally, too_early, in_another_session, only_uninitialized)


def run(data, epochs=3, batch_size=32, verbose=2, callbacks=()):
    y_train, y_test = (keras.utils.to_categorical(y, CLASSES) for y in (data.y_train, data.y_test))
    model = keras.models.Sequential([layers.Flatten(input_shape=data.x_train.shape[1:])])
    model.add(layers.Dense(CLASSES, activation='softmax'))
    model.compile(keras.optimizers.Adam(0.01), 'categorical_crossentropy')
    model.fit(data.x_train, y_train, batch_size, epochs, verbose, list(callbacks))
    trained, before = model.get_weights(), len(tf.local_variables())
    found = {'global_variables': len(tf.global_variables()), 'local_variables_before': before}
    for way in WAYS:
        model.set_weights(trained)
        way(model)
        found.setdefault('local_variables_a_metric', len(tf.local_variables()) - before)
        try:
            _, accuracy, _ = model.evaluate(data.x_test, y_test, verbose=0)
            found['works_' + way.__name__], said = 1, 'works, test accuracy %.3f' % accuracy
        except tf.errors.FailedPreconditionError as e:
            found['works_' + way.__name__], said = 0, 'FailedPreconditionError: %s' % e.message.split('\n')[0]
        found['keeps_weights_' + way.__name__] = kept = int(all(map(np.array_equal, trained, model.get_weights())))
        print('%-20s %s%s' % (way.__name__, said, '' if kept else '; and the trained weights are gone'))
    return dict(found, test_accuracy=accuracy)


if __name__ == '__main__':
    recipe.main(run)
