"""Binary focal loss on logits, finite and with a gradient however sure the network is.

Different from Keras 2.2.4: Keras 3 has BinaryFocalCrossentropy(apply_class_balancing=True,
from_logits=True), which is this loss for logits between -10 and 10. It takes the sigmoid first and clips
it to 1e-7, so that beyond a logit of 16 or so a sample that is surely wrong has no gradient to speak of.

Recipe: examples/losses/focal.py
"""

import keras
import numpy as np
from keras import ops


def focal(gamma=2.0, alpha=0.25):
    def focal_loss(y_true, y_pred):
        y_true = ops.cast(y_true, y_pred.dtype)
        z = y_pred * (2 * y_true - 1)  # the logit of the true class
        modulation = ops.exp(-gamma * ops.softplus(z))  # (1 - p)**gamma
        cross_entropy = ops.softplus(-z)  # -log(p)
        weight = alpha * y_true + (1 - alpha) * (1 - y_true)
        return ops.mean(weight * modulation * cross_entropy, -1)  # a number for each sample

    return focal_loss


if __name__ == '__main__':
    x = np.random.rand(200, 8)
    y = (x[:, :1] > 0.9).astype('float32')
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])  # logits
    model.compile('adam', focal())
    model.fit(x, y, epochs=2, verbose=2)
