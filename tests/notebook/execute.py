"""Runs a recipe as a notebook: execute.py RECIPE.py NAME OUT [OPTION …]. By the Python of `make notebook`.

Where a cell fails, the last line on standard error names the recipe and the cell, and the exit code is 1.
"""

import os
import sys

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tensorflow_with_keras import recipe_notebooks


def main(path, name, out, *options):
    with open(path, encoding='utf-8') as f:
        notebook = recipe_notebooks.read(f.read())
    options = 'import sys\n\nsys.argv[1:] = %r' % (['--out', out, *options],)
    notebook.cells.insert(-1, nbformat.v4.new_code_cell(options))
    kernel = {'resources': {'metadata': {'path': os.path.dirname(path)}}, 'kernel_name': 'python3', 'timeout': 300}
    try:
        NotebookClient(notebook, **kernel).execute()
    except CellExecutionError as e:
        # the last that has begun
        numbers = [i for i, cell in enumerate(notebook.cells, 1) if cell.get('execution_count')]
        print(e, file=sys.stderr)
        print('%s fails as a notebook, in cell %d' % (name, max(numbers)), file=sys.stderr)
        sys.exit(1)
    for cell in notebook.cells:
        for output in cell.get('outputs', ()):
            print(output.get('text') or ' '.join(output.data))


if __name__ == '__main__':
    main(*sys.argv[1:])
