"""An optimizer of tf.contrib.opt in Keras, and its state kept over a save.

When: the update rule you want is in TensorFlow and not in Keras: here AddSign, which makes a step
larger where the gradient and its running mean agree in sign.

The line that matters: `K.batch_set_value(zip(optimizer.variables(), state))`. compile wraps the
optimizer in a keras.optimizers.TFOptimizer, which neither saves nor loads anything.

Without it: model.save warns and leaves the optimizer out, load_model gives a model that was never
compiled, and one compiled anew goes on without its running means: it takes another way than a run
that was never stopped. It also goes wrong with callbacks that set the learning rate: a TFOptimizer
has no `lr`, which is a ValueError.

Checked: weights after some steps, against the rule in NumPy; the resumed run, against one that
was never stopped.

Sources: tf.contrib.opt.AddSignOptimizer, TensorFlow 1.9; keras.optimizers.TFOptimizer, Keras
2.2.4; Bello et al. (2017), Neural optimizer search with reinforcement learning.
"""

import os
import tempfile

import keras
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import recipe

CLASSES = 10


def build_model(shape):
    return keras.models.Sequential(
        [layers.Flatten(input_shape=shape), layers.Dense(CLASSES, kernel_initializer='zeros', activation='softmax')]
    )


def compiled(model):
    optimizer = tf.contrib.opt.AddSignOptimizer(learning_rate=0.1, alpha=1.0, beta=0.9)
    model.compile(optimizer, 'categorical_crossentropy')
    return optimizer


def resume(file, state=None):
    model = keras.models.load_model(file, compile=False)
    optimizer = compiled(model)
    model._make_train_function()  # fit would do it: only now are there variables for the state
    if state is not None:
        K.batch_set_value(zip(optimizer.variables(), state))
    return model


def run(data, epochs=10, batch_size=64, verbose=2, callbacks=()):
    x, y = data.x_train, keras.utils.to_categorical(data.y_train, CLASSES)
    model = build_model(x.shape[1:])
    optimizer = compiled(model)
    model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=verbose, callbacks=list(callbacks))
    accuracy = np.mean(model.predict(data.x_test).argmax(1) == data.y_test)
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, 'model.h5')
        model.save(file, include_optimizer=False)  # with it, Keras only warns that it can not
        state = K.batch_get_value(optimizer.variables())
        runs = {'never stopped': model, 'resumed': resume(file, state), 'resumed without state': resume(file)}
    after = {}
    for name, each in runs.items():  # one more epoch for all three, with the batches in the same order
        each.fit(x, y, batch_size=batch_size, verbose=0, shuffle=False)
        after[name] = each.get_weights()[0]
    apart = {name: float(np.abs(w - after['never stopped']).max()) for name, w in after.items()}
    print('An epoch later a weight differs from the run that was never stopped by at most')
    print('%g with the state of the optimizer, and %g without.' % (apart['resumed'], apart['resumed without state']))
    return {
        'epochs': epochs,
        'test_accuracy': accuracy,
        'apart_with_state': apart['resumed'],
        'apart_without_state': apart['resumed without state'],
    }


if __name__ == '__main__':
    recipe.main(run)
