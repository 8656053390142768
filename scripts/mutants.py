#!/usr/bin/env python3
"""Puts small faults into the library and the recipes, one at a time, and reports those that no test notices.

Faults go into a copy; the checkout stays as it is. Each meets the tests of its own file only. The same seed gives the
same faults. Left out are texts, what prints or draws, and numbers that only say how large a network is or how long it
trains. `nox -s mutants` runs it, with the locked Python 3.6 for the tests; it needs Python 3.9 itself.
"""

import argparse
import ast
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tensorflow_with_keras import recipe  # noqa: E402

TESTS = {  # of a module of the library, if not test_MODULE.py alone
    '__main__': ['test_doctor.py', 'test_recipe.py'],
    'explain': ['test_symptoms.py'],
    'training_step': ['test_doctor.py'],
}
# their tests need more than the pinned packages, which sessions of their own add, as `nox -s horovod`
LEFT_OUT = [f'examples/{r.name}.py' for r in recipe.find().values() if r.needs]
OPERATORS = {
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Div},
    **{ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.MatMult: ast.Mult, ast.And: ast.Or, ast.Or: ast.And},
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq},
    **{ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is},
}
SHOWN = re.compile(r'print|(plt|figure|axes|above|below|each)\b.*|.*\.(summary|add_argument|add_parser)')
SIZED = re.compile(r'(keras\.|tf\.|tf\.keras\.)?(layers|optimizers)\.\w+|tf\.train\.\w+Optimizer')
KEYWORDS = set('help metavar description prog name verbose label indent'.split())  # words, and then sizes
KEYWORDS |= set('epochs batch_size lr learning_rate decay activation'.split())


def changes(node, sized):
    """What can go wrong at a node, as the fields to set."""
    if isinstance(node, (ast.BinOp, ast.AugAssign, ast.BoolOp)) and type(node.op) in OPERATORS:
        sides = [getattr(node, 'left', None), getattr(node, 'right', None)]
        if not any(isinstance(getattr(side, 'value', None), str) for side in sides):
            yield {'op': OPERATORS[type(node.op)]()}
    elif isinstance(node, ast.Compare):
        yield {'ops': [OPERATORS[type(node.ops[0])](), *node.ops[1:]]}
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield {'operand': ast.UnaryOp(ast.Not(), node.operand)}
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield {'value': not node.value}
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not sized:
        yield {'value': node.value + 1}
    elif isinstance(node, ast.Return) and node.value and ast.unparse(node.value) != 'None':
        yield {'value': None}
    elif isinstance(node, ast.Call):
        for k in node.keywords:
            if k.arg and k.arg not in KEYWORDS:
                yield {'keywords': [other for other in node.keywords if other is not k]}


def faults(source):
    """All faults of a source, as dicts: line; before, after (of that line); source (all of it, with the fault)."""
    tree, found = ast.parse(source), []
    clean = ast.unparse(tree).splitlines()

    def visit(node, sized=False):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if SHOWN.fullmatch(called):
                return
            sized = sized or bool(SIZED.fullmatch(called))
        sized = sized and not isinstance(node, (ast.stmt, ast.Lambda))
        for fields in changes(node, sized):
            kept = {name: getattr(node, name) for name in fields}
            vars(node).update(fields)
            faulty = ast.unparse(tree)
            vars(node).update(kept)
            before, after = next(pair for pair in zip(clean, faulty.splitlines()) if pair[0] != pair[1])
            found.append({'line': node.lineno, 'before': before.strip(), 'after': after.strip(), 'source': faulty})
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.arguments) and getattr(node, 'name', '') == 'run':  # its defaults are sizes
                continue
            if isinstance(child, ast.keyword) and child.arg in KEYWORDS:
                continue
            if isinstance(child, ast.If) and ast.unparse(child.test) == "__name__ == '__main__'":
                continue
            visit(child, sized)

    visit(tree)
    return found


def tests_of(file):
    if file.parts[0] == 'examples':
        return [f'tests/recipes/{file.parts[1]}/test_{file.name}']
    return [f'tests/library/{name}' for name in TESTS.get(file.stem, [f'test_{file.name}'])]


def run_tests(python, tree, file, timeout=None):
    """(Outcome, seconds) of the tests that concern a file."""
    # The clean run may write byte code. A fault's may not: the next could be as long and as old, and so taken for it.
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE='1' if timeout else '', TMPDIR=str(tree.parent))
    command = [python, '-m', 'pytest', '-q', '-x', '-p', 'no:cacheprovider', *tests_of(file)]
    begin = time.time()
    with open(tree.parent / 'log', 'wb') as log:
        child = subprocess.Popen(command, cwd=tree, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        outcome = 'killed' if child.wait(timeout) else 'survived'
    except subprocess.TimeoutExpired:
        outcome = 'timed out'
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)  # with what the tests may have left running
        child.wait()
    return outcome, time.time() - begin


