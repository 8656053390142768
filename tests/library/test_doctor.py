"""doctor on machines that are not here: old processors, other versions, drivers and GPUs."""

import io
import json
import os
import re
import signal
import subprocess
import sys

import pytest

from tensorflow_with_keras import __main__, doctor
from tensorflow_with_keras.recipe import ROOT


@pytest.mark.skipif(not os.path.isdir(os.path.join(ROOT, 'requirements')), reason='no locks in an image')
def test_the_pins_are_the_locks():
    with open(os.path.join(ROOT, 'requirements', 'cpu.txt')) as f:
        lock = dict(re.findall(r'^([a-z0-9-]+)==(\S+)', f.read(), re.M))
    assert doctor.PINS == {name: lock[name] for name in doctor.PINS}


CPUINFO = 'processor\t: 0\nmodel name\t: %s\nflags\t\t: fpu sse sse2 ssse3 sse4_1 sse4_2%s\n'


def test_a_processor_without_avx_is_told(tmp_path):
    old, new = tmp_path / 'old', tmp_path / 'new'
    old.write_text(CPUINFO % ('Nehalem', ''))
    new.write_text(CPUINFO % ('Sandy Bridge', ' avx'))
    assert 'no AVX' in doctor.cpu_problem(str(old)) and 'Illegal instruction' in doctor.cpu_problem(str(old))
    assert doctor.cpu_problem(str(new)) is None and doctor.cpu_problem(str(tmp_path / 'absent')) is None
    assert doctor.cpu_problem() is None  # or this test could not run


ROSETTA = (
    'processor\t: 0\nvendor_id\t: VirtualApple\nmodel name\t: VirtualApple @ 2.50GHz\nflags\t\t: fpu sse sse4_2%s\n'
)
ARM = 'processor\t: 0\nBogoMIPS\t: 48.00\nFeatures\t: fp asimd\nCPU implementer\t: 0x61\n\nprocessor\t: 1\n'


@pytest.mark.parametrize(
    'cpuinfo, machine, signum, expected',
    [
        (ROSETTA % '', 'x86_64', None, 'This processor is emulated by Rosetta, without AVX'),
        (ROSETTA % ' avx', 'x86_64', None, None),
        (ARM, 'x86_64', signal.SIGILL, 'This processor is emulated, without AVX'),
        (ARM, 'x86_64', signal.SIGSEGV, None),  # what is wrong then has nothing to do with AVX
        (ARM, 'x86_64', 0, None),  # an emulator with AVX
        (ARM, 'aarch64', signal.SIGILL, None),  # not emulated: no wheel of TensorFlow is here to try
    ],
)
def test_an_emulated_processor_without_avx_is_called_one(tmp_path, monkeypatch, cpuinfo, machine, signum, expected):
    (tmp_path / 'cpuinfo').write_text(cpuinfo)
    (tmp_path / 'tensorflow.py').write_text('import os; os.kill(os.getpid(), %d)' % signum if signum else '')
    monkeypatch.setenv('PYTHONPATH', '%s:%s' % (tmp_path, os.environ.get('PYTHONPATH', '')))
    monkeypatch.setattr(doctor.platform, 'machine', lambda: machine)
    problem = doctor.cpu_problem(str(tmp_path / 'cpuinfo'))
    assert problem is None if expected is None else problem.startswith(expected) and 'Illegal instruction' in problem


@pytest.mark.parametrize(
    'system, machine, told',
    [('Linux', 'x86_64', False), ('Darwin', 'arm64', True), ('Darwin', 'x86_64', True), ('Linux', 'aarch64', True)],
)
def test_where_no_wheel_is_for_the_sentence_says_what_to_do(monkeypatch, system, machine, told):
    monkeypatch.setattr(doctor.platform, 'system', lambda: system)
    monkeypatch.setattr(doctor.platform, 'machine', lambda: machine)
    problems = [p for p in doctor.examine(with_tensorflow=False)['problems'] if 'start Docker' in p]
    assert len(problems) == told and all('This is %s on %s' % (system, machine) in p for p in problems)


def test_it_answers_where_there_is_no_proc(monkeypatch):
    """As on macOS."""

    def absent(path, *args, **kwargs):
        if str(path).startswith('/proc/'):
            raise FileNotFoundError(2, 'No such file or directory', path)
        return open(path, *args, **kwargs)

    monkeypatch.setattr(doctor, 'open', absent, raising=False)
    text = doctor.text(doctor.examine(with_tensorflow=False))
    assert '\nMemory      unknown\n' in text and 'cores, AVX unknown\n' in text


