"""docs/compatibility.md: made of whole results only, and of nothing that a test did not find."""

import collections
import os

import pytest

from scripts import compatibility_page as made
from tensorflow_with_keras.recipe import Recipe

STACKS = ['tf1.9-keras2.2.4', 'tf1.12-keras2.2.4', 'tf1.15-keras2.2.4', 'tf1.15-keras2.3.1']
DOCSTRING = 'One.\n\nStacks: tf1.9-keras2.2.4, tf1.12-keras2.2.4; the converter has\nanother name later.\n\nThe line'
RECIPES = collections.OrderedDict(
    (one.name, one)
    for one in (
        Recipe('metrics/f1', '', 'F1.', 'F1.', '', ()),
        Recipe('export/lite', '', 'One.', DOCSTRING, '', tuple(STACKS[:2])),
    )
)


def write(folder, stack, outcomes, name='tests'):
    """A file as pytest writes it: of outcomes by (module, test)."""
    kinds = {'pass': '', 'fail': '<failure/>', 'skip': '<skipped/>', 'error': '<error/>'}
    cases = ''.join(
        f'<testcase classname="tests.{where}" name="{test}">{kinds[outcome]}</testcase>'
        for (where, test), outcome in outcomes.items()
    )
    path = folder / f'{name}-{stack}.xml'
    path.write_text(f'<testsuites><testsuite>{cases}</testsuite></testsuites>')
    return path


def whole(tmp_path, stack=None, **other):
    """Results of every stack in which all is well, but for `other` on `stack`."""
    for each in STACKS:
        outcomes = {('rungs.test_rungs', f'test_{name}'): 'pass' for name, _, _ in made.changes(STACKS)}
        outcomes['recipes.metrics.test_f1', 'test_a'] = outcomes['recipes.metrics.test_f1', 'test_b'] = 'pass'
        outcomes['recipes.export.test_lite', 'test_a'] = 'pass' if each in STACKS[:2] else 'skip'
        for test, outcome in other.items() if each == stack else ():
            where = 'rungs.test_rungs' if ('rungs.test_rungs', test) in outcomes else 'recipes.metrics.test_f1'
            outcomes[where, test] = outcome
        write(tmp_path, each, outcomes)
    return made.page({each: made.results(tmp_path, each) for each in STACKS}, RECIPES, STACKS)


def test_the_page_of_whole_results(tmp_path):
    text, missing = whole(tmp_path, STACKS[3], test_b='skip')
    assert missing == []
    why = '[the converter has …](../examples/export/lite.py)'
    assert '| [metrics/f1](../examples/metrics/f1.py) | pass | pass | pass | pass (1 left out) |\n' in text
    assert f'| [export/lite](../examples/export/lite.py) | pass | pass | {why} | {why} |\n' in text
    assert '| acc, mean_absolute_error | acc, mean_absolute_error | acc, mean_absolute_error | accuracy, mae |' in text
    assert made.unnamed(text, RECIPES, STACKS) == []
    assert made.unnamed(text, dict(RECIPES, **{'losses/new': None}), STACKS + ['tf2']) == ['losses/new', 'tf2']


@pytest.mark.parametrize(
    'test, outcome, said',
    [
        ('test_b', 'fail', 'metrics/f1 on tf1.12-keras2.2.4'),
        ('test_b', 'error', 'metrics/f1 on tf1.12-keras2.2.4'),
        ('test_weighted_loss', 'fail', 'rungs: weighted_loss on tf1.12-keras2.2.4'),
        ('test_weighted_loss', 'skip', 'rungs: weighted_loss on tf1.12-keras2.2.4'),
    ],
)
def test_one_failure_and_there_is_no_page(tmp_path, test, outcome, said):
    assert whole(tmp_path, STACKS[1], **{test: outcome})[1] == [said]


def test_a_recipe_whose_tests_were_all_left_out_has_no_result(tmp_path):
    assert whole(tmp_path, STACKS[1], test_a='skip', test_b='skip')[1] == ['metrics/f1 on tf1.12-keras2.2.4']


def test_of_two_files_the_newer_counts(tmp_path):
    test = 'recipes.metrics.test_f1', 'test_a'
    old = write(tmp_path, STACKS[0], {test: 'fail'}, name='z')
    write(tmp_path, STACKS[0], {test: 'pass'}, name='a')
    os.utime(str(old), (1, 1))
    assert made.results(tmp_path, STACKS[0])[('tests.' + test[0], test[1])] == 'pass'


def test_results_that_are_not_there_are_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(made, 'PAGE', tmp_path / 'page.md')
    with pytest.raises(SystemExit, match='there is no folder'):
        made.main([str(tmp_path / 'nowhere')])
    with pytest.raises(SystemExit, match='(?s)nothing was written.*metrics/cohens_kappa on tf1.9'):
        made.main([str(tmp_path)])
    assert not made.PAGE.exists()
    made.PAGE.write_text('# nothing')
    with pytest.raises(SystemExit, match='does not name .*metrics/cohens_kappa'):
        made.main(['--check'])
