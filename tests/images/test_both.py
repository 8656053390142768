"""What a started container of either image must do."""

import json
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest
from conftest import ENGINE, IMAGE, KIND, ON_REFERENCE, SANDBOX, STACK, said

from tensorflow_with_keras import doctor, recipe

ROOT = pathlib.Path(recipe.ROOT)
LOCK_FILE = ROOT / 'requirements' / ('' if ON_REFERENCE else f'stacks/{STACK}') / f'{KIND}.txt'
LOCK = dict(re.findall(r'^([a-z0-9-]+)==(\S+)', LOCK_FILE.read_text(), re.M))
TENSORFLOW = next(build for build in doctor.BUILDS if build in LOCK)
KAPPA = 'metrics/cohens_kappa'
RUN = ['python', '-m', 'tensorflow_with_keras', 'run', KAPPA, '--epochs', '1', '--verbose', '0']


def bind(folder, *more):
    return ['--mount', ','.join((f'type=bind,source={folder},destination={folder}',) + more)]


def test_alone_it_says_what_is_in_it_and_lists_the_recipes(container):
    code, out, err = container()
    assert code == 0 and said(err) == []
    assert f'{TENSORFLOW} {LOCK[TENSORFLOW]}, keras {LOCK["keras"]}' in out
    for path in (ROOT / 'examples').glob('*/*.py'):
        assert f'\n{path.parent.name}/{path.stem} ' in out


def test_every_locked_package_is_there_in_its_version(container):
    installed = container.python(
        'import json, pkg_resources as p; print(json.dumps({d.key: d.version for d in p.working_set}))'
    )
    assert {name: installed.get(name) for name in LOCK} == LOCK


def test_doctor_says_where_pypis_tensorflow_takes_the_place_of_nvidias(container):
    code, out, _ = container('python', '-m', 'tensorflow_with_keras', 'doctor', '--no-tensorflow')
    assert code == 0, out
    told = "in the place of NVIDIA's" in out.splitlines()[0]
    assert told == ('nvidia' in STACK and os.environ.get('TENSORFLOW_WHEEL') == 'pypi')


def test_labels_name_the_versions(inspected):
    labels = inspected['Config']['Labels']
    for name in (TENSORFLOW, 'keras', 'numpy', 'scipy', 'scikit-learn', 'h5py'):
        assert labels[name] == LOCK[name]
    assert labels['stack'] == STACK
    assert labels['org.opencontainers.image.licenses'] == 'Apache-2.0'
    version = re.search("__version__ = '(.*)'", (ROOT / 'tensorflow_with_keras/__init__.py').read_text())[1]
    assert labels['org.opencontainers.image.version'] == version


def test_it_adds_no_more_than_it_may_to_its_base(container):
    # all that the Dockerfiles add to the base lies in these two, but for the empty /work and the loader's cache
    sizes = container('sh', '-c', 'du --summarize --bytes /opt /usr/local/cuda-* 2>/dev/null')[1].splitlines()
    added = sum(int(line.split()[0]) for line in sizes)
    bounds = {('cpu', doctor.REFERENCE): 420e6, ('gpu', doctor.REFERENCE): 1.75e9, ('cpu', 'tf1.12-keras2.2.4'): 525e6}
    bounds.update({('cpu', 'tf1.15-keras2.2.4'): 640e6, ('cpu', 'tf1.15-keras2.3.1'): 640e6})
    assert 300e6 < added <= bounds.get((KIND, STACK), float('inf'))  # others only with stand-ins


def test_it_is_not_root_and_writes_nowhere_but_tmp(container):
    found = container.python("""
import json, os
def writable(folder):
    try:
        open(os.path.join(folder, 'x'), 'w').close()
        return True
    except OSError:
        return False
print(json.dumps([os.getuid(), {f: writable(f) for f in ('/', '/opt/tfk', '/work', '/usr/local', '/tmp')}]))""")
    assert found == [1000, {'/': False, '/opt/tfk': False, '/work': False, '/usr/local': False, '/tmp': True}]


def test_what_has_no_place_in_it(container):
    search = r"""
        for p in gcc cc g++ make uv nox; do command -v $p; done
        find /opt -type d \( -name tests -o -name kernel_tests -o -name include \)
        find / -xdev \( -name '*.whl' -not -path '*/ensurepip/*' -o -path '*/.cache/pip' \) 2>/dev/null
        find /opt -perm /o=w -not -type l -o -not -perm -o=r"""
    assert container('sh', '-c', search)[1] == ''


