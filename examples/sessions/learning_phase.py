"""Dropout and batch normalisation outside fit: the learning phase in K.function and sess.run.

When: you train a Keras model in a TensorFlow loop of your own, or read a layer's output, and the
model has dropout or batch normalisation, which work in one way in training and in another after.

The line that matters: `sess.run([step] + model.updates, {**batch, K.learning_phase(): 1})`: the
phase, and the updates of batch normalisation's moving averages, both of which fit sees to.

What goes wrong without it: no error is raised. The phase is 0 unless it is fed, so in training,
too, dropout drops nothing and batch normalisation uses its moving averages. Without the updates
those averages stay at mean 0 and variance 1, and predictions are made with them.

Reaches: test accuracy 0.87 after 3 epochs, 3 s on 2 cores, 0.20 GB.

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
            layers.BatchNormalization(momentum=MOMENTUM, name='normalised'),
            layers.Dropout(RATE, name='dropped'),
            layers.Dense(10),
        ]
    )


def run(data, epochs=3, batch_size=32, verbose=2):
    model = build_model(data.x_train.shape[1:])
    labels = tf.placeholder(tf.int64, [None])
    loss = tf.losses.sparse_softmax_cross_entropy(labels, model.output)
    adam = tf.train.AdamOptimizer(0.01)
    step = adam.minimize(loss, var_list=model.trainable_weights)
    sess = K.get_session()  # initialises the model's variables
    sess.run(tf.variables_initializer(adam.variables()))
    for epoch in range(epochs):
        order = np.random.permutation(len(data.x_train))
        for chosen in np.split(order, range(batch_size, len(order), batch_size)):
            batch = {model.input: data.x_train[chosen], labels: data.y_train[chosen]}
            sess.run([step] + model.updates, {**batch, K.learning_phase(): 1})  # <- the line that matters
        if verbose:
            print(f'Epoch {epoch + 1}/{epochs}')

    # the same samples in both phases, 0 for inference and 1 for training
    normalised = model.get_layer('normalised').output
    dropped = model.get_layer('dropped').output
    outputs_in_phase = K.function([model.input, K.learning_phase()], [model.output, normalised, dropped])
    logits, normalised_inference, dropped_inference = outputs_in_phase([data.x_test, 0])
    noisy_logits, normalised_training, dropped_training = outputs_in_phase([data.x_test, 1])
    unfed = sess.run(normalised, {model.input: data.x_test})
    results = {
        'test_accuracy': np.mean(logits.argmax(1) == data.y_test),
        'test_accuracy_in_training_phase': np.mean(noisy_logits.argmax(1) == data.y_test),
        'dropped_in_training_phase': np.mean(dropped_training[normalised_training != 0] == 0),
        'dropped_in_inference': np.mean(dropped_inference != normalised_inference),
        'mean_square_in_training_phase': np.mean(normalised_training**2),
        'mean_square_in_inference': np.mean(normalised_inference**2),
        'unfed_is_inference': int(np.array_equal(unfed, normalised_inference)),
    }
    print(f'Share dropped in training: {results["dropped_in_training_phase"]:.3f}')
    print(f'Share dropped in inference: {results["dropped_in_inference"]:.3f}')
    return results


if __name__ == '__main__':
    recipe.main(run)
