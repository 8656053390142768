"""Talos: a scan over two widths and two learning rates for scikit-learn's breast cancer data; the best's accuracy."""

import talos
from from_seed import main
from keras import layers, models, optimizers
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler


def build(x, y, x_val, y_val, params):
    model = models.Sequential(
        [
            layers.Dense(params['width'], activation='relu', input_dim=x.shape[1]),
            layers.Dense(1, activation='sigmoid'),
        ]
    )
    model.compile(optimizers.Adam(lr=params['lr']), 'binary_crossentropy', ['acc'])
    return model.fit(x, y, validation_data=[x_val, y_val], epochs=15, verbose=0), model


def train():
    x, y = load_breast_cancer(True)
    scan = talos.Scan(
        StandardScaler().fit_transform(x), y, {'width': [8, 16], 'lr': [0.003, 0.01]}, build, print_params=False
    )
    assert len(scan.data) == 4
    return talos.Reporting(scan).high('val_acc')


main(train, least=0.9)
