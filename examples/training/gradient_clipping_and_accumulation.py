"""Several small batches as one large one, its gradient clipped by the global norm, under fit.

When: the batch you want does not fit into memory, or you need clipping that Keras has not: fit
gets small batches, and only every so many of them the weights move.

The line that matters: `clipped, _ = tf.clip_by_global_norm(sums, self.norm)`, of the accumulated
gradients, which by then are the mean over the large batch.

Without it: clipped batch by batch the gradients of noisy batches count too little, and the sum is
not that of the large batch; clipped variable by variable it does not even keep its direction. It
also goes wrong where nothing divides by the number of batches: the step is as many times too long.
BatchNormalization still sees small batches: that no optimizer can mend.

Checked: all weights, against fit with the large batch and Keras's own clipnorm.

Sources: tf.train.Optimizer and tf.clip_by_global_norm, TensorFlow 1.9; Pascanu et al. (2013), On
the difficulty of training recurrent neural networks.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import recipe

CLASSES, SMALL_BATCHES, NORM = 10, 4, 0.5


class Accumulated(tf.train.Optimizer):
    """Adds up the gradients of `every` batches, then clips their mean and hands it to `optimizer`."""

    def __init__(self, optimizer, every, norm):
        super().__init__(use_locking=False, name='Accumulated')
        self.optimizer, self.every, self.norm = optimizer, every, norm

    def apply_gradients(self, grads_and_vars, global_step=None, name=None):
        gradients, variables = zip(*grads_and_vars)
        totals = [K.zeros(K.int_shape(v)) for v in variables]
        self.batches, self.steps = K.variable(0, dtype='int64'), K.variable(0, dtype='int64')
        sums = [tf.assign_add(total, g / self.every) for total, g in zip(totals, gradients)]
        with tf.control_dependencies(sums):
            batches = tf.assign_add(self.batches, 1)

        def move():
            clipped, _ = tf.clip_by_global_norm(sums, self.norm)
            # not Keras's global_step: that one counts the small batches, and each of them twice
            moved = self.optimizer.apply_gradients(zip(clipped, variables), global_step=self.steps)
            with tf.control_dependencies([moved]):
                return tf.group(*[tf.assign(total, tf.zeros_like(total)) for total in totals])

        return tf.cond(tf.equal(batches % self.every, 0), move, tf.no_op)


def build_model(shape):
    stack = [layers.Flatten(input_shape=shape), layers.Dense(32, activation='relu')]
    return keras.models.Sequential(stack + [layers.Dense(CLASSES, activation='softmax')])


def run(data, epochs=12, batch_size=64, verbose=2, callbacks=()):
    small = max(1, batch_size // SMALL_BATCHES)
    n = len(data.x_train) // (small * SMALL_BATCHES) * small * SMALL_BATCHES  # whole large batches only
    model = build_model(data.x_train.shape[1:])
    optimizer = Accumulated(tf.train.MomentumOptimizer(0.1, momentum=0.9), SMALL_BATCHES, NORM)
    model.compile(optimizer, 'categorical_crossentropy', metrics=['accuracy'])
    y = keras.utils.to_categorical(data.y_train[:n], CLASSES)
    model.fit(data.x_train[:n], y, batch_size=small, epochs=epochs, verbose=verbose, callbacks=list(callbacks))
    batches, steps = K.batch_get_value([optimizer.batches, optimizer.steps])
    accuracy = np.mean(model.predict(data.x_test).argmax(1) == data.y_test)
    print(
        '%d batches of %d made %d steps; %.1f %% of the test set are right.' % (batches, small, steps, 100 * accuracy)
    )
    return {'epochs': epochs, 'batches': int(batches), 'steps': int(steps), 'test_accuracy': accuracy}


if __name__ == '__main__':
    recipe.main(run)
