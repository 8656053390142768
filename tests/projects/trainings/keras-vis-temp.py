"""keras-vis: a square in noise, left or right; how often the saliency of the answer lies on its side, chance 0.5.

The gradient is by an inner tensor: Keras since 2.2.0 refuses to feed a tensor and fetch it too, as keras-vis does for
the model's input (raghakot/keras-vis#119).
"""

import numpy as np
from from_seed import main
from keras import layers, models
from vis.visualization import visualize_saliency


def made(n):
    pictures, side = 0.2 * np.random.normal(size=(n, 24, 24, 1)), np.arange(n) % 2
    corners = np.stack([np.random.randint(18, size=n), 12 * side + np.random.randint(6, size=n)], 1)
    for picture, (row, column) in zip(pictures, corners):
        picture[row : row + 6, column : column + 6] += 1
    return pictures, side


def train():
    (x, y), (x_test, y_test) = made(500), made(20)
    model = models.Sequential(
        [
            layers.Lambda(lambda picture: 1.0 * picture, input_shape=(24, 24, 1)),
            layers.Conv2D(8, 5, activation='relu', padding='same'),
            layers.MaxPooling2D(4),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    model.compile('adam', 'mse')
    model.fit(x, np.eye(2)[y], epochs=20, verbose=0)
    right = []
    for picture, side in zip(x_test, y_test):
        inner = model.layers[0].output
        saliency = visualize_saliency(model, -1, side, picture, wrt_tensor=inner, grad_modifier='relu')
        columns = np.asarray(saliency, float).reshape(24, 24, -1).sum((0, 2))
        right.append(columns[12 * side : 12 * side + 12].sum() > columns.sum() / 2)
    return np.mean(right)


main(train, least=0.9)
