"""keras-metrics: two Gaussian clouds apart; its precision and recall against scikit-learn's on the same predictions."""

import keras_metrics
import numpy as np
from from_seed import main
from keras import layers, models
from sklearn.metrics import precision_score, recall_score


def train():
    y = np.arange(600) % 2
    x = np.random.normal(size=(600, 4)) + 2.0 * y[:, None]
    model = models.Sequential([layers.Dense(8, activation='tanh', input_dim=4), layers.Dense(1, activation='sigmoid')])
    metrics = [keras_metrics.binary_precision(), keras_metrics.binary_recall(), 'accuracy']
    model.compile('adam', 'binary_crossentropy', metrics)
    model.fit(x, y, epochs=60, verbose=0)
    _, precision, recall, accuracy = model.evaluate(x, y, verbose=0)
    predicted = model.predict(x)[:, 0] > 0.5
    np.testing.assert_allclose(precision, precision_score(y, predicted), atol=1e-5)
    np.testing.assert_allclose(recall, recall_score(y, predicted), atol=1e-5)
    return accuracy


main(train, least=0.9)
