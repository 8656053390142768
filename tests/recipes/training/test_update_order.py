import json
import os
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from tensorflow_with_keras import datasets, recipe, session


class Late(keras.layers.Layer):
    """A Dense without a bias whose gradient for what is beneath it comes late: after its own update, where that may."""

    def build(self, input_shape):
        self.kernel = self.add_weight('kernel', (input_shape[1], 10), initializer='glorot_uniform')
        super().build(input_shape)

    def call(self, inputs):
        @tf.custom_gradient
        def multiply(x, kernel):
            def gradient(dy):
                late = tf.py_func(lambda g: time.sleep(0.05) or g, [dy], tf.float32)
                late.set_shape(dy.shape)
                return tf.matmul(late, self.kernel, transpose_b=True), tf.matmul(x, dy, transpose_a=True)

            return tf.matmul(x, kernel), gradient

        return multiply(inputs, self.kernel)

    def compute_output_shape(self, input_shape):
        return input_shape[0], 10


def race():
    """Runs the recipe with a network in which the upper layer is updated too early, wherever nothing prevents it."""
    session.start(seed=0, threads=4)
    module = recipe.load('training/update_order')

    def build_model(shape):
        stack = [keras.layers.Flatten(input_shape=shape), keras.layers.Dense(8, activation='tanh'), Late()]
        return keras.models.Sequential(stack + [keras.layers.Activation('softmax')])

    module.build_model = build_model
    data = datasets.load('digits')
    found = module.run(data._replace(x_train=data.x_train[:320], y_train=data.y_train[:320]), epochs=1)
    print(json.dumps({name: float(value) for name, value in found.items()}))


def test_in_order_every_step_is_one_along_the_gradient(module, digits):
    found = module.run(digits._replace(x_train=digits.x_train[:320], y_train=digits.y_train[:320]), epochs=2)
    assert found['steps_apart_in_order'] == found['steps_apart_tf_train'] == 0
    assert found['largest_share_in_order'] < 1e-3 and found['largest_share_tf_train'] < 1e-3


@pytest.mark.not_on('tf1.15-keras2.3.1', reason='resource variables are read before they are written')
def test_where_the_update_comes_first_the_step_is_another():
    """In a process of its own, whose session has several threads."""
    code = 'import sys; sys.path.insert(0, %r); import test_update_order; test_update_order.race()'
    command = [sys.executable, '-c', code % os.path.dirname(os.path.abspath(__file__))]
    done = subprocess.run(command, cwd=recipe.ROOT, stdout=subprocess.PIPE, universal_newlines=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found['steps_apart_in_order'] == found['steps_apart_tf_train'] == 0
    assert found['steps_apart_as_it_is'] > 5


def test_what_counts_as_apart(module, digits):
    """Against NumPy: a step of another length is found, and by how much."""
    model = keras.models.Sequential([keras.layers.Flatten(input_shape=(8, 8, 1))])
    model.add(keras.layers.Dense(10, activation='softmax'))
    model.compile(keras.optimizers.SGD(1.5 * module.RATE), 'sparse_categorical_crossentropy')
    few = digits._replace(x_train=digits.x_train[:96], y_train=digits.y_train[:96])
    session.order_updates()
    apart, steps, largest = module.steps_apart(model, few, 2, 32)
    assert (apart, steps) == (6, 6) and largest == pytest.approx(0.5, abs=0.01)


def test_it_trains(module, digits):
    assert module.run(digits)['test_accuracy'] > 0.8  # chance is 0.1
    assert np.all(np.isfinite(module.built[-1].get_weights()[0]))
