"""docs/symptoms.md is what symptoms.json says, and `make explain` answers."""

import json
import os
import re
import subprocess

from tensorflow_with_keras.recipe import ROOT


def read(name):
    with open(os.path.join(ROOT, name), encoding='utf-8') as f:
        return f.read()


def test_every_row_is_on_the_page_with_five_cells():
    rows = json.loads(read('tensorflow_with_keras/symptoms.json'))
    lines = re.findall(r'^\| `.*', read('docs/symptoms.md'), re.M)
    assert len(lines) == len(rows)
    for row, line in zip(rows, lines):
        assert len(re.findall(r'(?<!\\)\|', line)) == 6, line
        assert row['message'].replace('|', '\\|') in line and '[%s](' % row['recipe'] in line
    assert '\n%d messages' % len(rows) in read('docs/symptoms.md') and 'for %d messages' % len(rows) in read(
        'CHANGELOG.md'
    )


def explain(stdin, path, **options):
    done = subprocess.run(
        ['make', '--no-print-directory', 'explain'],
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        cwd=ROOT,
        env=dict(os.environ, PATH=path),
        **options,
    )
    return done.returncode, done.stdout, done.stderr


def test_make_explain(tmp_path):
    path = '%s:/usr/local/bin:/usr/bin:/bin' % tmp_path
    code, out, err = explain('ValueError: Unknown layer: Gain', path)
    assert (code, err) == (0, '') and out.startswith('ValueError: Unknown layer: Gain\n  Cause: ')
    code, out, err = explain('KeyError: 1', path)
    assert code == 2 and out.startswith('unknown: ') and 'Error 1' in err
    code, out, err = explain('', path)
    assert code == 2 and out == '' and err.startswith('error: nothing came on standard input')
