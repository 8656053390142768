"""The Makefile and its script, as a person at a terminal meets them."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

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
    program(folder, 'python3', 'exec "%s" "$@"\n' % sys.executable)  # some Python of the host
    if 'BASH_3_2' in os.environ:  # the bash of macOS, where a person has one to try
        (folder / 'bash').symlink_to(os.environ['BASH_3_2'])
    return folder


@pytest.fixture
def call(bin, tmp_path):
    def call(*command, **env):
        clean = {
            k: v
            for k, v in os.environ.items()
            if k not in ('ENGINE', 'PYTHON36', 'PYENV_ROOT', 'MAKEFLAGS', 'MAKELEVEL', 'TFK_DATA_DIR', 'TEST')
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
    """A copy in which an environment can be planted without touching the real one. Its path has a blank."""
    copy = tmp_path / 'a checkout'
    copy.mkdir()
    for name in ('Makefile', 'Dockerfile', 'Dockerfile.cpu', 'Dockerfile.migrate', '.dockerignore', 'LICENSE'):
        shutil.copy(os.path.join(ROOT, name), str(copy))
    for name in ('docker', 'scripts', 'requirements', 'tensorflow_with_keras', 'examples', 'migrate'):
        shutil.copytree(os.path.join(ROOT, name), str(copy / name), ignore=shutil.ignore_patterns('__pycache__'))
    return copy


def plant_venv(checkout):
    program(checkout / '.venv', 'python', '')
    program(checkout / '.venv' / 'bin', 'python', 'exec "%s" "$@"\n' % sys.executable)
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
        'python36',
        'project',
        'RUN',
        'WITHOUT',
        'PYTHON36_MIRRORS',
        'bundle',
        'ALLOCATOR',
        'PULL',
        'notebook',
        'tensorboard',
        'PORT',
        'LOGDIR',
    ):
        assert word in out


def test_list(call, checkout):
    plant_venv(checkout)
    code, out, err = call('make', 'list', cwd=str(checkout))
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
        (('ALLOCATOR=jemalloc',), ["ALLOCATOR='jemalloc' is neither stock nor empty."]),
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


def test_python36_is_one_that_runs_not_a_shim(call, checkout, bin, tmp_path):
    program(bin, 'python3.6', 'echo "pyenv: python3.6: command not found"; exit 127\n')
    code, out, err = call('scripts/front-door', 'python36', cwd=str(checkout))
    assert code == 2 and all(w in err for w in ('Docker', 'pyenv', 'make python36')) and len(err.splitlines()) == 1
    real = 'exec "%s" "$@"\n' % sys.executable
    program(tmp_path / '.pyenv', 'x', '')
    versions = tmp_path / '.pyenv' / 'versions'
    (versions / '3.6.15').mkdir(parents=True)
    program(versions / '3.6.15' / 'bin', 'python3.6', real)
    assert call('scripts/front-door', 'python36', cwd=str(checkout))[1] == '%s/3.6.15/bin/python3.6\n' % versions
    program(bin, 'python3.6', real)
    assert call('scripts/front-door', 'python36', cwd=str(checkout))[1] == '%s/python3.6\n' % bin
    program(tmp_path / 'mine', 'python', real)
    mine = str(tmp_path / 'mine' / 'python')
    assert call('scripts/front-door', 'python36', cwd=str(checkout), PYTHON36=mine)[1] == mine + '\n'


def test_a_local_run(call, checkout):
    plant_venv(checkout)
    code, out, err = call('make', 'run-example', 'EPOCHS=1', 'ARGS=--threads 1 --verbose 0', cwd=str(checkout))
    assert code == 0 and err.splitlines()[0] == 'Engine: local' and 'test_kappa' in out
    assert (checkout / 'runs' / 'metrics-cohens_kappa' / 'result.json').exists()


def test_freed_memory_stays_unless_the_caller_wants_it_otherwise(call, checkout, bin, tmp_path, monkeypatch):
    plant_venv(checkout)
    program(checkout / '.venv' / 'bin', 'python', 'env\n')
    program(bin, 'podman', 'case "$1" in run) printf "%%s\\n" "$@" > "%s/log" ;; esac\n' % tmp_path)
    with open(os.path.join(ROOT, 'docker', 'allocator.env')) as file:
        ours = {line for line in file.read().splitlines() if not line.startswith('#')}
    names = tuple(line.split('=')[0] + '=' for line in ours)
    for name in names:
        monkeypatch.delenv(name[:-1], raising=False)

    def found(*options, **env):
        code, out, err = call('make', 'run-example', *options, cwd=str(checkout), **env)
        assert code == 0, err
        return {line for line in out.splitlines() if line.startswith(names)}

    assert found('ENGINE=local') == ours and len(ours) == 2
    assert found('ENGINE=local', 'ALLOCATOR=stock') == set()
    for mine in 'mine', '':
        assert 'GLIBC_TUNABLES=' + mine in found('ENGINE=local', GLIBC_TUNABLES=mine)
    for option, given in ((), []), (('ALLOCATOR=stock',), sorted(names)):
        found('ENGINE=podman', *option)
        args = (tmp_path / 'log').read_text().splitlines()
        assert sorted(b for a, b in zip(args, args[1:]) if a == '-e' and b in names) == given


@pytest.mark.parametrize('python36', [True, False])
def test_inspect_makes_the_environment_where_no_python_has_h5py(call, checkout, bin, tmp_path, python36):
    without = 'case "$2" in *version_info*) exit 0;; *h5py*) exit 1;; esac; exec "%s" "$@"\n'  # as it says itself
    program(bin, 'python3', without % sys.executable)
    if python36:
        program(bin, 'python3.6', 'exec "%s" "$@"\n' % sys.executable)
    (checkout / '.tools').mkdir()
    program(checkout / '.tools' / 'bin', 'uv', 'exit 7\n')  # it shows that it is asked
    shutil.copy(str(checkout / 'requirements' / 'uv.txt'), str(checkout / '.tools' / 'uv.stamp'))
    file = os.path.join(ROOT, 'tests', 'library', 'model_files', 'keras_2.2.4_h5py_3.1.h5')
    code, out, err = call('scripts/front-door', 'inspect', MODEL=file, cwd=str(checkout))
    assert ('Making .venv' in err) == python36 and code == (7 if python36 else 0), err
    code, out, err = call('scripts/front-door', 'inspect', MODEL=str(tmp_path / 'none.h5'), cwd=str(checkout))
    assert code == 2 and err.startswith('error: there is no file ') and len(err.splitlines()) == 1


def test_the_environment_is_remade_only_when_the_lock_changes(call, checkout, bin):
    plant_venv(checkout)
    assert call('scripts/front-door', 'venv', cwd=str(checkout)) == (0, '', '')
    with open(str(checkout / 'requirements' / 'cpu.txt'), 'a') as f:
        f.write('# changed\n')
    program(bin, 'python3.6', 'exec "%s" "$@"\n' % sys.executable)
    (checkout / '.tools' / 'bin').mkdir(parents=True)
    log = checkout / 'uv.log'
    program(
        checkout / '.tools' / 'bin',
        'uv',
        """echo "$@" >> "%s"
