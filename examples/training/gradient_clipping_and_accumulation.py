"""Several small batches as one large one, its gradient clipped by the global norm, under fit.

When: the batch you want does not fit into memory, or you need a clipping that Keras has not. fit
gets small batches, and the weights move only after every few of them.

The line that matters: `clipped, _ = tf.clip_by_global_norm(sums, self.norm)`. It clips the accumulated
gradients, which by then are the mean over the large batch.

Without it: clipped batch by batch, the gradients of noisy batches count too little, and the sum is
not that of the large batch; clipped variable by variable, it does not even keep its direction. It
also goes wrong where nothing divides by the number of batches: the step is as many times too long.
BatchNormalization still sees small batches, which no optimizer can change.

Reaches: test accuracy 0.90 after 12 epochs, 3 s on 2 cores, 0.20 GB.

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

CLASSES = 10
SMALL_BATCHES = 4  # in a large one
NORM = 0.5


class Accumulated(tf.train.Optimizer):
    """Adds up the gradients of `every` batches, then clips their mean and hands it to `optimizer`."""

    def __init__(self, optimizer, every, norm):
        super().__init__(use_locking=False, name='Accumulated')
        self.optimizer = optimizer
        self.every = every
        self.norm = norm

    def apply_gradients(self, grads_and_vars, global_step=None, name=None):
        gradients, variables = zip(*grads_and_vars)
        totals = [K.zeros(K.int_shape(v)) for v in variables]
        self.batches = K.variable(0, dtype='int64')
        self.steps = K.variable(0, dtype='int64')
        sums = [tf.assign_add(total, g / self.every) for total, g in zip(totals, gradients)]
        with tf.control_dependencies(sums):
            batches = tf.assign_add(self.batches, 1)

        def move():
            clipped, _ = tf.clip_by_global_norm(sums, self.norm)  # <- the line that matters
            # not Keras's global_step: that one counts the small batches, and each of them twice
            moved = self.optimizer.apply_gradients(zip(clipped, variables), global_step=self.steps)
            with tf.control_dependencies([moved]):
                return tf.group(*[tf.assign(total, tf.zeros_like(total)) for total in totals])

        return tf.cond(tf.equal(batches % self.every, 0), move, tf.no_op)


def build_model(shape):
    hidden = layers.Dense(32, activation='relu')
    top = layers.Dense(CLASSES, activation='softmax')
    return keras.models.Sequential([layers.Flatten(input_shape=shape), hidden, top])


def run(data, epochs=12, batch_size=64, **fit):
    small = max(1, batch_size // SMALL_BATCHES)
    large = small * SMALL_BATCHES
    n = len(data.x_train) // large * large  # whole large batches only
    x = data.x_train[:n]
    y = keras.utils.to_categorical(data.y_train[:n], CLASSES)
    model = build_model(x.shape[1:])
    optimizer = Accumulated(tf.train.MomentumOptimizer(0.1, momentum=0.9), SMALL_BATCHES, NORM)
    model.compile(optimizer, 'categorical_crossentropy', metrics=['accuracy'])
    model.fit(x, y, batch_size=small, epochs=epochs, **fit)

    batches, steps = K.batch_get_value([optimizer.batches, optimizer.steps])
    accuracy = np.mean(model.predict(data.x_test).argmax(1) == data.y_test)
    print(f'{batches} batches of {small} made {steps} steps; {100 * accuracy:.1f} % of the test set are right.')
    return {'epochs': epochs, 'batches': int(batches), 'steps': int(steps), 'test_accuracy': accuracy}


if __name__ == '__main__':
    recipe.main(run)
