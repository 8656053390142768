"""What every recipe owes: its docstring, its length, its test, the number that it names, and the same bits twice."""

import ast
import functools
import json
import multiprocessing
import os
import re
import sys

import keras
import pytest
import tensorflow as tf

from tensorflow_with_keras import __main__, doctor, recipe
from tensorflow_with_keras.recipe import ROOT

RULES = 'see CONTRIBUTING.md, "Add a recipe"'
MARK = '  # <- the line that matters'
RECIPES = recipe.find()
every = pytest.mark.parametrize('name', list(RECIPES))
# What needs more than the pinned packages is run by tests of its own. A parameter server's bits are others each time,
# since its workers do not wait for each other; training/update_order shows a race; sessions/processes has to be the
# main program.
NOT_TWICE = ('distributed/parameter_server', 'sessions/processes', 'training/update_order')
of_one_process = pytest.mark.parametrize(
    'name', [r.name for r in RECIPES.values() if not r.needs and r.name not in NOT_TWICE]
)

# What TensorFlow 1.12 and 1.15 say in a process that knows nothing of this library: export/savedmodel has one.
OTHER_PROCESS = r'WARNING:tensorflow:From (<string>|/\S+):\d+: .* is deprecated .*\nInstructions for updating:\n.*\n'
# What 1.12 prints of a session that was closed before what Keras had compiled in it: sessions/own_session closes one.
CLOSED_BEFORE = (
    r'Exception ignored in: <bound method BaseSession._Callable.__del__ of .*>\nTraceback .*\n(  .*\n)+'
    r'tensorflow.python.framework.errors_impl.CancelledError: Session has been closed.\n'
)

# Its processes are forks of one that has imported Keras and made no session: that saves each the seconds of the import.
APART = multiprocessing.get_context('forkserver')
APART.set_forkserver_preload(['keras', 'pytest'])


def command_line(command, messages):
    """`python -m tensorflow_with_keras` with these arguments; what it writes to standard error goes to a file."""
    sys.stderr.flush()  # what the process that this is a fork of has not written yet
    with open(messages, 'w') as f:
        os.dup2(f.fileno(), 2)
    sys.exit(__main__.main(command))


@every
def test_its_docstring_tells_what_a_person_wants_to_know(name):
    docstring = RECIPES[name].docstring
    first, blank, rest = docstring.split('\n', 2)
    assert first.endswith('.') and len(first) <= 100 and blank == '', 'one line that names the pattern; ' + RULES
    heads = ['When: ', 'The line that matters: ', 'Reaches: ', 'Checked: ', 'Sources: ']
    if RECIPES[name].needs:
        heads.insert(1, 'Needs: ')
    if '\nStacks: ' in docstring:
        heads.insert(heads.index('The line that matters: '), 'Stacks: ')
    positions = [docstring.find('\n\n' + head) for head in heads]
    assert -1 not in positions and positions == sorted(positions), 'the headings, in their order; ' + RULES
    assert re.search('without it|goes wrong', docstring, re.I), 'what goes wrong without the line; ' + RULES


@every
def test_the_stacks_that_it_is_for_are_stacks_and_the_reason_is_there(name):
    """`Stacks: NAME, NAME; why`, which scripts/front-door and docs/compatibility.md read."""
    paragraph = re.search(r'^Stacks: .*?(?=\n\n)', RECIPES[name].docstring, re.M | re.S)
    assert bool(paragraph) == bool(RECIPES[name].stacks), 'in one line, names and ";"; ' + RULES
    known = list(doctor.STACKS)
    assert set(RECIPES[name].stacks) <= set(known) and 'tf1.9-keras2.2.4' in (RECIPES[name].stacks or known)
    if paragraph:
        assert len(paragraph.group().split(';', 1)[1].split()) > 3 and len(RECIPES[name].stacks) < len(known), RULES


@every
def test_it_imports_what_it_needs_and_needs_what_can_be_had(name):
    with open(RECIPES[name].path, encoding='utf-8') as f:
        source = f.read()
    assert RECIPES[name].needs in ('', 'horovod'), 'what scripts/front-door can add'
    assert ('import horovod' in source) == (RECIPES[name].needs == 'horovod')


