"""The Makefile and its script, as a person at a terminal meets them."""

import json
import os
import shutil
import stat
import subprocess
import sys

import pytest

from tensorflow_with_keras.recipe import ROOT

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
            env=dict(clean, PATH=env.pop('path', '%s:%s' % (bin, SYSTEM)), HOME=str(tmp_path), **env),
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
    made_from = (checkout / 'requirements' / 'cpu.txt').read_text() + (checkout / 'docker' / 'dot').read_text()
    (checkout / '.venv' / 'lock.stamp').write_text('%s\n%s' % (checkout, made_from))


def test_help_names_every_target_and_option(call):
    code, out, err = call('make')
    assert code == 0 and err == ''
    for word in (
        'run-example',
        'list',
        'test',
        'shell',
        'build-cpu',
        'inspect',
        'EXAMPLE',
        'DATASET',
        'EPOCHS',
        'ARGS',
        'ENGINE',
        'MODEL',
    ):
        assert word in out


def test_list(call):
    code, out, err = call('make', 'list')
    assert code == 0 and err == '' and '\n%s ' % KAPPA in '\n' + out


def test_inspect_says_what_a_file_is_by_the_environment_else_by_any_python(call, checkout, bin, tmp_path):
    file = os.path.join(ROOT, 'tests', 'library', 'model_files', 'keras_2.2.4_h5py_3.1.h5')
    code, out, err = call('make', 'inspect', cwd=str(checkout))
    assert code == 2 and err.splitlines()[0] == 'error: which file? MODEL=model.h5'
    plant_venv(checkout)
    code, out, err = call('make', 'inspect', 'MODEL=' + file, cwd=str(checkout))
    assert code == 0 and err == '' and 'Loads in Keras 2.2.4 here: mended.' in out
    code, out, err = call('make', 'inspect', 'MODEL=' + file, 'ARGS=--json', cwd=str(checkout))
    assert code == 0 and err == '' and json.loads(out)['loads'] == 'mended'
    shutil.rmtree(str(checkout / '.venv'))
    program(bin, 'python3', 'case "$*" in *inspect*) echo host "$@";; *) exit 0;; esac\n')
    code, out, err = call('make', 'inspect', 'MODEL=-odd name.h5', cwd=str(checkout))
    assert (code, out, err) == (0, 'host -m tensorflow_with_keras inspect -- -odd name.h5\n', '')
    log = tmp_path / 'podman.log'
    program(bin, 'podman', 'case "$1" in run) printf "%%s\\n" "$@" > %s;; esac\n' % log)
    code, out, err = call('make', 'inspect', 'MODEL=' + file, 'ENGINE=podman', cwd=str(checkout))
    args = log.read_text().splitlines()
    folder = os.path.dirname(file)
    assert code == 0 and 'type=bind,source=%s,destination=%s,readonly' % (folder, folder) in args
    assert args[-5:] == ['-m', 'tensorflow_with_keras', 'inspect', '--', file]


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
    for pair in (['--network', 'none'], ['--user', '%d:%d' % (os.getuid(), os.getgid())]):
        assert ' '.join(pair) in ' '.join(args)
    locked_in = ('--read-only', '--tmpfs=/tmp:exec', '--cap-drop=ALL', '--security-opt=no-new-privileges')
    assert set(locked_in) <= set(args[: args.index('tensorflow-with-keras:cpu')])
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


@pytest.mark.parametrize(
    'version, buildx, built',
    [('20.10.24', False, True), ('28.2.2', True, True), ('28.2.2', False, False), ('23.0.1', False, False)],
)
def test_a_docker_that_cannot_build_names_the_package_that_it_lacks(
    call, checkout, bin, tmp_path, version, buildx, built
):
    log = tmp_path / 'log'
    text = 'info) ;; build) echo "$DOCKER_BUILDKIT" > %s;; version) echo %s;; buildx) exit %d;; *) exit 1;;'
    program(bin, 'docker', 'case "$1" in %s esac\n' % (text % (log, version, not buildx)))
    code, out, err = call('make', 'build-cpu', 'ENGINE=docker', cwd=str(checkout))
    if built:
        assert code == 0 and log.read_text() == '1\n'
    else:
        assert code == 2 and not log.exists()
        sentence = [line for line in err.splitlines() if line.startswith('error: ')]
        assert len(sentence) == 1 and 'Docker %s builds images with buildx' % version in sentence[0]
        assert 'docker-buildx-plugin' in sentence[0] and 'ENGINE=local' in sentence[0]


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


HOROVOD = 'distributed/horovod'


@pytest.fixture
def horovod(checkout):
    """A checkout with an environment, a recipe that wants Horovod, and a log of what is built for it instead."""
    plant_venv(checkout)
    (checkout / 'examples' / 'distributed').mkdir(exist_ok=True)
    (checkout / 'examples' / 'distributed' / 'horovod.py').write_text('"""A recipe."""\nprint("it ran")\n')
    (checkout / '.tools' / 'bin').mkdir(parents=True)
    shutil.copy(str(checkout / 'requirements' / 'uv.txt'), str(checkout / '.tools' / 'uv.stamp'))
    log = checkout / 'built.log'
    log.write_text('')
    program(checkout / 'docker', 'build_horovod', 'echo "$@" with $(command -v python) >> %s\n' % log)
    return log


