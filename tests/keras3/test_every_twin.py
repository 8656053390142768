"""What holds for every twin: it can be copied, it is short, it says what is different, and it runs."""

import ast
import re
import runpy
import subprocess
import sys

import numpy as np
import pytest
from sides import ROOT, TWINS

every = pytest.mark.parametrize('name', TWINS)


def source(name):
    return (ROOT / 'docs' / 'keras3' / f'{name}.py').read_text()


@every
def test_it_can_be_copied(name):
    imported = set()
    for node in ast.walk(ast.parse(source(name))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split('.')[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.split('.')[0])
    assert imported <= {'keras', 'jax', 'math', 'numpy', 'scipy'}


@every
def test_it_is_short_and_says_what_is_different(name):
    text = source(name)
    code = ast.parse(text)
    docstring = ast.get_docstring(code)
    assert re.search('^Different from Keras 2.2.4: ', docstring, re.M)
    assert docstring.endswith(f'\nRecipe: examples/{name}.py') and (ROOT / 'examples' / f'{name}.py').exists()
    lines = text.split('"""', 2)[2].splitlines()
    assert len([line for line in lines if line.strip() and not line.strip().startswith('#')]) <= 65


@every
def test_it_runs(name, capsys):
    np.random.seed(0)
    runpy.run_path(str(ROOT / 'docs' / 'keras3' / f'{name}.py'), run_name='__main__')
    assert 'nan' not in capsys.readouterr().out


def test_one_runs_as_a_person_starts_it():
    command = [sys.executable, ROOT / 'docs/keras3/metrics/cohens_kappa.py']
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 'val_cohens_kappa' in done.stdout
