"""The environments of `make notebook`, which the session has made, for tests that the host's Python runs."""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent
TOP = ROOT / '.venv-notebook'


@pytest.fixture
def environment(tmp_path):
    """Variables of a person whose home is empty, and for whom Jupyter is where the front door has it."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(('JUPYTER', 'MAKE', 'TFK_', 'VIRTUAL_ENV'))}
    path = os.pathsep.join([f'{TOP}/bin', f'{ROOT}/.venv/bin', os.environ['PATH']])
    own = {'HOME': str(tmp_path / 'home'), 'PATH': path, 'ENGINE': 'local'}
    apart = {f'JUPYTER_{kind}_DIR': str(tmp_path / kind) for kind in ('CONFIG', 'DATA', 'RUNTIME')}
    (tmp_path / 'home').mkdir()
    return {**kept, **own, **apart, 'IPYTHONDIR': str(tmp_path / 'ipython'), 'KERAS_BACKEND': 'tensorflow'}


@pytest.fixture
def inside(environment):
    """A function that runs lines of Python beside Jupyter, and returns what they print."""

    def run(code, *arguments):
        command = [str(TOP / 'bin' / 'python'), '-c', code, *arguments]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
