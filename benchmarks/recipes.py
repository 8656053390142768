"""What each recipe reaches on digits with its own defaults: its number, and the seconds and peak memory of its process.

    .venv/bin/python benchmarks/recipes.py [--write] [TOPIC | TOPIC/NAME]

`--write` puts it into the recipe's docstring, under `Reaches:`, where the number's name is kept if there is one. Run it
on a quiet machine. Exits with 1 where a recipe fails, or takes more than 20 s or 1.5 GB.
"""

import argparse
import ast
import json
import os
import re
import subprocess
import sys
import tempfile
import time

from tensorflow_with_keras import recipe


def measure(name, out):
    """Exit status, seconds, peak memory in GB and metrics of one run in a process of its own."""
    begin = time.perf_counter()
    command = [sys.executable, '-m', 'tensorflow_with_keras', 'run', name, '--verbose', '0', '--out', out]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    if status:
        return status, seconds, usage.ru_maxrss / 1e6, {}
    with open(os.path.join(out, name.replace('/', '-'), 'result.json')) as f:
        return status, seconds, usage.ru_maxrss / 1e6, json.load(f)['metrics']


def default_epochs(source):
    """What a recipe's `run` has for epochs where nothing else is asked."""
    run = next(n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef) and n.name == 'run')
    names = [a.arg for a in run.args.args]
    return run.args.defaults[names.index('epochs') - len(names)].n


def write(path, metrics, seconds, memory):
    """Puts the paragraph `Reaches:` into a recipe's docstring, before `Checked:`."""
    with open(path, encoding='utf-8') as f:
        source = f.read()
    old = recipe.reaches(ast.get_docstring(ast.parse(source)))
    key = old.metric if old else next(k for k in metrics if k.startswith('test_') and metrics[k] is not None)
    text = 'Reaches: %s %s after %d epochs, %.0f s on %d cores, %.2f GB.\n\n' % (
        key.replace('_', ' '),
        '%.2g' % metrics[key] if abs(metrics[key]) < 1 else '%.3g' % metrics[key],
        metrics.get('epochs') or default_epochs(source),
        seconds,
        os.cpu_count(),
        memory,
    )
    before, after = re.sub(r'\n\nReaches: .*?\n\n', '\n\n', source, count=1, flags=re.S).split('\n\nChecked: ', 1)
    with open(path, 'w', encoding='utf-8') as f:
        f.write(before + '\n\n' + text + 'Checked: ' + after)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--write', action='store_true', help="write it into the recipes' docstrings")
    parser.add_argument('which', nargs='?', default='', metavar='TOPIC', help='a topic, or a recipe (default: all)')
    args = parser.parse_args()
    too_much = []
    with tempfile.TemporaryDirectory() as out:
        for r in recipe.find().values():
            if not r.name.startswith(args.which):
                continue
            status, seconds, memory, metrics = measure(r.name, out)
            print('%-45s %5.1f s %6.2f GB%s' % (r.name, seconds, memory, '  FAILED' if status else ''), flush=True)
            if status or seconds > 20 or memory > 1.5:
                too_much.append(r.name)
            elif args.write:
                write(r.path, metrics, seconds, memory)
    if too_much:
        sys.exit('over the bounds, or failed: ' + ', '.join(too_much))


if __name__ == '__main__':
    main()
