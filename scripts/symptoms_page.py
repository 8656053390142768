"""The text of docs/symptoms.md, which scripts/generate.py writes out of tensorflow_with_keras/symptoms.json."""

import itertools
import os

INTRODUCTION = """# By the message

%d messages as they are printed, each with its cause, its cure, and a recipe or page that has more. To find the row of
a traceback:

```sh
python train.py 2>&1 | python -m tensorflow_with_keras explain
make explain < train.log
```

It needs no TensorFlow, looks at the end of what it is given (some megabytes), and begins with the last exception. Exit
codes: 0 it knows the message; 1 it does not, and says "unknown"; 2 nothing came on standard input; 130 Ctrl-C. (`make`
itself ends with 2 for any of them but 0.) Where the message is not known, but one of an earlier traceback or of the log
above it is, it shows that row below the word "unknown", and ends with 1.

"A test" means: `tests/library/test_symptoms.py` makes this stack print the message, and sees the cure work. What only
another version, a GPU or another machine prints has the public issue where it was seen. A cure that says `make shell`
or "the image" means the environment of this project, in which the versions fit each other.

This page and the command are made of one file, `tensorflow_with_keras/symptoms.json`; `make generate` writes the page.
"""


def page(rows):
    """The lines of the page, of the rows that `explain.load` gives."""
    yield INTRODUCTION % len(rows)
    for group, members in itertools.groupby(rows, lambda row: row['group']):
        yield '\n## %s\n\n| message | cause | cure | more | shown by |\n|---|---|---|---|---|\n' % group
        yield from map(line, members)


def line(row):
    name = row['recipe']
    target = os.path.basename(name) if name.startswith('docs/') else '../examples/%s.py' % name
    shown = row.get('seen', 'a test')
    cells = [code(row['message']), escaped(row['cause']), escaped(row['cure']), '[%s](%s)' % (name, target), shown]
    return '| %s |\n' % ' | '.join(cells)


def code(message):
    """In as many backquotes as it takes."""
    quoted = '`` %s ``' if '`' in message else '`%s`'
    return quoted % message.replace('|', '\\|')


def escaped(sentence):
    """So that names such as __init__ and <module> are not taken for Markdown; what stands in backquotes is not."""
    parts = sentence.split('`')
    for i in range(0, len(parts), 2):
        for character in '\\_*<|':
            parts[i] = parts[i].replace(character, '\\' + character)
    return '`'.join(parts)