case "$1" in venv) mkdir -p .venv/bin; ln -s %s .venv/bin/python;; esac
"""
        % (log, sys.executable),
    )
    shutil.copy(str(checkout / 'requirements' / 'uv.txt'), str(checkout / '.tools' / 'uv.stamp'))
    # what uv would have installed cannot be written to here: stop at the installation
    program(checkout / '.tools' / 'bin', 'uv', 'echo "$@" >> "%s"; [ "$1" = venv ]\n' % log)
    code, out, err = call('scripts/front-door', 'venv', cwd=str(checkout))
    assert code != 0 and 'Making .venv' in err
    assert '--require-hashes' in log.read_text() and 'requirements/cpu.txt' in log.read_text()
    assert not (checkout / '.venv' / 'lock.stamp').exists()  # so that the next call begins anew


def test_a_project_gets_its_options_word_for_word(call, checkout, bin):
    program(bin, 'python3.6', 'exec "%s" "$@"\n' % sys.executable)
    (checkout / '.tools').mkdir()
    program(checkout / '.tools' / 'bin', 'python', 'printf "%s|" "$@" "$DIR" "$RUN" "$WITHOUT" "$ENGINE" "$PYTHON36"\n')
    shutil.copy(str(checkout / 'requirements' / 'project.txt'), str(checkout / '.tools' / 'project.stamp'))
    options = ['DIR=/a $b/ü', 'RUN=echo $HOME $$ "x  y"', 'WITHOUT=z .']
    code, out, err = call('make', 'project', *options, cwd=str(checkout))
    assert (code, err) == (0, '')
    assert out == 'scripts/project|/a $b/ü|echo $HOME $$ "x  y"|z .|local|%s/python3.6|' % bin


def test_a_shell_has_the_pip_and_the_uv_of_the_environment_and_is_in_the_folder(call, checkout, bin, tmp_path):
    plant_venv(checkout)
    here = tmp_path / 'ein Ordner ü'
    here.mkdir()
    log = checkout / 'uv.log'
    (checkout / '.tools').mkdir()
    program(checkout / '.tools' / 'bin', 'uv', 'echo "$@" >> "%s"\n' % log)
    program(
        checkout / '.tools' / 'bin',
        'python',
        'case "$2" in variables) echo "VIRTUAL_ENV=a b";; *) echo "$@" >> "%s";; esac\n' % log,
    )
    shutil.copy(str(checkout / 'requirements' / 'uv.txt'), str(checkout / '.tools' / 'uv.stamp'))
    program(bin, 'my-shell', 'pwd; echo "$VIRTUAL_ENV"; command -v python\n')
    shell = dict(cwd=str(checkout), SHELL=str(bin / 'my-shell'), ENGINE='local')
    expected = '%s\na b\n%s/.venv/bin/python\n' % (here, checkout)
    for _ in range(2):
        code, out, err = call('make', 'shell', 'DIR=' + str(here), **shell)
        assert (code, out) == (0, expected), err
    assert [line.split()[0] for line in log.read_text().splitlines()] == ['pip', 'scripts/keep_core.py']  # once
    code, out, err = call('make', 'shell', 'DIR=/no/such', **shell)
    assert code == 2 and err.splitlines()[0] == 'error: there is no folder /no/such: DIR= names the folder to be in.'


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
        '--dataset',
        'mnist',
        '--data-dir',
        data,
        '--out',
        out,
    ]


@pytest.mark.parametrize('engine', ['docker', 'podman'])
def test_a_notebook_in_a_container_is_for_this_machine_alone_and_its_token_is_in_no_command(
    call, checkout, bin, tmp_path, engine
):
    log = tmp_path / 'log'
    program(bin, engine, 'case "$1" in build | run) printf "%%s\\n" "$@" "token=$JUPYTER_TOKEN" >> %s;; esac\n' % log)
    code, out, err = call('make', 'notebook', 'EXAMPLE=metrics/roc_auc', 'PORT=18999', cwd=str(checkout))
    assert code == 0, err
    token = re.search(
        r'http://127.0.0.1:18999/notebooks/examples/metrics/roc_auc.py\?token=(\w{48})$', err, re.M
    ).group(1)
    args = log.read_text().splitlines()
    build, args = args[: args.index('run')], args[args.index('run') :]
    assert build[build.index('--target') + 1] == 'notebook' and args.pop() == 'token=' + token
    assert token not in ' '.join(args)
    flags, command = (lambda i: (args[:i], args[i + 1 :]))(args.index('tensorflow-with-keras:cpu-notebook'))
    for pair in ('--network bridge', '--publish 127.0.0.1:18999:18999', '-e JUPYTER_TOKEN', '--workdir %s' % checkout):
        assert pair in ' '.join(flags)
    assert {'--read-only', '--cap-drop=ALL', 'type=bind,source=%s,destination=%s' % (checkout, checkout)} <= set(flags)
    assert command[:4] == ['sh', '-c', 'PYTHONPATH=$0:$PYTHONPATH exec python "$@"', str(checkout)]
    assert {'--ip=0.0.0.0', '--port=18999', '--no-browser', '--notebook-dir=%s' % checkout} <= set(command)


def test_tensorboard_in_a_container_sees_its_folder_alone(call, checkout, bin, tmp_path):
    log, folder = tmp_path / 'log', tmp_path / 'some logs'
    program(bin, 'podman', 'case "$1" in run) printf "%%s\\n" "$@" > %s;; esac\n' % log)
    folder.mkdir()
    (folder / 'a.tfevents').write_text('')
    code, out, err = call('make', 'tensorboard', 'LOGDIR=../some logs', 'PORT=18999', cwd=str(checkout))
    assert code == 0 and 'TensorBoard on %s is at http://127.0.0.1:18999' % folder in err
    args = log.read_text().splitlines()
    flags, command = (lambda i: (args[:i], args[i + 1 :]))(args.index('tensorflow-with-keras:cpu'))
    for pair in ('--network bridge', '--publish 127.0.0.1:18999:18999', '--workdir %s' % folder):
        assert pair in ' '.join(flags)
    assert [flag for flag in flags if 'type=bind' in flag and 'datasets' not in flag] == [
        'type=bind,source=%s,destination=%s' % (folder, folder)
    ]
    assert command == 'python -m tensorboard.main --logdir . --host 0.0.0.0 --port 18999'.split()


@pytest.mark.parametrize(
    'engine, flags', [('docker', ['--gpus', 'all']), ('podman', ['--device', 'nvidia.com/gpu=all'])]
)
def test_gpus_are_handed_to_the_gpu_image(call, checkout, bin, tmp_path, engine, flags):
    log = tmp_path / 'log'
    program(bin, engine, 'case "$1" in run) printf "%%s\\n" "$@" > %s;; esac\n' % log)
    # a machine whose doctor finds nothing wrong
    program(bin, 'python3', 'case "$*" in *--container*) exit 0;; esac; exec "%s" "$@"\n' % sys.executable)
    code, out, err = call('make', 'run-example', 'GPU=1', cwd=str(checkout))
    assert code == 0, err
    args = log.read_text().splitlines()
    assert ' '.join(flags) in ' '.join(args) and 'tensorflow-with-keras:gpu' in args
    assert 'CUDA_CACHE_PATH=%s/runs/.cuda-cache' % checkout in args


def test_a_gpu_is_asked_for_in_the_base_before_the_image_is_built_and_handed_out_as_was_seen(
    call, checkout, bin, tmp_path
):
    log = tmp_path / 'log'
    sees = '{"count": 1, "capabilities": ["8.6"], "problem": null}'
    program(
        bin,
        'docker',
        'echo "$*" >> %s\ncase "$*" in context*) echo tcp://another;; "image inspect --format"*) exit 1;;\n'
        "  run*--gpus*) exit 125;; run*'python -') echo '%s';; esac\n" % (log, sees),
    )
    code, out, err = call('make', 'run-example', 'GPU=1', 'ENGINE=docker', cwd=str(checkout), RUNTIME_BASE='the-base')
    assert code == 0, err
    calls = [line for line in log.read_text().splitlines() if line.split()[0] in ('run', 'build')]
    probes = [line for line in calls if line.endswith(' the-base python -')]
    assert calls[:2] == probes and calls[2].startswith('build ') and len(calls) == 4
    assert '--device nvidia.com/gpu=all' in calls[3] and '--gpus' not in calls[3] and KAPPA in calls[3]
    assert 'STACK=tf1.15-nvidia-keras2.2.4 is made for it' in err

    program(
        bin,
        'docker',
        'echo "$*" >> %s\ncase "$*" in context*) echo tcp://another;; *inspect*|run*) exit 1;; esac\n' % log,
    )
    log.write_text('')
    code, out, err = call('make', 'run-example', 'GPU=1', 'ENGINE=docker', cwd=str(checkout), RUNTIME_BASE='the-base')
    assert code == 2 and 'Docker hands no GPU to containers in tcp://another' in err
    assert not any(line.startswith('build') for line in log.read_text().splitlines())


# an engine that has the images in the file `images`, a line each: NAME, and what its label says
ENGINE_WITH_IMAGES = r"""cd '%s'; echo "$*" >> log
case "$1" in
  image) while read -r name of; do
      for asked; do if [ "$asked" = "$name" ]; then echo "$of"; exit 0; fi; done
    done < images; exit 1 ;;
  pull) case "$*" in *python*) exit ;; esac
    while read -r name of; do case "$*" in *"$name") echo "$name $of" >> images; exit 0 ;; esac; done < published
    echo 'manifest unknown' >&2; exit 1 ;;
  tag) while read -r name of; do
      if [ "$2" = "$name" ]; then echo "$3 $of" >> images; exit 0; fi
    done < images; exit 1 ;;
  build) for asked; do case $asked in INPUTS=*) echo "tensorflow-with-keras:cpu ${asked#*=}" >> images ;; esac; done ;;
