"""The checks themselves: what nox asks and runs, what the hosted checks run, what a commit is checked by.

`nox -s lint` runs these, since they need nox, which is not beside TensorFlow.
"""

import functools
import hashlib
import importlib.util
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import yaml

from tensorflow_with_keras import recipe

ROOT = pathlib.Path(recipe.ROOT)
SESSIONS = set('default lint tests project projects mutants upstream horovod cluster gpu lock migrate keras3'.split())
SESSIONS |= {'image(cpu)', 'image(gpu)', 'image(migrate)', 'reproduce(cpu)', 'reproduce(gpu)', 'matrix'}
SESSIONS |= {'audit', 'bundle', 'gallery', 'notebooks', 'tensorboard'}
SCHEDULED = {'audit'}  # what it finds changes without a change of ours
BY_HAND = {'default', 'gpu', 'mutants', 'matrix', *SCHEDULED}  # for a person: needs a GPU, or takes long
CPU_STACKS = {'tf1.12-keras2.2.4', 'tf1.15-keras2.2.4', 'tf1.15-keras2.3.1'}
RUNGS = {f'rung({stack})' for stack in CPU_STACKS}
MATRIX = {f'{what}{stack})' for stack in CPU_STACKS for what in ('tests(', 'upstream(', 'image(cpu, ', 'image(gpu, ')}
MATRIX |= {'image(gpu, tf1.15-nvidia-keras2.2.4)'}
SESSIONS |= RUNGS | MATRIX


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """A log of every question to an engine or to a Python 3.6, none of which answers."""
    log = tmp_path / 'asked'
    log.write_text('')
    for name in 'docker', 'podman', 'python3.6':
        program = tmp_path / 'bin' / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\necho {name} >> {log}\nexit 1\n')
        program.chmod(0o755)
    monkeypatch.setenv('PATH', f'{program.parent}:/usr/local/bin:/usr/bin:/bin')
    monkeypatch.setenv('HOME', str(tmp_path))  # with no pyenv in it
    for name in 'ENGINE', 'PYTHON36', 'PYENV_ROOT', 'NOXSESSION':
        monkeypatch.delenv(name, raising=False)
    return lambda: log.read_text().split()


@functools.lru_cache(maxsize=None)  # nox warns of sessions that are there twice
def load_noxfile():
    spec = importlib.util.spec_from_file_location('noxfile', ROOT / 'noxfile.py')
    noxfile = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(noxfile)
    return noxfile


def nox(*arguments):
    plain = {**{k: v for k, v in os.environ.items() if k != 'FORCE_COLOR'}, 'NO_COLOR': '1'}
    command = [sys.executable, '-m', 'nox', *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=plain)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize('option', ['-l', '--list', '--list-sessions'])
def test_the_list_asks_neither_engines_nor_pythons(asked, option):
    for more in [], ['-s', 'tests']:
        code, said = nox(option, *more)
        assert code == 0 and asked() == []
    assert SESSIONS == set(re.findall(r'^[*-] (.+?) -> ', said, re.M))


def test_a_session_without_its_python_says_how_to_get_one(asked):
    code, said = nox('-s', 'mutants')
    assert code == 1 and 'no Python 3.6 on this machine' in said and 'Traceback' not in said
    assert 'python3.6' in asked()


class Recorder:
    """A session that only notes what it is to run."""

    def __init__(self):
        self.ran = []

    def run(self, *command, **_):
        self.ran.append(list(command))


def test_plain_nox_tests_the_image_where_an_engine_answers(asked, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['nox'])
    noxfile = load_noxfile()
    assert asked() == [] and noxfile.nox.options.sessions == ['default']
    for engine in None, 'podman', 'docker':
        if engine:
            (tmp_path / 'bin' / engine).write_text('#!/bin/sh\nexit 0\n')
        session = Recorder()
        noxfile.default.func(session)
        names = ['lint', 'tests', 'image(cpu)'] if engine else ['lint', 'tests']
        assert session.ran == [[sys.executable, '-m', 'nox', '-s', *names]]


def workflow(name):
    return yaml.safe_load((ROOT / '.github' / 'workflows' / name).read_text())


def test_hosted_checks_have_a_job_for_every_session():
    jobs = workflow('ci.yml')['jobs']
    assert {job['session'] for job in jobs['session']['strategy']['matrix']['include']} == SESSIONS - BY_HAND - MATRIX
    assert jobs['session']['steps'][-1]['run'].startswith('.tools/bin/nox -s "${{ matrix.session }}"')


def test_the_matrix_is_hosted_on_a_schedule_and_by_hand():
    matrix = workflow('matrix.yml')
    assert set(matrix[True]) == {'schedule', 'workflow_dispatch'}  # YAML takes `on` for true
    [job] = matrix['jobs'].values()
    assert set(job['strategy']['matrix']['session']) == MATRIX
    assert any(step.get('run') == '.tools/bin/nox -s "${{ matrix.session }}"' for step in job['steps'])


def test_every_image_that_is_released_is_tested_before():
    [job] = workflow('release.yml')['jobs'].values()
    rows = job['strategy']['matrix']['include']
    assert {row['session'] for row in rows} <= SESSIONS
    assert all(row['image'].split('-')[0] == row.get('kind', 'cpu') for row in rows)
    assert any(step.get('run') == '.tools/bin/nox -s "${{ matrix.session }}"' for step in job['steps'])


