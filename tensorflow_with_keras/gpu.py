"""Whether a container engine hands a GPU to its containers, by which options, and which stack is for that GPU.

What counts is what a container sees: the engine may be another machine, a virtual one, or hand GPUs out in a way that
it lists nowhere. So a container counts them (`gpu_probe`), and what this host says explains a refusal only where the
engine runs on this host. Only the standard library, since it runs before anything is installed.
"""

import glob
import json
import os
import subprocess

from . import doctor
from .recipe import ROOT

PROBE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'gpu_probe.py')
TIMEOUT = 120  # seconds; a container starts within a few, but an engine may have to wake a virtual machine
# In which ways engines hand out GPUs, the usual one first: the runtime or hook of NVIDIA's toolkit, CDI, the runtime of
# Docker before 19.03, a hook that looks at the container's environment.
ALL = ['-e', 'NVIDIA_VISIBLE_DEVICES=all']
OPTIONS = {
    'docker': (['--gpus', 'all'], ['--device', 'nvidia.com/gpu=all'], ['--runtime', 'nvidia', *ALL]),
    'podman': (['--device', 'nvidia.com/gpu=all'], ALL),
}
WSL_DEVICE, WSL_DRIVER = '/dev/dxg', '/usr/lib/wsl/lib/libcuda.so.1'


def ask(engine, image):
    """What a container of `image` sees: options, and the answer of `gpu_probe`; or None, and why as the engine says it.

    # Arguments
        engine: 'docker' or 'podman'.
        image: one that has Python; it needs nothing else.

    # Returns
        (options, answer, words): the engine's options that hand out its GPUs, a list; the dict of `gpu_probe`, of the
        first options by which a container starts where none sees a GPU, or None where none starts; and the last line
        that the engine wrote.
    """
    with open(PROBE) as f:
        script = f.read()
    with open(os.path.join(ROOT, 'docker', 'sandbox.txt')) as f:
        start = [engine, 'run', '--rm', '-i', '--platform', 'linux/amd64', '--network', 'none', *f.read().split()]
    start += ['--user', '%d:%d' % (os.getuid(), os.getgid())]
    start += ['-e', 'NVIDIA_DRIVER_CAPABILITIES=compute,utility']  # as our images have it; IMAGE may be their base
    if engine == 'podman' and os.getuid() != 0:
        start += ['--userns', 'keep-id']
    none, words = None, ''
    for options in OPTIONS[engine]:
        try:
            done = subprocess.run(
                [*start, *options, image, 'python', '-'],
                input=script,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                universal_newlines=True,
                timeout=TIMEOUT,
            )
        except subprocess.TimeoutExpired:
            words = words or 'no answer within %d s' % TIMEOUT
            continue
        try:
            answer = json.loads(done.stdout.strip().rsplit('\n', 1)[-1])
        except ValueError:
            words = words or (done.stderr.strip().rsplit('\n', 1)[-1] or 'it ended with %d' % done.returncode)
            continue
        if answer['count']:
            return options, answer, words
        none = none or answer
    return [], none, words


def elsewhere(engine):
    """Where the engine's containers run, in words, when not on this host itself; None when they do."""
    if engine == 'podman':
        if (doctor._answer(['podman', 'info', '--format', '{{.Host.ServiceIsRemote}}']) or '').strip() == 'true':
            return 'a virtual machine or another machine'
        return None
    system = (doctor._answer(['docker', 'info', '--format', '{{.OperatingSystem}}']) or '').strip()
    if 'Docker Desktop' in system:
        return "Docker Desktop's virtual machine"
    # DOCKER_HOST counts before the context, as for Docker itself
    host = os.environ.get('DOCKER_HOST') or doctor._answer(
        ['docker', 'context', 'inspect', '--format', '{{.Endpoints.docker.Host}}']
    )
    host = (host or '').strip()
    return None if not host or host.startswith('unix://') else host