esac
"""
PUBLISHED = 'example.org/tensorflow-with-keras@sha256:' + '0a' * 32


def test_a_published_image_is_taken_by_its_digest_if_it_is_of_these_files(call, checkout, bin, tmp_path):
    program(bin, 'podman', ENGINE_WITH_IMAGES % tmp_path)
    for name in ('images', 'published'):
        (tmp_path / name).write_text('')

    def run(*arguments, engine='podman'):
        (tmp_path / 'log').write_text('')
        code, out, err = call('make', 'run-example', 'ENGINE=' + engine, *arguments, cwd=str(checkout))
        return code, err, [line.split()[0] for line in (tmp_path / 'log').read_text().splitlines()]

    assert run()[0] == 0  # built here, which tells what a published one has to say
    of = (tmp_path / 'images').read_text().split()[1]
    (tmp_path / 'images').write_text('')
    code, err, did = run('PULL=' + PUBLISHED)
    assert code == 2 and 'manifest unknown' in err and 'could not pull ' + PUBLISHED in err and 'run' not in did
    (tmp_path / 'published').write_text(PUBLISHED + ' another\n')
    code, err, did = run('PULL=' + PUBLISHED)
    assert code == 2 and 'was not made of the files of this checkout' in err and not {'run', 'tag'} & set(did)
    (tmp_path / 'images').write_text('')
    (tmp_path / 'published').write_text('%s %s\n' % (PUBLISHED, of))
    code, err, did = run('PULL=' + PUBLISHED)
    assert code == 0 and 'build' not in did and did[-1] == 'run' and did.count('pull') == did.count('tag') == 1
    code, err, did = run('PULL=' + PUBLISHED)  # it is there now
    assert code == 0 and not {'build', 'pull'} & set(did)
    assert not {'build', 'pull'} & set(run()[2])
    (checkout / 'LICENSE').write_text('another')
    code, err, did = run('PULL=' + PUBLISHED)
    assert code == 2 and 'was not made of the files of this checkout' in err and 'run' not in did
    code, err, did = run('PULL=' + PUBLISHED, engine='local')
    assert code == 2 and 'error: PULL names an image, and no Docker or Podman' in err


def test_migrate_takes_a_published_image_of_its_own_kind(call, checkout, bin, tmp_path):
    program(bin, 'podman', ENGINE_WITH_IMAGES % tmp_path)
    for name in ('images', 'published'):
        (tmp_path / name).write_text('')
    assert call('scripts/front-door', 'build', cwd=str(checkout), ENGINE='podman', KIND='migrate')[0] == 0
    of = re.search(r'INPUTS=(\w+)', (tmp_path / 'log').read_text()).group(1)
    (tmp_path / 'images').write_text('')
    (tmp_path / 'published').write_text('%s %s\n' % (PUBLISHED, of))
    (tmp_path / 'log').write_text('')
    what = ('ENGINE=podman', 'PULL=' + PUBLISHED, 'TO=onnx', 'MODEL=LICENSE')
    code, out, err = call('make', 'migrate', *what, cwd=str(checkout))
    did = (tmp_path / 'log').read_text().splitlines()
    assert code == 0, err
    assert 'tag %s tensorflow-with-keras:migrate' % PUBLISHED in did and did[-1].startswith('run ')
    assert not any(line.startswith('build') for line in did)


@pytest.mark.parametrize('name', ['x', 'x:cpu', 'x@sha256:12', '@sha256:' + '0' * 64, 'x@sha256:' + 'G' * 64])
def test_a_published_image_has_to_be_named_by_a_digest(call, checkout, bin, name):
    program(bin, 'docker', 'case "$1" in pull | tag | build | run) echo did it >&2 ;; esac\n')
    code, out, err = call('make', 'run-example', 'PULL=' + name, cwd=str(checkout))
    assert code == 2 and "error: PULL='%s' names no digest" % name in err and 'did it' not in err


CANNOT_BUILD = 'case "$1" in image | build) exit 1;; esac\n'


def test_an_image_that_cannot_be_built_is_one_sentence(call, checkout, bin):
    program(bin, 'docker', CANNOT_BUILD)
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
    text = 'info | pull) ;; build) echo "$DOCKER_BUILDKIT" > %s;; version) echo %s;; buildx) exit %d;; *) exit 1;;'
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
    program(bin, 'docker', CANNOT_BUILD)
    program(bin, 'python3.6', 'exec "%s" "$@"\n' % sys.executable)
    code, out, err = call('make', 'run-example', 'EPOCHS=1', cwd=str(checkout))
    assert code == 0 and 'Engine: local, since docker could not build the image' in err and 'test_kappa' in out
    assert call('make', 'run-example', 'EPOCHS=1', 'ENGINE=docker', cwd=str(checkout))[0] == 2


def test_building_an_image_without_an_engine(call):
    code, out, err = call('make', 'build-cpu')
    assert code == 2 and 'no Docker or Podman answers here' in err


HOROVOD = 'distributed/horovod'
# in the place of Python and pip, which put the path of Python before a program, whatever it is
BUILDS = """
case "$*" in
  -c*) echo lib/python3.6/site-packages ;;
  *download*) mkdir horovod-1 && tar czf horovod-1.tar.gz horovod-1 ;;
  *--no-index*horovod)
    mkdir "$PREFIX/bin" && ln -s "$REAL" "$PREFIX/bin/python" && cd "$PREFIX/bin"
    printf "#!%s\\nimport sys\\nprint(sys.argv[1:])\\n" "$PREFIX/bin/python" > horovodrun && chmod +x horovodrun ;;
