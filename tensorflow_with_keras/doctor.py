"""What this machine can run, and why not: also where TensorFlow is broken, absent, or would end the process.

Only the standard library, and ctypes for the CUDA libraries. What needs TensorFlow runs in a process of its own.
"""

import ctypes
import glob
import json
import os
import platform
import re
import shutil
import subprocess
import sys

# Architectures of the machine code in TensorFlow-GPU 1.9.0; there is PTX of each too. docs/hardware.md is read from the
# binaries by scripts/fat_binaries.py, and a test in the GPU image holds this against them.
NATIVE = ((3, 5), (3, 7), (5, 2), (6, 0), (6, 1), (7, 0))
OLDEST_DRIVER = '384.81'  # the one that came with CUDA 9.0.176
LIBRARIES = {  # loaded at import by TensorFlow-GPU 1.9.0: name -> function that tells its version
    'libcudart.so.9.0': None,
    'libcublas.so.9.0': None,
    'libcudnn.so.7': 'cudnnGetVersion',
    'libcufft.so.9.0': 'cufftGetVersion',
    'libcurand.so.9.0': 'curandGetVersion',
    'libcusolver.so.9.0': 'cusolverGetVersion',
    'libgomp.so.1': None,
    'libcuda.so.1': 'cuDriverGetVersion',
}
NVIDIA = '/proc/driver/nvidia'  # what the kernel driver tells
BREAKS = {  # pinned package -> what another version breaks
    'h5py': 'load_model and load_weights',
    'pyyaml': 'model_from_yaml',
    'scipy': 'scipy.misc.logsumexp, which Keras and older code take from there',
    'numpy': 'keras.datasets.imdb and reuters, from 1.16.3 on',
    'gast': 'tf.contrib.autograph',
    'protobuf': 'possibly the import of TensorFlow',
    'keras': 'everything that was proven here',
    'tensorflow': 'everything that was proven here',
    'tensorflow-gpu': 'everything that was proven here',
}
PINS = {  # of requirements/*.txt, which an installed package has not; a test compares them
    'tensorflow': '1.9.0',
    'keras': '2.2.4',
    'numpy': '1.16.2',
    'scipy': '1.2.3',
    'h5py': '2.10.0',
    'pyyaml': '3.13',
    'gast': '0.2.2',
    'protobuf': '3.19.6',
    'scikit-learn': '0.20.4',
}
STEP = r"""
import json, sys, time
report = {}
try:
    import os
    os.environ['TF_CPP_MIN_LOG_LEVEL'] = '2'
    import numpy as np, tensorflow as tf
    from tensorflow.python.client import device_lib
    report['version'] = tf.__version__
    devices = [d.name for d in device_lib.list_local_devices() if d.device_type in ('CPU', 'GPU')]
    random = np.random.RandomState(0)
    x, y = random.rand(64, 28, 28, 1).astype('f4'), random.rand(64, 10).astype('f4')
    kernel, dense = random.rand(3, 3, 1, 8).astype('f4') - .5, (random.rand(5408, 10).astype('f4') - .5) / 50
    report['devices'] = []
    for device in devices:
        with tf.Graph().as_default(), tf.device(device):
            weights = [tf.Variable(kernel), tf.Variable(dense)]
            hidden = tf.nn.relu(tf.nn.conv2d(x, weights[0], [1, 1, 1, 1], 'VALID'))
            loss = tf.reduce_mean(tf.square(tf.matmul(tf.reshape(hidden, [64, -1]), weights[1]) - y))
            step = tf.train.GradientDescentOptimizer(.1).minimize(loss)
            with tf.Session() as session:
                session.run(tf.global_variables_initializer())
                begin = time.time(); session.run(step); first = time.time() - begin
                begin = time.time()
                for _ in range(4): session.run(step)
                mean = (time.time() - begin) / 4
                report['devices'].append({'name': device, 'first_step_s': round(first, 4), 'step_s': round(mean, 4),
                                          'loss': float(session.run(loss))})
except BaseException as e:
    report['error'] = '%s: %s' % (type(e).__name__, (str(e).strip().splitlines() or [''])[-1])
sys.stdout.write('\n' + json.dumps(report))
"""


