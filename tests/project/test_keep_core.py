"""The pip and the uv of an environment keep the core pinned, and say which package would move it."""

import os
import pathlib
import subprocess
import sys

import keep_core
import pytest
from conftest import NUMPY, ROOT, sdist, wheel

UV = str(ROOT / '.tools' / 'bin' / 'uv')


@pytest.fixture(scope='module')
def installers(tmp_path_factory, python36):
    """An environment with pip and NumPy's stand-in, in a folder with blanks; returns run(program, *arguments)."""
    top = tmp_path_factory.mktemp('eine Umgebung ü')
    wheels = top / 'wheels'
    wheels.mkdir()
    for made in (
        wheel('numpy', NUMPY), wheel('numpy', '1.19.5'), wheel('tfk-plotter', '1.0', requires=['numpy>=1.8']),
        wheel('tensorflow', '1.9.0'), wheel('tensorflow-gpu', '1.9.0'),
        wheel('tfk-hungry', '2.0', requires=['numpy>=1.17']),
        wheel('tfk-choosy', '1.0', requires=['numpy']), wheel('tfk-choosy', '2.0', requires=['numpy>=1.17']),
        wheel('tfk-wants-gpu', '1.0', requires=['tensorflow-gpu']),
        sdist('tfk-broken', '1.0', prepare=f'raise ValueError("numpy=={NUMPY}")'),
    ):  # fmt: skip
        (wheels / made[0]).write_bytes(made[1])
    venv = top / 'venv'
    subprocess.run([UV, 'venv', '-q', '--python', python36, str(venv)], check=True)
    lock = ['--require-hashes', '-r', str(ROOT / 'requirements' / 'pip.txt')]
    subprocess.run([UV, 'pip', 'install', '-q', '--python', str(venv / 'bin' / 'python'), *lock], check=True)
    keep_core.install(venv)

    def run(program, *arguments):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(('PIP_', 'UV_'))}
        for tool in ('PIP', 'UV'):
            environment.update({f'{tool}_FIND_LINKS': wheels.as_uri()})
        environment.update(PIP_CONFIG_FILE=os.devnull, PIP_NO_INDEX='1', UV_OFFLINE='1', FORCE_COLOR='1')
        command = [str(venv / 'bin' / program), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    run.venv = venv
    assert run('pip', 'install', 'numpy', 'tensorflow').returncode == 0
    return run


@pytest.fixture(params=['pip', 'uv'])
def add(request, installers):
    words = ['install'] if request.param == 'pip' else ['pip', 'install']
    return lambda *what: installers(request.param, *words, *what)


def versions(installers):
    frozen = installers('uv', '--color', 'never', 'pip', 'freeze').stdout
    return dict(line.split('==') for line in frozen.split() if '==' in line)


@pytest.mark.parametrize(
    'asked, words',
    [
        ('numpy==1.19.5', ['numpy==1.19.5 cannot be added', f'keeps numpy=={NUMPY}']),
        ('numpy>1.17', ['numpy>1.17 cannot be added']),
        ('tfk-hungry', ['tfk-hungry', 'cannot be added', 'numpy>=1.17', f'keeps numpy=={NUMPY}']),
        ('tensorflow-gpu', ['tensorflow-gpu would be put over']),
        ('tfk-wants-gpu', ['tensorflow-gpu would be put over']),
    ],
)
def test_what_would_move_the_core_is_refused_by_name(add, installers, asked, words):
    before = versions(installers)
    done = add(asked)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 2 and last.startswith('error: ') and all(word in last for word in words), done.stderr
    assert versions(installers) == before and before['numpy'] == NUMPY


def test_other_packages_are_added_and_an_older_one_where_the_newest_does_not_fit(add, installers):
    done = add('tfk-plotter', 'tfk-choosy')
    assert done.returncode == 0, done.stderr
    assert versions(installers)['tfk-choosy'] == '1.0'
    assert installers('uv', 'pip', 'uninstall', '-q', 'tfk-plotter', 'tfk-choosy').returncode == 0


@pytest.mark.parametrize('asked', ['not-there', 'tfk-broken', 'tfk-plotter>9'])
def test_other_failures_are_left_as_they_are(add, asked):
    done = add(asked)
    assert done.returncode not in (0, 2) and 'cannot be added' not in done.stderr


def test_python_m_pip_keeps_it_too_where_the_shell_has_the_variables(installers):
    environment = dict(os.environ, **keep_core.variables(installers.venv), PIP_NO_INDEX='1')
    environment['PIP_FIND_LINKS'] = (installers.venv.parent / 'wheels').as_uri()
    command = [str(installers.venv / 'bin' / 'python'), '-m', 'pip', 'install', 'tfk-hungry']
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and 'ResolutionImpossible' in done.stderr


def test_what_was_added_by_hand_is_known(installers, tmp_path, monkeypatch):
    monkeypatch.setenv('FORCE_COLOR', '1')
    stamp = installers.venv / 'lock.stamp'
    assert keep_core.added(installers.venv) == []  # half made: nobody knows
    stamp.write_text(f'a lock\nnumpy=={NUMPY} \\\n    --hash=x\ntensorflow==1.9.0\npip==21.3.1 \\\n')
    assert installers('pip', 'install', 'tfk-plotter').returncode == 0
    assert keep_core.added(installers.venv) == ['tfk-plotter==1.0']
    script = [
        sys.executable,
        str(ROOT / 'scripts' / 'keep_core.py'),
        'added',
        str(installers.venv),
        str(tmp_path / 'list'),
    ]
    done = subprocess.run(script, capture_output=True, text=True)
    assert (
        done.returncode == 0
        and 'tfk-plotter==1.0' in done.stderr
        and (tmp_path / 'list').read_text() == 'tfk-plotter==1.0\n'
    )
    stamp.unlink()


def test_the_constraints_are_what_pip_takes_and_the_lock_says():
    """Both files: no hashes, the locked versions, and every other build of TensorFlow shut out."""
    for kind, file in (('cpu', 'constraints.txt'), ('gpu', 'constraints_gpu.txt')):
        text = (ROOT / 'requirements' / file).read_text()
        lock = (ROOT / 'requirements' / f'{kind}.txt').read_text()
        lines = [line.split('  #')[0] for line in text.splitlines()[1:]]
        pins = [line for line in lines if '==' in line]
        assert all(f'\n{line} ' in f'\n{lock}' for line in pins) and len(pins) == 9
        other = 'tensorflow-gpu' if kind == 'cpu' else 'tensorflow'
        assert f'{other}<0' in lines and 'hash' not in text.split('\n', 1)[1]


def test_the_programs_begin_anew_where_they_were_there(installers):
    program = pathlib.Path(installers.venv, 'bin', 'pip')
    keep_core.install(installers.venv)
    assert os.access(program, os.X_OK) and 'keep_core.py' in program.read_text()
