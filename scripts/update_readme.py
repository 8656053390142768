#!/usr/bin/env python3
"""Writes the README's tables of recipes, one for each topic, out of the recipes' docstrings; and how many there are."""

import itertools
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from tensorflow_with_keras import recipe  # noqa: E402

TOPICS = {
    'data': 'Data: tf.data and TFRecords under Keras',
    'distributed': 'Distributed: several devices, processes and machines',
    'export': 'Export: files for later, for others, and for a process without Keras',
    'interop': 'Interop: Keras models and plain TensorFlow side by side',
    'layers': 'Layers: TensorFlow functions as layers',
    'losses': 'Losses: what tf.losses, tf.nn and tf.contrib have and Keras has not',
    'metrics': 'Metrics: the number that is meant, not an average of batches',
    'observe': 'Observe: TensorBoard, and where the time goes',
    'sessions': 'Sessions: graphs, variables, threads, seeds',
    'training': 'Training: optimizers, gradients, loops',
}


def tables():
    recipes = recipe.find().values()
    for topic, inside in itertools.groupby(recipes, lambda r: r.name.split('/')[0]):
        yield '\n### %s\n\n| recipe | what it shows |\n|---|---|\n' % TOPICS[topic]
        yield from ('| [%s](examples/%s.py) | %s |\n' % (r.name, r.name, r.summary) for r in inside)


def main():
    path = os.path.join(ROOT, 'README.md')
    with open(path, encoding='utf-8') as f:
        text = f.read()
    text = re.sub(
        '(<!-- recipes: .* -->\n).*(<!-- end of the recipes -->)',
        lambda m: m.group(1) + ''.join(tables()) + '\n' + m.group(2),
        text,
        flags=re.S,
    )
    text = re.sub(
        r'(scripts pass; and )\S+(\nrecipes)', lambda m: '%s%d%s' % (m.group(1), len(recipe.find()), m.group(2)), text
    )
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)


if __name__ == '__main__':
    main()
