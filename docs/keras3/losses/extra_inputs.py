"""A loss that needs more than y_true and y_pred: a layer that calls add_loss.

Different from Keras 2.2.4: a loss may not close over an Input, nor may model.add_loss take such a tensor:
what Keras 3 calls is a function, and symbols have no values in it. A layer that gets scores, labels and
confidence adds the loss instead. A model for predictions is made of the same layers without it.

Recipe: examples/losses/extra_inputs.py
"""

import keras
import numpy as np
from keras import layers, ops


class WeightedCrossentropy(layers.Layer):
    """Adds the loss, and hands the scores on."""

    def call(self, scores, labels, confidence):
        losses = keras.losses.categorical_crossentropy(labels, scores)
        self.add_loss(ops.mean(confidence[:, 0] * losses))
        return scores


def build_models(shape, classes):
    """One to train on images, confidence and labels, and one to predict from images; they share all weights."""
    images, confidence, labels = keras.Input(shape), keras.Input((1,)), keras.Input((classes,))
    scores = layers.Dense(classes, activation='softmax')(layers.Flatten()(images))
    trained = keras.Model([images, confidence, labels], WeightedCrossentropy()(scores, labels, confidence))
    return trained, keras.Model(images, scores)


if __name__ == '__main__':
    x, y = np.random.rand(200, 8), np.eye(3)[np.random.randint(3, size=200)]
    model, predictor = build_models((8,), 3)
    model.compile('adam')  # no loss but the layer's
    model.fit([x, np.random.rand(200, 1), y], epochs=2, verbose=2)
    print(predictor.predict(x[:2], verbose=0))
