"""Keras's example scripts, each cut short by run_example.py and in a process of its own."""

import glob
import json
import math
import os
import re
import shutil
import subprocess
import sys

import left_out
import pytest
import run_example

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(os.environ['KERAS_SOURCE'], 'examples')
SCRIPTS = sorted(os.path.basename(path) for path in glob.glob(os.path.join(FOLDER, '*.py')))
TRAINS = re.compile(r'\.(fit|fit_generator|train_on_batch)\(')

with open(os.path.join(HERE, 'deselected_examples.txt')) as file:
    LEFT_OUT = left_out.read(file, os.environ['STACK'])


def test_every_script_is_run_or_left_out():
    assert len(SCRIPTS) == {'2.2.4': 42, '2.3.1': 39}[run_example.KERAS]
    assert LEFT_OUT <= set(SCRIPTS)
    assert set(run_example.SHORTER) <= set(SCRIPTS)


@pytest.mark.parametrize('script', [script for script in SCRIPTS if script not in LEFT_OUT])
def test_example(script, tmp_path):
    environment = dict(os.environ, HOME=str(tmp_path / 'home'), TMPDIR=str(tmp_path))
    (tmp_path / 'home').mkdir()
    (tmp_path / 'run').mkdir()
    first = run_example.SHORTER.get(script, run_example.Shorter()).after
    for name in [first, script] if first else [script]:
        record_file = tmp_path / f'{name}.json'
        command = [sys.executable, os.path.join(HERE, 'run_example.py'), os.path.join(FOLDER, name), str(record_file)]
        ran = subprocess.run(
            command,
            cwd=str(tmp_path / 'run'),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
            timeout=300,
        )
        assert ran.returncode == 0, ran.stdout[-5000:]
    assert not re.search(r'\bnan\b', ran.stdout), ran.stdout[-5000:]
    record = json.loads(record_file.read_text())
    with open(os.path.join(FOLDER, script), encoding='utf-8') as file:
        trains = TRAINS.search(file.read())
    calls = record['calls']
    if trains:
        assert calls.get('fit', 0) + calls.get('fit_generator', 0) + calls.get('train_on_batch', 0) > 0
    assert record['steps'] > 0
    assert record['losses'] or not trains
    assert all(math.isfinite(loss) for loss in record['losses']), record['losses']
    shutil.rmtree(str(tmp_path))  # data sets are in it