def cpu_flags(cpuinfo='/proc/cpuinfo'):
    """The processor's features as a set of names; None where there is no such file."""
    try:
        with open(cpuinfo) as f:
            return next((set(line.split(':', 1)[1].split()) for line in f if line.startswith('flags')), None)
    except OSError:
        return None


def cpu_problem(cpuinfo='/proc/cpuinfo'):
    """One sentence where this processor lacks AVX, which TensorFlow's wheels use since 1.6; else None."""
    flags = cpu_flags(cpuinfo)
    if flags is not None and 'avx' not in flags:
        return (
            'This processor has no AVX, and the TensorFlow 1.9.0 wheel is compiled for it (it would end with '
            '"Illegal instruction"): use a machine with AVX, Intel Sandy Bridge or AMD Bulldozer of 2011 or newer.'
        )
    return None


def memory():
    """Total and available memory in MiB, from the kernel's own figures."""
    with open('/proc/meminfo') as f:
        kib = {line.split(':')[0]: int(line.split()[1]) for line in f}
    return {'total_mib': kib['MemTotal'] // 1024, 'available_mib': kib['MemAvailable'] // 1024}


def installed_packages():
    """Name, as the lock spells it, to version of everything that this Python has installed."""
    try:
        from importlib.metadata import distributions
    except ImportError:
        try:
            from importlib_metadata import distributions
        except ImportError:
            return {}
    return {d.metadata['Name'].lower().replace('_', '-'): d.version for d in distributions() if d.metadata['Name']}


def packages(installed=None):
    """Every pinned package: its pin, what is installed (None for absent), and what a difference breaks."""
    installed = installed_packages() if installed is None else installed
    found = []
    for name, pin in PINS.items():
        if name == 'tensorflow' and 'tensorflow-gpu' in installed:
            name = 'tensorflow-gpu'
        version = installed.get(name)
        breaks = None if version == pin else BREAKS.get(name, 'nothing that is known')
        found.append({'name': name, 'pinned': pin, 'installed': version, 'breaks': breaks})
    return found


def _load(name):
    """A library as the loader finds it, and its path; or None and why not."""
    try:
        library = ctypes.CDLL(name)
    except OSError as e:
        return None, str(e)
    with open('/proc/self/maps') as maps:
        paths = {line.split(None, 5)[5].strip() for line in maps if line.count(' ') and '/' in line}
    stem = name.split('.so')[0] + '.so'
    path = next((p for p in sorted(paths) if os.path.basename(p).startswith(stem)), name)
    return library, path


def libraries():
    """Each library that TensorFlow-GPU loads: where it was found, which version, and whether it is our stub."""
    found = []
    for name, function in LIBRARIES.items():
        library, path = _load(name)
        if library is None:
            found.append({'name': name, 'found': None, 'version': None, 'stub': False, 'problem': path})
            continue
        stub = hasattr(library, 'tensorflow_with_keras_stub')
        version = None
        if function and not stub and hasattr(library, function):
            number = ctypes.c_int()
            # cuDNN returns its version; the others write it
            if function == 'cudnnGetVersion':
                library.cudnnGetVersion.restype = ctypes.c_size_t
                version = library.cudnnGetVersion()
            elif getattr(library, function)(ctypes.byref(number)) == 0:
                version = number.value
        found.append({'name': name, 'found': path, 'version': version, 'stub': stub, 'problem': None})
    return found


def driver(path=None):
    """Version of the NVIDIA kernel driver as text, e.g. '535.104.05'; None where none is loaded."""
    try:
        with open(path or NVIDIA + '/version') as f:
            match = re.search(r'Kernel Module.*?\s(\d+\.[\d.]+)\s', f.read())
    except OSError:
        return None
    return match and match.group(1)


def new_enough(version):
    """Whether this driver version serves CUDA 9.0."""
    return [int(n) for n in version.split('.')] >= [int(n) for n in OLDEST_DRIVER.split('.')]


def support(capability):
    """How TensorFlow-GPU 1.9.0 runs on a compute capability, a pair: one of four words and phrases."""
    if capability in NATIVE:
        return 'native'
    if capability < NATIVE[0]:
        return 'unsupported'
    if any(major == capability[0] and minor <= capability[1] for major, minor in NATIVE):
        return 'binary-compatible'  # machine code runs on later minor versions of its major one
    return 'JIT (slow first start, never validated)'


def gpus(cuda=None):
    """Each GPU, asked of the driver: name, compute capability, support, total and free memory in MiB."""
    if cuda is None:
        cuda, _ = _load('libcuda.so.1')
    count = ctypes.c_int()
    if cuda is None or hasattr(cuda, 'tensorflow_with_keras_stub') or cuda.cuInit(0) != 0:
        return []
    cuda.cuDeviceGetCount(ctypes.byref(count))
    found = []
    free = _free_memory()
    for index in range(count.value):
        device, major, minor, total = ctypes.c_int(), ctypes.c_int(), ctypes.c_int(), ctypes.c_size_t()
        name = ctypes.create_string_buffer(100)
        cuda.cuDeviceGet(ctypes.byref(device), index)
        cuda.cuDeviceGetName(name, len(name), device)
        cuda.cuDeviceGetAttribute(ctypes.byref(major), 75, device)  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
        cuda.cuDeviceGetAttribute(ctypes.byref(minor), 76, device)
        cuda.cuDeviceTotalMem_v2(ctypes.byref(total), device)
        capability = (major.value, minor.value)
        found.append(
            {
                'name': name.value.decode(),
                'compute_capability': '%d.%d' % capability,
                'support': support(capability),
                'total_mib': total.value >> 20,
                'free_mib': free[index] if index < len(free) else None,
            }
        )
    return found


def _free_memory():
    """Free memory of each GPU in MiB, asked of nvidia-smi, which makes no context on the device."""
    try:
        command = ['nvidia-smi', '--query-gpu=memory.free', '--format=csv,noheader,nounits']
        answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=10)
        return [int(line) for line in answer.stdout.split()] if answer.returncode == 0 else []
    except (OSError, ValueError, subprocess.SubprocessError):
        return []


