#!/usr/bin/env python3
"""Writes the README's table of recipes anew, out of the recipes' docstrings."""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from tensorflow_with_keras import recipe  # noqa: E402


def main():
    path = os.path.join(ROOT, 'README.md')
    with open(path, encoding='utf-8') as f:
        text = f.read()
    rows = ''.join('| [%s](examples/%s.py) | %s |\n' % (r.name, r.name, r.summary) for r in recipe.find().values())
    text = re.sub(r'(\| recipe \| what it shows \|\n\|---\|---\|\n)(\|.*\n)*', lambda m: m.group(1) + rows, text)
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)


if __name__ == '__main__':
    main()
