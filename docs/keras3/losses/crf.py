"""A conditional random field on a recurrent layer: tags that fit each other, in loops of keras.ops.

Different from Keras 2.2.4: tf.contrib.crf has no place in Keras 3, so that the sum over all tag sequences
and Viterbi's search are written out. The loss is a method of the layer here too, and its transitions are
trained, since Keras 3 runs the loss with the model's variables.

Recipe: examples/losses/crf.py
"""

import keras
import numpy as np
from keras import ops


class ConditionalRandomField(keras.layers.Layer):
    """Holds the transitions; what goes through are the scores of each step, (batch, steps, tags)."""

    def build(self, input_shape):
        tags = input_shape[-1]
        self.transitions = self.add_weight(shape=(tags, tags), initializer='zeros', name='transitions')

    def call(self, scores):
        return scores

    def loss(self, y_true, y_pred):
        tags = ops.one_hot(ops.cast(y_true[:, :, 0], 'int32'), y_pred.shape[-1])
        pairs = ops.einsum('bsi,bsj,ij->b', tags[:, :-1], tags[:, 1:], self.transitions)
        total = y_pred[:, 0]
        for step in range(1, y_pred.shape[1]):
            total = ops.logsumexp(total[:, :, None] + self.transitions, 1) + y_pred[:, step]
        return ops.logsumexp(total, -1) - ops.sum(tags * y_pred, (1, 2)) - pairs  # (batch,)

    def decode(self, scores):
        best, back = scores[:, 0], []
        for step in range(1, scores.shape[1]):
            candidates = best[:, :, None] + self.transitions
            back.append(ops.argmax(candidates, 1))
            best = ops.max(candidates, 1) + scores[:, step]
        tags = [ops.argmax(best, -1)]
        for pointers in reversed(back):
            tags.append(ops.take_along_axis(pointers, tags[-1][:, None], 1)[:, 0])
        return ops.stack(tags[::-1], 1)  # (batch, steps)


if __name__ == '__main__':
    x, y = np.random.rand(64, 6, 8), np.random.randint(4, size=(64, 6, 1))
    field = ConditionalRandomField()
    model = keras.Sequential([keras.Input((6, 8)), keras.layers.Dense(4), field])
    model.compile('adam', field.loss)
    model.fit(x, y, epochs=2, verbose=2)
    print(field.decode(model.predict(x[:2], verbose=0)))