def _answer(command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors='replace') if done.returncode == 0 else None


def _cdi():
    folders = ('/etc/cdi', '/var/run/cdi')
    return any('nvidia' in os.path.basename(p) for folder in folders for p in glob.glob(folder + '/*.*'))


def engines():
    """Docker and Podman: whether each answers, and whether it can hand a GPU to a container."""
    found = []
    for name in ('docker', 'podman'):
        answers = bool(shutil.which(name)) and _answer([name, 'info']) is not None
        gpu = False
        if answers:
            runtimes = _answer(['docker', 'info', '--format', '{{json .Runtimes}}']) if name == 'docker' else ''
            gpu = 'nvidia' in (runtimes or '') or _cdi()
        found.append({'name': name, 'answers': answers, 'gpu': gpu})
    return found


def container_gpu_problem(engine):
    """One sentence that says why `engine` cannot hand this machine's GPU to a container; None where it can."""
    if engine == 'local':
        return (
            'GPU=1 runs in a container, and no Docker or Podman was chosen: start one, or use ENGINE=docker or podman.'
        )
    version = driver()
    if version is None:
        if not nvidia_cards():
            return 'This machine has no NVIDIA GPU: leave GPU=1 out to run on the CPU.'
        return 'There is an NVIDIA GPU but no driver for it is loaded: install the NVIDIA driver, %s or newer.' % (
            OLDEST_DRIVER
        )
    if not new_enough(version):
        return 'The NVIDIA driver %s is too old for CUDA 9.0: install %s or newer.' % (version, OLDEST_DRIVER)
    if not os.listdir(NVIDIA + '/gpus'):
        return 'The NVIDIA driver is loaded but finds no GPU: leave GPU=1 out to run on the CPU.'
    if not next(e['gpu'] for e in engines() if e['name'] == engine):
        cure = (
            'nvidia-ctk runtime configure'
            if engine == 'docker'
            else 'nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml'
        )
        return '%s cannot hand a GPU to a container: install the NVIDIA container toolkit and run `%s`.' % (
            engine.capitalize(),
            cure,
        )
    return None


def nvidia_cards():
    """How many display controllers of NVIDIA the kernel lists, with or without a driver."""
    count = 0
    for path in glob.glob('/sys/bus/pci/devices/*/vendor'):
        with open(path) as vendor, open(os.path.join(os.path.dirname(path), 'class')) as kind:
            count += vendor.read().strip() == '0x10de' and kind.read().startswith('0x03')
    return count


