"""The bundle's image in Apptainer, by hand and as jobs of Slurm."""

import json
import os
import shutil
import subprocess

import pytest
from conftest import ROOT, of_the_page
from test_slurm import folder, interrupted, result, train  # noqa: F401  (folder is a fixture)


@pytest.fixture
def with_apptainer(slurm, sif, folder):  # noqa: F811
    """What `slurm` is, for jobs in tfk.sif of the folder that they are submitted from."""
    shutil.copy(sif, folder / 'tfk.sif')
    folder.chmod(0o777)
    (folder / '.venv').unlink()
    return {**slurm, 'PATH': os.environ['PATH'], 'IMAGE': 'tfk.sif'}


def test_by_the_pages_line_it_trains_to_the_numbers_of_the_local_environment(sif, tmp_path):
    options = ' --epochs 1 --threads 1'
    line = of_the_page('Apptainer')[1] + options
    done = subprocess.run(line, shell=True, cwd=sif.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads((sif.parent / 'runs/metrics-cohens_kappa/result.json').read_text())
    assert found['versions']['tensorflow'] == '1.9.0'
    by_hand = f'.venv/bin/python -m tensorflow_with_keras run metrics/cohens_kappa{options} --out'.split()
    subprocess.run([*by_hand, tmp_path], cwd=ROOT, check=True, capture_output=True)
    here = json.loads((tmp_path / 'metrics-cohens_kappa/result.json').read_text())
    assert found['metrics'] == pytest.approx(here['metrics'], rel=1e-6)


def test_nothing_of_the_image_can_be_written(sif):
    command = ['apptainer', 'exec', 'tfk.sif', 'python', '-c', "open('/opt/tfk/x', 'w')"]
    done = subprocess.run(command, cwd=sif.parent, capture_output=True, text=True)
    assert done.returncode == 1 and 'Read-only file system' in done.stderr


def test_a_recipe_is_a_job(with_apptainer, folder):  # noqa: F811
    code, log = train(with_apptainer, folder, 'metrics/cohens_kappa', '--epochs', '1')
    assert code == 0, log
    found = result(folder, 'metrics-cohens_kappa')
    assert found['threads'] == 2 and '--out /work/runs' in found['command']


def test_a_job_whose_time_is_up_writes_what_it_has(with_apptainer, folder):  # noqa: F811
    log = interrupted(with_apptainer, folder)
    assert result(folder, 'metrics-cohens_kappa')['interrupted'] is True, log
