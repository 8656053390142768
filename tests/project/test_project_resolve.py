"""What `make project` resolves, runs and refuses, each by the command itself, against a registry on this machine."""

import errno
import importlib.util
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import look
import pytest
import uv_errors
from conftest import NUMPY, ROOT, SCIPY
from project_error import Refused

WHOLE = """\
keras>=2.0.8
tensorflow-gpu==1.12
numpy==1.14.5
scipy
plotter
needs-nothing; python_version < "3"
cv-lib @ file:///tmp/build/cv_lib/work
"""


@pytest.fixture(scope='module')
def shared(tmp_path_factory):
    return tmp_path_factory.mktemp('shared')


def test_asked_got_and_why(make, call):
    """The core is forced, the rest of the lock stays where nothing else is asked, and each difference is said."""
    result = call(make({'requirements.txt': WHOLE}, name='mein Projekt ü'))
    assert result.code == 0, result.err
    lock = result.lock
    assert lock['numpy'] == NUMPY and lock['keras'] == '2.2.4' and lock['tensorflow'] == '1.9.0'
    assert lock['scipy'] == SCIPY and lock['plotter'] == '1.1' and lock['cv-lib'] == '3.4'
    assert 'tensorflow-gpu' not in lock and 'needs-nothing' not in lock
    rows = {row[0]: row[1:] for row in result.json['table']}
    assert rows['numpy==1.14.5'][0] == f'numpy {NUMPY}' and 'core' in rows['numpy==1.14.5'][1]
    assert rows['tensorflow-gpu==1.12'][0] == 'tensorflow 1.9.0'
    assert 'another machine' in rows['cv-lib @ file:///tmp/build/cv_lib/work'][1]
    assert len(rows) == 3
    for row in result.json['table']:
        assert all(cell in result.out for cell in row)
    assert 'It asks for tensorflow-gpu==1.12: ' in result.out and 'It asks for keras' not in result.out
    extras = (result.state / 'extras.txt').read_text()
    assert 'plotter==1.1' in extras and 'cv-lib==3.4' in extras and 'scipy' not in extras
    text = (result.state / 'lock.txt').read_text()
    assert text.count('==') == len(lock) and text.count('--hash=sha256:') >= len(lock)


def test_on_a_gpu_the_other_build_is_left_out(make, call):
    folder = make({'requirements.txt': 'keras\ntensorflow==1.8\nplotter\n'})
    result = call(folder, GPU='1')
    assert result.code == 0, result.err
    assert result.lock['tensorflow-gpu'] == '1.9.0' and 'tensorflow' not in result.lock
    assert 'ENGINE=podman' in call(folder, GPU='1', RUN='true').err


def test_what_another_package_wants_of_the_core_is_overruled_and_said(make, call):
    folder = make({'requirements.txt': 'keras\nhungry\nwants-gpu\n'})
    result = call(folder, RUN='python -c "import hungry, wants_gpu, numpy, keras; print(numpy.__version__)"')
    assert result.code == 0 and result.out == f'{NUMPY}\n', result.err
    assert 'tensorflow-gpu' not in result.lock
    assert f'hungry asks for numpy>=1.17, and has {NUMPY} here.' in call(folder).out


@pytest.mark.parametrize(
    'asks, date, version',
    [('plotter', '2018-05-01', '1.0'), ('plotter', '2020-03-01', '2.0'), ('scipy<1.2', '2018-05-06', '1.1.0'),
     (f'scipy>{SCIPY}', '2019-06-01', '1.3.0'), ('scipy>=1.1', '2018-05-01', SCIPY)],
)  # fmt: skip
def test_as_of_the_date(make, call, asks, date, version):
    """A package of our lock too, where another version than the lock's is asked."""
    result = call(make({'requirements.txt': f'keras\n{asks}\n'}), DATE=date)
    name = asks.split('<')[0].split('>')[0]
    assert result.code == 0 and result.lock[name] == version, result.err