@pytest.mark.parametrize(
    'build, version, told', [('tensorflow', '1.15.5', True), ('nvidia-tensorflow', '1.15.5+nv22.9', False)]
)
def test_it_says_where_another_tensorflow_is_in_the_image_for_nvidias(monkeypatch, build, version, told):
    stack = 'tf1.15-nvidia-keras2.2.4'
    monkeypatch.setenv('TFK_STACK', stack)
    monkeypatch.setattr(doctor, 'installed_packages', lambda: {build: version, 'keras': '2.2.4'})
    first = doctor.text(doctor.examine(with_tensorflow=False)).splitlines()[0]
    assert ("image of %s, with PyPI's TensorFlow" % stack in first) == told
    assert first.startswith('Stack       %s' % ('tf1.15-keras2.2.4   <- ' if told else stack))


@pytest.mark.parametrize(
    'capability, expected',
    [
        ((3, 0), 'unsupported'),
        ((3, 5), 'native'),
        ((3, 6), 'binary-compatible'),
        ((5, 0), 'JIT'),
        ((5, 3), 'binary-compatible'),
        ((6, 2), 'binary-compatible'),
        ((7, 0), 'native'),
        ((7, 5), 'binary-compatible'),
        ((8, 6), 'JIT'),
        ((9, 0), 'JIT'),
        ((12, 0), 'JIT'),
    ],
)
def test_support_of_a_compute_capability(capability, expected):
    assert doctor.support(capability).startswith(expected)


def test_every_drift_is_named_with_what_it_breaks():
    installed = dict(doctor.PINS, h5py='3.1.0', numpy='1.19.5')
    del installed['gast']
    drift = {p['name']: (p['installed'], p['breaks']) for p in doctor.packages(installed) if p['breaks']}
    assert drift == {
        'h5py': ('3.1.0', 'load_model and load_weights'),
        'numpy': ('1.19.5', 'keras.datasets.imdb and reuters, from 1.16.3 on'),
        'gast': (None, 'tf.contrib.autograph'),
    }
    gpu_build = dict(doctor.PINS, **{'tensorflow-gpu': '1.9.0'})
    del gpu_build['tensorflow']
    assert [p['name'] for p in doctor.packages(gpu_build) if p['breaks']] == []


NVRM = 'NVRM version: NVIDIA UNIX x86_64 Kernel Module  %s  Wed Jan  1 00:00:00 UTC 2020\nGCC version:  gcc\n'
OPEN = 'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  %s  Release Build\n'


@pytest.mark.parametrize('form', [NVRM, OPEN])
@pytest.mark.parametrize(
    'version, enough', [('384.81', True), ('384.59', False), ('375.26', False), ('535.104.05', True)]
)
def test_driver_version(tmp_path, form, version, enough):
    (tmp_path / 'version').write_text(form % version)
    assert doctor.driver(str(tmp_path / 'version')) == version and doctor.new_enough(version) is enough
    assert doctor.driver(str(tmp_path / 'absent')) is None


class Cuda:
    """A driver with two GPUs, as ctypes would have it."""

    gpus = [(b'Tesla V100-SXM2-16GB', 7, 0, 16 << 30), (b'NVIDIA H100 80GB HBM3', 9, 0, 80 << 30)]
    status = 0

    def __getattr__(self, name):
        if name == 'tensorflow_with_keras_stub':
            raise AttributeError(name)
        raise AssertionError('doctor asks for %s' % name)

    def cuInit(self, flags):
        assert flags == 0  # what CUDA demands
        return self.status

    def cuDeviceGetCount(self, count):
        count._obj.value = len(self.gpus)
        return 0

    def cuDeviceGet(self, device, index):
        device._obj.value = index
        return 0

    def cuDeviceGetName(self, name, length, device):
        name.value = self.gpus[device.value][0]
        return 0

    def cuDeviceGetAttribute(self, number, attribute, device):
        number._obj.value = self.gpus[device.value][{75: 1, 76: 2}[attribute]]
        return 0

    def cuDeviceTotalMem_v2(self, total, device):
        total._obj.value = self.gpus[device.value][3]
        return 0


def test_gpus_as_the_driver_tells_them(monkeypatch):
    monkeypatch.setattr(doctor, '_free_memory', lambda: [15000, 79000])
    assert doctor.gpus(Cuda()) == [
        {
            'name': 'Tesla V100-SXM2-16GB',
            'compute_capability': '7.0',
            'support': 'native',
            'stack': 'tf1.9-keras2.2.4',
            'total_mib': 16384,
            'free_mib': 15000,
        },
        {
            'name': 'NVIDIA H100 80GB HBM3',
            'compute_capability': '9.0',
            'support': 'JIT (slow first start, never validated)',
            'stack': 'tf1.15-nvidia-keras2.2.4',
            'total_mib': 81920,
            'free_mib': 79000,
        },
    ]
    broken = Cuda()
    broken.status = 100
    assert doctor.gpus(broken) == []


