"""A recipe in the cells of a notebook, where `recipe.main` finds neither a file nor a command line of its own."""

import ast
import contextlib
import difflib
import inspect
import json
import os
import re
import sys

from . import recipe

ALIKE = 0.6  # of the lines of a `run`, for a recipe that was edited


def is_cell(function):
    """Whether this function was written in a notebook: its code then has no file."""
    return not os.path.isfile(function.__code__.co_filename)


def main(run, launcher):
    """`recipe.main` for a cell: returns when done, and shows the recipe's picture, where it has one."""
    name, given = name_of(run), ['--out', os.path.join(recipe.ROOT, 'runs')] + options()
    try:
        with as_file(name):
            recipe.record_run(run, launcher, name, given)
    except SystemExit as e:
        if e.code:
            raise
    folder = os.path.join(recipe.parser(name).parse_args(given).out, name.replace('/', '-'))
    with open(os.path.join(folder, 'result.json')) as f:
        picture = json.load(f)['metrics'].get('picture')
    if picture:
        show(os.path.join(folder, picture))


def name_of(run):
    """The recipe `topic/name` whose `run` this one is, or was before it was edited; notebook/run where it is none's."""
    try:
        lines = inspect.getsource(run).splitlines()
    except OSError:  # a notebook that keeps no source of its cells
        return 'notebook/run'
    likeness = {name: difflib.SequenceMatcher(None, _run_of(r), lines).ratio() for name, r in recipe.find().items()}
    best = max(likeness, key=likeness.get, default=None)
    return best if best and likeness[best] > ALIKE else 'notebook/run'


def _run_of(one):
    """The lines of a recipe's `run`."""
    with open(one.path, encoding='utf-8') as f:
        text = f.read()
    begin = next((n.lineno for n in ast.parse(text).body if getattr(n, 'name', '') == 'run'), None)
    return [line.rstrip('\n') for line in inspect.getblock(text.splitlines(True)[begin - 1 :])] if begin else []


def options():
    """The options in `sys.argv`: none, unless a cell has put some there in the place of the kernel's own."""
    return [] if re.match('-f$|--f=', ''.join(sys.argv[1:2])) else sys.argv[1:]


@contextlib.contextmanager
def as_file(name):
    """While this lasts, the main module has the recipe's file: a process that is spawned imports that."""
    main, one = sys.modules['__main__'], recipe.find().get(name)
    before = {key: vars(main)[key] for key in ('__file__', '__spec__') if key in vars(main)}
    if one:
        main.__file__, main.__spec__ = one.path, None
    try:
        yield
    finally:
        vars(main).pop('__file__', None)
        vars(main).update(before)


def show(path):
    """Shows a picture below the cell."""
    from IPython import display

    display.display(display.Image(filename=path))
