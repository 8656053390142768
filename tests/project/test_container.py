"""`make project` in containers. `nox -s "image(cpu)"` runs it, and sets ENGINE, KIND and the bases."""

import hashlib
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENGINE = os.environ.get('ENGINE')
if not ENGINE:
    raise pytest.UsageError('these tests want ENGINE in the environment; `nox -s "image(cpu)"` sets it')
FRONT_DOOR = str(ROOT / 'scripts' / 'front-door')

SETUP = """
import numpy
from setuptools import Extension, setup

setup(
    name='klein', version='1', packages=['klein'], package_dir={'': 'src'},
    ext_modules=[Extension('klein.schnell', ['src/klein/schnell.c'], include_dirs=[numpy.get_include()])],
    entry_points={'console_scripts': ['klein = klein:main']},
)
"""
C = """
#include <Python.h>
#include <numpy/arrayobject.h>
static PyObject *twice(PyObject *self, PyObject *arg) { return PyLong_FromLong(2 * PyLong_AsLong(arg)); }
static PyMethodDef methods[] = {{"twice", twice, METH_O, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "schnell", "", -1, methods};
PyMODINIT_FUNC PyInit_schnell(void) { import_array(); return PyModule_Create(&module); }
"""
# a wheel that wants X libraries, one that wants libsndfile, and a source that is compiled
REQUIREMENTS = ['keras', 'opencv-python==4.1.0.25', 'soundfile==0.10.2', 'python-levenshtein==0.12.0']


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def state(folder):
    """Where the checkout keeps what it knows of a project."""
    digest = hashlib.sha256(os.fsencode(str(folder.resolve()))).hexdigest()[:8]
    (found,) = (ROOT / '.projects').glob(f'*-{digest}')
    return found


def image(folder):
    return f'tensorflow-with-keras-project:{state(folder).name.lower()}'


def forget(folder):
    subprocess.run([ENGINE, 'rmi', image(folder)], capture_output=True)
    shutil.rmtree(state(folder))


def environment(folder, command, **more):
    kept = {k: v for k, v in os.environ.items() if k not in ('GPU', 'LOCK', 'DATE', 'WITH', 'WITHOUT', 'NETWORK')}
    return dict(kept, DIR=str(folder), RUN=command, **more)


