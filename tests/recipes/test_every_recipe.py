"""What every recipe owes: its docstring, its length, its test, and the same bits twice."""

import ast
import json
import os
import re
import subprocess
import sys

import pytest

from tensorflow_with_keras import recipe
from tensorflow_with_keras.recipe import ROOT

RULES = 'see CONTRIBUTING.md, "Add a recipe"'
RECIPES = recipe.find()
every = pytest.mark.parametrize('name', list(RECIPES))
# What needs more than the pinned packages is run by tests of its own; a parameter server's bits are others each time,
# since its workers do not wait for each other.
of_one_process = pytest.mark.parametrize(
    'name', [r.name for r in RECIPES.values() if not r.needs and r.name != 'distributed/parameter_server']
)


@every
def test_its_docstring_tells_what_a_person_wants_to_know(name):
    docstring = RECIPES[name].docstring
    first, blank, rest = docstring.split('\n', 2)
    assert first.endswith('.') and len(first) <= 100 and blank == '', 'one line that names the pattern; ' + RULES
    heads = ['When: ', 'The line that matters: ', 'Checked: ', 'Sources: ']
    if RECIPES[name].needs:
        heads.insert(1, 'Needs: ')
    positions = [docstring.find('\n\n' + head) for head in heads]
    assert -1 not in positions and positions == sorted(positions), 'the headings, in their order; ' + RULES
    assert re.search('without it|goes wrong', docstring, re.I), 'what goes wrong without the line; ' + RULES


@every
def test_it_imports_what_it_needs_and_needs_what_can_be_had(name):
    with open(RECIPES[name].path, encoding='utf-8') as f:
        source = f.read()
    assert RECIPES[name].needs in ('', 'horovod'), 'what scripts/front-door can add'
    assert ('import horovod' in source) == (RECIPES[name].needs == 'horovod')


@every
def test_it_is_short_enough_to_copy(name):
    with open(RECIPES[name].path, encoding='utf-8') as f:
        source = f.read()
    docstring = RECIPES[name].docstring.splitlines()
    assert 25 <= len(source.splitlines()) - len(docstring) <= 80, 'the lines below the docstring; ' + RULES
    imported = {n.module or '' for n in ast.walk(ast.parse(source)) if isinstance(n, ast.ImportFrom)}
    assert 'examples' not in {m.split('.')[0] for m in imported}, 'a recipe imports no other; ' + RULES


@every
def test_it_has_a_test_of_its_own(name):
    topic, file = name.split('/')
    assert os.path.exists(os.path.join(ROOT, 'tests', 'recipes', topic, 'test_%s.py' % file)), RULES


@of_one_process
def test_with_one_thread_it_gives_the_same_bits_twice(name, digits, load_recipe, tmp_path):
    options = ['--threads', '1', '--epochs', '1', '--verbose', '0', '--out', str(tmp_path)]
    done = subprocess.run(
        [sys.executable, '-m', 'tensorflow_with_keras', 'run', name] + options,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == 'Using TensorFlow backend.\n'
    folder = tmp_path / name.replace('/', '-')
    first = json.loads((folder / 'result.json').read_text())['metrics']
    assert all(isinstance(v, (int, float)) or v is None or (folder / v).exists() for v in first.values())

    module = load_recipe(name)  # with seed 0 and one thread, as above
    offered = {'data': digits, 'epochs': 1, 'out': str(tmp_path)}
    second = recipe.call(module.run, offered, {'verbose': 0, 'callbacks': []})
    assert {k: recipe._plain(v) for k, v in second.items()} == first
