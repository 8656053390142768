"""What continues training differently after a migration, and what does not: docs/migrate.md says it, this shows it."""

import json

import pytest
from conftest import HERE, run

DATA = """
import sys, numpy as np
random = np.random.RandomState(0)
shapes = dict(x=(32, 6), y=(32, 1), w0=(6, 8), w1=(8,), w2=(8, 1), w3=(1,))
np.savez(sys.argv[1], **{k: random.normal(0, 0.5, s).astype('float32') for k, s in shapes.items()})
"""
COMPARE = """
import sys, json, numpy as np
old, new = np.load(sys.argv[1]), np.load(sys.argv[2])
print(json.dumps({k: float(np.abs(old[k] - new[k]).max()) for k in old.files}))
"""


@pytest.fixture(scope='module')
def differences(tmp_path_factory):
    """Optimizer -> the largest difference of a weight after ten steps."""
    file = tmp_path_factory.mktemp('training') / 'data.npz'
    run('new', '-c', DATA, file)
    for environment in ('old', 'new'):
        run(environment, HERE / 'training.py', file)
    sides = [file.with_name(f'data-{side}.npz') for side in ('old', 'new')]
    return json.loads(run('new', '-c', COMPARE, *sides).stdout)


@pytest.mark.parametrize('name', ['SGD', 'momentum', 'Adam', 'Adadelta', 'Adamax', 'global_clipnorm'])
def test_that_training_goes_the_same_way(differences, name):
    assert differences[name] < 1e-5


@pytest.mark.parametrize('name', ['RMSprop', 'Adagrad', 'Nadam', 'clipnorm', 'BatchNormalization'])
def test_that_training_goes_another_way(differences, name):
    assert differences[name] > 1e-4
