import os
import sys

import pytest

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '1')
os.environ['KERAS_BACKEND'] = 'tensorflow'
os.environ['MPLBACKEND'] = 'Agg'
os.environ.pop('TFK_DATA_DIR', None)


@pytest.fixture(autouse=True)
def fresh_graph(tmp_path_factory, monkeypatch):
    """Every test has a graph, a session and a home of its own, where its process has Keras at all."""
    monkeypatch.setenv('HOME', str(tmp_path_factory.mktemp('home')))
    if 'keras' in sys.modules:
        from tensorflow_with_keras import session

        session.start(seed=0, threads=1)
    yield
