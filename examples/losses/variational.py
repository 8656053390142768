"""A variational autoencoder by tf.distributions: the divergence joins the loss through add_loss.

When: part of the loss is no comparison of targets with predictions: a Kullback-Leibler
divergence, a penalty, anything made of tensors in the middle of the network.

The line that matters: `tf.reduce_sum(…, axis=1)` in `reconstruction`, the log-likelihood of a
whole image, to stand beside the divergence of its whole code.

Without it: with `loss='binary_crossentropy'`, Keras's mean over the pixels, the divergence
weighs as many times too much as there are pixels. No error; but the code holds nothing (its
divergence falls to nearly 0), and all images that are drawn look like the mean of the digits.

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

from tensorflow_with_keras import recipe

CODE = 8


def reconstruction(y_true, y_pred):
    # in nats; each pixel is the probability of a black dot
    dots = tf.distributions.Bernoulli(logits=y_pred, dtype=tf.float32)
    return -tf.reduce_sum(dots.log_prob(y_true), axis=1)


def posterior(parameters):
    mean, log_deviation = tf.split(parameters, 2, axis=1)
    return tf.distributions.Normal(mean, tf.exp(log_deviation))


def build_models(pixels):
    image, code = layers.Input((pixels,)), layers.Input((CODE,))
    parameters = layers.Dense(2 * CODE)(layers.Dense(128, activation='relu')(image))
    # the sample is mean + deviation * noise, so that gradients reach the mean and the deviation
    sample = layers.Lambda(lambda p: posterior(p).sample())(parameters)
    decoder = keras.Model(code, layers.Dense(pixels)(layers.Dense(128, activation='relu')(code)))
    model = keras.Model(image, decoder(sample))
    prior = tf.distributions.Normal(0.0, 1.0)
    divergence = tf.reduce_sum(tf.distributions.kl_divergence(posterior(parameters), prior), axis=1)
    model.add_loss(tf.reduce_mean(divergence))
    return model, decoder, K.function([image], [divergence, parameters])


def run(data, epochs=40, batch_size=64, verbose=2, callbacks=(), out='.'):
    x_train, x_test = (x.reshape(len(x), -1) for x in (data.x_train, data.x_test))
    model, decoder, encode = build_models(x_train.shape[1])
    model.compile(loss=reconstruction, optimizer=keras.optimizers.Adam(0.003))
    model.fit(x_train, x_train, batch_size=batch_size, epochs=epochs, verbose=verbose, callbacks=list(callbacks))
    divergence, parameters = encode([x_test])
    bound = -model.evaluate(x_test, x_test, verbose=0)
    print(
        'The code of a test image holds %.1f nats; its log-likelihood is %.1f nats or more.'
        % (divergence.mean(), bound)
    )

    codes = np.random.RandomState(0).randn(10, CODE)  # of the prior
    rows = x_test[:10], *(1 / (1 + np.exp(-decoder.predict(c))) for c in (parameters[:10, :CODE], codes))
    figure, axes = plt.subplots(3, 10, figsize=(10, 3.6))
    titles = 'test images', 'as reconstructed from the mean of their code', 'drawn from the prior'
    for row, images, title in zip(axes, rows, titles):
        row[0].set_title(title, loc='left', fontsize=11)
        for ax, image in zip(row, images):
            ax.imshow(image.reshape(data.x_test.shape[1:3]), cmap='gray_r', vmin=0, vmax=1)
            ax.axis('off')
    figure.savefig(os.path.join(out, 'samples.png'), bbox_inches='tight')
    plt.close(figure)
    return {'epochs': epochs, 'test_bound': bound, 'test_divergence': divergence.mean(), 'plot': 'samples.png'}


if __name__ == '__main__':
    recipe.main(run)
