"""`make migrate` in containers, and the bundle of its image.

`nox -s "image(migrate)"` runs it, and sets ENGINE, KIND and the bases.
"""

import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tarfile
import time
import uuid

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENGINE = os.environ.get('ENGINE')
if not ENGINE:
    raise pytest.UsageError('these tests want ENGINE in the environment; `nox -s "image(migrate)"` sets it')
FRONT_DOOR = str(ROOT / 'scripts' / 'front-door')
IMAGE = 'tensorflow-with-keras:migrate'
PYTHON = '/opt/tensorflow-with-keras/.venv-migrate-{}/bin/python'
SANDBOX = ['--network=none', *(ROOT / 'docker' / 'sandbox.txt').read_text().split()]
# People mostly are no root, so here a root calls as somebody else, but not with Podman, which then runs another way.
SOMEBODY = 1234 if os.getuid() == 0 and ENGINE == 'docker' else os.getuid()
MADE = {'onnx': 'model.onnx', 'savedmodel': 'saved_model', 'tf_keras': 'model.h5', 'keras3': 'model.keras'}

MODELS = """
import sys, keras
from keras import layers as L
folder = sys.argv[1]
sys.path.insert(0, folder)
keras.Sequential([L.LSTM(5, input_shape=(7, 3)), L.Dense(2)]).save(folder + '/lstm.h5')
keras.Sequential([L.Dense(2, input_shape=(3,))]).save_weights(folder + '/weights.h5')
data = open(folder + '/lstm.h5', 'rb').read()
open(folder + '/half.h5', 'wb').write(data[:len(data) // 2])
open(folder + '/text.h5', 'w').write('no HDF5')
"""
BESIDE = 'NAME = "found"\n'
# a file of CUSTOM is code, and says here what it can do where it runs
NOSY = """
import os, socket, sys
from beside import NAME
said = [NAME, os.getuid()]
for what in (
    lambda: open({model!r}, 'ab'), lambda: open(os.path.join({folder!r}, 'new'), 'w'), lambda: os.listdir({root!r}),
    lambda: open('/etc/new', 'w'), lambda: socket.create_connection(('192.0.2.1', 80), timeout=5),
):
    try:
        what()
        said.append('done')
    except OSError as error:
        said.append(error.strerror)
raise SystemExit(repr(said))
"""


@pytest.fixture(autouse=True)
def fresh_graph():
    """Nothing here runs Keras in the tests' own process."""


