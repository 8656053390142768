"""What only the CPU image is started for."""

import os
import subprocess

from test_both import ENGINE, ROOT


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
