"""A Keras model called like a function on TensorFlow tensors, and on its own output.

When: a trained model is one part of a larger TensorFlow graph: its input comes from a
placeholder, a queue or another model, and its output goes on into more operations.

The line that matters: `model(image)`. The call makes new operations on the same weights, as
often as one likes.

Without it: model.output hangs on Keras's own placeholder, and running it on yours raises
InvalidArgumentError, must feed. Building the model a second time for the second input gives a
second set of weights, which nobody has trained.

Checked: the graph's answers in Keras's session, against predict, and against predict of
predict; no variable is made by the calls.

Sources: Layer.__call__ in keras/engine/base_layer.py, Keras 2.2.4; TensorFlow 1.9.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import recipe


def build_model(shape):
    """An autoencoder that takes noise away: an image in, an image out."""
    stack = [layers.Flatten(input_shape=shape), layers.Dense(64, activation='relu')]
    stack += [layers.Dense(int(np.prod(shape)), activation='sigmoid'), layers.Reshape(shape)]
    return keras.models.Sequential(stack)


def run(data, epochs=8, batch_size=32, verbose=2, callbacks=()):
    shape = data.x_train.shape[1:]
    noise = np.random.RandomState(0)
    noisy_train, noisy_test = (x + noise.normal(0, 0.3, x.shape).astype('f4') for x in (data.x_train, data.x_test))
    model = build_model(shape)
    model.compile('adam', 'mse')
    model.fit(noisy_train, data.x_train, batch_size, epochs, verbose, list(callbacks))

    variables = len(tf.global_variables())
    image = tf.placeholder(tf.float32, (None,) + shape)  # TensorFlow's, in place of the model's own input
    clean = tf.placeholder(tf.float32, (None,) + shape)
    once = model(image)
    twice = model(once)
    errors = [tf.losses.mean_squared_error(clean, tensor) for tensor in (image, once, twice)]
    session = K.get_session()  # the session that holds the trained weights
    values = session.run(errors + [once, twice], {image: noisy_test, clean: data.x_test})
    found = dict(zip(('noisy_error', 'once_error', 'twice_error'), values[:3]))

    predicted = model.predict(noisy_test)
    print('Mean squared error of noisy digits %.4f, cleaned once %.4f, twice %.4f' % tuple(values[:3]))
    return dict(
        found,
        variables_made=len(tf.global_variables()) - variables,
        once_difference=np.abs(values[3] - predicted).max(),
        twice_difference=np.abs(values[4] - model.predict(predicted)).max(),
    )


if __name__ == '__main__':
    recipe.main(run)