@pytest.fixture(scope='module')
def image():
    variables = {**os.environ, 'KIND': 'migrate'}
    done = subprocess.run([FRONT_DOOR, 'build'], env=variables, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0 and done.stdout.split() == [IMAGE]
    return IMAGE


@pytest.fixture(scope='module')
def files(image, tmp_path_factory):
    """A folder whose name has blanks, an umlaut and a comma, with models in it."""
    folder = tmp_path_factory.mktemp('files') / 'alte Modelle, größer'
    folder.mkdir()
    folder.chmod(0o777)
    command = [ENGINE, 'run', '--rm', *SANDBOX, '--mount', mount(folder), image, PYTHON.format('old')]
    subprocess.run([*command, '-c', MODELS, str(folder)], check=True, capture_output=True)
    for path in folder.iterdir():
        path.chmod(0o666)  # that nobody writes to them is not for want of permission
    return folder


@pytest.fixture
def layers(files, tmp_path):
    """A folder of Python files for CUSTOM, which parts its words at commas."""
    folder = tmp_path / 'my layers'
    folder.mkdir()
    nosy = NOSY.format(model=str(files / 'lstm.h5'), folder=str(folder), root=str(ROOT))
    for name, text in {'beside.py': BESIDE, 'broken.py': 'import nothing_of_that_name\n', 'nosy.py': nosy}.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def place(tmp_path):
    """A folder of somebody's to write into, with a blank in its name."""
    folder = tmp_path / 'new models'
    folder.mkdir()
    os.chown(folder, SOMEBODY, -1)
    return folder


def mount(folder, *more):
    return ','.join(['type=bind', f'"source={folder}"', f'"destination={folder}"', *more])


def environment(tmp_path, **options):
    """Variables of a shell in which `id` says that one is SOMEBODY."""
    variables = {**os.environ, **options}
    if os.getuid() != SOMEBODY:
        bin = tmp_path / 'bin'
        bin.mkdir(exist_ok=True)
        (bin / 'id').write_text(f'#!/bin/sh\necho {SOMEBODY}\n')
        (bin / 'id').chmod(0o755)
        variables['PATH'] = f'{bin}:{variables["PATH"]}'
    return variables


def migrate(tmp_path, model, to, out, **options):
    """Exit code, standard output and standard error of `make migrate`, whose own exit code make would hide."""
    variables = environment(tmp_path, MODEL=str(model), TO=to, OUT=str(out), **options)
    done = subprocess.run([FRONT_DOOR, 'migrate'], env=variables, capture_output=True, text=True, timeout=900)
    assert 'Traceback' not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize('to', MADE)
def test_an_lstm_moves_to_every_target_and_is_the_callers(files, place, tmp_path, to):
    before = hashlib.sha256((files / 'lstm.h5').read_bytes()).hexdigest()
    code, out, err = migrate(tmp_path, files / 'lstm.h5', to, place / 'not there yet' / 'moved')
    assert code == 0, err
    assert err.splitlines()[0] == f'Engine: {ENGINE}' and 'The new model answers the same' in out
    moved = place / 'not there yet' / 'moved'
    assert str(moved) in out.splitlines()
    layers = {'keras2_layers.py'} if to in ('keras3', 'tf_keras') else set()
    assert {path.name for path in moved.iterdir()} == {MADE[to], 'proof.json', 'proof.md', 'load.py'} | layers
    assert {path.stat().st_uid for path in [moved.parent, *moved.rglob('*')]} == {SOMEBODY}
    assert [path.name for path in moved.parent.iterdir()] == ['moved']
    proof = json.loads((moved / 'proof.json').read_text())
    assert proof['holds'] is True and proof['files']['lstm.h5'] == before
    assert hashlib.sha256((files / 'lstm.h5').read_bytes()).hexdigest() == before
    # what was made loads where there is nothing of this repository's code
    python = PYTHON.format('new' if to in ('onnx', 'keras3') else 'tf')
    command = [ENGINE, 'run', '--rm', *SANDBOX, '--mount', mount(moved, 'readonly'), '--workdir', '/tmp']
    if SOMEBODY == os.getuid() and ENGINE == 'docker':
        command += ['--user', f'{SOMEBODY}:{os.getgid()}']
    done = subprocess.run([*command, IMAGE, python, moved / 'load.py'], capture_output=True, text=True)
    assert done.returncode == 0 and '(1, 2)' in done.stdout, done.stderr


def test_out_may_lie_in_tmp_which_containers_have_too(files, tmp_path):
    out = pathlib.Path('/tmp') / f'migrate-{uuid.uuid4().hex}'
    model = out.with_suffix('.h5')
    try:
        shutil.copy(files / 'lstm.h5', model)
        code, _, err = migrate(tmp_path, model, 'onnx', out)
        assert code == 0, err
        assert (out / 'model.onnx').stat().st_uid == SOMEBODY
    finally:
        model.unlink()
        shutil.rmtree(out, ignore_errors=True)


@pytest.mark.parametrize(
    'model, options, code, words',
    [
        ('none.h5', {}, 2, 'there is no file'),
        ('text.h5', {}, 2, 'no HDF5 file'),
        ('half.h5', {}, 3, 'half.h5'),
        ('weights.h5', {}, 3, 'weights and no architecture'),
        ('lstm.h5', {'to': 'tflite'}, 2, 'onnx, savedmodel, tf_keras, keras3'),
        ('lstm.h5', {'to': ''}, 2, 'TO='),
        ('lstm.h5', {'CUSTOM': 'layers'}, 2, 'layers.py:Name'),
        ('lstm.h5', {'CUSTOM': 'none.py:Name'}, 2, 'CUSTOM names none.py, and there is no such file'),
        ('lstm.h5', {'INPUTS': 'none.npy'}, 2, 'INPUTS names none.npy, and there is no such file'),
        ('lstm.h5', {'INPUTS': '{files}/text.h5'}, 2, 'cannot be read'),
        ('lstm.h5', {'out': '/opt/moved'}, 2, 'OUT=/opt/moved is in /opt, which a container has of its own'),
        ('lstm.h5', {'out': '{place}/file/moved'}, 2, 'lies below {place}/file, which is a file'),
        ('lstm.h5', {'out': '{place}/closed/moved'}, 3, 'Permission denied; name another folder in OUT'),
        ('lstm.h5', {'out': '{place}/full'}, 2, 'a folder with other things in it'),
    ],
)
def test_what_is_wrong_is_the_sentence_that_a_local_run_has(files, place, tmp_path, model, options, code, words):
    (place / 'file').write_text('')
    (place / 'full').mkdir()
    (place / 'full' / 'mine.txt').write_text('mine')
    (place / 'closed').mkdir(mode=0o555)
    before = sorted(place.rglob('*'))
    options = {key: value.format(files=files, place=place) for key, value in options.items()}
    to, out = options.pop('to', 'onnx'), options.pop('out', f'{place}/moved')
    got, _, err = migrate(tmp_path, files / model, to, out, **options)
    last = err.strip().splitlines()[-1]
    assert got == code and last.startswith('error: ') and words in last.replace(str(place), '{place}'), err
    assert sorted(place.rglob('*')) == before


def test_a_file_of_custom_that_does_not_import(files, layers, place, tmp_path):
    code, _, err = migrate(tmp_path, files / 'lstm.h5', 'keras3', place / 'moved', CUSTOM=f'{layers}/broken.py:A')
    assert code == 2 and 'does not import beside a current Keras: ModuleNotFoundError: No module named' in err
    assert not list(place.iterdir())


def test_custom_code_reaches_no_network_and_nothing_but_what_was_named(files, layers, place, tmp_path):
    code, _, err = migrate(tmp_path, files / 'lstm.h5', 'keras3', place / 'moved', CUSTOM=f'{layers}/nosy.py:A')
    said = ['found', SOMEBODY, 'Read-only file system', 'Read-only file system', 'No such file or directory']
    said += ['Read-only file system', 'Network is unreachable']
    assert code == 2 and err.strip().splitlines()[-1].endswith(f'SystemExit: {said!r}'), err
    assert not list(place.iterdir()) and len(list(layers.iterdir())) == 3


def test_an_interrupted_run_leaves_nothing(files, place, tmp_path):
    variables = environment(tmp_path, MODEL=str(files / 'lstm.h5'), TO='onnx', OUT=str(place / 'moved'))
    process = subprocess.Popen([FRONT_DOOR, 'migrate'], env=variables, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if line.startswith('Reading the model'):
            break
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130 and 'error: stopped' in process.stderr.read()
    assert not list(place.iterdir())


# --- the image by itself, on a machine without this repository


@pytest.fixture(scope='module')
def bundle(image, tmp_path_factory):
    """The folder that comes out of the archive of `make bundle KIND=migrate`."""
    folder = tmp_path_factory.mktemp('bundle')
    command = ['make', '--no-print-directory', 'bundle', 'KIND=migrate', f'ENGINE={ENGINE}', f'OUT={folder}']
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (archive,) = folder.iterdir()
    with tarfile.open(archive) as file:
        file.extractall(folder)
    archive.unlink()
    (top,) = folder.iterdir()
    yield top
    shutil.rmtree(folder)


def test_the_bill_names_what_the_three_locks_do(bundle):
    parts = json.loads((bundle / 'sbom.cdx.json').read_text())['components']
    python = [each for each in parts if each.get('purl', '').startswith('pkg:pypi/')]
    there = {(re.sub('[-_.]+', '-', each['name'].lower()), each['version']) for each in python}
    locked = set()
    for name in ('old', 'new', 'tf'):
        text = (ROOT / 'requirements' / f'migrate_{name}.txt').read_text()
        locked |= set(re.findall(r'^([a-z0-9.-]+)==([^\s;]+)', text, re.M))
    assert locked <= there, locked - there
    more = {name for name, _ in there - locked}
    assert more <= {'pip', 'setuptools', 'wheel'}, more  # in the folders of both Pythons, as the base images bring them
    pythons = sorted(each['version'].rpartition('.')[0] for each in parts if each['name'] == 'CPython')
    assert pythons == ['3.12', '3.6']
    numpys = {version for name, version in there if name == 'numpy'}
    licences = {path.name for path in (bundle / 'licences' / 'python').glob('numpy*')}
    assert licences == {f'numpy-{version}' for version in numpys} and len(numpys) > 1


@pytest.mark.parametrize('command', [[], ['migrate', '--help']], ids=['nothing', 'help'])
def test_the_program_of_the_image_helps(image, command):
    done = subprocess.run([ENGINE, 'run', '--rm', *SANDBOX, image, *command], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith('usage: migrate '), done.stderr
    options = done.stdout.split('\noptions:\n')[1]
    for option in ('to', 'out', 'inputs', 'custom', 'input-shape', 'stock'):
        assert re.search(rf'^  --{option}\b.*\s+[a-z]', options, re.M), option


def test_what_is_wrong_with_its_arguments_is_one_sentence(image):
    command = [ENGINE, 'run', '--rm', *SANDBOX, image, 'migrate', 'model.h5']
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ''
    assert done.stderr == 'error: the following arguments are required: --to; `migrate --help` names all options\n'


def test_loaded_from_its_bundle_it_moves_a_model_by_the_line_of_the_page(bundle, files, place, tmp_path):
    (line,) = re.findall('^docker run .* migrate .*', (ROOT / 'docs' / 'bundle.md').read_text(), re.M)
    run = f'{ENGINE} run'
    if ENGINE == 'podman' and os.getuid():
        run += ' --userns keep-id'
    kept = f'{IMAGE}-kept-by-the-test'
    subprocess.run([ENGINE, 'tag', IMAGE, kept], check=True)
    try:
        subprocess.run([ENGINE, 'rmi', IMAGE], check=True, capture_output=True)
        done = subprocess.run(['sh', bundle / 'load.sh', ENGINE], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        words = done.stdout.splitlines()[-1].split(': ', 1)
        assert words[0] == 'Try it' and 'usage: migrate ' in subprocess.check_output(words[1], shell=True, text=True)
        shutil.copy(files / 'lstm.h5', place / 'model.h5')
        (place / 'json.py').write_text('raise SystemExit("a file of theirs in the place of a module")')
        command = ['sh', '-euc', line.replace('docker run', run)]
        done = subprocess.run(command, cwd=place, env=environment(tmp_path), capture_output=True, text=True)
        assert done.returncode == 0 and 'The new model answers the same' in done.stdout, done.stderr
    finally:
        subprocess.run([ENGINE, 'tag', kept, IMAGE], check=True)
        subprocess.run([ENGINE, 'rmi', kept], check=True, capture_output=True)
    moved = place / 'runs' / 'migrate-model-onnx'
    assert {path.name for path in moved.iterdir()} == {'model.onnx', 'proof.json', 'proof.md', 'load.py'}
    assert {path.stat().st_uid for path in [moved.parent, *moved.rglob('*')]} == {SOMEBODY}
