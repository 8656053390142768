"""Dropout and batch normalisation outside fit: the learning phase in K.function and sess.run.

When: you train a Keras model in a TensorFlow loop of your own, or read a layer's output, and
the model has dropout or batch normalisation, which do one thing in training, another after.

The line that matters: `sess.run([step] + model.updates, {…, K.learning_phase(): 1})`: the
phase, and the updates of the moving averages, which fit would run for you.

What goes wrong without it: nothing fails. The phase is 0 unless it is fed, so dropout drops
nothing and batch normalisation uses its moving averages, in training too. Without the updates
those averages stay at mean 0 and variance 1, and predictions are made with them.

Checked: batch normalisation in both phases and the moving averages against their closed form
in NumPy; dropout's outputs, each 0 or x / (1 - rate), and how often.

Sources: K.learning_phase, BatchNormalization and Dropout, Keras 2.2.4.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import recipe

RATE, MOMENTUM = 0.25, 0.9


def build_model(shape):
    return keras.models.Sequential(
        [
            layers.Flatten(input_shape=shape),
            layers.BatchNormalization(momentum=MOMENTUM),
            layers.Dropout(RATE),
            layers.Dense(10),
        ]
    )


def run(data, epochs=3, batch_size=32, verbose=2):
    model = build_model(data.x_train.shape[1:])
    normalised, dropped = model.layers[1].output, model.layers[2].output
    labels = tf.placeholder(tf.int64, [None])
    loss = tf.losses.sparse_softmax_cross_entropy(labels, model.output)
    step = tf.train.AdamOptimizer(0.01).minimize(loss, var_list=model.trainable_weights)
    sess = K.get_session()  # which initialises all global variables so far, Adam's slots too
    for epoch in range(epochs):
        order = np.random.permutation(len(data.x_train))
        for batch in np.split(order, range(batch_size, len(order), batch_size)):
            feed = {model.input: data.x_train[batch], labels: data.y_train[batch], K.learning_phase(): 1}
            sess.run([step] + model.updates, feed)
        if verbose:
            print('Epoch %d/%d' % (epoch + 1, epochs))

    x, y = data.x_test, data.y_test
    in_phase = K.function([model.input, K.learning_phase()], [model.output, normalised, dropped])
    logits, after, kept = in_phase([x, 0])
    noisy_logits, during, thinned = in_phase([x, 1])
    unfed = sess.run(normalised, {model.input: x})
    found = {
        'test_accuracy': np.mean(logits.argmax(1) == y),
        'test_accuracy_in_training_phase': np.mean(noisy_logits.argmax(1) == y),
        'dropped_in_training_phase': np.mean((thinned == 0) & (during != 0)) / np.mean(during != 0),
        'dropped_in_inference': np.mean(kept != after),
        'mean_square_in_training_phase': np.mean(during**2),
        'mean_square_in_inference': np.mean(after**2),
        'unfed_is_inference': int(np.array_equal(unfed, after)),
    }
    print('Dropout drops %(dropped_in_training_phase).3f in training and %(dropped_in_inference)d after.' % found)
    print('A phase that is not fed is %s.' % ('inference' if found['unfed_is_inference'] else 'training'))
    return found


if __name__ == '__main__':
    recipe.main(run)
