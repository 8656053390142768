import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from tensorflow_with_keras import cluster
from tensorflow_with_keras.recipe import ROOT

CLUSTER = {'ps': ['a:1'], 'worker': ['b:1', 'b:2']}


@pytest.fixture
def task(monkeypatch):
    def set_task(job, index, spec=CLUSTER):
        monkeypatch.setenv('TF_CONFIG', json.dumps({'cluster': spec, 'task': {'type': job, 'index': index}}))
        return cluster.ParameterServer()

    return set_task


def test_without_tf_config_it_has_nothing_to_join(monkeypatch):
    monkeypatch.delenv('TF_CONFIG', raising=False)
    assert not cluster.ParameterServer().join()


@pytest.mark.parametrize('job, index, chief', [('ps', 0, False), ('worker', 0, True), ('worker', 1, False)])
def test_the_first_worker_is_the_chief(task, job, index, chief):
    launcher = task(job, index)
    assert launcher.join() and launcher.index() == index and launcher.chief() == chief


@pytest.mark.parametrize('first', ['chief', 'master'])
def test_where_the_cluster_has_a_chief_the_first_worker_is_none(task, first):
    spec = dict(CLUSTER, **{first: ['c:1']})
    assert task(first, 0, spec).chief() and not task('worker', 0, spec).chief()


@pytest.mark.parametrize(
    'text',
    [
        '{"cluster": ',
        '[]',
        '"text"',
        '{"cluster": {"ps": ["a:1"]}}',
        '{"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}}',
        '{"cluster": {"worker": ["b:1"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"ps": ["a:1"], "worker": ["b:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"ps": ["a:1"], "worker": ["b:1"]}, "task": {"type": "worker", "index": "0"}}',
        '{"cluster": {"ps": ["a:1"], "worker": ["b:1"]}, "task": {"type": "worker", "index": -1}}',
        '{"cluster": {"ps": ["a:1"], "worker": ["b:1"]}, "task": {"type": "evaluator", "index": 0}}',
    ],
)
def test_a_wrong_tf_config_is_one_sentence(monkeypatch, capsys, text):
    monkeypatch.setenv('TF_CONFIG', text)
    with pytest.raises(SystemExit) as e:
        cluster.ParameterServer().join()
    err = capsys.readouterr().err
    assert e.value.code == 3 and err.startswith('error: TF_CONFIG must be {"cluster"') and text in err


def run(code, **environment):
    return subprocess.run(
        [sys.executable, '-c', 'from tensorflow_with_keras import cluster, recipe\nimport os, sys, time\n' + code],
        cwd=ROOT,
        env=dict(os.environ, **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )


def test_every_process_gets_its_task_and_says_who_it_is():
    member = r"""
import json, os, sys, time
config = json.loads(os.environ['TF_CONFIG'])
task = config['task']
print(task['type'], task['index'], sorted((k, len(v)) for k, v in config['cluster'].items()))
print('Using TensorFlow backend.', file=sys.stderr)
sys.stdout.flush()
assert len({a for addresses in config['cluster'].values() for a in addresses}) == 5
time.sleep({'ps': 60, 'worker': 5 if task['index'] == 0 else 0}[task['type']])  # the chief ends last, servers never
"""
    done = run('sys.exit(cluster.ParameterServer(2, 3).launch([sys.executable, "-c", %r]))' % member)
    assert done.returncode == 0 and done.stderr == ''
    jobs = "[('ps', 2), ('worker', 3)]"
    said = sorted(done.stdout.splitlines())
    workers = ['worker %d | worker %d %s' % (i, i, jobs) for i in (1, 2)]
    servers = {'ps %d | ps %d %s' % (i, i, jobs) for i in (0, 1)}
    assert set(said) == set(workers) | {'worker 0 ' + jobs} | servers


def test_what_dies_is_started_again_and_what_always_dies_ends_all():
    member = 'import os, sys, time; time.sleep(60) if "ps" in os.environ["TF_CONFIG"].split("task")[1] else sys.exit(7)'
    code = 'cluster.RESTARTS = 1\nsys.exit(cluster.ParameterServer(1, 1).launch([sys.executable, "-c", %r]))' % member
    done = run(code)
    assert done.returncode == 3 and done.stdout == ''
    again, error = done.stderr.splitlines()
    assert again == 'worker 0 ended with 7; starting it again (1 of 1)'
    assert error.startswith('error: worker 0 has failed 2 times (see above); ')


def test_what_died_once_and_then_ends_well_has_ended_well(tmp_path):
    member = """
import os, sys, time
if '"ps"' in os.environ['TF_CONFIG'].split('task')[1]:
    time.sleep(60)
sys.exit(0 if os.path.exists(%r) else open(%r, 'w').close() or 7)
"""
    member %= (str(tmp_path / 'once'), str(tmp_path / 'once'))
    done = run('sys.exit(cluster.ParameterServer(1, 1).launch([sys.executable, "-c", %r]))' % member)
    assert (done.returncode, done.stderr) == (0, 'worker 0 ended with 7; starting it again (1 of 3)\n')


def test_where_nothing_else_is_said_two_workers_have_one_server():
    member = 'import os, time; print(os.environ["TF_CONFIG"]); time.sleep(1)'
    done = run('sys.exit(cluster.ParameterServer().launch([sys.executable, "-c", %r]))' % member)
    assert done.returncode == 0
    config = json.loads(next(line for line in done.stdout.splitlines() if line.startswith('{')))
    assert {job: len(addresses) for job, addresses in config['cluster'].items()} == {'ps': 1, 'worker': 2}


def test_a_terminals_ctrl_c_is_the_launchers_alone_and_is_130():
    member = 'import os, time; print("alone", os.getsid(0) == os.getpid(), flush=True); time.sleep(60)'
    code = 'from tensorflow_with_keras import cluster; import signal, sys\n'
    code += 'signal.signal(signal.SIGINT, signal.default_int_handler)\n'  # as recipe.main does: it may be ignored here
    code += 'sys.exit(cluster.ParameterServer(1, 1).launch([sys.executable, "-c", %r]))' % member
    streams = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, 'universal_newlines': True}
    process = subprocess.Popen([sys.executable, '-c', code], cwd=ROOT, **streams)
    said = sorted(process.stdout.readline() for _ in range(2))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert said == ['alone True\n', 'ps 0 | alone True\n']
    assert process.returncode == 130
    assert err == 'interrupted; what is saved stays, and the same command resumes from there\n'