class Library:
    """A CUDA library whose functions write the version and return a status; cuDNN's returns the version."""

    def __init__(self, name, version, status=0):
        def function(number=None):
            if number is None:
                return version
            number._obj.value = version
            return status

        setattr(self, name, function)


def test_versions_of_libraries_as_each_tells_its_own(monkeypatch):
    stub = Library('cusolverGetVersion', 1)
    stub.tensorflow_with_keras_stub = True
    there = {
        'libcudnn.so.7': Library('cudnnGetVersion', 7104),
        'libcufft.so.9.0': Library('cufftGetVersion', 9000),
        'libcurand.so.9.0': Library('curandGetVersion', 9000, status=3),
        'libcusolver.so.9.0': stub,
        'libcudart.so.9.0': object(),  # tells none
        'libcuda.so.1': object(),  # has not the function
    }
    monkeypatch.setattr(doctor, '_load', lambda name: (there[name], '/' + name) if name in there else (None, 'absent'))
    found = {x.pop('name'): x for x in doctor.libraries()}
    assert {name: x['version'] for name, x in found.items() if x['version']} == {
        'libcudnn.so.7': 7104,
        'libcufft.so.9.0': 9000,
    }
    assert {name: x['found'] for name, x in found.items() if x['found']} == {name: '/' + name for name in there}
    assert [name for name, x in found.items() if x['stub']] == ['libcusolver.so.9.0']
    assert {name: x['problem'] for name, x in found.items() if x['problem']} == {
        'libcublas.so.9.0': 'absent',
        'libgomp.so.1': 'absent',
    }


@pytest.mark.parametrize('build', ['tensorflow', 'tensorflow-gpu'])
def test_only_a_gpu_build_misses_libraries(monkeypatch, build):
    pins = dict(doctor.PINS)
    pins[build] = pins.pop('tensorflow')
    monkeypatch.setattr(doctor, 'installed_packages', lambda: pins)
    monkeypatch.setattr(doctor, '_load', lambda name: (None, 'absent') if 'cublas' in name else (object(), '/' + name))
    monkeypatch.setattr(doctor, 'gpus', list)
    missing = ['libcublas.so.9.0 is not found, and TensorFlow-GPU needs it.']
    assert doctor.examine(with_tensorflow=False)['problems'] == (missing if build == 'tensorflow-gpu' else [])


def test_memory_is_the_systems():
    found = doctor.memory()
    total = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') // 2**20
    assert found['total_mib'] == total and isinstance(found['total_mib'], int)
    assert 0 < found['available_mib'] < total and isinstance(found['available_mib'], int)


def test_memory_in_mib(monkeypatch):
    meminfo = 'MemTotal:  4194304 kB\nMemFree:  9 kB\nMemAvailable:  2099200 kB\nHugePages_Total:  0\n'
    monkeypatch.setattr(doctor, 'open', lambda path: io.StringIO(meminfo), raising=False)
    assert doctor.memory() == {'total_mib': 4096, 'available_mib': 2050}


@pytest.mark.parametrize('flags', [{'sse'}, {'sse', 'avx'}, {'avx', 'avx2'}, {'avx', 'avx2', 'avx512f'}, None])
def test_what_the_processor_has(monkeypatch, flags):
    monkeypatch.setattr(doctor, 'cpu_flags', lambda cpuinfo=None: flags)
    cpu = doctor.examine(with_tensorflow=False)['cpu']
    assert cpu.pop('cores') == os.cpu_count()
    assert {name for name, there in cpu.items() if there} == (flags or set()) - {'sse'}


@pytest.mark.parametrize(
    'docker, podman, cdi, expected',
    [
        (None, None, True, [(False, False), (False, False)]),
        ('{"nvidia":{},"runc":{}}', '', False, [(True, True), (True, False)]),
        ('{"runc":{}}', '', False, [(True, False), (True, False)]),
        ('{"runc":{}}', '', True, [(True, True), (True, True)]),
        ('exit 1', '', True, [(False, False), (True, True)]),  # a client without its daemon
    ],
)
def test_engines_by_what_their_programs_answer(tmp_path, monkeypatch, docker, podman, cdi, expected):
    for name, says in ('docker', docker), ('podman', podman):
        if says is not None:
            program = tmp_path / name
            program.write_text('#!/bin/sh\n' + (says if says.startswith('exit') else "echo '%s'" % says))
            program.chmod(0o755)
    monkeypatch.setenv('PATH', str(tmp_path))
    monkeypatch.setattr(doctor, '_cdi', lambda: cdi)
    assert [(e['name'], e['answers'], e['gpu']) for e in doctor.engines()] == [
        ('docker', *expected[0]),
        ('podman', *expected[1]),
    ]
    assert [e['installed'] for e in doctor.engines()] == [says is not None for says in (docker, podman)]
    said = doctor.text(doctor.examine(with_tensorflow=False))
    assert ('docker is not installed' in said) == (docker is None)
    assert ('docker does not answer' in said) == (docker is not None and not expected[0][0])


