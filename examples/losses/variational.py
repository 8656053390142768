"""A variational autoencoder by tf.distributions: the divergence joins the loss through add_loss.

When: part of the loss is no comparison of targets with predictions: a Kullback-Leibler
divergence, a penalty, anything made of tensors in the middle of the network.

The line that matters: `return -tf.reduce_sum(dots.log_prob(y_true), axis=1)`, the log-likelihood
of a whole image, to stand beside the divergence of its whole code.

Without it: with `loss='binary_crossentropy'`, Keras takes the mean over the pixels instead of
their sum, and the divergence weighs as many times too much as there are pixels. No error; but
the code holds nothing (its divergence falls to nearly 0), and all images that are drawn look like
the mean of the digits.

Reaches: test bound -24.5 after 40 epochs, 4 s on 2 cores, 0.24 GB.

Checked: the divergence, against its closed form in NumPy; the reconstruction, against float64
NumPy; the bound, against images of independent pixels, which say nothing of shapes.

Sources: tf.distributions, TensorFlow 1.9; Kingma and Welling (2014), Auto-encoding variational
Bayes, arXiv:1312.6114.
"""

import os

import keras
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras import layers
from matplotlib import pyplot as plt
from scipy.special import expit

from tensorflow_with_keras import recipe

CODE = 8


def reconstruction(y_true, y_pred):
    # in nats; each pixel is the probability of a black dot
    dots = tf.distributions.Bernoulli(logits=y_pred, dtype=tf.float32)
    return -tf.reduce_sum(dots.log_prob(y_true), axis=1)  # <- the line that matters


def posterior(parameters):
    mean, log_deviation = tf.split(parameters, 2, axis=1)
    return tf.distributions.Normal(mean, tf.exp(log_deviation))


def divergence(parameters):
    prior = tf.distributions.Normal(0.0, 1.0)
    return tf.reduce_sum(tf.distributions.kl_divergence(posterior(parameters), prior), axis=1)


def build_model(pixels):
    image = layers.Input((pixels,))
    code = layers.Input((CODE,))
    hidden = layers.Dense(128, activation='relu')(image)
    parameters = layers.Dense(2 * CODE, name='parameters')(hidden)
    # the sample is mean + deviation * noise, so that gradients reach the mean and the deviation
    sample = layers.Lambda(lambda p: posterior(p).sample())(parameters)
    hidden = layers.Dense(128, activation='relu')(code)
    decoder = keras.Model(code, layers.Dense(pixels)(hidden), name='decoder')
    model = keras.Model(image, decoder(sample))
    model.add_loss(tf.reduce_mean(divergence(parameters)))
    return model


def draw(rows, shape, file):
    figure, axes = plt.subplots(3, 10, figsize=(10, 3.6))
    for row, (title, images) in zip(axes, rows.items()):
        row[0].set_title(title, loc='left', fontsize=11)
        for cell, image in zip(row, images):
            cell.imshow(image.reshape(shape), cmap='gray_r', vmin=0, vmax=1)
            cell.axis('off')
    figure.savefig(file, bbox_inches='tight')
    plt.close(figure)


def run(data, epochs=40, batch_size=64, out='.', **fit):
    x_train = data.x_train.reshape(len(data.x_train), -1)
    x_test = data.x_test.reshape(len(data.x_test), -1)

    model = build_model(x_train.shape[1])
    model.compile(loss=reconstruction, optimizer=keras.optimizers.Adam(0.003))
    model.fit(x_train, x_train, batch_size=batch_size, epochs=epochs, **fit)

    parameters = model.get_layer('parameters').output
    encode = K.function(model.inputs, [posterior(parameters).mean(), divergence(parameters)])
    codes, divergences = encode([x_test])
    test_divergence = divergences.mean()
    bound = -model.evaluate(x_test, x_test, verbose=0)
    print(f'The code of a test image holds {test_divergence:.1f} nats; its log-likelihood is {bound:.1f} nats or more.')

    decoder = model.get_layer('decoder')
    drawn = np.random.RandomState(0).randn(10, CODE)
    rows = {
        'test images': x_test[:10],
        'as reconstructed from the mean of their code': expit(decoder.predict(codes[:10])),
        'drawn from the prior': expit(decoder.predict(drawn)),
    }
    draw(rows, data.x_test.shape[1:3], os.path.join(out, 'samples.png'))
    return {'epochs': epochs, 'test_bound': bound, 'test_divergence': test_divergence, 'picture': 'samples.png'}


if __name__ == '__main__':
    recipe.main(run)