def host_problem(stack=''):
    """One sentence that says why this host can hand a GPU to no container; None where nothing speaks against it."""
    if os.path.exists(WSL_DEVICE):  # the driver is Windows's: no kernel module, no PCI list
        if os.path.exists(WSL_DRIVER):
            return None
        return (
            'WSL2 shows no driver of NVIDIA (%s): install the NVIDIA driver for Windows, run `wsl --update` there and '
            'start WSL anew.' % WSL_DRIVER
        )
    version = doctor.driver()
    cuda = doctor.CUDA.get(stack, '9.0')
    oldest = doctor.DRIVERS[cuda]
    if version is None:
        if not doctor.nvidia_cards():
            return 'This machine has no NVIDIA GPU: leave GPU=1 out to run on the CPU.'
        return 'There is an NVIDIA GPU but no driver for it is loaded: install the NVIDIA driver, %s or newer.' % oldest
    if not doctor.new_enough(version, cuda):
        return 'The NVIDIA driver %s is too old for CUDA %s: install %s or newer.' % (version, cuda, oldest)
    if not glob.glob(doctor.NVIDIA + '/gpus/*'):
        return 'The NVIDIA driver is loaded but finds no GPU: leave GPU=1 out to run on the CPU.'
    return None


def _what_hides_it():
    """One sentence on what keeps a GPU that this host has from the programs on it; None where nothing is known to."""
    modes = doctor._answer(['nvidia-smi', '--query-gpu=mig.mode.current', '--format=csv,noheader']) or ''
    if 'Enabled' in modes and 'MIG' not in (doctor._answer(['nvidia-smi', '-L']) or ''):
        return (
            'MIG is on and no instance is made, so there is no device: make one with `nvidia-smi mig -cgi ID -C`, or '
            'turn MIG off with `nvidia-smi -mig 0`.'
        )
    closed = [path for path in _device_files() if not os.access(path, os.R_OK | os.W_OK)]
    if closed:
        return (
            'You may not open %s: join the group that owns it (`ls -l %s`), or let the driver make it for all '
            '(NVreg_DeviceFileMode=0666).' % (closed[0], closed[0])
        )
    return None


def _device_files():
    return [path for path in sorted(glob.glob('/dev/nvidia*')) if not os.path.isdir(path)]


def early_problem(engine, stack=''):
    """What can be known before there is an image: one sentence, or None."""
    if engine == 'local':
        return (
            'GPU=1 runs in a container, and no Docker or Podman was chosen: start one, or use ENGINE=docker or podman.'
        )
    return None if elsewhere(engine) else host_problem(stack)


def problem(engine, answer, words, stack=''):
    """One sentence that says why no container sees a GPU, of what `ask` returned."""
    name, where = engine.capitalize(), elsewhere(engine)
    heard = "no container starts with one ('%s')" % words if answer is None else answer['problem'].rstrip('.')
    if where == "Docker Desktop's virtual machine":
        cure = (
            'it hands out GPUs on Windows alone, with its WSL2 backend and the NVIDIA driver for Windows; on Linux use '
            'Docker Engine or Podman'
        )
    elif where:
        cure = 'install the NVIDIA driver and container toolkit there, or leave GPU=1 out'
    else:
        known = host_problem(stack) or _what_hides_it()
        if known:
            return known
        cure = 'install the NVIDIA container toolkit and run `%s`' % (
            'sudo nvidia-ctk runtime configure && sudo systemctl restart docker'
            if engine == 'docker'
            else 'sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml'
        )
    return '%s hands no GPU to containers%s: %s. %s.' % (name, ' in ' + where if where else '', heard, _sentence(cure))


def _sentence(text):
    return text[0].upper() + text[1:]


def advice(capabilities, stack):
    """The line to say before training begins on GPUs of these capabilities, such as '8.6'; None where none is due."""
    pairs = [tuple(int(n) for n in text.split('.')) for text in capabilities]
    newest = max(pairs, default=(0, 0))
    text = '%d.%d' % newest
    if newest >= (8, 0) and 'nvidia' not in stack:
        better = doctor.stack_for(newest)
        return (
            'This GPU has compute capability %s, newer than %s: its driver first compiles every kernel, which can take '
            'an hour, and nobody validated the result. %s'
            % (text, stack, 'STACK=%s is made for it.' % better if better else 'No stack here is made for it.')
        )
    if newest >= (10, 0):
        return 'This GPU has compute capability %s, newer than any stack here: its driver compiles first.' % text
    if 'nvidia' in stack and newest < (8, 0) and doctor.stack_for(newest):
        return 'This GPU has compute capability %s; STACK=%s is made for it.' % (text, doctor.stack_for(newest))
    return None