@pytest.mark.parametrize(
    'asks, code, words',
    [
        ('young>=1.0', 2, ['young>=1.0 (requirements.txt)', 'young 1.0 is of', 'DATE=2019-06-15', 'WITHOUT=young']),
        ('young==1.1', 2, ['young 1.1 is of 2020-06-15', 'DATE=2020-06-15']),
        ('scipy>=1.3', 2, ['scipy 1.3.0 is of 2019-05-17', 'DATE=2019-05-17']),
        ('plotter==7', 2, ['plotter==7 (requirements.txt)', 'no such version', 'WITH=plotter==VERSION']),
        ('not-there', 2, ['not-there (requirements.txt)', 'none of that name', 'WITHOUT=not-there']),
        ('needs-missing', 2, ['not-there, which another package needs', 'WITHOUT=not-there']),
        ('modern', 2, ['for Python>=3.7', 'none for 3.6', 'WITHOUT=modern']),
        ('moderner==0.9', 2, ['for Python>=3.7', 'WITH=moderner==0.8']),
        ('plotter==1.0\nplotter==1.1', 2, ['plotter==1.0', 'plotter==1.1', 'together', 'WITH=plotter==VERSION']),
        ('x @ git+https://127.0.0.1:1/x.git', 3, ['https://127.0.0.1:1/x.git could not be fetched', 'WITHOUT=x']),
        ('broken-c', 3, ['broken-c==1.0 could not', 'foo.c:7: fatal error: png.h', 'gcc failed', 'WITHOUT=broken-c']),
        ('needs-magic', 3, ["No module named 'no_such_module'", 'WITHOUT=needs-magic']),
    ],
)  # fmt: skip
def test_what_cannot_be_had_says_what_would_do(make, call, asks, code, words):
    result = call(make({'requirements.txt': f'keras\n{asks}\n'}))
    assert result.code == code
    assert all(word in result.err for word in words), result.err
    assert 'compiling file' not in result.err and len(result.err.splitlines()) < 9
    assert not list(result.state.glob('*.*t*')), 'something half-made is left'


def test_the_ways_out_that_are_named_are_ways_out(make, call):
    young = make({'requirements.txt': 'keras\nyoung>=1.0\n'})
    assert call(young, DATE='2019-06-15').lock['young'] == '1.0'
    result = call(young, WITHOUT='young')
    assert result.code == 0 and 'young' not in result.lock and result.row('young>=1.0')[2] == 'left out: WITHOUT='
    assert (
        call(make({'requirements.txt': 'keras\nmoderner==0.9'}, name='b'), WITH='moderner==0.8').lock['moderner']
        == '0.8'
    )
    assert (
        call(make({'requirements.txt': 'keras\nneeds-missing'}, name='c'), WITHOUT='not-there').lock['needs-missing']
        == '1.0'
    )


def test_imports_that_the_registry_does_not_know_are_left_out_and_said(make, call):
    result = call(make({'train.py': 'import keras, plotter, nowhere, young, modern, helper', 'helper.py': ''}))
    assert result.code == 0, result.err
    assert 'plotter' in result.lock and not {'nowhere', 'young', 'modern', 'helper'} & set(result.lock)
    for name in ('nowhere', 'young', 'modern'):
        assert result.row(f'import {name}')[1] == '' and 'left out' in result.row(f'import {name}')[2]


def test_of_a_package_that_an_import_surely_means_the_first_release_is_taken_where_all_are_younger(make, call):
    result = call(make({'train.py': 'import keras, cv2, young'}))
    assert result.code == 0, result.err
    assert result.lock['opencv-python'] == '3.4' and 'young' not in result.lock
    assert result.row('import cv2')[1:] == [
        'opencv-python 3.4',
        'found in the code; the registry has none from before 2019-06-15',
    ]
    again = call(make({'requirements.txt': 'keras\nopencv-python\n'}, name='asks'))
    assert again.code == 2 and 'DATE=2019-06-15 finds it' in again.err


def test_a_source_gets_what_it_forgot_to_ask_for_its_build(make, call):
    """Its setup.py imports Keras; and one that does so only when its wheel is made."""
    folder = make({'requirements.txt': 'keras\nneeds-keras\nlate-keras\n'})
    result = call(folder, RUN='python -c "import needs_keras, late_keras"')
    assert result.code == 0, result.err
    assert 'trying with keras==2.2.4' in result.err and 'trying with tensorflow==1.9.0' in result.err
    config = (result.state / 'uv.toml').read_text()
    assert (
        '"needs-keras" = ["keras==2.2.4", "tensorflow==1.9.0"]' in config
        and '"late-keras" = ["keras==2.2.4"]' in config
    )


def test_a_build_that_fails_only_when_it_is_installed(make, call):
    folder = make({'requirements.txt': 'keras\nbreaks-late\n'})
    result = call(folder, RUN='true')
    assert result.code == 3 and 'fatal error: png.h' in result.err and 'compiling file' not in result.err
    assert not (result.state / 'venv').exists()


