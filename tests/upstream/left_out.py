"""Which tests of Keras's own suite a stack leaves out: left_out.txt, and a pytest plugin that does so.

By a test's exact name; pytest's own `--deselect` takes every name that begins with it. A file that cannot even be
imported is named as a whole. A name that the suite has not is an error, so that the list cannot hold what is no longer
true.
"""

import os

import pytest

LIST = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'left_out.txt')


def read(lines, stack):
    """Names of the tests that the stack leaves out, a set. Each heading `[STACK, STACK]` is for the lines below it."""
    found, stacks = set(), []
    for line in map(str.strip, lines):
        if line.startswith('['):
            stacks = line.strip('[]').split(', ')
        elif line and not line.startswith('#') and stack in stacks:
            found.add(line)
    return found


def unwanted_here():
    with open(LIST) as file:
        return read(file, os.environ['STACK'])


def pytest_ignore_collect(collection_path, config):
    return True if os.path.relpath(str(collection_path), str(config.rootpath)) in unwanted_here() else None


def pytest_collection_modifyitems(config, items):
    unwanted = unwanted_here()
    files = [name for name in unwanted if '::' not in name]
    modules = {item.nodeid.split('::')[0] for item in items} | {name for name in files if not os.path.exists(name)}
    names = {item.nodeid for item in items}
    missing = sorted(name for name in unwanted if name.split('::')[0] in modules and name not in names)
    if missing and not any('::' in argument for argument in config.args):
        raise pytest.UsageError('left_out.txt: the suite has no test %s' % ', '.join(missing))
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in unwanted])
    items[:] = [item for item in items if item.nodeid not in unwanted]