esac
"""


@pytest.mark.parametrize('name', ['plain', "it's a folder", 'long' * 40])
def test_horovodrun_starts_from_whatever_path(bin, tmp_path, name):
    program(bin, 'python', BUILDS)
    prefix = tmp_path / name
    where = {'PATH': '%s:%s' % (bin, SYSTEM), 'PREFIX': str(prefix), 'REAL': sys.executable, 'INSTALL': 'true'}
    subprocess.check_call(
        [os.path.join(ROOT, 'docker/build_horovod'), 'requirements', str(prefix)], cwd=ROOT, env=where
    )
    horovodrun = prefix / 'bin' / 'horovodrun'
    assert subprocess.check_output([str(horovodrun), '-np', 'two words']) == b"['-np', 'two words']\n"
    assert horovodrun.read_text().startswith('#!/bin/sh\n' if name != 'plain' else '#!%s/bin/python\n' % prefix)


NEEDS_HOROVOD = '"""A recipe.\n\nNeeds: Horovod, which is built.\n"""\nprint("it ran")\n'


@pytest.fixture
def horovod(checkout, bin):
    """A checkout with an environment, a recipe that wants Horovod, and a log of what is built for it instead."""
    plant_venv(checkout)
    for compiler in ('gcc', 'g++'):  # also where the machine has none
        program(bin, compiler, '')
    (checkout / 'examples' / 'distributed').mkdir(exist_ok=True)
    (checkout / 'examples' / 'distributed' / 'horovod.py').write_text(NEEDS_HOROVOD)
    (checkout / '.tools' / 'bin').mkdir(parents=True)
    shutil.copy(str(checkout / 'requirements' / 'uv.txt'), str(checkout / '.tools' / 'uv.stamp'))
    log = checkout / 'built.log'
    log.write_text('')
    program(checkout / 'docker', 'build_horovod', 'echo "$@" with "$(command -v python)" >> "%s"\n' % log)
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
    if (tmp_path / 'bin' / missing).exists():
        (tmp_path / 'bin' / missing).unlink()
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


def test_any_recipe_that_needs_horovod_gets_it(call, checkout, bin, tmp_path):
    log = tmp_path / 'log'
    program(bin, 'podman', 'case "$1" in build | run) echo "$@" >> %s;; esac\n' % log)
    (checkout / 'examples' / 'metrics' / 'another.py').write_text(NEEDS_HOROVOD)
    assert call('make', 'run-example', 'EXAMPLE=metrics/another', cwd=str(checkout))[0] == 0
    built, ran = log.read_text().splitlines()
    assert ' --target distributed -t tensorflow-with-keras:cpu-distributed ' in built
    assert ' tensorflow-with-keras:cpu-distributed python ' in ran


# --- ARGS, in which a path may have blanks


def test_quoted_blanks_in_args_reach_a_local_run(call, checkout):
    plant_venv(checkout)
    args = 'ARGS=--threads 1 --verbose 0 --out "my results/of \'today\'"'
    code, out, err = call('make', 'run-example', 'EPOCHS=1', args, cwd=str(checkout))
    assert code == 0 and out.splitlines()[-1] == "my results/of 'today'/metrics-cohens_kappa/result.json"
    assert (checkout / 'my results' / "of 'today'" / 'metrics-cohens_kappa' / 'result.json').exists()


def test_quoted_blanks_in_args_reach_a_container(call, checkout, bin, tmp_path):
    log = tmp_path / 'log'
    program(bin, 'docker', 'case "$1" in run) printf "%%s\\n" "$@" > %s;; esac\n' % log)
    (tmp_path / 'my data').mkdir()
    args = "ARGS=--data-dir='../my data' --out ../my\\ results"
    code, out, err = call('make', 'run-example', args, cwd=str(checkout))
    assert code == 0, err
    words = log.read_text().splitlines()
    data, results = str(tmp_path / 'my data'), str(tmp_path / 'my results')
    assert 'type=bind,source=%s,destination=%s,readonly' % (data, data) in words
    assert 'type=bind,source=%s,destination=%s' % (results, results) in words
    assert words[-4:] == ['--data-dir', data, '--out', results]


@pytest.mark.parametrize('target', ['run-example', 'doctor', 'inspect'])
def test_a_quotation_mark_that_is_never_closed_is_one_sentence(call, checkout, target):
    code, out, err = call('make', target, 'MODEL=x', 'ARGS=--out "x', cwd=str(checkout))
    assert code == 2 and err.splitlines()[0] == 'error: ARGS=--out "x has a quotation mark that is never closed.'


def test_args_of_blanks_alone_are_none(call, checkout, bin):
    program(bin, 'python3', 'case "$*" in *--check*) echo "$@" >&2; exit 3;; esac; exec "%s" "$@"\n' % sys.executable)
    code, out, err = call('scripts/front-door', 'run', cwd=str(checkout), ARGS='  ')
    assert (code, out, err) == (3, '', '-m tensorflow_with_keras run --check %s\n' % KAPPA)


def test_the_options_are_listed_once_and_nothing_is_made(call, checkout, bin):
    program(bin, 'docker', 'exit 0\n')
    code, out, err = call('make', 'run-example', 'ARGS=--help', cwd=str(checkout))
    assert code == 0 and err == '' and out.count('usage: metrics/cohens_kappa') == 1
    assert not (checkout / '.venv').exists() and not (checkout / 'runs').exists()


# --- a base image that cannot be pulled

LONG = 'first of many lines\\nunexpected EOF'
CANNOT_PULL = 'case "$1" in image) exit 1;; pull) printf "%s\\n" >&2; exit 1;; esac\n' % LONG


def test_who_named_no_engine_runs_on_without_the_base_image_and_reads_one_line(call, checkout, bin):
    plant_venv(checkout)
    program(bin, 'docker', CANNOT_PULL)
    program(bin, 'python3.6', 'exec "%s" "$@"\n' % sys.executable)
    code, out, err = call('make', 'run-example', 'EPOCHS=1', cwd=str(checkout))
    assert code == 0 and 'test_kappa' in out
    base = re.search('^ARG (?:RUNTIME|BUILDER)_BASE=(.*)@', (checkout / 'Dockerfile.cpu').read_text(), re.M).group(1)
    assert err.splitlines()[:3] == [
        'Engine: docker',
        'Pulling ' + base,
        'Engine: local, since docker could not pull %s (its messages are in runs/pull.log)' % base,
    ]
    assert 'unexpected EOF' not in err
    assert (checkout / 'runs' / 'pull.log').read_text() == 'first of many lines\nunexpected EOF\n'


@pytest.mark.parametrize('engine', [{'ENGINE': 'docker'}, {}])  # {}: here is no Python 3.6 to fall back to
def test_who_needs_the_base_image_reads_one_sentence(call, checkout, bin, engine):
    program(bin, 'docker', CANNOT_PULL)
    code, out, err = call('scripts/front-door', 'run', cwd=str(checkout), **engine)
    assert code == 2 and len(err.splitlines()) == 3 and 'unexpected EOF' not in err
    assert err.splitlines()[2].startswith('error: docker could not pull python:3.6')
    assert 'runs/pull.log' in err and 'RUNTIME_BASE' in err


def test_a_base_that_is_here_is_not_pulled(call, checkout, bin, tmp_path):
    log = tmp_path / 'log'
    program(bin, 'docker', 'echo "$@" >> %s\n' % log)
    code, out, err = call('scripts/front-door', 'build', cwd=str(checkout), RUNTIME_BASE='mine', BUILDER_BASE='its')
    did = [line for line in log.read_text().splitlines() if not re.match('image inspect --format|buildx', line)]
    assert code == 0 and did[:3] == ['info', 'image inspect mine', 'image inspect its'] and did[3].startswith('build ')
    log.write_text('')
    program(bin, 'docker', 'echo "$@" >> %s; [ "$1" != image ]\n' % log)
    call('scripts/front-door', 'build', cwd=str(checkout), RUNTIME_BASE='mine', BUILDER_BASE='its')
    pulls = [line for line in log.read_text().splitlines() if line.startswith('pull')]
    assert pulls == ['pull --platform linux/amd64 mine', 'pull --platform linux/amd64 its']


# --- macOS, and other machines without GNU's tools

POSIX = 'bash cat cmp cp cut dirname env expand find grep id make mkdir pwd rm sed sh sleep sort tr uname'.split()
SHASUM = """while [ $# -gt 0 ]; do case "$1" in -a) [ "$2" = 256 ] || exit 1; shift 2;; *) break;; esac; done
exec "%s" "$@"
""" % shutil.which('sha256sum')


@pytest.fixture
def macos(bin, tmp_path):
    """A PATH with an engine that logs, and of the system's tools only those that macOS has, too."""
    place = tmp_path / 'few tools'
    place.mkdir()
    for name in POSIX:
        (place / name).symlink_to(shutil.which(name))
    program(place, 'shasum', SHASUM)
    program(bin, 'uname', 'echo Darwin arm64\n')
    program(bin, 'docker', 'case "$1" in image) exit 1;; run) printf "%%s\\n" "$@" > %s;; esac\n' % (tmp_path / 'log'))
    return '%s:%s' % (bin, place)


@pytest.mark.parametrize('python', [True, False])
def test_a_container_runs_where_gnus_tools_are_missing(call, checkout, bin, macos, tmp_path, python):
    if not python:
        (bin / 'python3').unlink()
    (tmp_path / 'data').mkdir()
    args = 'ARGS=--threads 1 --data-dir ../data --out=../new/results'
    code, out, err = call('make', 'run-example', 'EPOCHS=2', args, cwd=str(checkout), path=macos)
    assert code == 0, err
    assert [line.split()[0] for line in err.splitlines()] == ['Engine:', 'Pulling', 'Pulling', 'Building']
    words = (tmp_path / 'log').read_text().splitlines()
    data, results = str(tmp_path / 'data'), str(tmp_path / 'new' / 'results')
    assert 'type=bind,source=%s,destination=%s,readonly' % (data, data) in words
    assert 'type=bind,source=%s,destination=%s' % (results, results) in words
    options = ['--data-dir', data, '--epochs', '2', '--threads', '1', '--out', results]
    if not python:  # as they were given, with folders at their own paths
        options = ['--threads', '1', '--data-dir', data, '--out=' + results, '--epochs', '2']
    assert words[words.index('tensorflow-with-keras:cpu') + 1 :] == [
        *('python', '-m', 'tensorflow_with_keras', 'run', KAPPA),
        *options,
    ]


@pytest.mark.parametrize('python', [True, False])
def test_without_options_results_go_to_runs(call, checkout, bin, macos, tmp_path, python):
    if not python:
        (bin / 'python3').unlink()
    code, out, err = call('make', 'run-example', cwd=str(checkout), path=macos)
    assert code == 0, err
    words = (tmp_path / 'log').read_text().splitlines()
    assert words[-3:] == [KAPPA, '--out', '%s/runs' % checkout]
    assert 'type=bind,source={0}/runs,destination={0}/runs'.format(checkout) in words
    assert not any('destination=%s' % (tmp_path / '.keras') in word for word in words)


@pytest.mark.parametrize('python', [True, False])
@pytest.mark.parametrize('target', ['list', 'data', 'shell', 'inspect', 'build-cpu'])
def test_the_other_targets_where_gnus_tools_are_missing(call, checkout, bin, macos, tmp_path, target, python):
    if not python:
        (bin / 'python3').unlink()
    model = os.path.join('..', 'a model.h5')
    (tmp_path / 'a model.h5').write_text('')
    env = {'ENGINE': 'docker', 'DATASET': 'mnist', 'MODEL': model, 'TFK_DATA_DIR': '../sets'}
    code, out, err = call('make', target, cwd=str(checkout), path=macos, **env)
    assert code == 0, err
    words = (tmp_path / 'log').read_text().splitlines() if (tmp_path / 'log').exists() else []
    mounts = [word for word in words if word.startswith('type=bind,source=%s' % tmp_path)]
    if target == 'data':  # to be written to
        assert mounts == ['type=bind,source={0}/sets,destination={0}/sets'.format(tmp_path)]
        assert words[-2:] == ['data', 'mnist'] and 'bridge' in words
    if target == 'inspect':
        assert mounts == ['type=bind,source={0},destination={0},readonly'.format(tmp_path)]
        assert words[-2:] == ['--', '%s/a model.h5' % tmp_path]
    if target == 'list':
        assert KAPPA in out if python else words[-1] == 'list'
    if target == 'build-cpu':
        assert out == 'tensorflow-with-keras:cpu\n'


@pytest.fixture
def moving(call, checkout, macos, tmp_path):
    """What a container of `make migrate` mounts, and what it is called with, for these options."""
    mine = tmp_path / 'my models'
    (mine / 'code').mkdir(parents=True)
    for name in ('a, b.h5', 'data.npy', 'code/layers.py', 'code/more.py'):
        (mine / name).write_text('')

    def moving(**options):
        options = {key: value.format(mine=mine) for key, value in options.items()}
        code, out, err = call('scripts/front-door', 'migrate', cwd=str(checkout), path=macos, TO='onnx', **options)
        if code:
            return code, err.splitlines()[-1].replace(str(mine), '{mine}')
        log = (tmp_path / 'log').read_text()
        words = log.replace(str(mine), '{mine}').replace(str(checkout), '{here}').splitlines()
        at = words.index('tensorflow-with-keras:migrate')
        assert words[words.index('--network') + 1] == 'none' and '--read-only' in words[:at]
        assert words[at + 1 : at + 6] == [words[at + 1], '-m', 'migrate', '--to', 'onnx']
        mounts = [word for word in words[:at] if word.startswith('type=bind') and '/usr/share/datasets' not in word]
        return mounts, words[at + 6 :], '--tmpfs=/tmp:exec' in words[:at]

    return moving


def mounted(path, *more):
    return ','.join(('type=bind', 'source=' + path, 'destination=' + path) + more)


def test_migrate_in_a_container_mounts_what_is_named_and_writes_only_where_out_is(moving):
    model = 'type=bind,"source={mine}/a, b.h5","destination={mine}/a, b.h5",readonly'
    mounts, words, tmp = moving(MODEL='{mine}/a, b.h5', NETWORK='1', GPU='1', EXAMPLE='distributed/horovod')
    assert mounts == [mounted('{here}/runs'), model] and tmp
    assert words == ['--out', '{here}/runs/migrate-a, b-onnx', '--', '{mine}/a, b.h5']
    mounts, words, _ = moving(
        MODEL='../my models/a, b.h5',
        OUT='../my models/new/onnx/',
        INPUTS='{mine}/data.npy',
        CUSTOM='../my models/code/layers.py:A,B, {mine}/code/more.py:C',
        INPUT_SHAPE='-1,2',
    )
    code = mounted('{mine}/code', 'readonly')
    assert mounts == [mounted('{mine}'), model, mounted('{mine}/data.npy', 'readonly'), code]
    assert words == [
        *('--out', '{mine}/new/onnx', '--inputs', '{mine}/data.npy'),
        *('--custom', '{mine}/code/layers.py:A,B,{mine}/code/more.py:C', '--input-shape=-1,2', '--', '{mine}/a, b.h5'),
    ]
    # a folder that may be written to is there already; what is not there is what the message will name
    mounts, words, _ = moving(MODEL='{mine}/data.npy', OUT='{mine}/code/x', CUSTOM='{mine}/code/more.py:C', INPUTS='no')
    assert mounts == [mounted('{mine}/code'), mounted('{mine}/data.npy', 'readonly')]
    assert words[2:4] == ['--inputs', 'no']


def test_migrate_in_a_container_writes_below_no_folder_that_the_container_has_itself(moving):
    for out, place in (('/moved', '/'), ('/opt/moved', '/opt'), ('/usr/moved', '/usr')):
        code, said = moving(MODEL='{mine}/data.npy', OUT=out)
        assert code == 2 and said.startswith('error: OUT=%s is in %s, which a container has of its own' % (out, place))
    mounts, _, tmp = moving(MODEL='{mine}/data.npy', OUT='/tmp/moved')
    assert mounts[0] == mounted('/tmp') and not tmp  # no tmpfs over it


def test_quotation_marks_without_python_are_one_sentence(call, checkout, bin, macos):
    (bin / 'python3').unlink()
    for args in '--out "my results"', "--out 'x'", '--out my\\ results':
        code, out, err = call('scripts/front-door', 'run', cwd=str(checkout), path=macos, ARGS=args)
        assert code == 2 and err == (
            'error: ARGS=%s has a quotation mark, which takes Python 3 to read: '
            'install python3, or use a path without blanks.\n' % args
        )
    assert not (checkout / 'runs').exists()


def test_an_image_is_made_anew_when_its_files_change_whatever_tool_tells(call, checkout, bin, macos, tmp_path):
    (tmp_path / 'few tools' / 'shasum').unlink()
    (tmp_path / 'few tools' / 'cksum').symlink_to(shutil.which('cksum'))
    log = tmp_path / 'log'
    program(bin, 'docker', 'case "$1" in build) printf "%%s\\n" "$@" | grep INPUTS >> %s;; esac\n' % log)
    for _ in range(2):
        assert call('scripts/front-door', 'build', cwd=str(checkout), path=macos)[0] == 0
    (checkout / 'LICENSE').write_text('another')
    assert call('scripts/front-door', 'build', cwd=str(checkout), path=macos)[0::2] == (
        0,
        'Engine: docker\nBuilding tensorflow-with-keras:cpu (some minutes the first time)\n',
    )
    one, two, three = log.read_text().splitlines()
    assert one == two != three and len(one) > len('INPUTS=')


def test_the_fingerprint_of_an_image_is_the_same_by_either_tool(call, checkout, bin, macos, tmp_path):
    log = tmp_path / 'log'
    program(bin, 'docker', 'case "$1" in build) printf "%%s\\n" "$@" | grep INPUTS >> %s;; esac\n' % log)
    assert call('scripts/front-door', 'build', cwd=str(checkout))[0] == 0
    assert call('scripts/front-door', 'build', cwd=str(checkout), path=macos)[0] == 0
    one, two = log.read_text().splitlines()
    assert one == two and re.match('INPUTS=[0-9a-f]{16}$', one)


def test_on_macos_without_docker_the_sentence_says_what_to_start(call, checkout, bin, macos):
    plant_venv(checkout)
    program(bin, 'python3.6', 'exec "%s" "$@"\n' % sys.executable)
    program(bin, 'docker', 'exit 1\n')
    code, out, err = call('scripts/front-door', 'run', cwd=str(checkout), path=macos)
    assert code == 2 and len(err.splitlines()) == 2 and 'this is Darwin arm64: start Docker or Podman' in err
    # nor is such an environment what an engine gives way to
    program(bin, 'docker', CANNOT_PULL)
    code, out, err = call('scripts/front-door', 'run', cwd=str(checkout), path=macos)
    assert code == 2 and 'error: docker could not pull' in err


def test_an_engine_that_hangs_is_given_up(call, bin):
    program(bin, 'docker', 'exec sleep 60\n')
    assert call('scripts/front-door', 'engine') == (0, 'local\n', '')


def test_without_flock_only_one_makes_the_environment(call, checkout, bin, macos, tmp_path):
    """Two at once, the first of which takes a second: the second finds what the first has made."""
    program(bin, 'uname', 'echo Linux x86_64\n')
    program(bin, 'docker', 'exit 1\n')
    program(bin, 'python3.6', 'exec "%s" "$@"\n' % sys.executable)
    (checkout / '.tools' / 'bin').mkdir(parents=True)
    shutil.copy(str(checkout / 'requirements' / 'uv.txt'), str(checkout / '.tools' / 'uv.stamp'))
    log = checkout / 'uv.log'
    uv = """echo "$1" >> "%s"
case "$1" in
  venv) sleep 1; mkdir -p .venv/bin site
    printf '#!/bin/sh\\necho site\\n' > .venv/bin/python; chmod +x .venv/bin/python;;
esac
"""
    program(checkout / '.tools' / 'bin', 'uv', uv % log)
    os.symlink(shutil.which('chmod'), str(tmp_path / 'few tools' / 'chmod'))
    # any Python that is new enough to run uv with
    program(bin, 'python3', 'case "$2" in *"< (3, 9)"*) exit 0;; esac; exec "%s" "$@"\n' % sys.executable)
    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(lambda _: call('scripts/front-door', 'venv', cwd=str(checkout), path=macos), range(2)))
    assert [code for code, _, _ in ends] == [0, 0], ends
    assert log.read_text().split() == ['venv', 'pip']


