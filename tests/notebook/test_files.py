"""A recipe's file, read as a notebook and written again."""

import json
import re
from html import unescape

import pytest

from tensorflow_with_keras import recipe

RECIPES = recipe.find()

# name to the notebook's cells and to the text that it is written back to, of every recipe; docstrings as HTML
READ = """
import json
from nbconvert.filters.markdown_mistune import markdown2html_mistune
from tensorflow_with_keras import recipe, recipe_notebooks
made = {}
for name, one in recipe.find().items():
    with open(one.path, encoding='utf-8', newline='') as f:
        text = f.read()
    notebook = recipe_notebooks.read(text)
    cells = [(c.cell_type, c.source) for c in notebook.cells]
    made[name] = cells, recipe_notebooks.write(notebook) == text, markdown2html_mistune(cells[0][1])
print(json.dumps(made))
"""
WRITE = 'import json, sys; from tensorflow_with_keras import recipe_notebooks as r; n = r.read(sys.argv[1])\n'


@pytest.fixture(scope='module')
def read():
    return {}


@pytest.fixture
def made(inside, read):
    if not read:
        read.update(json.loads(inside(READ)))
    return read


def words(text):
    return re.sub(r'\s+', ' ', text).strip()


def test_every_recipe_comes_back_byte_for_byte(made):
    assert list(made) == list(RECIPES) and [name for name, (_, same, _) in made.items() if not same] == []


def test_every_docstring_is_text_that_says_the_same(made):
    for name, (cells, _, html) in made.items():
        kind, shown = cells[0]
        assert kind == 'markdown' and shown.startswith('# ') and '\n\n**When:** ' in shown, name
        plain = re.sub(r'<a class="anchor-link".*?</a>|</?(strong|code|em)\b[^>]*>', '', html)
        plain = unescape(re.sub(r'</?(h1|p)\b[^>]*>', ' ', plain))
        # what is rendered has the words of the docstring, and no star or underscore of it is taken for a mark
        said = words(RECIPES[name].docstring.replace('`', ''))
        assert words(plain) == re.sub(r'\*(\w+)\*', r'\1', said), name


def test_the_code_is_in_cells_of_a_paragraph_and_the_last_one_runs_it(made):
    for name, (cells, _, _) in made.items():
        code = [source for kind, source in cells if kind == 'code']
        assert len(code) > 2 and code[-1].startswith("if __name__ == '__main__':"), name
        assert [source for source in code if source.startswith('def run(')], name


def test_what_is_changed_is_written_and_the_rest_stays(inside):
    with open(RECIPES['metrics/roc_auc'].path, encoding='utf-8') as f:
        text = f.read()
    code = WRITE + (
        "n.cells[0].source = n.cells[0].source.replace('you want to know', 'somebody asks')\n"
        "cell = next(c for c in n.cells if 'CLASSES = 3' in c.source)\n"
        "cell.source = cell.source.replace('CLASSES = 3', 'CLASSES = 4')\n"
        "cell.metadata['collapsed'] = True; n.metadata['kernelspec'] = {'name': 'python3', 'display_name': 'P'}\n"
        'print(r.write(n))'
    )
    expected = text.replace('you want to know', 'somebody asks').replace('CLASSES = 3', 'CLASSES = 4')
    assert expected != text and inside(code, text)[:-1] == expected


@pytest.mark.parametrize(
    'text',
    [
        'x = 1\n',
        '',
        '"""One line."""\n\nx = 1\n',
        '"""Its end is in the last line.\n\nLike this."""\n\nx = 1\n',
        '"""A \\n backslash."""\n',
        "'''Other marks.'''\n\nx = 1\n",
        'x = """a string, and no docstring"""\n',
        '"""Two.\n\nWhen: now.\n\n\n"""\n\nx = 1\n',
    ],
)
def test_other_files_come_back_as_well(inside, text):
    assert inside(WRITE + 'print(r.write(n) == sys.argv[1])', text) == 'True\n'


def test_quotation_marks_that_somebody_writes_into_the_text_do_not_end_the_docstring(inside):
    code = WRITE + (
        "n.cells[0].source += '\\n\\nSay ' + chr(34) * 3 + ' and ' + chr(92)\n"
        "space = {}; exec(r.write(n), space); print(space['__doc__'].splitlines()[-1], space['x'])"
    )
    assert inside(code, '"""A.\n\nWhen: b.\n"""\n\nx = 1\n') == 'Say """ and \\ 1\n'


IMPORTS = """
import sys, nbformat
from nbclient import NotebookClient
cell = nbformat.v4.new_code_cell('import h5py, mine; print(h5py.File.__name__, mine.here)')
notebook = nbformat.v4.new_notebook(cells=[cell])
NotebookClient(notebook, kernel_name='python3', resources={'metadata': {'path': sys.argv[1]}}).execute()
print(notebook.cells[0].outputs[0].text)
"""


def test_a_file_beside_a_notebook_can_be_imported_and_takes_no_packages_place(inside, tmp_path):
    """As examples/distributed/horovod.py lies beside a notebook that imports Horovod."""
    folder = tmp_path / 'my notebooks'
    folder.mkdir()
    (folder / 'h5py.py').write_text('')
    (folder / 'mine.py').write_text('here = 7')
    assert inside(IMPORTS, str(folder)).strip() == 'File 7'
