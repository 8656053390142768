import functools
import inspect

import pytest

from tensorflow_with_keras import datasets, recipe, session


@pytest.fixture(scope='session')
def digits():
    return datasets.load('digits')


def told_of_epochs(run):
    """The recipe's run with the callback that main() adds, which an interrupted run's record is made of."""

    @functools.wraps(run)
    def logged(*args, callbacks=(), **kwargs):
        log = recipe._epoch_log()
        found = run(*args, callbacks=list(callbacks) + [log], **kwargs)
        assert log.epochs > 0 and log.logs
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
        if 'callbacks' in inspect.signature(module.run).parameters:
            module.run = told_of_epochs(module.run)
        return module

    return load
