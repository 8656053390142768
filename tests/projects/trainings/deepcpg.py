"""DeepCpG: whether a site is methylated, out of the DNA around it, by its network CnnL1h128; AUC, chance 0.5."""

import numpy as np
from deepcpg.models.dna import CnnL1h128
from from_seed import main
from keras import layers, models
from sklearn.metrics import roc_auc_score

WINDOW, MOTIF = 101, [1, 2, 1, 2, 0, 3, 2]


def made(n):
    bases, has = np.random.randint(4, size=(n, WINDOW)), np.arange(n) % 2
    for row in np.flatnonzero(has):
        at = np.random.randint(WINDOW - len(MOTIF))
        bases[row, at : at + len(MOTIF)] = MOTIF
    return np.eye(4)[bases], has


def train():
    (x, y), (x_test, y_test) = made(2000), made(400)
    dna = CnnL1h128(dropout=0.1)
    inputs = dna.inputs(WINDOW)
    model = models.Model(inputs, layers.Dense(1, activation='sigmoid')(dna(inputs).outputs[0]))
    model.compile('adam', 'binary_crossentropy')
    model.fit(x, y, epochs=8, verbose=0)
    return roc_auc_score(y_test, model.predict(x_test)[:, 0])


main(train, least=0.9)