@every
def test_the_line_that_matters_is_marked_and_quoted_word_for_word(name):
    with open(RECIPES[name].path, encoding='utf-8') as f:
        marked = [line[: -len(MARK)] for line in f.read().splitlines() if line.endswith(MARK)]
    assert len(marked) == 1, 'one line of the code ends in "%s"; %s' % (MARK, RULES)
    paragraph = re.search(r'The line that matters: (.*?)\n\n', RECIPES[name].docstring, re.S).group(1)
    quoted = re.search('`(.*?)`', paragraph, re.S).group(1)
    assert ' '.join(quoted.split()) in ' '.join(marked[0].split()), 'the marked line, as it is quoted; ' + RULES


@every
def test_it_is_short_enough_to_copy(name):
    with open(RECIPES[name].path, encoding='utf-8') as f:
        source = f.read()
    below = source.splitlines()[len(RECIPES[name].docstring.splitlines()) :]
    code = [line for line in below if line.strip() and not line.strip().startswith('#')]
    assert 20 <= len(code) <= 65, 'the lines of code, without blank ones and comments; ' + RULES
    imported = {n.module or '' for n in ast.walk(ast.parse(source)) if isinstance(n, ast.ImportFrom)}
    assert 'examples' not in {m.split('.')[0] for m in imported}, 'a recipe imports no other; ' + RULES


@every
def test_it_has_a_test_of_its_own(name):
    topic, file = name.split('/')
    assert os.path.exists(os.path.join(ROOT, 'tests', 'recipes', topic, 'test_%s.py' % file)), RULES


@pytest.fixture(scope='module')
def by_command_line(tmp_path_factory):
    """Runs a recipe with one thread, as a person does, once: a function of its name to exit code, messages, folder."""

    @functools.lru_cache(maxsize=None)
    def run(name):
        out = tmp_path_factory.mktemp('runs')
        command = ['run', name, '--threads', '1', '--verbose', '0', '--out', str(out)]
        process = APART.Process(target=command_line, args=(command, str(out / 'stderr')))
        process.start()
        process.join()
        return process.exitcode, (out / 'stderr').read_text(), out / name.replace('/', '-')

    return run


@of_one_process
def test_it_says_nothing_of_errors_and_reaches_what_its_docstring_says(name, by_command_line):
    code, text, folder = by_command_line(name)
    text = re.sub(OTHER_PROCESS, '', text)
    if tf.__version__.startswith('1.12.'):
        text = re.sub(CLOSED_BEFORE, '', text)
    # TensorFlow warns of an allocation by what memory is free just now, which is for the machine and not for the recipe
    said = [line for line in text.splitlines() if 'exceeds 10% of system memory' not in line]
    assert code == 0 and said == [], '\n'.join([*said[:5], '…', *said[-5:]])
    metrics = json.loads((folder / 'result.json').read_text())['metrics']
    assert all(isinstance(v, (int, float)) or v is None or (folder / v).exists() for v in metrics.values())
    reached = recipe.reaches(RECIPES[name].docstring)
    assert reached, 'what it reaches, as benchmarks/recipes.py --write writes it; ' + RULES
    # several threads give other bits, and another processor other last digits
    # Keras 2.3 draws a number of NumPy's for the name of every Flatten, so that other weights are begun with. One of
    # TensorFlow's own begins by how many operations stand before it, and another TensorFlow has others.
    own_seed = name == 'layers/foreign_variables' and tf.__version__ != '1.9.0'
    if keras.__version__ < '2.3' and not own_seed:
        assert metrics[reached.metric] == pytest.approx(reached.value, rel=0.05, abs=0.02), reached.metric
    assert isinstance(metrics[reached.metric], (int, float)), reached.metric


@of_one_process
def test_a_second_run_with_one_thread_gives_the_same_bits(name, digits, load_recipe, by_command_line, tmp_path):
    code, _, folder = by_command_line(name)
    assert code == 0
    module = load_recipe(name)  # with seed 0 and one thread, as there
    offered = {'data': digits, 'out': str(tmp_path)}
    second = recipe.call(module.run, offered, {'verbose': 0, 'callbacks': []})
    first = json.loads((folder / 'result.json').read_text())['metrics']
    assert {k: recipe._plain(v) for k, v in second.items()} == first
