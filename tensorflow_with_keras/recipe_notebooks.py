"""Recipes as notebooks, for the Jupyter of `make notebook`: the files stay text, and are the same after a save.

jupytext's light format makes a cell of every paragraph of code, and knows no docstring: here it becomes a cell of text.
Needs the packages of requirements/notebook.txt.
"""

import os
import re

import jupytext
import nbformat
from jupytext.config import JupytextConfiguration
from jupytext.contentsmanager import build_jupytext_contents_manager_class
from notebook.services.contents.filecheckpoints import FileCheckpoints
from notebook.services.contents.largefilemanager import LargeFileManager
from tornado.web import HTTPError

FORMAT = 'py:light'
KERNEL = {'name': 'python3', 'display_name': 'Python 3', 'language': 'python'}
PLAIN = JupytextConfiguration(notebook_metadata_filter='-all', cell_metadata_filter='-all')  # no marks in the file


def read(text):
    """A recipe's text as a notebook of nbformat 4, its docstring as a cell of text."""
    return show_docstring(jupytext.reads(text, FORMAT, config=PLAIN))


def write(notebook):
    """The text of a recipe: of what `read` gave, the same."""
    return jupytext.writes(hide_docstring(notebook), FORMAT, config=PLAIN)


def show_docstring(notebook):
    """Makes the docstring, where the first cell is one, a cell of text with a heading. Returns the notebook."""
    first = notebook.cells[0] if notebook.cells else nbformat.v4.new_markdown_cell()
    text = first.source[3:-3]
    if first.cell_type != 'code' or not first.source.startswith('"""') or '"""' in text or '\\' in text:
        return notebook
    shown = '# ' + re.sub(r'(?<=\n\n)([A-Z][\w ]*:) ', r'**\1** ', text.rstrip('\n'))
    if _docstring(shown) == first.source:
        metadata = dict(first.metadata, docstring=True)
        notebook.cells[0] = nbformat.v4.new_markdown_cell(shown, metadata=metadata)
    return notebook


def hide_docstring(notebook):
    """Undoes `show_docstring` in a copy, which it returns."""
    notebook = nbformat.from_dict(notebook)
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type == 'markdown' and cell.metadata.get('docstring'):
            metadata = {key: value for key, value in cell.metadata.items() if key != 'docstring'}
            notebook.cells[i] = nbformat.v4.new_code_cell(_docstring(cell.source), metadata=metadata)
            break
    return notebook


def _docstring(shown):
    text = re.sub(r'(?<=\n\n)\*\*([A-Z][\w ]*:)\*\* ', r'\1 ', re.sub('^# ', '', shown))
    text = text.replace('\\', r'\\').replace('"""', r'\"\"\"')
    return '"""%s%s"""' % (text, '\n' if '\n' in text else '')


class CheckpointsApart(FileCheckpoints):
    """Keeps what a save overwrites in runs/notebooks, and not beside the recipes."""

    def checkpoint_path(self, _checkpoint_id, path):
        """Where the checkpoint of a file is."""
        apart = os.path.join(self.root_dir, 'runs', 'notebooks', path.strip('/'))
        os.makedirs(os.path.dirname(apart), exist_ok=True)
        return apart


class RecipeContents(build_jupytext_contents_manager_class(LargeFileManager)):
    """Jupytext's contents manager, with docstrings as text. It opens no file that a save would change."""

    checkpoints_class = CheckpointsApart

    def get(self, path, content=True, type=None, format=None, **more):
        """The model of a file, notebook or folder. 400 for a text that would not come back the same."""
        model = super().get(path, content, type, format, **more)
        if content and model['type'] == 'notebook' and path.endswith('.py'):
            text = super().get(path, True, 'file', 'text')['content']
            model['content'] = show_docstring(model['content'])
            model['content'].metadata['kernelspec'] = KERNEL
            if jupytext.writes(hide_docstring(model['content']), FORMAT, config=PLAIN) != text:
                raise HTTPError(400, '%s would not be the same file after a save: open it at /edit/%s' % (path, path))
        return model

    def save(self, model, path=''):
        """Saves a model and returns it without content."""
        if model['type'] == 'notebook' and path.endswith('.py') and model.get('content'):
            model = dict(model, content=hide_docstring(model['content']))
        return super().save(model, path)
