"""GPU=1 on machines of every kind: engines that hand GPUs out, each in its way, and engines and hosts that do not."""

import ctypes
import json
import os
import re
import shlex
import subprocess
import sys

import pytest

from tensorflow_with_keras import __main__, doctor, gpu, gpu_probe

SEES = json.dumps({'count': 1, 'capabilities': ['7.5'], 'problem': None})
SEES_NONE = json.dumps({'count': 0, 'capabilities': [], 'problem': gpu_probe.NO_PERMISSION})
NO_LIBRARY = "The driver's library, libcuda.so.1, is not there."
NOT_THERE = json.dumps({'count': 0, 'capabilities': [], 'problem': NO_LIBRARY})
NO_DRIVER = 'echo "docker: Error response from daemon: could not select device driver" >&2; exit 125'
NO_CDI = 'echo "Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=all" >&2; exit 126'


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Makes a machine: what its engine says and does, and what its kernel shows."""
    bin = tmp_path / 'bin'
    bin.mkdir()
    monkeypatch.setenv('PATH', str(bin))
    for name in ('DOCKER_HOST', 'STACK'):
        monkeypatch.delenv(name, raising=False)

    def program(name, text):
        (bin / name).write_text('#!/bin/sh\n' + text)
        (bin / name).chmod(0o755)

    def make(
        engine='docker',
        run='exit 125',  # of shell, with the command's words in $*
        system='Debian GNU/Linux 12',
        host='unix:///var/run/docker.sock',
        remote='false',
        driver='535.104.05',
        cards=1,
        gpus=1,
        wsl=False,
        wsl_driver=True,
        smi=None,
        devices=(),
    ):
        program(
            engine,
            'case "$*" in\n'
            '  info*OperatingSystem*) echo "%s";;\n  info*ServiceIsRemote*) echo %s;;\n  context*) echo "%s";;\n'
            '  run*) echo "$*" >> %s; %s;;\nesac\n' % (system, remote, host, tmp_path / 'runs', run),
        )
        if smi:
            program('nvidia-smi', smi)
        proc = tmp_path / 'proc'
        (proc / 'gpus').mkdir(parents=True)
        for n in range(gpus if driver else 0):
            (proc / 'gpus' / ('0000:0%d:00.0' % n)).mkdir()
        if driver:
            (proc / 'version').write_text('NVRM version: NVIDIA UNIX x86_64 Kernel Module  %s  Release\n' % driver)
        for path, there in (('dxg', wsl), ('libcuda.so.1', wsl and wsl_driver)):
            if there:
                (tmp_path / path).write_text('')
        monkeypatch.setattr(gpu, 'WSL_DEVICE', str(tmp_path / 'dxg'))
        monkeypatch.setattr(gpu, 'WSL_DRIVER', str(tmp_path / 'libcuda.so.1'))
        monkeypatch.setattr(doctor, 'NVIDIA', str(proc))
        monkeypatch.setattr(doctor, 'nvidia_cards', lambda: cards)
        monkeypatch.setattr(gpu, '_device_files', lambda: list(devices))

    return make


def only_by(option, answer=SEES, otherwise=NO_DRIVER):
    return 'case "$*" in *"%s"*) echo \'%s\';; *) %s;; esac' % (option, answer, otherwise)


WSL2 = {'driver': None, 'cards': 0, 'wsl': True}
DESKTOP = dict(WSL2, system='Docker Desktop')
ALL = ['-e', 'NVIDIA_VISIBLE_DEVICES=all']


@pytest.mark.parametrize(
    'engine, made, options',
    [
        ('docker', {'run': only_by('--gpus all')}, ['--gpus', 'all']),
        ('docker', dict(WSL2, run=only_by('--gpus all')), ['--gpus', 'all']),
        ('docker', dict(DESKTOP, run=only_by('--gpus all')), ['--gpus', 'all']),
        (  # another machine has the GPU, and this one has none
            'docker',
            {'host': 'ssh://me@gpu', 'driver': None, 'cards': 0, 'run': only_by('--gpus all')},
            ['--gpus', 'all'],
        ),
        ('docker', {'run': only_by('--device nvidia.com/gpu=all')}, ['--device', 'nvidia.com/gpu=all']),  # CDI only
        ('docker', {'run': only_by('--runtime nvidia', otherwise='exit 125')}, ['--runtime', 'nvidia'] + ALL),
        (  # starts a container by the first option, and yet shows it no device
            'docker',
            {'run': only_by('--device', otherwise='echo %s' % shlex.quote(NOT_THERE))},
            ['--device', 'nvidia.com/gpu=all'],
        ),
        ('podman', {'run': only_by('--device nvidia.com/gpu=all')}, ['--device', 'nvidia.com/gpu=all']),
        ('podman', {'run': 'case "$*" in *--device*) %s;; esac; echo \'%s\'' % (NO_CDI, SEES)}, ALL),  # by a hook
        ('podman', {'remote': 'true', 'driver': None, 'cards': 0, 'run': only_by('--device')}, None),
        ('docker', {'run': only_by('--gpus all'), 'devices': ['/proc/1/mem']}, ['--gpus', 'all']),  # the engine's word
    ],
    ids='usual WSL2 Desktop remote CDI old-runtime not-the-first Podman-CDI Podman-hook Podman-remote closed'.split(),
)
def test_a_machine_that_can_is_not_refused(machine, capsys, engine, made, options):
    machine(engine, **made)
    assert __main__.main(['doctor', '--container', engine, '--image', 'an image']) == 0
    out, err = capsys.readouterr()
    assert (out.splitlines(), err) == (options or ['--device', 'nvidia.com/gpu=all'], '')
    assert __main__.main(['doctor', '--container', engine]) == 0  # before there is an image, too


MIG = 'case "$*" in *mig.mode*) echo Enabled;; -L) echo "GPU 0: NVIDIA A100";; esac'
NONE = "echo '%s'" % SEES_NONE


@pytest.mark.parametrize(
    'engine, made, early, sentence',
    [
        ('local', {}, True, 'GPU=1 runs in a container'),
        ('docker', {'driver': None, 'cards': 0}, True, 'This machine has no NVIDIA GPU'),
        ('docker', {'driver': None}, True, 'no driver for it is loaded: install the NVIDIA driver, 384.81 or newer'),
        ('docker', {'driver': '375.26'}, True, 'The NVIDIA driver 375.26 is too old for CUDA 9.0: install 384.81'),
        ('docker', {'gpus': 0}, True, 'The NVIDIA driver is loaded but finds no GPU'),
        ('docker', dict(WSL2, wsl_driver=False), True, 'install the NVIDIA driver for Windows, run `wsl --update`'),
        (
            'docker',
            {'run': NO_DRIVER},
            False,
            r'could not select device driver.*run `sudo nvidia-ctk runtime configure',
        ),
        (
            'docker',
            {'run': 'echo %s' % shlex.quote(NOT_THERE)},
            False,
            r'is not there\. Install the NVIDIA container',
        ),
        ('podman', {'run': NO_CDI + '; exit 1'}, False, 'unresolvable CDI.*sudo nvidia-ctk cdi generate'),
        (
            'docker',
            {'host': 'tcp://gpu:2376', 'driver': None, 'cards': 0, 'run': NO_DRIVER},
            False,
            'Docker hands no GPU to containers in tcp://gpu:2376: .* Install the NVIDIA driver and container',
        ),
        ('docker', dict(DESKTOP, run=NO_DRIVER), False, "in Docker Desktop's virtual machine: .* on Windows alone"),
        ('podman', {'remote': 'true', 'driver': None, 'cards': 0, 'run': NO_CDI}, False, 'or another machine'),
        ('docker', {'run': NONE, 'smi': MIG}, False, 'MIG is on and no instance is made.*nvidia-smi mig -cgi'),
        (
            'docker',
            {'run': NONE, 'devices': ['/nowhere/nvidiactl']},
            False,
            'You may not open /nowhere/nvidiactl',
        ),
        ('docker', {'run': NONE}, False, '/dev/nvidia. may not be opened, or no GPU was handed'),
    ],
)
def test_a_machine_that_cannot_gets_one_sentence(machine, capsys, tmp_path, engine, made, early, sentence):
    machine(engine, **made)
    with pytest.raises(SystemExit) as end:
        __main__.main(['doctor', '--container', engine, '--image', 'an image'])
    out, err = capsys.readouterr()
    assert end.value.code == 3 and out == '' and err.count('\n') == 1 and err.startswith('error: ')
    assert re.search(sentence, err), err
    assert (tmp_path / 'runs').exists() == (not early)
    if not early:  # nothing is known before a container was started
        assert __main__.main(['doctor', '--container', engine]) == 0


def test_the_driver_has_to_serve_the_cuda_of_the_stack(machine):
    machine(driver='440.33')
    assert gpu.early_problem('docker', 'tf1.15-keras2.2.4') is None  # CUDA 10.0
    assert 'too old for CUDA 11.8: install 450.80.02' in gpu.early_problem('docker', 'tf1.15-nvidia-keras2.2.4')


def test_docker_host_counts_before_the_context(machine, monkeypatch):
    machine(run=NO_DRIVER)
    assert gpu.elsewhere('docker') is None
    monkeypatch.setenv('DOCKER_HOST', 'ssh://gpu')
    assert gpu.elsewhere('docker') == 'ssh://gpu'


def test_the_container_is_locked_in_as_every_other_and_runs_the_probe(machine, tmp_path):
    machine(run='exec "%s" -' % sys.executable)  # the probe itself, where no driver is
    options, answer, words = gpu.ask('docker', 'an image')
    found = subprocess.run([sys.executable, gpu.PROBE], stdout=subprocess.PIPE, universal_newlines=True).stdout
    assert (options, words) == ([], '') and answer == json.loads(found) == json.loads(NOT_THERE)
    first = (tmp_path / 'runs').read_text().splitlines()[0]
    for flag in ('--read-only', '--cap-drop=ALL', '--network none', '--user %d:' % os.getuid(), 'an image python -'):
        assert flag in first


@pytest.mark.parametrize(
    'capability, stack, expected',
    [
        ('3.7', 'tf1.9-keras2.2.4', None),
        ('7.5', 'tf1.15-keras2.2.4', None),
        ('8.0', 'tf1.9-keras2.2.4', 'an hour.*STACK=tf1.15-nvidia-keras2.2.4 is made for it'),
        ('8.9', '', 'an hour.*STACK=tf1.15-nvidia-keras2.2.4 is made for it'),
        ('9.0', 'tf1.15-keras2.3.1', 'an hour.*STACK=tf1.15-nvidia-keras2.2.4 is made for it'),
        ('9.0', 'tf1.15-nvidia-keras2.2.4', None),
        ('12.0', '', 'an hour.*No stack here is made for it'),
        ('12.0', 'tf1.15-nvidia-keras2.2.4', 'newer than any stack here'),
        ('7.0', 'tf1.15-nvidia-keras2.2.4', 'STACK=tf1.9-keras2.2.4 is made for it'),
        ('3.0', '', None),
    ],
)
def test_which_stack_a_gpu_wants_is_said_before_an_hour_of_compiling(capability, stack, expected):
    said = gpu.advice(['3.0', capability], stack)
    assert said is None if expected is None else re.search(expected, said) and '\n' not in said


class Driver:
    """libcuda as ctypes loads it: each device a compute capability."""

    def __init__(self, capabilities, init=0):
        self.capabilities, self.init = capabilities, init

    def cuInit(self, flags):
        return self.init

    def cuDeviceGetCount(self, count):
        count._obj.value = len(self.capabilities)
        return 0

    def cuDeviceGet(self, device, index):
        device._obj.value = index + 40  # a handle, not the index
        return 0

    def cuDeviceGetAttribute(self, value, attribute, device):
        value._obj.value = self.capabilities[device.value - 40][{75: 0, 76: 1}[attribute]]
        return 0


def test_the_probe_counts_what_the_driver_shows():
    assert gpu_probe.probe(lambda name: Driver([(8, 6), (7, 0)])) == {
        'count': 2,
        'capabilities': ['8.6', '7.0'],
        'problem': None,
    }
    for driver, problem in (
        (Driver([]), 'finds no device'),
        (Driver([(8, 6)], init=100), 'finds no device'),
        (Driver([(8, 6)], init=999), 'error 999'),
    ):
        found = gpu_probe.probe(lambda name, driver=driver: driver)
        assert found['count'] == 0 and problem in found['problem']
    stub = Driver([(8, 6)])
    stub.tensorflow_with_keras_stub = 1
    assert 'a stub in its place' in gpu_probe.probe(lambda name: stub)['problem']
    assert gpu_probe.probe(lambda name: ctypes.CDLL('libnowhere.so'))['problem'] == NO_LIBRARY
