"""scripts/vulnerabilities_page.py: a page that is read from the top, whatever a run found."""

import json
import re

import pytest
import tomli

from scripts import generate
from scripts import vulnerabilities_page as made

SETTINGS = tomli.loads(generate.read('scripts/vulnerabilities.toml'))
RECIPE = 'import tensorflow as tf\nfrom keras import backend as K\nimport numpy as np\n'
RECIPE += 'y = tf.nn.conv2d(x)\nK.one_hot(y)\nnp.tile(y)\nmodel.add(y)\nkeras.models.load_model(f)'
RECIPES = {'metrics/cohens_kappa': made.calls(RECIPE), 'export/savedmodel': made.calls('tf.saved_model.loader.load(s)')}


def finding(name='pillow', key='data', id='PYSEC-1', aliases=(), effect='runs code', ops=()):
    found = {'id': id, 'aliases': list(aliases), 'packages': {name: ['1']}, 'class': key, 'rule': None}
    return {**found, 'effect': effect, 'ops': list(ops)}


def results(*findings, where='a | b'):
    found = {name: '1' for each in findings for name in each['packages']}
    entry = {'where': where, 'stack': 'tf1.9-keras2.2.4', 'packages': 5, 'found': found}
    empty = {'where': 'tools', 'stack': None, 'packages': 1, 'found': {}}
    return {
        'source': {'name': 'a database', 'date': '2001-02-03'},
        'locks': {'cpu': entry, 'uv': empty},
        'findings': list(findings),
    }


def page(*findings, **more):
    return ''.join(made.page(results(*findings, **more), SETTINGS, RECIPES))


def tables(text):
    return [block.splitlines() for block in re.findall(r'(?:^\|.*\n)+', text, re.M)]


def test_every_row_of_a_table_has_as_many_cells_as_its_head():
    """Also where a name has a | in it."""
    text = page(finding(aliases=['CVE-1|2'], ops=['a|b']), finding('tensorflow', 'graph', 'PYSEC-2', ops=['Conv2D']))
    assert r'a \| b' in text and r'`a\|b`' in text
    for rows in tables(text):
        assert len({len(re.findall(r'(?<!\\)\|', row)) for row in rows}) == 1, rows


def test_the_summary_comes_first_and_on_one_screen():
    text = generate.vulnerabilities()
    assert text.index('| what an attacker') < 1500 and len(text[: text.index('\n## ')].splitlines()) <= 40
    assert re.search(r'as of \*\*\d{4}-\d\d-\d\d\*\*', text) and '-s audit' in text[:1500]


def test_its_numbers_add_up():
    text = generate.vulnerabilities()
    found = json.loads(generate.read('scripts/vulnerabilities.json'))['findings']
    rows = [row.split(' | ') for row in tables(text)[0][2:]]
    assert sum(int(row[1]) for row in rows) == len(found) == int(re.search(r'^(\d+) known', text, re.M)[1])
    for row in rows:  # and of each class: what happens then
        assert sum(map(int, re.findall(r' (\d+)(?:,|$)', row[2]))) == int(row[1])
    listed = sum(len(rows) - 2 for rows in tables(text.split('## All of them')[1]))
    assert listed == len(found)


@pytest.mark.parametrize('findings', [[], [finding()]])
def test_pages_of_no_finding_and_of_one(findings):
    text = page(*findings)
    assert text.startswith('# Known vulnerabilities') and f'{len(findings)} known vulnerabilities' in text
    assert text.count('\nNo known one.\n') == 9 - len(findings) and 'not sorted' not in text
    assert '`requirements/uv.txt` (tools)' in text.split('None is known in')[1]


@pytest.mark.parametrize('key', ['unsorted', 'a class that is gone'])
def test_what_is_not_sorted_is_shown(key):
    text = page(finding(key=key))
    assert '| [not sorted](#not-sorted) | 1 |' in text and '\n## Not sorted\n' in text
    assert 'add a rule' in text and '### All: not sorted' in text