@pytest.mark.parametrize('script, expected', [('echo 15000; echo 79000', [15000, 79000]), ('echo 9; exit 9', [])])
def test_free_memory_is_nvidia_smis(tmp_path, monkeypatch, script, expected):
    monkeypatch.setenv('PATH', str(tmp_path))
    assert doctor._free_memory() == []
    (tmp_path / 'nvidia-smi').write_text('#!/bin/sh\n' + script)
    (tmp_path / 'nvidia-smi').chmod(0o755)
    assert doctor._free_memory() == expected


def call(*args):
    env = dict(os.environ, PYTHONPATH=os.pathsep.join([ROOT] + sys.path))
    command = [sys.executable, '-m', 'tensorflow_with_keras', 'doctor'] + list(args)
    done = subprocess.run(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True
    )
    return done.returncode, done.stdout, done.stderr


def test_here_training_can_run_and_says_so():
    code, out, err = call()
    assert (code, err) == (0, '') and out.endswith('Training can run here.\n') and '/device:CPU:0: first step' in out
    code, out, err = call('--json')
    report = json.loads(out)
    assert code == 0 and report['problems'] == []
    assert {p['installed'] == p['pinned'] for p in report['packages']} == {True}
    step = report['tensorflow']['devices'][0]
    assert step['name'] == '/device:CPU:0' and step['step_s'] > 0 and 0 < step['loss'] < 1


def test_what_keeps_training_from_running_is_said_and_is_3(capsys, monkeypatch):
    monkeypatch.setitem(doctor.PINS, 'tensorboard-of-nobody', '1.0')
    for options in [], ['--json'], ['--no-tensorflow']:
        assert __main__.main(['doctor'] + options) == 3
        assert 'tensorboard-of-nobody is not installed (1.0 is pinned).' in capsys.readouterr().out
    monkeypatch.undo()
    assert __main__.main(['doctor', '--no-tensorflow']) == 0
    assert capsys.readouterr().out.endswith('Training can run here.\n')


def test_why_a_container_gets_no_gpu_is_one_sentence_and_3():
    code, out, err = call('--container', 'local')
    assert (code, out) == (3, '') and err.startswith('error: GPU=1 runs in a container') and err.count('\n') == 1


@pytest.mark.parametrize(
    'found, problem',
    [
        ({'devices': [{'loss': 0.5}, {'loss': 0.50004}]}, None),  # within the rounding of two kinds of processor
        ({'devices': [{'loss': 0.5}, {'loss': 0.5006}]}, 'the devices compute different losses: [0.5, 0.5006]'),
        ({'devices': [{'loss': 0.5006}, {'loss': 0.5}]}, 'the devices compute different losses: [0.5006, 0.5]'),
        ({'error': 'it broke'}, 'TensorFlow does not run: it broke'),
    ],
)
def test_what_a_training_step_has_to_show(monkeypatch, found, problem):
    monkeypatch.setattr(doctor, 'tensorflow', lambda: found)
    assert doctor.examine()['problems'] == ([problem] if problem else [])


@pytest.mark.parametrize(
    'code, expected',
    [
        ('raise ImportError("libcublas.so.9.0: cannot open shared object file")', 'libcublas.so.9.0: cannot open'),
        ('import os, signal; os.kill(os.getpid(), signal.SIGILL)', 'ended with -4'),
        ('import time; time.sleep(60)', 'no answer within 2 s'),
    ],
)
def test_a_broken_tensorflow_is_told_not_suffered(tmp_path, monkeypatch, code, expected):
    (tmp_path / 'tensorflow.py').write_text(code)
    monkeypatch.setenv('PYTHONPATH', '%s:%s' % (tmp_path, os.environ.get('PYTHONPATH', '')))
    assert expected in doctor.tensorflow(timeout=2 if 'sleep' in code else 60)['error']


def test_it_answers_with_nothing_installed():
    """A bare Python, as on a host where nothing is set up yet."""
    done = subprocess.run(
        [
            sys.executable,
            '-I',
            '-S',
            '-c',
            'import sys; sys.path.insert(0, %r); from tensorflow_with_keras import doctor; '
            'report = doctor.examine(); print(doctor.text(report)); print(len(report["problems"]))' % ROOT,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    assert done.returncode == 0, done.stderr
    assert 'tensorflow is not installed (1.9.0 is pinned).' in done.stdout
