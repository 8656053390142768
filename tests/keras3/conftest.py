import os

import pytest

os.environ['KERAS_BACKEND'] = 'jax'  # tests/conftest.py, which is read before, says tensorflow
os.environ.setdefault('JAX_DISABLE_MOST_OPTIMIZATIONS', '1')  # compiling takes most of the time here


@pytest.fixture(autouse=True)
def fresh_graph(tmp_path, monkeypatch):
    """In the place of the fixture for Keras 2.2.4: every test has a seed, and a folder to write into."""
    import keras

    keras.utils.set_random_seed(0)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope='session', autouse=True)
def old_side(tmp_path_factory):
    """Keras 2.2.4 computes while the first tests run, which do not ask for its numbers."""
    from sides import OldSide

    side = OldSide(tmp_path_factory.mktemp('old'))
    yield side
    side.end()


@pytest.fixture
def old(old_side):
    """`old(NAME, KEY)`: what the recipe of that name made."""
    numbers = old_side.numbers()
    return lambda name, key: numbers[f'{name}:{key}']
