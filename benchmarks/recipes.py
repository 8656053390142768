"""Every recipe on digits with its own defaults: seconds and peak memory of its process; 20 s and 1.5 GB are allowed.

    .venv/bin/python benchmarks/recipes.py [TOPIC]

Exits with 1 where one takes more or fails.
"""

import os
import subprocess
import sys
import tempfile
import time

from tensorflow_with_keras import recipe


def measure(name, out):
    """Exit status, seconds and peak memory in MB of one run."""
    begin = time.perf_counter()
    command = [sys.executable, '-m', 'tensorflow_with_keras', 'run', name, '--verbose', '0', '--out', out]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    return status, time.perf_counter() - begin, usage.ru_maxrss / 1e3


def main(topic=''):
    too_much = []
    with tempfile.TemporaryDirectory() as out:
        for name in recipe.find():
            if name.startswith(topic):
                status, seconds, memory = measure(name, out)
                print('%-45s %5.1f s %6.0f MB%s' % (name, seconds, memory, '  FAILED' if status else ''), flush=True)
                if status or seconds > 20 or memory > 1500:
                    too_much.append(name)
    if too_much:
        sys.exit('over the bounds, or failed: ' + ', '.join(too_much))


if __name__ == '__main__':
    main(*sys.argv[1:2])
