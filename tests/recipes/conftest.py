import functools
import re
from types import SimpleNamespace

import pytest

from tensorflow_with_keras import datasets, doctor, recipe, session

STACK = doctor.stack_of()


def pytest_runtest_setup(item):
    """Skips the tests of a recipe that is not for this stack."""
    path = re.search(r'tests/recipes/(\w+)/test_(\w+)\.py$', str(item.fspath))
    name = '%s/%s' % path.groups() if path else getattr(item, 'callspec', SimpleNamespace(params={})).params.get('name')
    one = recipe.find().get(name)
    problem = one and recipe.stack_problem(one, STACK)
    if problem:
        pytest.skip(problem)


@pytest.fixture(scope='session')
def digits():
    return datasets.load('digits')


def told_of_epochs(run):
    """The recipe's run, which must hand `fit` main()'s callback, of which an interrupted run's record is made."""

    @functools.wraps(run)
    def logged(*args, callbacks=(), **kwargs):
        log = recipe._epoch_log(SimpleNamespace(check=lambda: None))
        found = run(*args, callbacks=[*callbacks, log], **kwargs)
        assert log.epochs and log.logs
        return found

    return logged


@pytest.fixture
def load_recipe():
    """Imports a recipe by name, in a fresh graph with one thread.

    Where it has a function build_model, the models that this makes are kept: all in `module.built`, the last in
    `module.model`, so that a test can ask them for predictions of its own.
    """

    def load(name):
        session.start(seed=0, threads=1)
        module = recipe.load(name)
        if hasattr(module, 'build_model'):
            build_model, module.built = module.build_model, []

            def build_and_keep(*args):
                module.model = build_model(*args)
                module.built.append(module.model)
                return module.model

            module.build_model = build_and_keep
        if recipe.takes(module.run, 'callbacks'):
            module.run = told_of_epochs(module.run)
        return module

    return load


@pytest.fixture
def module(load_recipe, request):
    """The recipe that a test is for, by its path: tests/recipes/TOPIC/test_NAME.py is for examples/TOPIC/NAME.py."""
    return load_recipe('%s/%s' % (request.path.parent.name, request.path.stem[len('test_') :]))
