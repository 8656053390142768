"""Keras layers in a training loop of your own, on JAX.

Different from Keras 2.2.4: no session, no learning phase, no list of updates. A pure function takes all
variables and returns the loss and the variables that the layers change (moving averages, seeds); losses of
regularizers come with return_losses=True. Moving averages are other numbers: 2.2.4 corrected them for their
start at zero and took the sample variance.

Recipe: examples/training/tf_training_loop.py
"""

import jax
import keras
import numpy as np
from keras import layers


def build_model(shape, classes, dropout=0.2):
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.Flatten(),
            layers.Dense(64, activation='relu', kernel_regularizer=keras.regularizers.L2(0.001)),
            layers.BatchNormalization(momentum=0.9),
            layers.Dropout(dropout),
            layers.Dense(classes),  # logits
        ]
    )


def train(model, optimizer, batches):
    """One step for each pair of images and labels. Returns the losses."""
    entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer.build(model.trainable_variables)

    def loss(trainable, others, x, y):
        logits, others, losses = model.stateless_call(trainable, others, x, training=True, return_losses=True)
        return entropy(y, logits) + sum(losses), others

    @jax.jit
    def step(trainable, others, state, x, y):
        (value, others), gradients = jax.value_and_grad(loss, has_aux=True)(trainable, others, x, y)
        trainable, state = optimizer.stateless_apply(state, gradients, trainable)
        return value, trainable, others, state

    variables = model.trainable_variables, model.non_trainable_variables, optimizer.variables
    values, losses = [[v.value for v in each] for each in variables], []
    for x, y in batches:
        value, *values = step(*values, x, y)
        losses.append(float(value))
    for variable, value in zip(sum(variables, []), sum(values, [])):
        variable.assign(value)  # back into the model
    return losses


if __name__ == '__main__':
    x, y = np.random.rand(256, 8).astype('float32'), np.random.randint(3, size=256)
    momentum = keras.optimizers.SGD(0.05, momentum=0.9)
    print(train(build_model((8,), 3), momentum, [(x[i : i + 64], y[i : i + 64]) for i in range(0, 256, 64)]))
