"""Connectionist temporal classification in Keras 3: to read a line without knowing where.

Different from Keras 2.2.4: keras.losses.CTC has its blank, "nothing here", as class 0, and takes label 0 for
padding, where tf.nn.ctc_loss has the blank last. A network from there goes on by keras.ops.ctc_loss, which
is told which class the blank is, and how long each text is; no sparse tensor is needed.

Recipe: examples/losses/ctc.py
"""

import keras
import numpy as np
from keras import ops


def ctc(y_true, y_pred):
    """Of labels from 0 with padding -1, and logits with the blank last, as in the recipe."""
    batch, steps, classes = ops.shape(y_pred)
    lengths = ops.sum(ops.cast(y_true >= 0, 'int32'), -1)
    labels = ops.cast(ops.maximum(y_true, 0), 'int32')
    return ops.ctc_loss(labels, y_pred, lengths, ops.full((batch,), steps, 'int32'), mask_index=classes - 1)


def decode(logits):
    """The label of each step that is read, and -1 behind the last one."""
    steps = np.full(len(logits), logits.shape[1], 'int32')
    read, _ = ops.ctc_decode(logits, steps, strategy='greedy', mask_index=logits.shape[2] - 1)
    return ops.convert_to_numpy(read[0])


if __name__ == '__main__':
    x, y = np.random.rand(64, 12, 8), np.random.randint(10, size=(64, 3))
    y[np.arange(3) >= np.random.randint(1, 4, (64, 1))] = -1
    model = keras.Sequential([keras.Input((12, 8)), keras.layers.Dense(11)])  # logits
    model.compile('adam', ctc)
    model.fit(x, y, epochs=2, verbose=2)
    print(decode(model.predict(x[:3], verbose=0)))
