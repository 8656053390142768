"""The Makefile and its script, as a person at a terminal meets them."""

import os
import shutil
import stat
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KAPPA = 'metrics/cohens_kappa'
SYSTEM = '/usr/local/bin:/usr/bin:/bin'


def program(folder, name, text):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text('#!/bin/sh\n' + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def bin(tmp_path):
    """A folder in front of the PATH in which no engine answers; tests put programs there."""
    folder = tmp_path / 'bin'
    for engine in ('docker', 'podman'):
        program(folder, engine, 'exit 1\n')
    program(folder, 'python3', 'exec %s "$@"\n' % sys.executable)  # some Python of the host
    return folder


@pytest.fixture
def call(bin, tmp_path):
    def call(*command, **env):
        clean = {
            k: v
            for k, v in os.environ.items()
            if k not in ('ENGINE', 'PYTHON36', 'PYENV_ROOT', 'MAKEFLAGS', 'MAKELEVEL', 'TFK_DATA_DIR')
        }
        done = subprocess.run(
            command,
            cwd=env.pop('cwd', ROOT),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            stdin=subprocess.DEVNULL,
            env=dict(clean, PATH='%s:%s' % (bin, SYSTEM), HOME=str(tmp_path), **env),
        )
        return done.returncode, done.stdout, done.stderr

    return call


@pytest.fixture
def checkout(tmp_path):
    """A copy in which an environment can be planted without touching the real one."""
    copy = tmp_path / 'checkout'
    copy.mkdir()
    for name in ('Makefile', 'Dockerfile', 'Dockerfile.cpu', '.dockerignore', 'LICENSE'):
        shutil.copy(os.path.join(ROOT, name), str(copy))
    for name in ('docker', 'scripts', 'requirements', 'tensorflow_with_keras', 'examples'):
        shutil.copytree(os.path.join(ROOT, name), str(copy / name), ignore=shutil.ignore_patterns('__pycache__'))
    return copy


def plant_venv(checkout):
    program(checkout / '.venv', 'python', '')
    program(checkout / '.venv' / 'bin', 'python', 'exec %s "$@"\n' % sys.executable)
    lock = (checkout / 'requirements' / 'cpu.txt').read_text()
    (checkout / '.venv' / 'lock.stamp').write_text('%s\n%s' % (checkout, lock))


def test_help_names_every_target_and_option(call):
    code, out, err = call('make')
    assert code == 0 and err == ''
    for word in ('run-example', 'list', 'test', 'shell', 'build-cpu', 'EXAMPLE', 'DATASET', 'EPOCHS', 'ARGS', 'ENGINE'):
        assert word in out


def test_list(call):
    code, out, err = call('make', 'list')
    assert code == 0 and err == '' and '\n%s ' % KAPPA in '\n' + out


@pytest.mark.parametrize(
    'args, expected',
    [
        (('EXAMPLE=metrics/nothing',), ['there is no recipe', '  ' + KAPPA]),
        (('DATASET=cifar10',), ["'digits', 'mnist', 'fashion_mnist'"]),
        (('EPOCHS=0',), ["'0' is not a whole number from 1 up"]),
        (('EPOCHS=abc',), ["'abc' is not a whole number from 1 up"]),
        (('ARGS=--out /proc/nowhere',), ['cannot write to /proc/nowhere']),
        (('ENGINE=lxc',), ["there is no engine 'lxc'; there are: docker, podman, local."]),
        (('ENGINE=docker',), ['ENGINE=docker does not answer']),
        (('GPU=1', 'ENGINE=local'), ['GPU=1 runs in a container']),
        (('GPU=yes',), ["GPU='yes' is neither 1 nor 0."]),
        (('PYTHON36=/bin/false',), ['PYTHON36=/bin/false is no working Python 3.6.']),
    ],
)
def test_bad_input_ends_before_anything_is_made(call, checkout, args, expected):
    before = sorted(os.listdir(str(checkout)))
    code, out, err = call('make', 'run-example', *args, cwd=str(checkout))
    assert code == 2 and 'Traceback' not in err
    assert all(text in err for text in expected)
    assert [n for n in sorted(os.listdir(str(checkout))) if n != 'runs'] == before


def test_the_engine_is_a_docker_that_answers_else_podman_else_local(call, bin):
    assert call('scripts/front-door', 'engine')[1] == 'local\n'
    program(bin, 'podman', '[ "$1" = info ]\n')
    assert call('scripts/front-door', 'engine')[1] == 'podman\n'
    program(bin, 'docker', '[ "$1" = info ]\n')
    assert call('scripts/front-door', 'engine')[1] == 'docker\n'
    assert call('scripts/front-door', 'engine', ENGINE='podman')[1] == 'podman\n'
    assert call('scripts/front-door', 'engine', ENGINE='local')[1] == 'local\n'


def test_python36_is_one_that_runs_not_a_shim(call, bin, tmp_path):
    program(bin, 'python3.6', 'echo "pyenv: python3.6: command not found"; exit 127\n')
    code, out, err = call('scripts/front-door', 'python36')
    assert code == 2 and all(word in err for word in ('Docker', 'pyenv', 'conda')) and len(err.splitlines()) == 1
    real = 'exec %s "$@"\n' % sys.executable
    program(tmp_path / '.pyenv', 'x', '')
    versions = tmp_path / '.pyenv' / 'versions'
    (versions / '3.6.15').mkdir(parents=True)
    program(versions / '3.6.15' / 'bin', 'python3.6', real)
    assert call('scripts/front-door', 'python36')[1] == '%s/3.6.15/bin/python3.6\n' % versions
    program(bin, 'python3.6', real)
    assert call('scripts/front-door', 'python36')[1] == '%s/python3.6\n' % bin
    program(tmp_path / 'mine', 'python', real)
    assert (
        call('scripts/front-door', 'python36', PYTHON36=str(tmp_path / 'mine' / 'python'))[1]
        == '%s/mine/python\n' % tmp_path
    )


def test_a_local_run(call, checkout):
    plant_venv(checkout)
    code, out, err = call('make', 'run-example', 'EPOCHS=1', 'ARGS=--threads 1 --verbose 0', cwd=str(checkout))
    assert code == 0 and err.splitlines()[0] == 'Engine: local' and 'test_kappa' in out
    assert (checkout / 'runs' / 'metrics-cohens_kappa' / 'result.json').exists()


def test_the_environment_is_remade_only_when_the_lock_changes(call, checkout, bin):
    plant_venv(checkout)
    assert call('scripts/front-door', 'venv', cwd=str(checkout)) == (0, '', '')
    with open(str(checkout / 'requirements' / 'cpu.txt'), 'a') as f:
        f.write('# changed\n')
    program(bin, 'python3.6', 'exec %s "$@"\n' % sys.executable)
    (checkout / '.tools' / 'bin').mkdir(parents=True)
    log = checkout / 'uv.log'
    program(
        checkout / '.tools' / 'bin',
        'uv',
        """echo "$@" >> %s
case "$1" in venv) mkdir -p .venv/bin; ln -s %s .venv/bin/python;; esac
"""
        % (log, sys.executable),
    )
    shutil.copy(str(checkout / 'requirements' / 'uv.txt'), str(checkout / '.tools' / 'uv.stamp'))
    # what uv would have installed cannot be written to here: stop at the installation
    program(checkout / '.tools' / 'bin', 'uv', 'echo "$@" >> %s; [ "$1" = venv ]\n' % log)
    code, out, err = call('scripts/front-door', 'venv', cwd=str(checkout))
    assert code != 0 and 'Making .venv' in err
    assert '--require-hashes' in log.read_text() and 'requirements/cpu.txt' in log.read_text()
    assert not (checkout / '.venv' / 'lock.stamp').exists()  # so that the next call begins anew


def test_a_container_is_locked_in_and_sees_the_folders_at_their_own_paths(call, checkout, bin, tmp_path):
    log = tmp_path / 'podman.log'
    program(bin, 'podman', 'case "$1" in run) printf "%%s\\n" "$@" > %s;; esac\n' % log)
    (tmp_path / 'data').mkdir()
    code, out, err = call(
        'make', 'run-example', 'DATASET=mnist', 'ARGS=--data-dir ../data --out=../results', cwd=str(checkout)
    )
    assert code == 0 and 'Engine: podman' in err
    args = log.read_text().splitlines()
    for pair in (
        ['--network', 'none'],
        ['--cap-drop', 'ALL'],
        ['--security-opt', 'no-new-privileges'],
        ['--user', '%d:%d' % (os.getuid(), os.getgid())],
    ):
        assert ' '.join(pair) in ' '.join(args)
    assert '--read-only' in args
    data, out = str(tmp_path / 'data'), str(tmp_path / 'results')
    assert 'type=bind,source=%s,destination=%s,readonly' % (data, data) in args
    assert 'type=bind,source=%s,destination=%s' % (out, out) in args
    inside = args[args.index('tensorflow-with-keras:cpu') + 1 :]
    assert inside == [
        'python',
        '-m',
        'tensorflow_with_keras',
        'run',
        KAPPA,
        '--data-dir',
        data,
        '--out=' + out,
        '--dataset',
        'mnist',
    ]


@pytest.mark.parametrize(
    'engine, flags', [('docker', ['--gpus', 'all']), ('podman', ['--device', 'nvidia.com/gpu=all'])]
)
def test_gpus_are_handed_to_the_gpu_image(call, checkout, bin, tmp_path, engine, flags):
    log = tmp_path / 'log'
    program(bin, engine, 'case "$1" in run) printf "%%s\\n" "$@" > %s;; esac\n' % log)
    # a machine whose doctor finds nothing wrong
    program(bin, 'python3', 'case "$*" in *--container*) exit 0;; esac; exec %s "$@"\n' % sys.executable)
    code, out, err = call('make', 'run-example', 'GPU=1', cwd=str(checkout))
    assert code == 0, err
    args = log.read_text().splitlines()
    assert ' '.join(flags) in ' '.join(args) and 'tensorflow-with-keras:gpu' in args
    assert 'CUDA_CACHE_PATH=%s/runs/.cuda-cache' % checkout in args


def test_an_image_that_cannot_be_built_is_one_sentence(call, checkout, bin):
    program(bin, 'docker', '[ "$1" = info ]\n')
    code, out, err = call('make', 'run-example', cwd=str(checkout))
    assert code == 2 and 'the image could not be built (see above); ENGINE=local runs without one.' in err


def test_an_engine_that_nobody_asked_for_gives_way_to_what_works(call, checkout, bin):
    plant_venv(checkout)
    program(bin, 'docker', '[ "$1" = info ]\n')
    program(bin, 'python3.6', 'exec %s "$@"\n' % sys.executable)
    code, out, err = call('make', 'run-example', 'EPOCHS=1', cwd=str(checkout))
    assert code == 0 and 'Engine: local, since docker could not build the image' in err and 'test_kappa' in out
    assert call('make', 'run-example', 'EPOCHS=1', 'ENGINE=docker', cwd=str(checkout))[0] == 2


def test_building_an_image_without_an_engine(call):
    code, out, err = call('make', 'build-cpu')
    assert code == 2 and 'no Docker or Podman answers here' in err