def test_every_module_is_compiled_and_none_is_stale(container):
    stale, modules = container.python("""
import importlib.util, json, os, struct
stale, modules = [], 0
for top in ('/opt/tfk', '/opt/tensorflow-with-keras'):
    for folder, _, files in os.walk(top):
        for file in files:
            path = os.path.join(folder, file)
            if file.endswith('.py'):
                modules += 1
                try:
                    with open(importlib.util.cache_from_source(path), 'rb') as f:
                        written = struct.unpack('<I', f.read(8)[4:])[0]
                except OSError:
                    written = None
                if written != int(os.stat(path).st_mtime):
                    stale.append(path)
print(json.dumps([stale, modules]))""")
    assert modules > 3000
    # templates and a Python 2 module that no Python 3.6 can compile
    assert len(stale) <= 3, stale


def test_plot_model_draws(container):
    found = container.python("""
import json, keras
model = keras.models.Sequential([keras.layers.Dense(3, input_shape=(8,))])
begins = {}
for kind in ('png', 'pdf'):
    keras.utils.plot_model(model, '/tmp/model.' + kind, show_shapes=True)
    with open('/tmp/model.' + kind, 'rb') as f:
        begins[kind] = f.read(4).decode('latin1')
print(json.dumps(begins))""")
    assert found == {'png': '\x89PNG', 'pdf': '%PDF'}


def test_a_recipe_runs_as_the_caller_and_writes_only_its_folder(container, tmp_path):
    tmp_path.chmod(0o777)
    user = ['--user', '4321:4321']
    code, out, err = container(*RUN, '--out', str(tmp_path), options=user + bind(tmp_path))
    assert code == 0 and 'Using TensorFlow backend.' in said(err)
    assert len(said(err)) == 1 or not ON_REFERENCE  # later versions warn of names that they have renamed
    result = tmp_path / 'metrics-cohens_kappa' / 'result.json'
    record = json.loads(result.read_text())
    assert record['recipe'] == KAPPA and 0.3 < record['metrics']['test_kappa'] < 1
    assert [p.name for p in tmp_path.rglob('*')] == ['metrics-cohens_kappa', 'result.json']
    if not os.environ.get('ROOTLESS'):
        assert result.stat().st_uid == 4321


def test_it_gives_the_same_numbers_as_the_local_environment(container, tmp_path):
    """One thread, one seed: also where TensorFlow is the GPU build, without a GPU."""
    tmp_path.chmod(0o777)
    code, out, err = container(*RUN, '--threads', '1', '--out', str(tmp_path), options=bind(tmp_path))
    assert code == 0
    here = tmp_path / 'here'
    arguments = f'--threads 1 --verbose 0 --out {here}'
    stack = STACK.replace('-nvidia', '')  # that one is for GPUs alone, and this has its versions
    command = ['make', 'run-example', 'EPOCHS=1', f'ARGS={arguments}', 'ENGINE=local', f'STACK={stack}']
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    records = [json.loads((folder / 'metrics-cohens_kappa/result.json').read_text()) for folder in (tmp_path, here)]
    assert records[0]['metrics'] == pytest.approx(records[1]['metrics'], rel=1e-6)


def test_a_full_disk_is_one_sentence_and_3(container):
    code, out, err = container(
        'sh',
        '-c',
        'head -c 4096 /dev/zero > /full/ballast; exec "$@"',
        'sh',
        *RUN,
        '--out',
        '/full',
        options=['--mount', 'type=tmpfs,destination=/full,tmpfs-size=4096'],
    )
    assert code == 3 and 'make room, or name another folder with --out' in err and 'Traceback' not in err


def test_an_unwritable_folder_is_one_sentence_and_3(container, tmp_path):
    code, out, err = container(*RUN, '--out', str(tmp_path), options=bind(tmp_path, 'readonly'))
    assert code == 3 and 'cannot write to' in err and len(said(err)) == 1


def test_offline_without_the_data_is_one_sentence_and_3(container):
    code, out, err = container(*RUN, '--dataset', 'mnist', '--out', '/tmp/runs')
    assert code == 3 and 'make data DATASET=mnist' in err and 'Traceback' not in err


def test_interrupted(tmp_path):
    tmp_path.chmod(0o777)
    command = [
        ENGINE,
        'run',
        '--rm',
        *SANDBOX,
        *bind(tmp_path),
        IMAGE,
        *RUN[:-4],
        '--epochs',
        '5000',
        '--verbose',
        '2',
        '--out',
        str(tmp_path),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith('Epoch 3/'):
            break
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and 'Traceback' not in err
    record = json.loads((tmp_path / 'metrics-cohens_kappa' / 'result.json').read_text())
    assert record['interrupted'] is True and record['metrics']['epochs'] >= 2
