"""The README says what is here."""

import os
import re

from tensorflow_with_keras import recipe
from tensorflow_with_keras.recipe import ROOT


def read(name):
    with open(os.path.join(ROOT, name), encoding='utf-8') as f:
        return f.read()


def test_the_tables_of_recipes_are_made_of_their_docstrings():
    rows = re.findall(r'^\| \[(\S+)\]\((\S+)\) \| (.*?) \| (.*?) \|$', read('README.md'), re.M)
    assert [row[:3] for row in rows] == [(r.name, 'examples/%s.py' % r.name, r.summary) for r in recipe.find().values()]
    for row, r in zip(rows, recipe.find().values()):
        metric, rest = re.search(r'^Reaches: ([\w ]+) (\S+ after .*)', r.docstring, re.M).groups()
        value, seconds = re.match(r'(\S+) after \d+ epochs, (\d+) s ', rest).groups()
        assert row[3] == '%s %g, %s s' % (metric, float(value), seconds)


def test_the_number_of_recipes_is_theirs():
    assert re.findall(r'(\d+)\s+recipes', read('README.md')) == [str(len(recipe.find()))]


def test_the_table_of_pins_is_the_lock():
    lock = dict(re.findall(r'^([a-z0-9-]+)==(\S+)', read('requirements/cpu.txt'), re.M))
    heads, values = re.search(
        r'^\| Python \|(.*) \|\n\|[-|]*\n\| 3\.6\.15 \|(.*) \|$', read('README.md'), re.M
    ).groups()
    pins = dict(zip(heads.lower().replace(' ', '').split('|'), values.replace(' ', '').split('|')))
    assert len(pins) == 8 and pins == {name: lock[name] for name in pins}


def test_the_two_commands_stand_at_the_top():
    top = read('README.md').split('```')[1]
    assert re.findall('^make (\\S+)', top, re.M) == ['run-example', 'test']


def test_the_tests_that_decide_the_claims_exist():
    claims = read('docs/claims.md')
    sources = {path: read(path) for path in re.findall(r'`(tests/\S+\.py)`', claims)}
    assert len(sources) > 7
    for name in set(re.findall(r'`(test_\w+)`', claims)):
        assert any('def %s(' % name in source for source in sources.values()), name
