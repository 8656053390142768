"""A void class: pixels without a label, left out of loss, accuracy and IoU alike.

Different from Keras 2.2.4: the loss and MeanIoU have `ignore_class`. The accuracy has not, so that the
class below gives void pixels the weight 0. Numbers are the same as by the weights of tf.losses and
tf.metrics; only the loss of an epoch weighs batches by their images, not by their labelled pixels.

Recipe: examples/metrics/ignored_labels.py
"""

import keras
import numpy as np
from keras import ops

CLASSES, VOID = 3, 255


class AccuracyWithoutVoid(keras.metrics.SparseCategoricalAccuracy):
    def update_state(self, y_true, y_pred, sample_weight=None):
        labelled = ops.cast(ops.not_equal(ops.squeeze(y_true, -1), VOID), self.dtype)
        return super().update_state(y_true, y_pred, labelled if sample_weight is None else labelled * sample_weight)


def compile_model(model, optimizer='adam'):
    model.compile(
        optimizer,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=VOID),
        metrics=[
            AccuracyWithoutVoid(name='accuracy'),
            keras.metrics.MeanIoU(CLASSES, ignore_class=VOID, sparse_y_pred=False, name='mean_iou'),
        ],
    )
    return model


if __name__ == '__main__':
    x = np.random.rand(50, 6, 6, 1)
    y = np.where(np.random.rand(*x.shape) < 0.2, VOID, (x * CLASSES).astype(int))
    model = keras.Sequential([keras.Input((6, 6, 1)), keras.layers.Conv2D(CLASSES, 1)])
    compile_model(model).fit(x, y, epochs=2, validation_data=(x, y), verbose=2)