def without(folder, *names):
    """A PATH on which all programs of the system are but these."""
    folder.mkdir()
    for place in SYSTEM.split(':'):
        for name in os.listdir(place):
            if name not in names and not (folder / name).exists():
                (folder / name).symlink_to(os.path.join(place, name))
    return str(folder)


@pytest.mark.parametrize('missing', ['g++', 'make'])
def test_horovod_without_a_compiler_is_one_sentence_before_anything_is_made(call, checkout, horovod, tmp_path, missing):
    shutil.rmtree(str(checkout / '.venv'))
    path = '%s:%s' % (tmp_path / 'bin', without(tmp_path / 'system', missing, 'mpicxx'))
    code, out, err = call('scripts/front-door', 'run', cwd=str(checkout), path=path, EXAMPLE=HOROVOD)
    assert code == 2 and err.splitlines()[0] == 'Engine: local' and len(err.splitlines()) == 2
    assert 'there is no %s here to build Horovod with: install g++ and make' % missing in err and 'ENGINE=docker' in err
    assert not (checkout / '.venv').exists() and horovod.read_text() == ''


def test_horovod_is_built_once_and_for_its_recipe_only(call, checkout, horovod, tmp_path):
    cwd = str(checkout)
    path = '%s:%s' % (tmp_path / 'bin', without(tmp_path / 'system', 'mpicxx'))
    environment = (checkout / '.venv' / 'lock.stamp').stat().st_mtime
    assert call('scripts/front-door', 'venv', cwd=cwd, path=path) == (0, '', '') and horovod.read_text() == ''
    code, out, err = call('scripts/front-door', 'run', cwd=cwd, path=path, EXAMPLE=HOROVOD)
    assert code == 0 and 'it ran' in out
    assert 'Building Horovod into .venv, with Gloo (once, about a minute on 2 cores)' in err
    built = 'requirements .venv with %s/.venv/bin/python\n' % checkout
    assert horovod.read_text() == built
    code, out, err = call('scripts/front-door', 'run', cwd=cwd, path=path, EXAMPLE=HOROVOD)
    assert code == 0 and 'it ran' in out and err == 'Engine: local\n' and horovod.read_text() == built
    # an MPI has come: built anew, with it
    program(tmp_path / 'bin', 'mpicxx', '')
    code, out, err = call('scripts/front-door', 'run', cwd=cwd, path=path, EXAMPLE=HOROVOD)
    assert (
        code == 0
        and 'with Gloo and MPI' in err
        and horovod.read_text() == built + built.replace('.venv ', '.venv mpi ', 1)
    )
    assert (checkout / '.venv' / 'lock.stamp').stat().st_mtime == environment


def test_a_build_of_horovod_that_fails_is_one_sentence_and_tried_again(call, checkout, horovod):
    program(checkout / 'docker', 'build_horovod', 'exit 3\n')
    for _ in range(2):
        code, out, err = call('make', 'run-example', 'EXAMPLE=' + HOROVOD, cwd=str(checkout))
        assert code == 2 and 'Horovod could not be built (see above)' in err and 'it ran' not in out


def test_horovod_has_an_image_of_its_own_built_when_its_inputs_change(call, checkout, bin, horovod, tmp_path):
    log = tmp_path / 'log'
    # an engine that remembers what an image was built from
    program(
        bin,
        'podman',
        """cd %s
case "$1" in
  build) while [ $# -gt 0 ]; do
      case "$1" in --target) target=$2;; -t) tag=$2;; INPUTS=*) inputs=${1#*=};; esac; shift
    done
    echo "$inputs" > "$tag"; echo "build $target $tag" >> log;;
  image) for tag in "$@"; do :; done; cat "$tag" 2>/dev/null;;
  run) echo "$@" | sed "s/.* \\(tensorflow-with-keras:[^ ]*\\).*/run \\1/" >> log;;
esac
"""
        % tmp_path,
    )

    def did(*names):
        log.write_text('')
        for name in names:
            assert call('make', 'run-example', 'EXAMPLE=' + name, cwd=str(checkout))[0] == 0
        return log.read_text().splitlines()

    run, run_distributed = 'run tensorflow-with-keras:cpu', 'run tensorflow-with-keras:cpu-distributed'
    build, build_distributed = (
        'build %s tensorflow-with-keras:%s' % b for b in (('runtime', 'cpu'), ('distributed', 'cpu-distributed'))
    )
    assert did(KAPPA, HOROVOD) == [build, run, build_distributed, run_distributed]
    assert did(KAPPA, HOROVOD) == [run, run_distributed]
    with open(str(checkout / 'requirements' / 'distributed.txt'), 'a') as f:
        f.write('# changed\n')
    assert did(KAPPA, HOROVOD) == [run, build_distributed, run_distributed]
    with open(str(checkout / 'requirements' / 'cpu.txt'), 'a') as f:
        f.write('# changed\n')
    assert did(KAPPA, HOROVOD) == [build, run, build_distributed, run_distributed]
