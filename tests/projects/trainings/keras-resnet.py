"""keras-resnet: a small one of its networks on scikit-learn's digits; accuracy on others, chance 0.1."""

import keras_resnet.blocks
import keras_resnet.models
import numpy as np
from from_seed import main
from keras import layers, optimizers
from sklearn.datasets import load_digits


def train():
    digits = load_digits()
    x = np.kron(digits.images[..., None] / 8 - 1, np.ones((1, 2, 2, 1)))  # 16 by 16
    order = np.random.permutation(len(x))
    x, y = x[order], digits.target[order]
    block = keras_resnet.blocks.basic_2d
    model = keras_resnet.models.ResNet(layers.Input((16, 16, 1)), [1, 1], block, classes=10, freeze_bn=False)
    model.compile(optimizers.Adam(lr=1e-3), 'sparse_categorical_crossentropy', ['accuracy'])
    model.fit(x[:1200], y[:1200], epochs=10, batch_size=32, verbose=0)
    return model.evaluate(x[1200:], y[1200:], verbose=0)[1]


main(train, least=0.8)
