"""What it saves that freed memory stays with the process (docs/memory.md): each training with it and without, in turn.

.venv/bin/python benchmarks/allocator.py [--rounds N] [--threads N] [--data-dir DIR] [--preload FILE …] [WORKLOAD …]

Prints for each workload medians of N rounds without and with it, and the ratio: seconds of training, seconds of
processor time of the whole process, page faults, and peak memory in MB. With --preload another allocator takes its
turn, too, without our settings. Run it on a quiet machine.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

from tensorflow_with_keras import recipe

WORKLOADS = {
    'mnist': ['metrics/cohens_kappa', '--dataset', 'mnist', '--epochs', '1'],  # an epoch of the post's network
    'kappa': ['metrics/cohens_kappa'],  # a small convolutional network on the digits
    'ctc': ['losses/ctc'],  # recurrent
    'variational': ['losses/variational'],  # dense
    'mean_iou': ['metrics/mean_iou'],  # a convolutional network that labels pixels
    'parallel': ['distributed/data_parallel_towers'],
}


def settings():
    with open(os.path.join(recipe.ROOT, 'docker', 'allocator.env')) as file:
        return dict(re.findall(r'^([A-Z_]+)=(.*)$', file.read(), re.M))


def loads(file):
    """Whether a process has this library where it is preloaded; else the linker only warns, and stock is measured."""
    command = [sys.executable, '-c', 'print(open("/proc/self/maps").read())']
    environment = dict(os.environ, LD_PRELOAD=os.path.abspath(file))
    maps = subprocess.check_output(command, env=environment, stderr=subprocess.DEVNULL, universal_newlines=True)
    return os.path.realpath(file) in maps


def measure(command, variables):
    """Seconds of training, of processor time, page faults and peak memory in MB of one run in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if name not in [*settings(), 'LD_PRELOAD']}
    environment.update(variables)
    with tempfile.TemporaryDirectory() as out:
        line = [sys.executable, '-m', 'tensorflow_with_keras', 'run', *command, '--out', out, '--verbose', '0']
        process = subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            sys.exit('%s failed' % ' '.join(line))
        with open(os.path.join(out, command[0].replace('/', '-'), 'result.json')) as file:
            seconds = json.load(file)['seconds']
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_minflt, usage.ru_maxrss / 1e3


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--rounds', type=int, default=7)
    p.add_argument('--threads', type=int, help='of TensorFlow (default: one for each core)')
    p.add_argument('--data-dir', help='where mnist.npz lies')
    p.add_argument('--preload', metavar='FILE', action='append', default=[], help='a library that is loaded first')
    p.add_argument('workloads', nargs='*', metavar='WORKLOAD', help='of %s' % ', '.join(WORKLOADS))
    args = p.parse_args()
    unknown = sorted(set(args.workloads) - set(WORKLOADS))
    if unknown:
        p.error('there is no workload %s; there are %s' % (', '.join(unknown), ', '.join(WORKLOADS)))
    for file in args.preload:
        if not loads(file):
            p.error('no process loads %s: name a shared library' % file)
    variants = {'stock': {}, 'kept': settings()}
    variants.update((os.path.basename(file), {'LD_PRELOAD': os.path.abspath(file)}) for file in args.preload)
    options = ['--threads', str(args.threads)] if args.threads else []
    options += ['--data-dir', args.data_dir] if args.data_dir else []
    for name in args.workloads or WORKLOADS:
        rounds = []
        for n in range(args.rounds):
            print('%s: round %d of %d' % (name, n + 1, args.rounds), file=sys.stderr)
            rounds.append({each: measure(WORKLOADS[name] + options, variants[each]) for each in variants})
        for i, what in enumerate(('training, s', 'processor, s', 'page faults', 'peak memory, MB')):
            stock = [one['stock'][i] for one in rounds]
            print('%-12s %-16s stock %10.1f' % (name, what, statistics.median(stock)), flush=True)
            for each in list(variants)[1:]:
                found = [one[each][i] for one in rounds]
                ratios = sorted(a / b for a, b in zip(stock, found))
                line = '%-12s %-16s %s %10.1f  ratio %.2f (%.2f to %.2f)'
                middle = statistics.median(found), statistics.median(ratios)
                print(line % ('', '', each, *middle, ratios[0], ratios[-1]), flush=True)


if __name__ == '__main__':
    main()
