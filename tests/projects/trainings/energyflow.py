"""EnergyFlow: made jets of one prong and of two, told apart by its Particle Flow Network; AUC, chance 0.5."""

import numpy as np
from energyflow.archs import PFN
from from_seed import main
from keras.utils import to_categorical
from sklearn.metrics import roc_auc_score


def made(n, particles=20):
    two = np.arange(n) % 2
    place = np.random.normal(0, 0.1, (n, particles, 2))
    side = np.where(np.arange(particles) % 2, 1, -1)[None, :] * two[:, None]
    place[..., 0] += 0.3 * side
    energy = np.random.dirichlet(np.ones(particles), n)
    return np.concatenate([energy[..., None], place], -1), two


def train():
    (x, y), (x_test, y_test) = made(2000), made(500)
    model = PFN(input_dim=3, Phi_sizes=(32, 32), F_sizes=(32, 32), summary=False)
    model.fit(x, to_categorical(y), epochs=10, batch_size=100, verbose=0)
    return roc_auc_score(y_test, model.predict(x_test)[:, 1])


main(train, least=0.95)