def test_a_second_run_asks_nobody_and_makes_nothing(make, call, registry):
    folder = make(
        {
            'requirements.txt': 'keras\nplotter\n',
            'train.py': 'import keras, sys\nprint(keras.__version__, sys.argv[1:])',
        }
    )
    first = call(folder, RUN='python train.py --x "a b"')
    assert (first.code, first.out) == (0, "2.2.4 ['--x', 'a b']\n"), first.err
    made = (first.state / 'lock.json').read_bytes()
    before = len(registry.asked)
    (folder / 'results').mkdir()
    (folder / 'train.py').write_text((folder / 'train.py').read_text() + '# edited today\n')
    second = call(folder, RUN='python train.py', environment={'UV_OFFLINE': '1'})
    assert (second.code, second.out, second.err) == (0, '2.2.4 []\n', '')
    assert len(registry.asked) == before and (first.state / 'lock.json').read_bytes() == made
    (folder / 'requirements.txt').write_text('keras\nplotter==1.0\n')
    third = call(folder, RUN='python -c "import plotter; print(plotter.__version__)"')
    assert third.out == '1.0\n' and 'as of 2018-10-01' in third.err  # today's edit has not moved the date


def test_the_same_lock_gives_the_same_environment_elsewhere(make, call, registry, tmp_path):
    folder = make({'requirements.txt': 'keras\nplotter\n'})
    lock = tmp_path / 'a lock ü'
    assert call(folder, LOCK=str(lock)).code == 0
    names = {path.name for path in lock.iterdir()}
    assert {'lock.txt', 'extras.txt', 'build.txt', 'uv.toml', 'lock.json', 'addresses.txt'} == names
    shutil.copytree(folder, tmp_path / 'elsewhere' / 'project')
    before = len([path for path in registry.asked if path.startswith('/simple')])
    result = call(
        tmp_path / 'elsewhere' / 'project', LOCK=str(lock), RUN='python -c "import plotter; print(plotter.__version__)"'
    )
    assert (result.code, result.out) == (0, '1.1\n') and 'Resolving' not in result.err
    assert not (result.state / 'lock.txt').exists() and before
    (tmp_path / 'file').write_text('')
    assert 'is a file' in call(folder, LOCK=str(tmp_path / 'file')).err


def test_nothing_is_written_into_the_projects_folder(make, call):
    files = {
        'setup.py': 'from setuptools import setup\nsetup(name="x", install_requires=["keras"])',
        'requirements.txt': 'plotter',
    }
    folder = make(files)
    assert call(folder, RUN='true', WITHOUT='.').code == 0
    assert {path.name for path in folder.rglob('*')} == {*files, 'train.py'}


def test_the_command_gets_the_environment_and_hands_back_its_code(make, call):
    folder = make({'requirements.txt': 'keras\n'}, name='o`d "d$x')
    script = 'echo "$VIRTUAL_ENV|$PIP_CONSTRAINT|$EPOCHS|$DIR"; which python pip uv; pwd; exit 7'
    result = call(folder, RUN=script, EPOCHS='3')
    first, *programs, here = result.out.splitlines()
    venv = result.state / 'venv'
    assert result.code == 7 and here == str(folder)
    assert first == f'{venv}|{(venv / "constraints.txt").as_uri()}||'
    assert programs == [f'{venv}/bin/{name}' for name in ('python', 'pip', 'uv')]


def test_two_at_once_wait_for_each_other(make, call):
    folder = make({'requirements.txt': 'keras\nplotter\n'})
    results = []
    run = lambda: results.append(call(folder, RUN='python -c "import plotter, keras; print(1)"'))  # noqa: E731
    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(r.code, r.out) for r in results] == [(0, '1\n')] * 3
    assert sum('Making its environment' in r.err for r in results) == 1
    assert sum('Resolving' in r.err for r in results) == 1


def test_ctrl_c_leaves_nothing_half_made(make, checkout, python36, tmp_path):
    """A registry that never answers; then Ctrl-C, which reaches every process of the terminal."""
    with socket.create_server(('127.0.0.1', 0)) as silent:
        folder = make({'requirements.txt': 'keras\nplotter\n'}, name='interrupted')
        environment = dict(
            os.environ, DIR=str(folder), PYTHON36=python36, UV_CACHE_DIR=str(tmp_path / 'cache'),
            UV_DEFAULT_INDEX=f'http://127.0.0.1:{silent.getsockname()[1]}/simple',
        )  # fmt: skip
        command = [sys.executable, str(checkout / 'scripts' / 'project')]
        process = subprocess.Popen(
            command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # what runs in the background ignores it
        )  # fmt: skip
        assert 'Resolving' in process.stderr.readline()
        silent.accept()
        time.sleep(0.5)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err == ''
    state = next((checkout / '.projects').glob('interrupted-*'))
    assert [path.name for path in state.iterdir()] == ['.busy']


