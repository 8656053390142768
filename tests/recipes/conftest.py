import pytest

from tensorflow_with_keras import datasets, recipe, session


@pytest.fixture(scope='session')
def digits():
    return datasets.load('digits')


@pytest.fixture
def load_recipe():
    """Imports a recipe by name, in a fresh graph with one thread."""

    def load(name):
        session.start(seed=0, threads=1)
        return recipe.load(name)

    return load
