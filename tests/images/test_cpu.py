"""What only the CPU image is started for."""

import os
import subprocess

from test_both import ENGINE, LOCK, ROOT


def test_the_front_door_runs_it(tmp_path):
    done = subprocess.run(
        ['make', 'run-example', 'EPOCHS=1', f'ARGS=--out {tmp_path} --verbose 0', f'ENGINE={ENGINE}'],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0] == f'Engine: {ENGINE}' and 'Building' not in done.stderr
    assert (tmp_path / 'metrics-cohens_kappa' / 'result.json').stat().st_uid == os.getuid()


def test_a_shell_does_what_comes_by_a_pipe():
    done = subprocess.run(
        ['make', 'shell', f'ENGINE={ENGINE}'],
        cwd=ROOT,
        input='python -c "import keras; print(keras.__version__)"; exit 7\n',
        capture_output=True,
        text=True,
    )
    assert done.stdout == f'{LOCK["keras"]}\n' and done.returncode == 2 and 'Error 7' in done.stderr, done.stderr