# What bash 3.2 does not know, and what only GNU's tools know; each with a line that has it.
NOT_ON_MACOS = [
    (r'\b(mapfile|readarray|coproc)\b', 'mapfile -t lines'),
    (r'\b(declare|local|typeset) -[a-z]*[Angu]', 'declare -A table'),
    (r'\$\{\w+(\[[^]]*\])?(,|\^|@[A-Za-z])', 'echo ${name,,}'),
    (r'&>>|\|&|;;?&', 'make &>> log'),
    (r'\[\[? -v ', 'if [ -v name ]; then'),
    (r'\$\{\w+: -\d|\[-\d+\]', 'echo ${words[-1]}'),
    (r"printf '?-v|printf .*%\(", "printf '%(%s)T'"),
    (r'\bwait -[np]|\bread -[a-zA-Z]*[Ni]\b|\bexec \{\w+\}|\bshopt -s (globstar|lastpipe)', 'exec {fd}> file'),
    (r'BASHPID|EPOCHSECONDS|EPOCHREALTIME|SRANDOM', 'kill $BASHPID'),
    (r'\b(timeout|realpath|readlink|tac|nproc|md5sum|setsid|gsed|xargs|stat|mktemp)\b(?!`)', 'x=$(realpath -m x)'),
    (r'\bfind\b.*-(not|printf|regextype|maxdepth|mindepth|empty|delete)\b', 'find . -not -name x'),
    (r'\bsort -\w*[zVhR]', 'sort -z'),
    (r'\bsed -\w*[irzs]|\bsed --', 'sed -i s/a/b/ file'),
    (r'\bgrep -\w*[PzZ]|\bgrep --', 'grep -P x'),
    (r"\b(grep|sed)\b[^|]*'[^']*\\[bwsd+?|<>]", r"grep 'a\b' file"),
    (r'(^|\s)(cp -\w*[atu]|cp --|rm --|mkdir --p|ln -\w*r)', 'cp -a a b'),
    (r'\bdate -|\bcut --|\bdirname -z|\bid --', 'date -d now'),
]