def choose(args):
    """The faults of each file, as a dict of lists."""
    chosen = {}
    if args.again:
        old = [f for f in json.loads(pathlib.Path(args.again).read_text())['faults'] if f['outcome'] == 'survived']
        for file in dict.fromkeys(f['file'] for f in old):
            lines = {(f['before'], f['after']) for f in old if f['file'] == file}
            found = faults((ROOT / file).read_text())
            chosen[pathlib.Path(file)] = [f for f in found if (f['before'], f['after']) in lines]
        return chosen
    for path in args.paths or ['tensorflow_with_keras', 'examples']:
        absolute = (ROOT / path).resolve()
        files = sorted(absolute.rglob('*.py')) if absolute.is_dir() else [absolute]
        for file in [f.relative_to(ROOT) for f in files]:
            if str(file) not in LEFT_OUT + args.leave_out:
                found = faults((ROOT / file).read_text())
                chosen[file] = random.Random(f'{args.seed} {file}').sample(found, min(args.sample, len(found)))
    return {file: found for file, found in chosen.items() if found}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('paths', nargs='*', help='files or folders (default: tensorflow_with_keras examples)')
    p.add_argument('--sample', type=int, default=2, metavar='N', help='faults of each file (default: 2)')
    p.add_argument('--seed', type=int, default=0, metavar='N', help='of the choice among all faults (default: 0)')
    p.add_argument('--leave-out', action='append', default=[], metavar='FILE', help='a file that gets no fault')
    p.add_argument('--again', metavar='REPORT', help='instead of a sample: the faults that survived in that report')
    p.add_argument('--out', default='runs/mutants.json', metavar='REPORT', help='(default: runs/mutants.json)')
    p.add_argument('--python', default=sys.executable, help='what runs the tests; nox gives the locked one')
    args = p.parse_args()
    try:
        chosen = choose(args)
    except (OSError, ValueError, KeyError) as e:
        sys.exit(f'error: cannot read the files to put faults into ({e}): name files or folders of this repository')
    total, done = sum(map(len, chosen.values())), []
    out = pathlib.Path(args.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        tree = pathlib.Path(temporary) / 'tree'
        for name in ('tensorflow_with_keras', 'examples', 'tests', 'requirements'):
            shutil.copytree(ROOT / name, tree / name)
        shutil.copy(ROOT / 'pyproject.toml', tree)
        clean = {}
        for file in chosen:
            outcome, clean[file] = run_tests(args.python, tree, file)
            if outcome != 'survived':
                print((tree.parent / 'log').read_text()[-3000:])
                sys.exit(f'error: the tests of {file} fail without a fault: mend them first')
            print(f'passed without a fault in {clean[file]:.1f} s: {file}', flush=True)
        begin = time.time()
        for file, found in chosen.items():
            original = (tree / file).read_bytes()
            for fault in found:
                (tree / file).write_text(fault['source'])
                outcome, seconds = run_tests(args.python, tree, file, 3 * clean[file] + 10)
                lines = {key: fault[key] for key in ('line', 'before', 'after')}
                done.append({'file': str(file), **lines, 'outcome': outcome, 'seconds': round(seconds, 1)})
                out.write_text(json.dumps({'sample': args.sample, 'seed': args.seed, 'faults': done}, indent=1) + '\n')
                left = (time.time() - begin) / len(done) * (total - len(done)) / 60
                print(f'[{len(done)}/{total}, {left:.0f} min left] {outcome}: {file}:{fault["line"]}', flush=True)
            (tree / file).write_bytes(original)
    for fault in done:
        if fault['outcome'] == 'survived':
            print('\n{file}:{line}\n- {before}\n+ {after}'.format(**fault))
    print(f'\n{"":40} faults killed survived')
    for folder in [*dict.fromkeys(os.path.dirname(f['file']) for f in done), '']:
        inside = [f['outcome'] for f in done if f['file'].startswith(folder)]
        survived = inside.count('survived')
        print(f'{folder or "all":40} {len(inside):6} {len(inside) - survived:6} {survived:8}')
    print(f'{sum(f["outcome"] == "timed out" for f in done)} of the killed ran out of time. The report is {out}')


if __name__ == '__main__':
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
