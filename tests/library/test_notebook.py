"""What `recipe.main` finds in a notebook's cell. The kernels themselves are tested in tests/notebook."""

import json
import linecache
import sys

import pytest

from tensorflow_with_keras import notebook, recipe

ROC_AUC = recipe.find()['metrics/roc_auc'].path


def cell(source, kept=True):
    """The function `run` out of a cell with this source, as IPython makes it."""
    name = '<ipython-input-%d>' % len(linecache.cache)
    if kept:
        linecache.cache[name] = len(source), None, source.splitlines(True), name
    space = {'__name__': '__main__', '__doc__': 'IPython'}
    exec(compile(source, name, 'exec'), space)
    return space['run']


def run_of(path):
    with open(path, encoding='utf-8') as f:
        text = f.read()
    return text[text.index('def run(') : text.index('\n\nif __name__')]


def test_a_function_of_a_file_is_no_cell():
    assert notebook.is_cell(cell('def run(): pass')) and not notebook.is_cell(recipe.find)


def test_every_recipe_is_known_by_its_run():
    for name, one in recipe.find().items():
        assert notebook.name_of(cell(run_of(one.path))) == name


def test_a_recipe_is_known_after_an_edit_and_what_is_none_is_not_taken_for_one():
    edited = run_of(ROC_AUC).replace("optimizer='adam'", "optimizer='sgd'").replace('epochs=5', 'epochs=7')
    assert notebook.name_of(cell(edited)) == 'metrics/roc_auc'
    assert notebook.name_of(cell('def run(data):\n    return {"samples": len(data.x_train)}\n')) == 'notebook/run'
    assert notebook.name_of(cell(run_of(ROC_AUC), kept=False)) == 'notebook/run'


@pytest.mark.parametrize(
    'argv, expected',
    [
        (['ipykernel_launcher.py', '-f', '/tmp/kernel-1.json'], []),
        (['ipykernel_launcher.py', '--f=/home/a b/kernel-v2-1.json'], []),
        (['ipykernel_launcher.py', '--epochs', '2'], ['--epochs', '2']),
        (['ipykernel_launcher.py'], []),
    ],
)
def test_the_options_of_the_kernel_are_not_the_recipes(argv, expected, monkeypatch):
    monkeypatch.setattr(sys, 'argv', argv)
    assert notebook.options() == expected


def test_main_records_and_comes_back(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sys, 'argv', ['ipykernel_launcher.py', '-f', '/tmp/kernel-1.json'])
    monkeypatch.setattr(recipe, 'ROOT', str(tmp_path))
    monkeypatch.setitem(vars(sys.modules['__main__']), '__spec__', 'kept')
    assert recipe.main(cell('def run(data, **fit):\n    return {"samples": len(data.x_train)}\n')) is None
    record = json.loads((tmp_path / 'runs' / 'notebook-run' / 'result.json').read_text())
    assert record['metrics'] == {'samples': 1437} and record['seed'] == 0 and record['threads'] is None
    assert sys.modules['__main__'].__spec__ == 'kept'
    assert 'samples  1437' in capsys.readouterr().out


@pytest.mark.parametrize('options, code', [(['--epochs', '0'], 2), (['--out', '/dev/null/x'], 3)])
def test_what_is_wrong_ends_the_cell_with_a_sentence(options, code, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['ipykernel_launcher.py'] + options)
    with pytest.raises(SystemExit) as e:
        recipe.main(cell('def run(data, **fit):\n    return {}\n'))
    assert e.value.code == code and len(capsys.readouterr().err.splitlines()) == 1
