"""Tests that start real containers. `nox -s image` sets ENGINE and IMAGE."""

import json
import os
import pathlib
import subprocess

import pytest

from tensorflow_with_keras import doctor, recipe

ENGINE, IMAGE = os.environ.get('ENGINE'), os.environ.get('IMAGE', '')
KIND = IMAGE.rsplit(':', 1)[-1].split('-')[0]  # cpu or gpu, also of cpu-distributed
STACK = os.environ.get('STACK') or doctor.REFERENCE
ON_REFERENCE = STACK == doctor.REFERENCE
SANDBOX = ['--network=none', *(pathlib.Path(recipe.ROOT) / 'docker' / 'sandbox.txt').read_text().split()]


def pytest_configure():
    if not (ENGINE and IMAGE):
        raise pytest.UsageError('the image tests want ENGINE and IMAGE in the environment; `nox -s image` sets them')


def said(err):
    """Standard error without the one line that the GPU image says where no GPU is."""
    lines = err.splitlines()
    if KIND == 'gpu' and lines:
        assert lines[0].startswith('No GPU is attached, so TensorFlow runs on the CPU.')
        del lines[0]
    return lines


class Container:
    """Commands in a fresh container of the image."""

    def __call__(self, *command, options=(), **kwargs):
        done = subprocess.run(
            [ENGINE, 'run', '--rm', *SANDBOX, *options, IMAGE, *command],
            capture_output=True,
            text=True,
            timeout=300,
            **kwargs,
        )
        return done.returncode, done.stdout, done.stderr

    def python(self, code, options=()):
        code, out, err = self('python', '-c', code, options=options)
        assert code == 0, err
        return json.loads(out)


@pytest.fixture
def container():
    return Container()


@pytest.fixture(scope='session')
def inspected():
    done = subprocess.run([ENGINE, 'image', 'inspect', IMAGE], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)[0]