@pytest.mark.parametrize('owner, name', [(subprocess.Popen, '__init__'), (threading.Thread, 'start')])
@pytest.mark.parametrize('nth', [1, 2, 3])
def test_a_ctrl_c_while_processes_are_started_is_130_too(monkeypatch, owner, name, nth):
    calls, real = [], getattr(owner, name)

    def interrupted(self, *args, **kwargs):
        calls.append(self)
        if len(calls) == nth:
            raise KeyboardInterrupt
        return real(self, *args, **kwargs)

    monkeypatch.setattr(owner, name, interrupted)
    command = [sys.executable, '-c', 'import time; time.sleep(60)']
    assert cluster.ParameterServer(1, 2).launch(command) == 130
    assert len(calls) == nth


def test_waiting_ends_with_a_sentence_only_when_it_takes_too_long():
    code = """
with cluster.give_up('nobody came', 30):
    print('came', flush=True)
with cluster.give_up('nobody came', 0.2):
    time.sleep(60)
"""
    done = run(code)
    assert (done.returncode, done.stdout, done.stderr) == (3, 'came\n', 'error: nobody came\n')


RANKS = ('HOROVOD_RANK', 'HOROVOD_LOCAL_RANK', 'OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_LOCAL_RANK', 'PMI_RANK')


@pytest.mark.parametrize('name', ['HOROVOD_RANK', 'OMPI_COMM_WORLD_RANK', 'PMI_RANK'])
def test_each_launchers_word_for_the_rank_is_known(monkeypatch, name):
    for other in RANKS + ('CUDA_VISIBLE_DEVICES',):
        monkeypatch.delenv(other, raising=False)
    assert not cluster.Horovod().join()
    monkeypatch.setenv(name, '0')
    assert cluster.Horovod().join() and cluster.Horovod().chief()
    monkeypatch.setenv(name, '3')
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES')
    monkeypatch.setenv(name.replace('_RANK', '_LOCAL_RANK').replace('PMI_LOCAL_RANK', 'MPI_LOCALRANKID'), '2')
    assert cluster.Horovod().join() and not cluster.Horovod().chief() and cluster.Horovod().index() == 3
    assert os.environ['CUDA_VISIBLE_DEVICES'] == '2'  # a GPU of its own


def test_a_job_without_its_numbers_is_one_sentence():
    done = run('cluster.Horovod().join()', JOB_COMPLETION_INDEX='0', HOROVOD_GLOO_RENDEZVOUS_ADDR='a')
    assert done.returncode == 3 and done.stderr.startswith('error: HOROVOD_SIZE and HOROVOD_GLOO_RENDEZVOUS_PORT must')


def test_a_rank_of_an_indexed_job_that_finds_no_rank_0_is_one_sentence():
    code = 'cluster.Horovod().join()'
    done = run(
        code,
        JOB_COMPLETION_INDEX='1',
        HOROVOD_SIZE='2',
        HOROVOD_GLOO_RENDEZVOUS_ADDR='127.0.0.1',
        HOROVOD_GLOO_RENDEZVOUS_PORT='9',
        TFK_TIMEOUT='1',
    )
    assert done.returncode == 3
    assert done.stderr.startswith('error: rank 1 could not reach rank 0 at 127.0.0.1:9 within 1 s')
