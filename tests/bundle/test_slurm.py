"""deploy/slurm/train.sbatch on a real Slurm of one machine."""

import json
import re
import shutil
import subprocess
import time

import pytest
from conftest import ROOT

SCRIPT = 'deploy/slurm/train.sbatch'


@pytest.fixture
def folder(tmp_path):
    """A folder to submit from, with a blank in its path."""
    folder = tmp_path / 'my jobs'
    (folder / 'deploy' / 'slurm').mkdir(parents=True)
    shutil.copy(ROOT / SCRIPT, folder / SCRIPT)
    (folder / '.venv').symlink_to(ROOT / '.venv')
    return folder


def submit(slurm, folder, *arguments, options=()):
    """The number of a job."""
    command = ['sbatch', '--parsable', *options, SCRIPT, *arguments]
    done = subprocess.run(command, cwd=folder, env=slurm, capture_output=True, text=True)
    assert done.stdout.strip().isdigit(), done.stderr
    return done.stdout.strip()


def ended(slurm, folder, job):
    """Exit code of a job, and what its log has, once it has ended. `sbatch --wait` looks but every half minute."""
    for _ in range(600):
        shown = subprocess.run(['scontrol', '-o', 'show', 'job', job], env=slurm, capture_output=True, text=True).stdout
        if re.search(r'JobState=(?!PENDING|CONFIGURING|RUNNING|COMPLETING)', shown):
            log = folder / f'slurm-{job}.out'
            return int(re.search(r'ExitCode=(\d+)', shown)[1]), log.read_text() if log.exists() else ''
        time.sleep(0.5)
    raise AssertionError(shown)


def train(slurm, folder, *arguments, options=()):
    return ended(slurm, folder, submit(slurm, folder, *arguments, options=options))


def interrupted(slurm, folder):
    """The log of a job that in its second epoch got the signal by which Slurm says that its time is nearly up."""
    job = submit(slurm, folder, 'metrics/cohens_kappa', '--epochs', '9999')
    log = folder / f'slurm-{job}.out'
    for _ in range(240):
        if log.exists() and 'Epoch 2/9999' in log.read_text():
            break
        time.sleep(0.5)
    subprocess.run(['scancel', '--signal=INT', '--batch', job], env=slurm, check=True)
    return ended(slurm, folder, job)[1]


def result(folder, name):
    return json.loads((folder / 'runs' / name / 'result.json').read_text())


def test_a_recipe_is_a_job(slurm, folder):
    code, log = train(slurm, folder, 'metrics/cohens_kappa', '--epochs', '1', options=['--cpus-per-task=1'])
    assert code == 0, log
    found = result(folder, 'metrics-cohens_kappa')
    assert found['threads'] == 1
    line = [ROOT / '.venv/bin/python', '-m', 'tensorflow_with_keras', 'run', 'metrics/cohens_kappa', '--epochs', '1']
    subprocess.run([*line, '--threads', '1', '--out', folder / 'by hand'], check=True, capture_output=True)
    assert json.loads((folder / 'by hand/metrics-cohens_kappa/result.json').read_text())['metrics'] == found['metrics']


def test_two_tasks_are_two_processes_of_horovod(slurm, folder):
    options = ['--ntasks=2', '--cpus-per-task=1']
    code, log = train(slurm, folder, 'distributed/horovod', '--epochs', '2', options=options)
    assert code == 0, log
    assert result(folder, 'distributed-horovod')['metrics']['processes'] == 2


def test_a_recipe_is_a_job_in_a_container(slurm, folder, charliecloud):
    (folder / '.venv').unlink()
    options = ['--export', f'ALL,IMAGE={charliecloud}']
    code, log = train(slurm, folder, 'metrics/cohens_kappa', '--epochs', '1', options=options)
    assert code == 0, log
    found = result(folder, 'metrics-cohens_kappa')
    assert found['versions']['tensorflow'] == '1.9.0' and '--out /work/runs' in found['command']


def test_a_program_of_ones_own_gets_its_arguments(slurm, folder):
    (folder / 'my train.py').write_text('import sys, keras\nprint(keras.__version__, sys.argv[1:])\n')
    code, log = train(slurm, folder, 'my train.py', '--name', 'two words')
    assert code == 0 and "2.2.4 ['--name', 'two words']" in log


def test_a_job_whose_time_is_up_writes_what_it_has(slurm, folder):
    log = interrupted(slurm, folder)
    assert result(folder, 'metrics-cohens_kappa')['interrupted'] is True, log


@pytest.mark.parametrize(
    'arguments, without, sentence',
    [
        ([], '', 'error: what is to be trained? sbatch deploy/slurm/train.sbatch TOPIC/NAME, or a .py file'),
        (['metrics/cohens_kappa'], '.venv', 'error: there is no .venv here: make run-example ENGINE=local makes it'),
        (['metrics/nothing'], '', "there is no recipe 'metrics/nothing'"),
    ],
)
def test_bad_input_is_one_sentence_and_the_job_fails(slurm, folder, arguments, without, sentence):
    if without:
        (folder / without).unlink()
    code, log = train(slurm, folder, *arguments)
    assert code == 2 and sentence in log and 'Traceback' not in log


def test_outside_of_a_job_it_says_so(folder):
    done = subprocess.run(['bash', SCRIPT], cwd=folder, capture_output=True, text=True)
    assert done.returncode != 0 and 'this is a job for sbatch' in done.stderr
