"""Every recipe as a notebook, in a fresh kernel, gives the numbers that it gives on the command line."""

import json
import os
import subprocess

import pytest
from conftest import ROOT, TOP

from tensorflow_with_keras import recipe

RECIPES = recipe.find()
# a plain one, and those that a notebook makes hard: processes of their own, a picture, several files
QUICK = 'distributed/parameter_server export/savedmodel metrics/roc_auc sessions/processes training/saliency'.split()
NAMES = QUICK if os.environ.get('NOTEBOOKS_QUICK') else list(RECIPES)
# Their processes and threads do not wait for each other, so that chance decides the bits, and which process answers.
BY_CHANCE = {'distributed/horovod', 'distributed/parameter_server', 'sessions/processes', 'training/update_order'}
SCRIPT = str(ROOT / 'tests' / 'notebook' / 'execute.py')


def start(command, environment, tmp_path):
    pipes = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, 'text': True}
    return subprocess.Popen(command, env=environment, cwd=tmp_path, **pipes)


def result(out, name):
    return json.loads((out / name.replace('/', '-') / 'result.json').read_text())


@pytest.mark.parametrize('name', NAMES)
def test_the_numbers_of_a_notebook_are_those_of_the_command_line(name, environment, tmp_path):
    outs = {kind: tmp_path / kind for kind in ('cell', 'line')}
    line = [str(ROOT / '.venv' / 'bin' / 'python'), '-m', 'tensorflow_with_keras', 'run', name]
    commands = {
        'cell': [str(TOP / 'bin' / 'python'), SCRIPT, RECIPES[name].path, name, str(outs['cell']), '--threads', '1'],
        'line': [*line, '--out', str(outs['line']), '--threads', '1', '--verbose', '0'],
    }
    processes = {kind: start(command, environment, tmp_path) for kind, command in commands.items()}
    said = {}
    try:
        for kind, process in processes.items():
            said[kind], err = process.communicate()
            assert process.returncode == 0, f'{name}, {kind}:\n{err[-3000:]}'
    finally:  # the other one, or both where the time is up
        for process in processes.values():
            process.terminate()
            process.wait()
    cell, line = (result(outs[kind], name) for kind in ('cell', 'line'))
    assert cell['recipe'] == line['recipe'] == name and cell['threads'] == line['threads'] == 1
    assert list(cell['metrics']) == list(line['metrics'])
    assert ('image/png' in said['cell']) == ('picture' in line['metrics'])
    if name in BY_CHANCE:
        reached = recipe.reaches(RECIPES[name].docstring).metric
        assert cell['metrics'][reached] == pytest.approx(line['metrics'][reached], abs=0.1)
    else:
        assert cell['metrics'] == line['metrics']
    files = [sorted(p.relative_to(out).as_posix() for p in out.rglob('*')) for out in outs.values()]
    assert files[0] == files[1]


def test_a_notebook_that_fails_names_the_recipe_and_the_cell(environment, tmp_path):
    path = tmp_path / 'wrong.py'
    path.write_text('"""Wrong."""\n\nx = 1\n\n\nprint(x)\n\nx / 0\n\nprint(2)\n')
    command = [str(TOP / 'bin' / 'python'), SCRIPT, str(path), 'topic/wrong', str(tmp_path / 'out')]
    process = start(command, environment, tmp_path)
    _, err = process.communicate()
    assert process.returncode == 1 and 'ZeroDivisionError' in err
    assert err.splitlines()[-1] == 'topic/wrong fails as a notebook, in cell 4'
