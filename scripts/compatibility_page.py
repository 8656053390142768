"""Writes docs/compatibility.md: recipes by stacks, and what changes from rung to rung, out of what pytest found.

    scripts/compatibility_page.py FOLDER    FOLDER has, for every stack, what pytest's --junitxml wrote of tests/recipes
                                            and tests/rungs: any files whose names hold the stack's, as `nox -s matrix`
                                            makes them; of a test that is in several, the newest file counts
    scripts/compatibility_page.py --check   only looks whether the page names every recipe and every stack

A recipe passes on a stack when none of its tests failed and one passed. The page is written only when every recipe has
a result on every stack: the recipe passes, or says in its docstring (`Stacks: …`) why it is not for the stack.
"""

import ast
import pathlib
import re
import sys
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tensorflow_with_keras import recipe  # noqa: E402

PAGE, RUNGS = ROOT / 'docs' / 'compatibility.md', ROOT / 'tests' / 'rungs' / 'test_rungs.py'
REFERENCE = 'tf1.9-keras2.2.4'
INTRODUCTION = """# What runs on which stack, and what changes from rung to rung

Written by `scripts/compatibility_page.py` out of the results of the recipes' own tests on every stack, which
`nox -s matrix` runs; edit neither table by hand.

## Recipes

*pass*: all of its tests pass; a number with it counts the tests that are of other stacks alone and were left out there.
Otherwise the recipe says that it is not for the stack, and its docstring, behind the link, has the whole reason.

"""
CHANGES = """
## What changes

Each line is a test of `tests/rungs/test_rungs.py`, which asserts the value of the stack that it runs on against a
reckoning of its own. Read a line from left to right when you move up a rung.

"""


def stacks(root=ROOT):
    """The stacks for CPUs, the reference first."""
    folders = sorted((root / 'requirements' / 'stacks').glob('*/cpu.in'))
    return [REFERENCE, *(path.parent.name for path in folders)]


def results(folder, stack):
    """Test -> 'pass', 'skip' or 'fail', of every file in `folder` whose name holds the stack's."""
    found = {}
    for path in sorted(folder.glob(f'*{stack}*.xml'), key=lambda path: path.stat().st_mtime):
        for case in xml.etree.ElementTree.parse(path).getroot().iter('testcase'):
            bad = case.find('failure') is not None or case.find('error') is not None
            outcome = 'fail' if bad else 'skip' if case.find('skipped') is not None else 'pass'
            found[case.get('classname', ''), case.get('name')] = outcome
    return found


def of_recipe(found, name):
    """The outcomes of a recipe's own tests."""
    topic, file = name.split('/')
    return [outcome for (where, _), outcome in found.items() if where.endswith(f'recipes.{topic}.test_{file}')]


def cell(one, stack, found):
    """What the page says of a recipe on a stack; None where the results are not whole."""
    if recipe.stack_problem(one, stack):
        why = re.search(r'^Stacks: [^;]+;\s+(.*?)\.?\s*(?:\n\n|\Z)', one.docstring, re.M | re.S)[1]
        return f'[{" ".join(why.split()[:3])} …](../examples/{one.name}.py)'
    outcomes = of_recipe(found, one.name)
    if 'pass' not in outcomes or 'fail' in outcomes:
        return None
    skipped = outcomes.count('skip')
    return f'pass ({skipped} left out)' if skipped else 'pass'


def changes(stacks):
    """Of each test of tests/rungs: its name, its first line and its value on each stack. Imports nothing of it."""
    tree = ast.parse(RUNGS.read_text())
    said = {
        node.name[len('test_') :]: ast.get_docstring(node)
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith('test_')
    }
    wanted = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name.startswith('of_')]
    wanted += [
        n
        for n in tree.body
        if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) in ('(OLD, TF12, TF15, KERAS23)', 'ON')
    ]
    scope = {}
    exec(compile(ast.Module(wanted, []), str(RUNGS), 'exec'), scope)  # our own file: constants and two functions
    return [(name, said[name], [scope['ON'][name][stack] for stack in stacks]) for name in scope['ON']]


def table(heads, rows):
    lines = [heads, ['---'] * len(heads), *rows]
    return ''.join('| %s |\n' % ' | '.join(line) for line in lines)


def page(found, recipes, stacks):
    """The page's text, and what is missing or fails: a list of 'what on stack'. `found`: stack -> its `results`."""
    missing, rows = [], []
    for one in recipes.values():
        cells = [cell(one, stack, found[stack]) for stack in stacks]
        missing += [f'{one.name} on {stack}' for stack, text in zip(stacks, cells) if text is None]
        rows.append([f'[{one.name}](../examples/{one.name}.py)', *(text or '' for text in cells)])
    lines = []
    for name, said, values in changes(stacks):
        passed = {
            s for s in stacks for (_, test), outcome in found[s].items() if (test, outcome) == ('test_' + name, 'pass')
        }
        missing += [f'rungs: {name} on {stack}' for stack in stacks if stack not in passed]
        lines.append([said, *values])
    heads = [f'`{stack}`' for stack in stacks]
    return INTRODUCTION + table(['recipe', *heads], rows) + CHANGES + table(['what', *heads], lines), missing


def unnamed(text, recipes, stacks):
    """Recipes and stacks that the page does not name."""
    rows = {match[1] for match in re.finditer(r'^\| \[(\w+/\w+)\]', text, re.M)}
    return [name for name in recipes if name not in rows] + [s for s in stacks if f'| `{s}` |' not in text]


def main(arguments):
    if len(arguments) != 1 or arguments[0] in ('-h', '--help'):
        sys.exit(__doc__)
    recipes, known = recipe.find(), stacks()
    if arguments == ['--check']:
        absent = unnamed(PAGE.read_text(encoding='utf-8'), recipes, known)
        if absent:
            sys.exit(f'error: docs/compatibility.md does not name {", ".join(absent)}: run `nox -s matrix`.')
        return
    folder = pathlib.Path(arguments[0])
    if not folder.is_dir():
        sys.exit(f'error: there is no folder {folder} with results: `nox -s matrix` makes runs/matrix.')
    text, missing = page({stack: results(folder, stack) for stack in known}, recipes, known)
    if missing:
        sys.exit('error: the results are not whole, so nothing was written:\n  ' + '\n  '.join(missing))
    PAGE.write_text(text, encoding='utf-8')


if __name__ == '__main__':
    main(sys.argv[1:])
