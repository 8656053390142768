"""Pretrained weights kept: in a session that has them, initialise only what is uninitialised.

When: you load weights into a Keras model and then add TensorFlow variables to its graph, such
as an optimizer of tf.train with its slots, a counter, or a streaming metric.

The line that matters: `sess.run([v.initializer for v in variables if v not in ready])` in
initialize_uninitialized, where an older script has `tf.global_variables_initializer()`.

Without it: with no initialiser the first step raises FailedPreconditionError; with the global
one there is no error, and the loaded weights are random again, which nothing tells you.
(Keras's next call would initialise new global variables, quietly; local ones it never does.)

Checked: every weight byte for byte against the file, after each way; the variables against
tf.report_uninitialized_variables; accuracies against scikit-learn's of the same predictions.

Sources: tf.is_variable_initialized and tf.global_variables_initializer, TensorFlow 1.9.
"""

import os
import tempfile

import keras
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import recipe


def build_model(shape):
    stack = [layers.Flatten(input_shape=shape), layers.Dense(64, activation='relu'), layers.Dense(10)]
    return keras.models.Sequential(stack)  # logits


def cross_entropy(y_true, logits):
    return tf.losses.sparse_softmax_cross_entropy(tf.cast(tf.reshape(y_true, [-1]), tf.int64), logits)


def initialize_uninitialized(sess):
    variables = tf.global_variables() + tf.local_variables()
    is_ready = sess.run([tf.is_variable_initialized(v) for v in variables])
    ready = [v for v, yes in zip(variables, is_ready) if yes]
    sess.run([v.initializer for v in variables if v not in ready])
    return len(variables) - len(ready)


def run(data, epochs=4, batch_size=32, verbose=2, callbacks=()):
    teacher = build_model(data.x_train.shape[1:])
    teacher.compile('adam', cross_entropy)
    teacher.fit(data.x_train, data.y_train, batch_size, epochs, verbose, list(callbacks))

    model = build_model(data.x_train.shape[1:])
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'pretrained.h5')
        teacher.save_weights(path)
        model.load_weights(path)

    # fine-tuning in plain TensorFlow: Adam brings slots, which have no value yet
    labels, sess = tf.placeholder(tf.int64, [None]), K.get_session()
    step = tf.train.AdamOptimizer(1e-4).minimize(cross_entropy(labels, model.output))
    pretrained = sess.run(model.weights)

    def state():
        same = sum(map(np.array_equal, pretrained, sess.run(model.weights)))
        return same, np.mean(sess.run(model.output, {model.input: data.x_test}).argmax(1) == data.y_test)

    found = {'weights': len(pretrained), 'initialized': initialize_uninitialized(sess)}
    found['weights_kept'], found['test_accuracy_kept'] = state()
    for start in range(0, len(data.x_train), batch_size):
        batch = slice(start, start + batch_size)
        sess.run(step, {model.input: data.x_train[batch], labels: data.y_train[batch]})
    found['test_accuracy_fine_tuned'] = state()[1]

    sess.run(tf.global_variables_initializer())  # what a search finds
    found['weights_left_by_global'], found['test_accuracy_after_global'] = state()
    print('Test accuracy as loaded %(test_accuracy_kept).3f, fine-tuned %(test_accuracy_fine_tuned).3f;' % found)
    print('after tf.global_variables_initializer() %(test_accuracy_after_global).3f: chance is 0.1.' % found)
    return found


if __name__ == '__main__':
    recipe.main(run)
