"""The page of the recipes in Keras 3: a row for each recipe, and a link to each file that is there."""

import os
import re

from files import find, read

from tensorflow_with_keras import recipe

PAGE = 'docs/keras3/README.md'
TWINS = {path[len('docs/keras3/') : -3] for path in find() if re.match(r'docs/keras3/\w+/\w+\.py$', path)}


def rows():
    """Recipe -> what stands beside it."""
    return dict(re.findall(r'^\| \[([\w/]+)\]\(\.\./\.\./examples/\1\.py\) \| (.+) \|$', read(PAGE), re.M))


def test_every_recipe_has_a_row():
    assert list(rows()) == list(recipe.find())
    table = read(PAGE).split('|---|---|\n')[1].splitlines()
    assert len(table) == len(rows())


def test_every_twin_is_linked_and_the_rest_is_a_sentence():
    for name, cell in rows().items():
        if name in TWINS:
            first = read(os.path.join('docs/keras3', name + '.py')).split('"""')[1].splitlines()[0]
            assert cell == '[%s.py](%s.py): %s' % (name, name, first)
        else:
            assert cell.endswith('.') and '](%s.py)' % name not in cell
    assert TWINS <= set(rows()) and len(TWINS) >= 20
