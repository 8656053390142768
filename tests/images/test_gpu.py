"""What a started container of the GPU image must do where there is no GPU."""

import json
import os
import re
import subprocess

import pytest
from conftest import ENGINE, IMAGE, SANDBOX, said
from test_both import LOCK, ROOT

DOCTOR = ['python', '-m', 'tensorflow_with_keras', 'doctor', '--json']
LIB = '/usr/local/cuda-9.0/lib64'
STAND_IN = os.environ.get('CUDA_LIBS', '').endswith('stand-in:cuda')


def examine(container, *options, no_tensorflow=False):
    code, out, err = container(*DOCTOR, *(['--no-tensorflow'] if no_tensorflow else []), options=options)
    assert 'Traceback' not in err
    return code, json.loads(out)


def library(report, name):
    return next(x for x in report['libraries'] if x['name'] == name)


def test_it_says_in_one_line_that_no_gpu_is_attached_and_how_to_attach_one(container):
    code, out, err = container('true')
    assert code == 0 and len(err.splitlines()) == 1 and said(err) == []
    assert '--gpus all' in err and '--device nvidia.com/gpu=all' in err


def test_doctor_finds_it_ready_to_train_on_the_cpu(container):
    code, report = examine(container)
    assert code == 0 and report['problems'] == [] and report['gpus'] == []
    assert library(report, 'libcuda.so.1')['stub'] is True
    assert library(report, 'libcuda.so.1')['found'] == '/usr/local/cuda-9.0/stub/libcuda.so.1'
    for name in ('libcudart.so.9.0', 'libcublas.so.9.0', 'libcudnn.so.7', 'libcurand.so.9.0'):
        assert library(report, name)['found'] == f'{LIB}/{name}' and library(report, name)['stub'] is False
    for name in ('libcufft.so.9.0', 'libcusolver.so.9.0'):
        assert library(report, name)['stub'] is STAND_IN
    assert 7104 <= library(report, 'libcudnn.so.7')['version'] < 8000
    assert 9000 <= library(report, 'libcurand.so.9.0')['version'] < 9010
    assert {p['name']: p['installed'] for p in report['packages']}['tensorflow-gpu'] == LOCK['tensorflow-gpu']
    assert [d['name'] for d in report['tensorflow']['devices']] == ['/device:CPU:0']


def test_doctor_names_a_library_that_is_gone(container):
    hidden = ['--mount', f'type=bind,source=/dev/null,destination={LIB}/libcublas.so.9.0,readonly']
    code, report = examine(container, *hidden)
    assert code == 3 and library(report, 'libcublas.so.9.0')['found'] is None
    assert report['problems'] == ['libcublas.so.9.0 is not found, and TensorFlow-GPU needs it.']


def test_doctor_names_a_package_of_another_version(container, tmp_path):
    info = tmp_path / 'METADATA'
    info.write_text('Metadata-Version: 2.1\nName: h5py\nVersion: 3.1.0\n')
    tmp_path.chmod(0o755)
    path = f'/opt/tfk/lib/python3.6/site-packages/h5py-{LOCK["h5py"]}.dist-info/METADATA'
    changed = ['--mount', f'type=bind,source={info},destination={path},readonly']
    code, report = examine(container, *changed, no_tensorflow=True)
    drift = [p for p in report['packages'] if p['breaks']]
    assert drift == [
        {'name': 'h5py', 'pinned': '2.10.0', 'installed': '3.1.0', 'breaks': 'load_model and load_weights'}
    ]


def test_the_stub_is_never_loaded_where_a_driver_is_mounted(container, tmp_path):
    # another library in the driver's place is enough to see which one is found
    command = [ENGINE, 'run', '--rm', *SANDBOX, IMAGE, 'cat', f'{LIB}/libgomp.so.1']
    source = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    for place in ('/usr/lib/x86_64-linux-gnu', '/usr/local/nvidia/lib64'):
        driver = tmp_path / 'libcuda.so.1'
        driver.write_bytes(source)
        tmp_path.chmod(0o755)
        mounted = ['--mount', f'type=bind,source={driver},destination={place}/libcuda.so.1,readonly']
        code, out, err = container(
            'sh',
            '-c',
            'echo "$LD_LIBRARY_PATH"; python -c "import ctypes; '
            "print(hasattr(ctypes.CDLL('libcuda.so.1'), 'tensorflow_with_keras_stub'))\"",
            options=mounted,
        )
        assert code == 0 and err == ''
        assert 'stub' not in out.splitlines()[0] and out.splitlines()[1] == 'False'


def test_what_the_nvidia_container_toolkit_reads(inspected):
    env = dict(e.split('=', 1) for e in inspected['Config']['Env'])
    assert env['NVIDIA_VISIBLE_DEVICES'] == 'all' and env['NVIDIA_REQUIRE_CUDA'] == 'cuda>=9.0'
    assert set(env['NVIDIA_DRIVER_CAPABILITIES'].split(',')) == {'compute', 'utility'}


def test_only_what_tensorflow_loads_and_its_licence_are_kept_of_cuda(container):
    pins = (ROOT / 'docker/cuda-9.0.pins').read_text()
    wanted = set(re.search('^library (.*)$', pins, re.M)[1].split()) | {'libgomp.so.1'}
    optional = set(re.search('^optional (.*)$', pins, re.M)[1].split())
    kept = set(container('ls', LIB)[1].split())
    assert wanted <= kept <= wanted | optional
    assert container('ls', '/usr/local/cuda-9.0/licences')[1].strip()
    assert container('sh', '-c', 'ldconfig -p | grep -c /usr/local/cuda-9.0/lib64')[1].strip() == str(len(kept))


@pytest.fixture(scope='module')
def fat():
    script = ROOT / 'scripts/fat_binaries.py'
    files = ' '.join(f'{LIB}/{name}' for name in ('libcublas.so.9.0', 'libcudart.so.9.0', 'libcurand.so.9.0'))
    site = '/opt/tfk/lib/python3.6/site-packages/tensorflow'
    files += f' {site}/libtensorflow_framework.so {site}/python/_pywrap_tensorflow_internal.so'
    command = [ENGINE, 'run', '--rm', '-i', *SANDBOX, IMAGE, 'sh', '-c', f'cat > /tmp/f.py; python /tmp/f.py {files}']
    done = subprocess.run(command, input=script.read_text(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_table_of_hardware_is_what_the_binaries_hold(fat):
    table = (ROOT / 'docs/hardware.md').read_text().splitlines()
    assert len(fat) == 7 and not [line for line in fat if line not in table]


def test_doctor_knows_the_architectures_that_the_binaries_hold(fat):
    row = next(line for line in fat if line.startswith('| _pywrap_tensorflow_internal.so'))
    native = re.search(r'^NATIVE = \((.*)\)$', (ROOT / 'tensorflow_with_keras/doctor.py').read_text(), re.M)[1]
    known = ', '.join(f'{major}.{minor}' for major, minor in re.findall(r'\((\d), (\d)\)', native))
    assert row.split('|')[2].strip() == row.split('|')[3].strip() == known
