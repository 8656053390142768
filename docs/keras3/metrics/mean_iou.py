"""Mean intersection over union of a segmentation, over all pixels of the epoch, by Keras 3's own metric.

Different from Keras 2.2.4: none is needed from TensorFlow. Take the right one of four: OneHotMeanIoU for
one-hot labels and class probabilities, MeanIoU(sparse_y_pred=False) for class numbers and
probabilities; MeanIoU by default wants class numbers on both sides, and silently takes the whole
number of a probability for one.

Recipe: examples/metrics/mean_iou.py
"""

import keras
import numpy as np

CLASSES = 3


def mean_iou():
    return keras.metrics.OneHotMeanIoU(CLASSES, name='mean_iou')


if __name__ == '__main__':
    x = np.random.rand(50, 6, 6, 1)
    y = np.eye(CLASSES)[(x[..., 0] * CLASSES).astype(int)]
    model = keras.Sequential([keras.Input((6, 6, 1)), keras.layers.Conv2D(CLASSES, 1, activation='softmax')])
    model.compile('adam', 'categorical_crossentropy', metrics=['accuracy', mean_iou()])
    model.fit(x, y, epochs=2, validation_data=(x, y), verbose=2)