def test_known_vulnerabilities_are_asked_for_on_a_schedule_and_by_hand():
    audit = workflow('audit.yml')
    assert set(audit[True]) == {'schedule', 'workflow_dispatch'}
    [job] = audit['jobs'].values()
    assert {f'.tools/bin/nox -s {name}' for name in SCHEDULED} <= {step.get('run') for step in job['steps']}


def test_hosted_checks_do_all_that_ci_run_does():
    """Its commands, with a parametrized session that it names whole as each of its sessions."""
    jobs = workflow('ci.yml')['jobs']
    steps = jobs['recipes']['steps'] + jobs['session']['steps']
    hosted = {step['run'] for step in steps if step.get('run', '').startswith('make ')}
    hosted |= {f'nox {job["session"]}' for job in jobs['session']['strategy']['matrix']['include']}
    aliases = {'make test': 'nox tests', 'make lint': 'nox lint'}
    found = 0
    for line in (ROOT / '.ci' / 'run').read_text().splitlines():
        words = [] if '()' in line else [w for w in shlex.split(line, comments=True) if not re.match(r'[A-Z]+=', w)]
        words = words[: words.index('--')] if '--' in words else words
        if words[:1] == ['make']:
            names = [' '.join(words)]
        elif words[:2] == ['.tools/bin/nox', '-s']:
            names = [f'nox {word}' for word in words[2:]]
        else:
            names = [f'nox {word}' for word in words[1:] if words[0] in ('on_docker', 'on_podman')]
        for name in names:
            found += 1
            wanted = aliases.get(name, name)
            assert any(each == wanted or each.startswith(f'{wanted}(') for each in hosted), line
    assert found > 12


def test_what_hosted_checks_use_is_pinned_by_commit():
    text = '\n'.join(path.read_text() for path in (ROOT / '.github').rglob('*.yml'))
    used = re.findall(r'uses: (.*)', text)
    assert used and all(re.match(r'\./|[\w-]+/[\w-]+@[0-9a-f]{40} # v[\d.]+$', use) for use in used), used
    assert len({use for use in used if 'checkout' in use}) == 1


def test_the_dev_containers_schema_is_the_published_one_and_the_file_names_what_is_there():
    folder = ROOT / 'tests' / 'checks' / 'devcontainer_schema'
    content = (folder / 'devContainer.base.schema.json').read_bytes()
    assert hashlib.sha256(content).hexdigest() in (folder / 'SOURCE.txt').read_text()
    settings = yaml.safe_load((ROOT / '.devcontainer' / 'devcontainer.json').read_text())
    dockerfile = (ROOT / '.devcontainer' / settings['build']['dockerfile']).read_text()
    stage = re.search(rf' AS {settings["build"]["target"]}\n(.*?)\nFROM ', dockerfile, re.S)[1]
    assert re.findall('^USER (.*)', stage, re.M)[-1] == settings['remoteUser'] != 'root'


def test_a_commit_is_checked_by_the_locked_tools_alone():
    repos = yaml.safe_load((ROOT / '.pre-commit-config.yaml').read_text())['repos']
    hooks = [hook for repo in repos for hook in repo['hooks']]
    assert {repo['repo'] for repo in repos} == {'local'} and len(hooks) == 3
    assert all(hook['language'] == 'system' and hook['entry'].startswith('.tools/bin/') for hook in hooks)


def test_pip_installs_what_the_lock_is_made_of():
    """Into Python 3.6 alone, as pyproject.toml says."""
    wanted = [
        line
        for name in ('base', 'cpu')
        for line in (ROOT / 'requirements' / f'{name}.in').read_text().splitlines()
        if line and not line.startswith(('#', '-r'))
    ]
    project = (ROOT / 'pyproject.toml').read_text().split('[project]')[1].split('\n[')[0]
    assert re.findall(r"^    \"(.+); python_version == '3.6'\",$", project, re.M) == wanted and len(wanted) > 15
    assert 'requires-python = ">=3.6,<3.7"' in project


def test_keras_s_suite_is_due_again_once_anything_that_it_depends_on_changes(tmp_path, monkeypatch):
    noxfile = load_noxfile()
    stack = 'tf1.9-keras2.2.4'
    here = noxfile.upstream_inputs(stack)
    for folder in ('requirements', 'tests/upstream', 'docker'):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns('__pycache__'))
    monkeypatch.setattr(noxfile, 'ROOT', tmp_path)
    monkeypatch.setattr(noxfile, 'PASSED', tmp_path / 'tests/upstream/passed.txt')
    assert noxfile.upstream_inputs(stack) == here  # wherever the checkout lies
    noxfile.PASSED.write_text('')
    assert noxfile.upstream_inputs(stack) == here
    matter = [*(tmp_path / 'tests/upstream').glob('*.*'), tmp_path / 'docker/dot']
    matter += [tmp_path / f'requirements/{name}.txt' for name in ('cpu', 'test', 'upstream', 'build')]
    for path in matter:
        if path != noxfile.PASSED:
            kept = path.read_bytes()
            path.write_bytes(kept + b' ')
            assert noxfile.upstream_inputs(stack) != here, path
            path.write_bytes(kept)
    (tmp_path / 'tests/upstream/test_more.py').write_text('')
    assert noxfile.upstream_inputs(stack) != here