def test_the_worst_come_first():
    names = ['other', 'stops or hangs', 'runs code', 'reads memory or files', 'writes memory or files']
    text = page(*(finding(id=f'PYSEC-{n}', effect=name) for n, name in enumerate(names)))
    assert re.findall('PYSEC-.', text.split('Worst: ')[1].split('\n')[0])[::2] == [
        f'PYSEC-{n}' for n in (2, 4, 3, 1, 0)
    ]


@pytest.mark.parametrize(
    'aliases, link',
    [
        (['GHSA-a', 'CVE-b'], '[CVE-b](https://github.com/advisories/GHSA-a)'),
        (['CVE-b'], '[CVE-b](https://www.cve.org/CVERecord?id=CVE-b)'),
        ([], '[PYSEC-1](https://osv.dev/vulnerability/PYSEC-1)'),
    ],
)
def test_each_is_linked_once_to_where_it_is_told_best(aliases, link):
    assert made.finding_link(finding(aliases=aliases)) == link


def test_what_a_recipe_calls_is_read_from_its_source():
    """TensorFlow's and Keras's names alone count as ops: model.add is no Add, np.tile no Tile."""
    recipes = {'a': made.calls(RECIPE)}
    two = [finding(ops=['Conv2D', 'Tile']), finding(ops=['OneHot', 'Conv2D', 'Add', 'load_model'])]
    assert made.op_callers(two, recipes) == {'Conv2D': (two, ['a']), 'OneHot': (two[1:], ['a'])}
    assert made.op_callers([], recipes) == made.op_callers(two, {}) == {}
    assert made.takers({'calls': ['load_model']}, recipes) == ['a'] and made.takers({'calls': ['tile_']}, recipes) == []
    assert made.takers({'dotted': ['loader.load']}, RECIPES) == ['export/savedmodel']
    assert made.takers({'dotted': ['yaml.load']}, RECIPES) == []


@pytest.mark.parametrize(
    'source, names',
    [
        ('a.b.c(d)', {'a', 'a.b', 'a.b.c', 'd'}),
        ('f().g.h', {'().g', '().g.h', 'f'}),
        ('', set()),
        ('a[0].b', {'a', '().b'}),
    ],
)
def test_dotted_names_of_a_source(source, names):
    assert made.calls(source)[0] == names


def test_code_that_a_module_holds_as_text_counts_and_words_do_not():
    every, ours = made.calls('"""To import a file: x y."""\nCODE = """\nimport tensorflow as tf\ntf.tile(a)"""')
    assert every == {'CODE', 'tf', 'tf.tile', 'a'} and ours == {'tf', 'tf.tile'}


def test_recipes_that_are_named_for_a_class_do_what_it_says():
    """Against the words in their files, read in another way."""
    recipes = {name: made.calls(generate.read(f'examples/{name}.py')) for name in generate.recipe.find()}
    for key in 'graph', 'file', 'machine':
        entry = SETTINGS['class'][key]
        words = [*entry['calls'], *entry.get('dotted', ())]
        for name in made.takers(entry, recipes):
            assert any(word + '(' in generate.read(f'examples/{name}.py') for word in words), name
    assert {'export/checkpoint', 'export/savedmodel'} <= set(made.takers(SETTINGS['class']['file'], recipes))


@pytest.mark.parametrize(
    'change, said',
    [
        ({}, []),
        ({'cpu': {'pillow': '2'}, 'uv': {}}, ['another version of pillow']),
        ({'cpu': {}, 'uv': {}}, ['another version of pillow']),
        ({'cpu': {'pillow': '1'}}, ['not of the locks that are audited: uv']),
        ({'cpu': {'pillow': '1'}, 'uv': {}, 'new': {}}, ['not of the locks that are audited: new']),
    ],
)
def test_a_page_of_other_locks_is_stale(change, said):
    problems = made.problems(results(finding()), SETTINGS, change or {'cpu': {'pillow': '1'}, 'uv': {}})
    assert len(problems) == len(said) and all(text in problem for text, problem in zip(said, problems))
    assert 'no class x' in made.problems(results(finding(key='x')), SETTINGS, {'cpu': {'pillow': '1'}, 'uv': {}})[0]
