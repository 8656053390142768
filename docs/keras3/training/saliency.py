"""Saliency: which pixels a network looks at, by jax.grad from a class's score to the image.

Different from Keras 2.2.4: no placeholder and no session. jax.grad takes a function from images to one number;
stateless_call is the model as such a function. As there, take the scores before the softmax.

Recipe: examples/training/saliency.py
"""

import jax
import keras
import numpy as np
from keras import layers


def build_model(shape, classes):
    stack = [layers.Flatten(), layers.Dense(64, activation='relu'), layers.Dense(classes)]
    return keras.Sequential([keras.Input(shape), *stack, layers.Activation('softmax')])


def saliency(model):
    """A function of images and class numbers that gives the gradient of each image's score, like the images."""
    scores = keras.Model(model.inputs, model.layers[-1].input)  # before the softmax
    weights = scores.trainable_variables, scores.non_trainable_variables

    def score(x, classes):
        of_all, _ = scores.stateless_call(*weights_of(weights), x, training=False)
        return (of_all * jax.nn.one_hot(classes, of_all.shape[1])).sum()  # over images, too: none depends on another

    return jax.grad(score)


def weights_of(variables):
    return [[v.value for v in each] for each in variables]


if __name__ == '__main__':
    x, y = np.random.rand(100, 8, 8, 1).astype('float32'), np.random.randint(3, size=100)
    model = build_model((8, 8, 1), 3)
    model.compile('adam', 'sparse_categorical_crossentropy')
    model.fit(x, y, epochs=2, verbose=2)
    print(saliency(model)(x[:2], y[:2])[..., 0])
