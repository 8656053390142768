"""pytest plugin for Keras 2.2.4's own suite: downloads come from this machine, and no test leaves itself out by a dice.

The suite's data set tests load in one run of five, and its test of the architectures picks three of twelve. With this
plugin the former always load, and the latter runs once for each architecture, every model in a graph of its own: for
each batch normalisation TensorFlow goes through all variables of the graph.
"""

import os
import random

import pytest
import served_files


def pytest_configure():
    served_files.serve(os.environ['SERVED_FILES'])


def pytest_generate_tests(metafunc):
    if metafunc.function.__name__ == 'test_applications':
        names = [name for name, _ in architectures(metafunc.module)]
        metafunc.parametrize('no_dice', names, ids=names, indirect=True)


def architectures(module):
    """Names of the models in the suite's list, and its entries."""
    from keras import applications

    return [
        (next(name for name in dir(applications) if getattr(applications, name) is entry[0]), entry)
        for entry in module.MODEL_LIST
    ]


@pytest.fixture(autouse=True)
def no_dice(request, monkeypatch):
    if request.module.__name__ == 'test_datasets':
        monkeypatch.setattr(random, 'random', lambda: 1.0)
    if hasattr(request, 'param'):
        module, models = request.module, dict(architectures(request.module))
        picked = iter([models[request.param], models['VGG16'], models['VGG16']])  # of three, two that take no time
        monkeypatch.setattr(random, 'choice', lambda _: next(picked))
        build = module._get_output_shape
        monkeypatch.setattr(module, '_get_output_shape', lambda model: (module.K.clear_session(), build(model))[1])