def test_an_environment_that_is_made_anew_says_what_was_added(make, call, python36, registry):
    folder = make({'requirements.txt': 'keras\nplotter\n'})
    result = call(folder, RUN='uv pip install -q cv-lib plotter==1.0')
    assert result.code == 0, result.err
    (folder / 'requirements.txt').write_text('keras\nscipy\n')
    result = call(folder, RUN='true')
    assert result.code == 0 and 'cv-lib==3.4, plotter==1.0' in result.err, result.err
    assert (result.state / 'added.txt').read_text() == 'cv-lib==3.4\nplotter==1.0\n'


def test_a_lock_that_was_damaged_is_a_sentence(make, call):
    folder = make({'requirements.txt': 'keras\n'})
    state = call(folder).state
    (state / 'lock.json').write_text('{')
    result = call(folder)
    assert result.code == 3 and 'lock.json cannot be read' in result.err


@pytest.mark.parametrize('options', [{'NETWORK': 'yes'}, {'GPU': '2'}, {'DATE': 'spring'}])
def test_wrong_options(make, call, options):
    result = call(make({}), **options)
    assert result.code == 2 and len(result.err.splitlines()) == 1 and list(options.values())[0] in result.err


class Asks:
    requirements, date, date_from = [], '2018-10-01', 'DATE='


@pytest.mark.parametrize(
    'said, words',
    [
        ('error: Failed to write\n  cause: No space left on device (os error 28)', 'the disk is full'),
        ('error: failed to create `/x`\n  cause: Permission denied (os error 13)', 'cannot be written'),
        ('error: Failed to fetch: `http://127.0.0.1:1/simple/x/`\n  cause: dns error', 'registry was not reached'),
    ],
)
def test_what_the_machine_lacks(said, words):
    with pytest.raises(Refused, match=words) as caught:
        uv_errors.refuse(said, Asks, None)
    assert caught.value.code == 3 and '\n' not in str(caught.value)


def test_without_a_registry(make, call, tmp_path):
    nowhere = {'UV_DEFAULT_INDEX': 'http://127.0.0.1:1/simple', 'UV_CACHE_DIR': str(tmp_path / 'cache')}
    result = call(make({'requirements.txt': 'keras\nplotter\n'}), environment=nowhere)
    assert result.code == 3 and 'registry was not reached' in result.err, result.err


@pytest.mark.parametrize('number, words', [(errno.ENOSPC, 'the disk is full'), (errno.EROFS, 'Read-only file system')])
def test_a_disk_that_takes_nothing(make, monkeypatch, capsys, tmp_path, number, words):
    spec = importlib.util.spec_from_file_location('project_main', ROOT / 'scripts' / 'project' / '__main__.py')
    main = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(main)

    def write(*_, **__):
        raise OSError(number, os.strerror(number), 'lock.txt')

    folder = make({'requirements.txt': 'keras\n'})
    monkeypatch.setattr(pathlib.Path, 'write_text', write)
    options = {'DIR': str(folder), 'LOCK': str(tmp_path / 'lock')}
    code = main.guarded(options)
    shutil.rmtree(look.look(options).state)
    said = capsys.readouterr().err.splitlines()
    assert code == 3 and said[-1].startswith('error: lock.txt: ') and words in said[-1]
    assert list((tmp_path / 'lock').iterdir()) == []


@pytest.mark.parametrize(
    'asks, nearer',
    [
        ('keras==2.3.1\ntensorflow==1.15.0', True),
        ('keras>=2.2.5\ntensorflow-gpu>=1.14,<2', True),
        ('keras>=2\ntensorflow>=1.4', False),
        ('keras==2.2.4\ntensorflow==1.15.0', False),
    ],
)
def test_the_stack_that_a_project_asks_for_is_named(make, call, asks, nearer):
    result = call(make({'requirements.txt': asks + '\n'}))
    assert result.code == 0, result.err
    assert ('STACK=tf1.15-keras2.3.1 is nearer' in result.out) == nearer, result.out


def test_a_project_in_another_stack(make, call):
    """Its core is that of the stack; the reference's environment of the same project stays as it is."""
    project = make(
        {'requirements.txt': 'keras==2.3.1\nplotter\n', 'train.py': 'import keras; print(keras.__version__)\n'}
    )
    here, there = call(project), call(project, STACK='tf1.15-keras2.3.1')
    assert (here.lock['keras'], there.lock['keras']) == ('2.2.4', '2.3.1'), there.err
    assert (here.lock['tensorflow'], there.lock['tensorflow']) == ('1.9.0', '1.15.5')
    assert here.state != there.state and there.lock['plotter'] == '1.1' and not there.json['table']
    assert call(project, STACK='tf1.15-keras2.3.1', RUN='python train.py').out == '2.3.1\n'
    refused = call(project, STACK='tf1.15-nvidia')
    assert refused.code == 2 and 'for GPUs alone' in refused.err
