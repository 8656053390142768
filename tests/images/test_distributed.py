"""What a started container of either `distributed` image must do. `nox -s cluster` names it in IMAGE."""

import json
import os
import re
import subprocess

import pytest
from conftest import ENGINE, IMAGE, SANDBOX
from test_both import KIND, ROOT, bind

LOCK = dict(re.findall(r'^([a-z0-9-]+)==(\S+)', (ROOT / 'requirements/distributed.txt').read_text(), re.M))
RANKS = 2
RANK = """
import horovod.keras as hvd
import numpy as np

hvd.init()
values = [np.random.RandomState(rank).randn(3, 1000).astype('float32') for rank in range(RANKS)]
mine = values[hvd.rank()]
np.testing.assert_allclose(hvd.allreduce(mine, average=False), np.sum(values, axis=0), rtol=1e-6, atol=1e-6)
np.testing.assert_allclose(hvd.allreduce(mine), np.mean(values, axis=0), rtol=1e-6, atol=1e-6)
np.testing.assert_array_equal(hvd.allgather(mine), np.concatenate(values))
np.testing.assert_array_equal(hvd.broadcast(mine, root_rank=1), values[1])
open('%s/rank-%d-of-%d' % (FOLDER, hvd.rank(), hvd.size()), 'w').close()
"""


@pytest.fixture
def launch(container, tmp_path):
    """Runs a program on all ranks, as a user that the image does not know."""
    tmp_path.chmod(0o777)

    def launch(text):
        script = tmp_path / 'rank.py'
        script.write_text(f'FOLDER, RANKS = {str(tmp_path)!r}, {RANKS}\n{text}')
        options = ['--user', '4321:4321', *bind(tmp_path)]
        return container('horovodrun', '-np', str(RANKS), '--gloo', 'python', str(script), options=options)

    return launch


def test_ranks_agree_with_numpy_in_a_locked_in_container(launch, tmp_path):
    code, out, err = launch(RANK)
    assert code == 0, out + err
    assert {p.name for p in tmp_path.glob('rank-*')} == {'rank-0-of-2', 'rank-1-of-2'}


def test_a_rank_that_fails_ends_the_job(launch, tmp_path):
    code, out, err = launch(RANK.replace('hvd.init()', 'hvd.init()\nassert hvd.rank() == 0, "it ends here"'))
    assert code != 0 and 'it ends here' in out + err and not list(tmp_path.glob('rank-*'))


def test_it_has_gloo_and_neither_mpi_nor_nccl(container):
    built = container.python(
        'import horovod.tensorflow as h, json; print(json.dumps([h.gloo_built(), h.mpi_built(), h.nccl_built()]))'
    )
    assert built == [True, False, False]
    search = 'command -v mpirun mpiexec mpicxx; find / -xdev -name "libmpi*" -o -xdev -name "libnccl*" 2>/dev/null'
    assert container('sh', '-c', search)[1] == ''


def test_the_locked_versions(container, inspected):
    installed = container.python(
        'import json, pkg_resources as p; print(json.dumps({d.key: d.version for d in p.working_set}))'
    )
    assert {name: installed.get(name) for name in LOCK} == LOCK
    assert inspected['Config']['Labels']['horovod'] == LOCK['horovod']


def test_it_adds_little_and_nothing_that_was_only_for_building(container):
    assert int(container('du', '--summarize', '--bytes', '/opt/horovod')[1].split()[0]) < 5e6
    search = r"""
        for p in gcc g++ make cmake; do command -v $p; done
        find /opt/horovod \( -name .build -o -name '*.cc' -o -name 'cmake*' -o -name '*.whl' \)
        find /opt/horovod -perm /o=w -not -type l -o -not -perm -o=r
        find /opt/horovod -mindepth 1 -newermt @1546300800"""
    assert container('sh', '-c', search)[1] == ''
    stale = container.python("""
import importlib.util, json, os
print(json.dumps([p for f, _, names in os.walk('/opt/horovod/lib') for p in (os.path.join(f, n) for n in names)
                  if p.endswith('.py') and not os.path.exists(importlib.util.cache_from_source(p))]))""")
    assert stale == []


def test_the_runtime_image_has_no_horovod():
    runtime = IMAGE.replace('-distributed', '')
    search = 'ls /opt/horovod; command -v horovodrun; python -c "import horovod"'
    done = subprocess.run(
        [ENGINE, 'run', '--rm', *SANDBOX, runtime, 'sh', '-c', search], capture_output=True, text=True
    )
    assert done.stdout == '' and "No module named 'horovod'" in done.stderr


def test_the_front_door_runs_the_recipe_in_it(tmp_path):
    done = subprocess.run(
        [
            'make',
            'run-example',
            'EXAMPLE=distributed/horovod',
            'EPOCHS=1',
            f'ARGS=--out {tmp_path}',
            f'ENGINE={ENGINE}',
        ],
        cwd=ROOT,
        env=dict(os.environ, KIND=KIND),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0] == f'Engine: {ENGINE}' and 'Building' not in done.stderr
    result = tmp_path / 'distributed-horovod' / 'result.json'
    assert result.stat().st_uid == os.getuid() and json.loads(result.read_text())['recipe'] == 'distributed/horovod'
