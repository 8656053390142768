"""What a container costs: a recipe in the local environment and in the built image, in turn.

    benchmarks/engines.py ENGINE [RUNS]        ENGINE is docker or podman

On a machine that needs what scripts/test-engine/set-up sets:
    env $(scripts/test-engine/set-up 2>/dev/null) python3 benchmarks/engines.py podman
"""

import os
import statistics
import subprocess
import sys
import time


def seconds(engine):
    begin = time.perf_counter()
    command = ['make', 'run-example', 'EPOCHS=1', 'ARGS=--verbose 0', 'ENGINE=' + engine]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begin


def main(engine, runs=5):
    os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    pairs = []
    for i in range(runs + 1):
        pairs.append((seconds('local'), seconds(engine)))
        print('local %.2f s, %s %.2f s%s' % (pairs[-1][0], engine, pairs[-1][1], '' if i else ' (not counted)'))
    difference = statistics.median(b - a for a, b in pairs[1:])
    print('the container takes %.2f s more (median of %d pairs)' % (difference, runs))


if __name__ == '__main__':
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], *map(int, sys.argv[2:3]))
