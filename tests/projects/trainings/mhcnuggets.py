"""mhcnuggets: the affinities that its makers wrote down for the model that they ship; then a training on made peptides.

The made rule: a peptide binds where its second residue is L or M and its last is V or L.
"""

import numpy as np
from from_seed import main
from keras.optimizers import Adam
from mhcnuggets.src.dataset import map_proba_to_ic50, mask_peptides, tensorize_keras
from mhcnuggets.src.models import mhcnuggets_lstm

AMINO_ACIDS = np.array(list('ACDEFGHIKLMNPQRSTVWY'))
DATA = 'mhcnuggets/%s/test/'


def tensor(peptides, length=15):
    return tensorize_keras(mask_peptides(peptides, max_len=length)[0], embed_type='softhot')


def as_written_down():
    peptides = [line.split(',') for line in open(DATA % 'saves' + 'HLA-A01:01_test_model.predictions')][1:]
    x = tensor([p for p, _ in peptides])
    model = mhcnuggets_lstm(x.shape[1:])
    model.load_weights(DATA % 'saves' + 'HLA-A01:01_test_model.h5')
    found = [map_proba_to_ic50(p[0], 50000) for p in model.predict(x)]
    np.testing.assert_allclose(found, [float(ic50) for _, ic50 in peptides], atol=0.006)


def made(n):
    peptides = np.random.choice(AMINO_ACIDS, (n, 9))
    binds = np.arange(n) % 2
    peptides[binds == 1, 1] = np.random.choice(['L', 'M'], binds.sum())
    peptides[binds == 1, 8] = np.random.choice(['V', 'L'], binds.sum())
    return tensor([''.join(p) for p in peptides]), binds


def train():
    as_written_down()
    (x, y), (x_test, y_test) = made(1500), made(400)
    model = mhcnuggets_lstm(x.shape[1:])
    model.compile(Adam(lr=0.005), 'binary_crossentropy', ['accuracy'])
    model.fit(x, y, epochs=15, batch_size=64, verbose=0)
    return model.evaluate(x_test, y_test, verbose=0)[1]


main(train, least=0.85)