def project(folder, command, stdin=None, **more):
    """Exit code, standard output and standard error of `make project`, whose own exit code make would hide."""
    done = subprocess.run(
        [FRONT_DOOR, 'project'],
        env=environment(folder, command, **more),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=600,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A project, run once, whose folder has blanks, an umlaut and a comma in its name."""
    folder = tmp_path_factory.mktemp('projects') / 'mein projekt, größer'
    write(
        folder,
        {
            'requirements.txt': '\n'.join(REQUIREMENTS),
            'setup.py': SETUP,
            'src/klein/__init__.py': 'def main():\n    from .schnell import twice\n    print(twice(21))\n',
            'src/klein/schnell.c': C,
        },
    )
    code, out, err = project(folder, 'true', DATE='2019-06-01')
    assert code == 0, err
    assert 'Building the image' in err
    yield folder
    forget(folder)


def test_the_packages_load_with_the_system_libraries_that_they_want(folder):
    code, out, err = project(
        folder,
        'python -c "import cv2, soundfile, Levenshtein, numpy, keras; print(cv2.__version__, soundfile.__version__, '
        "soundfile.available_formats()['WAV'], Levenshtein.distance('kitten', 'sitting'), numpy.__version__)\"",
    )
    assert code == 0, err
    numpy = next(
        line for line in (ROOT / 'requirements/cpu.txt').read_text().splitlines() if line.startswith('numpy==')
    )
    assert out.split() == ['4.1.0', '0.10.2', 'WAV', '(Microsoft)', '3', numpy.split('==')[1].split()[0]]


def test_the_project_itself_is_installed_compiled_where_it_stands(folder):
    code, out, err = project(folder, 'cd / && klein && python -c "import klein; print(klein.__file__)"')
    assert (code, out) == (0, f'42\n{folder}/src/klein/__init__.py\n'), err


def test_a_second_run_builds_nothing(folder):
    what = [ENGINE, 'image', 'inspect', '--format', '{{.Id}}', image(folder)]
    before = subprocess.run(what, capture_output=True, check=True).stdout
    code, out, err = project(folder, 'true')
    assert code == 0 and 'Building' not in err and 'Installing' not in err and 'Resolving' not in err
    assert subprocess.run(what, capture_output=True, check=True).stdout == before


def test_there_is_no_compiler_and_no_network_and_nothing_of_the_machine(folder):
    (folder.parent / 'secret.txt').write_text('secret')
    search = 'for p in gcc cc g++ make uv; do command -v $p; done; ls /sys/class/net; ls .. /root /home; touch /opt/x'
    code, out, err = project(folder, search)
    assert code != 0 and 'Read-only file system' in err
    assert [word for word in out.split() if not word.endswith(':')] == ['lo', 'mein', 'projekt,', 'größer']
    code, out, err = project(folder, 'ls /sys/class/net', NETWORK='1')
    assert code == 0 and set(out.split()) > {'lo'}


def test_exit_code_and_standard_input_are_passed_on(folder):
    code, out, err = project(folder, 'cat; exit 7', stdin='from outside')
    assert (code, out) == (7, 'from outside')


@pytest.mark.skipif(os.getuid() != 0, reason='only root can give a folder away')
def test_results_belong_to_whom_the_folder_belongs(folder, request):
    request.addfinalizer(lambda: os.chown(folder, 0, 0))
    os.chown(folder, 4321, 4322)
    code, out, err = project(folder, 'echo x > result; echo x > ~/weights; id -u')
    assert (code, out) == (0, '4321\n'), err
    for path in (folder / 'result', state(folder) / 'home' / 'weights'):
        assert (path.stat().st_uid, path.stat().st_gid) == (4321, 4322)
        path.unlink()


def test_a_folder_that_cannot_be_written_to_still_runs(folder, request):
    request.addfinalizer(lambda: folder.chmod(0o755))
    folder.chmod(0o555)
    code, out, err = project(folder, 'klein; echo x > result')
    assert code != 0 and out == '42\n' and 'ermission denied' in err and not (folder / 'result').exists()


def test_interrupted_the_program_hears_of_it(folder):
    (folder / 'slow.py').write_text(
        "import sys, time\nprint('begun', flush=True)\ntry:\n    time.sleep(100)\n"
        "except KeyboardInterrupt:\n    print('interrupted')\n    sys.exit(9)\n"
    )
    # a program that a shell waits for, too
    for command, code in (('exec python slow.py', 9), ('python slow.py; exit 5', 130)):
        process = subprocess.Popen(
            [FRONT_DOOR, 'project'], env=environment(folder, command), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        assert process.stdout.readline() == b'begun\n'
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[0] == b'interrupted\n' and process.returncode == code


def at_terminal(target, typed, **environment):
    """Exit code of the front door, and all that a terminal shows, where this is typed into it."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(FRONT_DOOR, [FRONT_DOOR, target], environment)
    os.write(terminal, typed)
    shown = b''
    try:
        while True:
            more = os.read(terminal, 1000)
            if not more:
                break
            shown += more
    except OSError:  # the other end is closed
        pass
    os.close(terminal)
    return os.WEXITSTATUS(os.waitpid(pid, 0)[1]), shown.decode()


def test_a_shell_at_a_terminal(folder):
    code, shown = at_terminal(
        'project', b'klein; test -t 0 && echo a t""erminal; exit 6\n', **environment(folder, 'shell')
    )
    assert code == 6 and '42\r\n' in shown and 'a terminal\r\n' in shown


def test_make_shell_mounts_a_folder_and_keeps_the_core_from_pip(folder):
    typed = b'pwd; ls; grep ^numpy "$PIP_CONSTRAINT"; touch here; exit 6\n'
    code, shown = at_terminal('shell', typed, **environment(folder, ''))
    assert code == 6, shown
    assert f'{folder}\r\n' in shown and 'requirements.txt' in shown and (folder / 'here').exists()
    numpy = re.search(r'^numpy==\S+', (ROOT / 'requirements/cpu.txt').read_text(), re.M)[0]
    assert f'{numpy}\r\n' in shown and 'gone once you leave' in shown and '`make project DIR=…` keeps' in shown


def answer(address):
    """HTTP status and body, once something answers."""
    for _ in range(240):
        try:
            with urllib.request.urlopen(address, timeout=20) as page:
                return page.status, page.read()
        except urllib.error.HTTPError as e:
            return e.code, b''
        except OSError:
            time.sleep(0.5)
    raise TimeoutError(address)


def test_a_notebook_behind_a_token_for_this_machine_alone(folder):
    process = subprocess.Popen(
        [FRONT_DOOR, 'project'],
        env=environment(folder, 'notebook'),
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    try:
        for line in process.stderr:
            found = re.search(r'http://127\.0\.0\.1:(\d+)/\?token=(\w{48})$', line.strip())
            if found:
                break
        port, token = found[1], found[2]
        server = f'http://127.0.0.1:{port}/api'
        status, body = answer(f'{server}/contents?token={token}')
        assert status == 200 and {'requirements.txt', 'setup.py'} < {f['name'] for f in json.loads(body)['content']}
        assert answer(f'{server}/contents')[0] == 403
        ports = subprocess.run([ENGINE, 'ps', '--format', '{{.Ports}}'], capture_output=True, text=True).stdout
        assert f'127.0.0.1:{port}->{port}/tcp' in ports and f'0.0.0.0:{port}->' not in ports
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        subprocess.run([ENGINE, 'rmi', f'{image(folder)}-notebook'], capture_output=True)


# --- bad input


def test_an_engine_that_does_not_answer(folder, tmp_path):
    (tmp_path / 'docker').write_text('#!/bin/sh\nexit 1\n')
    (tmp_path / 'docker').chmod(0o755)
    code, out, err = project(folder, 'true', ENGINE='docker', PATH=f'{tmp_path}:{os.environ["PATH"]}')
    assert code == 2 and err.startswith('error: ENGINE=docker does not answer') and len(err.splitlines()) == 1


@pytest.fixture
def small(tmp_path):
    """Another project, not run yet."""
    write(tmp_path / 'small', {'train.py': 'import keras\n', 'requirements.txt': 'keras\npython-levenshtein==0.12.0\n'})
    yield tmp_path / 'small'
    forget(tmp_path / 'small')


def images_and_leftovers(folder):
    done = subprocess.run([ENGINE, 'image', 'inspect', image(folder)], capture_output=True)
    return done.returncode == 0, sorted(p.name for p in state(folder).glob('.image-*'))


def test_a_package_that_cannot_be_built(small):
    # its setup.py wants the headers of GraphViz, which are in no base
    (small / 'requirements.txt').write_text('keras\npygraphviz==1.5\n')
    code, out, err = project(small, 'true', DATE='2019-06-01')
    assert (
        code == 3
        and 'error: pygraphviz==1.5 could not be built from its source. WITHOUT=pygraphviz leaves it out' in err
    )
    why = err[err.index('error: pygraphviz') :].splitlines()
    assert any('graphviz' in line and 'No such file' in line for line in why) and len(why) < 10
    assert images_and_leftovers(small) == (False, [])


def test_a_lock_whose_hashes_are_of_other_files(small):
    code, out, err = project(small, '', DATE='2019-06-01')
    assert code == 0, err
    extras = state(small) / 'extras.txt'
    extras.write_text(re.sub('sha256:....', 'sha256:0000', extras.read_text()))
    code, out, err = project(small, 'true')
    assert (
        code == 3 and 'error: what was downloaded as python-levenshtein==0.12.0 is not the file that was locked' in err
    )
    assert images_and_leftovers(small) == (False, [])


def test_interrupted_while_the_image_is_built(small):
    assert project(small, '', DATE='2019-06-01')[0] == 0
    process = subprocess.Popen(
        [FRONT_DOOR, 'project'],
        env=environment(small, 'true'),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # what runs in the background ignores it
    )
    for line in process.stderr:
        if 'Building the image' in line:
            break
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and 'Traceback' not in err
    assert images_and_leftovers(small) == (False, [])
