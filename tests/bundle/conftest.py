"""What the session `bundle` made, unpacked; and a Slurm of one machine, with nothing of its own configuration."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tarfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENGINE, IMAGE = os.environ.get('ENGINE'), os.environ.get('IMAGE')


def pytest_configure():
    if not os.environ.get('BUNDLE'):
        raise pytest.UsageError(
            'these tests want ENGINE, IMAGE and BUNDLE in the environment; `nox -s bundle` sets them'
        )


def unpacked(pattern, folder):
    (archive,) = pathlib.Path(os.environ['BUNDLE']).glob(pattern)
    with tarfile.open(archive) as file:
        file.extractall(folder)
    (top,) = folder.iterdir()
    return top


@pytest.fixture(scope='session')
def bundle(tmp_path_factory):
    """The folder that comes out of the archive with an image."""
    return unpacked('*.tar', tmp_path_factory.mktemp('a machine'))


@pytest.fixture(scope='session')
def environment(tmp_path_factory):
    """The folder that comes out of the archive without one."""
    return unpacked('*.tar.gz', tmp_path_factory.mktemp('ein Rechner, über'))


def of_the_page(section):
    """The commands below a heading of docs/clusters.md: those that unpack the image, and the one that trains in it."""
    page = (ROOT / 'docs' / 'clusters.md').read_text()
    *unpack, train = page.split(f'## {section}\n')[1].split('```sh\n')[1].split('```')[0].splitlines()
    return '\n'.join(unpack), train


@pytest.fixture(scope='session')
def charliecloud(bundle):
    """A folder for ch-run."""
    unpack, _ = of_the_page('Charliecloud')
    subprocess.run(['sh', '-euc', unpack], cwd=bundle, check=True, stdout=subprocess.DEVNULL)
    return bundle / 'tfk' / 'rootfs'


@pytest.fixture(scope='session')
def sif(bundle, tmp_path_factory):
    """An image for Apptainer, which is this machine's, or else one in a root of its own that runs as another user."""
    if not shutil.which('apptainer'):
        folder = tmp_path_factory.mktemp('program')
        subprocess.run([ROOT / 'scripts/test-engine/apptainer', folder], check=True)
        os.environ['PATH'] = f'{folder}:{os.environ["PATH"]}'
    bundle.chmod(0o777)
    unpack, _ = of_the_page('Apptainer')
    subprocess.run(['sh', '-euc', unpack], cwd=bundle, check=True, stdout=subprocess.DEVNULL)
    return bundle / 'tfk.sif'


CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=4
PartitionName=all Nodes=ALL Default=YES State=UP
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(('127.0.0.1', 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope='session')
def slurm(tmp_path_factory):
    """Environment variables by which sbatch and its kin find the Slurm that this starts."""
    folder = tmp_path_factory.mktemp('slurm')
    for name in ('state', 'spool'):
        (folder / name).mkdir()
    user, host = os.environ.get('USER', 'root'), socket.gethostname().split('.')[0]
    (folder / 'slurm.conf').write_text(CONFIGURATION.format(host=host, user=user, folder=folder, ports=free_ports(2)))
    clean = {name: value for name, value in os.environ.items() if name != 'IMAGE'}  # sbatch hands it all to the job
    environment = {**clean, 'USER': user, 'SLURM_CONF': str(folder / 'slurm.conf')}
    daemons = []
    # config_overrides: more processors than there may be, so that a second task has one
    for command in (['slurmctld', '-D', '-c'], ['slurmd', '-D']):
        program = shutil.which(command[0]) or f'/usr/sbin/{command[0]}'
        with open(folder / f'{command[0]}.out', 'w') as out:
            daemons.append(subprocess.Popen([program, *command[1:]], env=environment, stdout=out, stderr=out))
    try:
        for _ in range(120):
            state = subprocess.run(['sinfo', '-h', '-o', '%t'], env=environment, capture_output=True, text=True).stdout
            if state.strip() == 'idle':
                break
            time.sleep(0.5)
        else:
            logs = [(folder / f'{name}.log').read_text()[-2000:] for name in ('slurmctld', 'slurmd')]
            pytest.fail('Slurm does not start:\n' + '\n'.join(logs))
        yield environment
    finally:
        for daemon in daemons:
            daemon.send_signal(signal.SIGTERM)
        for daemon in daemons:
            daemon.wait(30)
