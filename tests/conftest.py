import os
import sys

import pytest

from tensorflow_with_keras import doctor

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '1')
os.environ['KERAS_BACKEND'] = 'tensorflow'
os.environ['MPLBACKEND'] = 'Agg'
os.environ.pop('TFK_DATA_DIR', None)
for name in ('TEST', 'MAKEFLAGS', 'MAKEOVERRIDES'):  # of the `make test` that this is; a test may start one of its own
    os.environ.pop(name, None)
STACK = doctor.stack_of()  # None, where the tests run outside of any


def pytest_configure(config):
    config.addinivalue_line('markers', 'not_on(*stacks, reason): the test is not for these stacks, named exactly')


def pytest_runtest_setup(item):
    for mark in item.iter_markers('not_on'):
        if STACK in mark.args:
            pytest.skip(mark.kwargs['reason'])


@pytest.fixture(autouse=True)
def fresh_graph(tmp_path_factory, monkeypatch):
    """Every test has a graph, a session and a home of its own, where its process has Keras at all."""
    monkeypatch.setenv('HOME', str(tmp_path_factory.mktemp('home')))
    if 'keras' in sys.modules:
        from tensorflow_with_keras import session

        session.start(seed=0, threads=1)
    yield