@pytest.mark.parametrize('pattern, example', NOT_ON_MACOS)
def test_the_front_door_has_nothing_that_macos_lacks(pattern, example):
    assert re.search(pattern, example)
    with open(os.path.join(ROOT, 'scripts', 'front-door')) as f:
        lines = [line for line in f.read().splitlines() if not re.match(r'\s*#', line)]
    assert [line for line in lines if re.search(pattern, line)] == []


def test_the_front_door_never_takes_an_empty_array_apart():
    """Where bash 3.2 ends with "unbound variable": every array begins with a word, and so does every part of one."""
    with open(os.path.join(ROOT, 'scripts', 'front-door')) as f:
        text = f.read()
    for name in set(re.findall(r'\$\{(\w+)\[@\]', text)):
        assert re.search(r'\b%s=\([^)\s]' % name, text) and not re.search(r'\b%s=\(\)' % name, text), name


# --- make test


@pytest.mark.parametrize(
    'given, passed',
    [
        ([], ['-s', 'tests']),
        (['TEST=tests/library/test_recipe.py'], ['-s', 'tests', '--', 'tests/library/test_recipe.py']),
        (['TEST=tests/a b.py::test_c[d e]'], ['-s', 'tests', '--', 'tests/a b.py::test_c[d e]']),
    ],
)
def test_make_test_runs_all_tests_or_those_of_a_path(call, checkout, given, passed):
    program(checkout / '.tools', 'x', '')
    program(checkout / '.tools' / 'bin', 'nox', 'printf "%s\\n" "$@"\n')
    shutil.copy(str(checkout / 'requirements' / 'tools.txt'), str(checkout / '.tools' / 'tools.stamp'))
    code, out, err = call('make', 'test', *given, cwd=str(checkout), PYTHON36=sys.executable)
    assert (code, out.splitlines(), err) == (0, passed, '')