def tensorflow(timeout=60):
    """A small training step on each device, in a process of its own: versions, seconds, losses, or an error."""
    try:
        done = subprocess.run(
            [sys.executable, '-c', STEP], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        return {
            'error': 'no answer within %d s (on GPUs newer than Volta the first start compiles for minutes)' % timeout
        }
    if done.returncode != 0:
        return {'error': 'the process that imports TensorFlow ended with %d' % done.returncode}
    return json.loads(done.stdout.decode().rsplit('\n', 1)[1])


def examine(with_tensorflow=True):
    """All of it, as a dict that JSON can hold; `problems` says what keeps training from running."""
    flags = cpu_flags() or set()
    report = {
        'python': platform.python_version(),
        'cpu': {'cores': os.cpu_count(), 'avx': 'avx' in flags, 'avx2': 'avx2' in flags, 'avx512f': 'avx512f' in flags},
        'memory': memory(),
        'packages': packages(),
        'libraries': libraries(),
        'driver': {'version': driver(), 'needed': OLDEST_DRIVER},
        'gpus': gpus(),
        'engines': engines(),
    }
    report['driver']['new_enough'] = bool(report['driver']['version']) and new_enough(report['driver']['version'])
    problems = [cpu_problem()] if cpu_problem() else []
    if sys.version_info[:2] != (3, 6):
        problems.append('Python is %s, and TensorFlow 1.9.0 has wheels up to 3.6.' % report['python'])
    for package in report['packages']:
        if package['installed'] is None:
            problems.append('%(name)s is not installed (%(pinned)s is pinned).' % package)
    is_gpu_build = report['packages'][0]['name'] == 'tensorflow-gpu'
    if is_gpu_build:
        problems += [
            '%(name)s is not found, and TensorFlow-GPU needs it.' % x for x in report['libraries'] if not x['found']
        ]
    if with_tensorflow and not problems:
        report['tensorflow'] = tensorflow()
        if 'error' in report['tensorflow']:
            problems.append('TensorFlow does not run: ' + report['tensorflow']['error'])
        else:
            losses = [d['loss'] for d in report['tensorflow']['devices']]
            if max(losses) - min(losses) > 1e-4 * max(losses):
                problems.append('the devices compute different losses: %s' % losses)
    report['problems'] = problems
    return report


def text(report):
    """The report for people."""
    lines = ['Python      %(python)s' % report]
    features = ', '.join(f.upper() for f in ('avx', 'avx2', 'avx512f') if report['cpu'][f]) or 'no AVX'
    lines.append('Processor   %d cores, %s' % (report['cpu']['cores'], features))
    lines.append('Memory      %(available_mib)d of %(total_mib)d MiB available' % report['memory'])
    for p in report['packages']:
        note = '' if p['breaks'] is None else '   <- pinned is %(pinned)s; another breaks %(breaks)s' % p
        lines.append('Package     %-16s %s%s' % (p['name'], p['installed'] or 'absent', note))
    for lib in report['libraries']:
        what = 'absent' if not lib['found'] else 'a stub' if lib['stub'] else lib['version'] or ''
        lines.append(('Library     %-20s %s %s' % (lib['name'], what, lib['found'] or '')).rstrip())
    d = report['driver']
    fits = 'serves CUDA 9.0' if d['new_enough'] else 'too old for CUDA 9.0, which needs ' + d['needed']
    lines.append('Driver      %s' % ('%s, %s' % (d['version'], fits) if d['version'] else 'none'))
    for g in report['gpus']:
        lines.append(
            'GPU         %(name)s, compute capability %(compute_capability)s: %(support)s, '
            '%(free_mib)s of %(total_mib)s MiB free' % g
        )
    if not report['gpus']:
        lines.append('GPU         none')
    for e in report['engines']:
        state = 'does not answer' if not e['answers'] else 'answers, ' + ('with GPUs' if e['gpu'] else 'without GPUs')
        lines.append('Engine      %s %s' % (e['name'], state))
    for device in report.get('tensorflow', {}).get('devices', ()):
        lines.append(
            'Training    %(name)s: first step %(first_step_s).3f s, then %(step_s).3f s, loss %(loss).6f' % device
        )
    lines += ['Problem     ' + p for p in report['problems']] or ['Training can run here.']
    return '\n'.join(lines)
