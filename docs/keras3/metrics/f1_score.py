"""F1 of a class, and macro F1, counted over a whole epoch: Keras 3 has it again.

Different from Keras 2.2.4: keras.metrics.F1Score counts over the epoch, so that no averages of batches
come out. The function of y_true and y_pred that the web copies is still averaged over the batches. For
another function of the confusion matrix, such as quadratic kappa, change `result` in
metrics/cohens_kappa.py beside this.

Recipe: examples/metrics/f1_score.py
"""

import keras
import numpy as np

CLASSES = 3


def f1_scores():
    """Macro F1, and F1 of each class: the log of fit has a list of numbers for the latter."""
    # threshold=None, the default: the class with the highest score is the predicted one
    return [
        keras.metrics.F1Score(average='macro', name='macro_f1'),
        keras.metrics.F1Score(average=None, name='f1_of_classes'),
    ]


if __name__ == '__main__':
    x, y = np.random.rand(200, 8), np.eye(CLASSES)[np.random.randint(CLASSES, size=200)]
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(CLASSES, activation='softmax')])
    model.compile('adam', 'categorical_crossentropy', metrics=f1_scores())
    model.fit(x, y, epochs=2, validation_data=(x, y), verbose=2)
    print(model.evaluate(x, y, return_dict=True, verbose=0)['f1_of_classes'])
