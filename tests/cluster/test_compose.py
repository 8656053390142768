"""The containers of docker-compose.yml: what they train, and what becomes of it when one of them is killed."""

import json
import os
import re
import subprocess
import time

import pytest
from containers import BATCH, ENGINE, IMAGE, IMAGES, ROOT, TIMEOUT, Containers, ask, saved, until

PROGRAM = ['docker', 'compose'] if ENGINE == 'docker' else ['podman-compose']


class Compose(Containers):
    """The three services under a name of their own, with the given variables of docker-compose.yml."""

    names, restarts = ('ps', 'worker-0', 'worker-1'), 3

    def __init__(self, **variables):
        super().__init__()
        self.environment = dict(os.environ, IMAGE=IMAGE, SUBNET=self.subnet, **variables)
        self.containers = {}

    def compose(self, *command, **kwargs):
        return subprocess.run(
            [*PROGRAM, '-p', self.project, *command], cwd=ROOT, env=self.environment, timeout=TIMEOUT, **kwargs
        )

    def start(self):
        self.compose('up', '-d', check=True)

    def container(self, name):
        """Its ID, which it keeps when it is started again; empty where there is none."""
        if not self.containers.get(name):
            labels = [f'label=com.docker.compose.{k}={v}' for k, v in (('project', self.project), ('service', name))]
            self.containers[name] = ask('ps', '-a', '-q', '--filter', labels[0], '--filter', labels[1])
        return self.containers[name]

    def take_down(self):
        self.compose('down', '-v', '-t', '1')


class Alone(Compose):
    """Not one service, until `compose` runs one."""

    def start(self):
        pass


# of the chief's epochs, while no other worker is there
ALONE = -(-len(range(0, IMAGES, 2)) // BATCH)


def steps(c, after=0):
    """How many updates there were in each of the chief's epochs, of all workers together."""
    updates = [int(n) for n in re.findall(r'^update (\d+) ', c.said('worker-0'), re.M)]
    return [late - early for early, late in zip(updates, updates[1:]) if early >= after]


def test_it_trains_and_the_result_is_in_the_volume(started):
    """As a person starts it, without a variable but the image."""
    c = started(Compose())
    until(lambda: c.ended_well('worker-0', 'worker-1'), 'both workers end')
    volume = f'{c.project}_results:/work'
    files = ask('run', '--rm', '--network', 'none', '-v', volume, IMAGE, 'find', '/work', '-type', 'f').split()
    folder = '/work/distributed-parameter_server/'
    # nothing but the result: the checkpoints that it went through are gone
    assert folder + 'result.json' in files and all(file.startswith(folder) for file in files)
    record = ask('run', '--rm', '--network', 'none', '-v', volume, IMAGE, 'cat', folder + 'result.json')
    metrics = json.loads(record)['metrics']
    assert metrics['updates'] >= 8 * IMAGES // BATCH
    assert 0.8 < metrics['test_accuracy'] <= 1  # chance is 0.1
    assert c.inspect('ps')['State']['Running']  # for a worker that comes later: `down` ends it


def test_each_is_locked_in_and_alone_with_the_others_and_ends_when_told_to(started, tmp_path):
    tmp_path.chmod(0o777)
    c = started(Compose(RESULTS=str(tmp_path), EPOCHS='1000'))
    until(lambda: saved(tmp_path), 'a checkpoint')
    code = """
import json, os, socket
def can(action):
    try:
        return bool(action() or True)
    except OSError:
        return False
print(json.dumps([
    os.getuid(),
    [line.split()[1] for line in open('/proc/1/status') if line.startswith(('CapEff', 'NoNewPrivs'))],
    {f: can(lambda: open(f + '/x', 'w')) for f in ('/', '/opt/tfk', '/data', '/tmp')},
    can(lambda: socket.create_connection(('ps', 2222), 5)),
    [line.split()[1] for line in open('/proc/net/route') if line.split()[1] == '00000000'],
]))"""
    for service in c.names:
        found = json.loads(ask('exec', c.container(service), 'python', '-c', code))
        writable = {'/': False, '/opt/tfk': False, '/data': False, '/tmp': True}
        # no route leads out of the network
        assert found == [1000, ['0000000000000000', '1'], writable, True, []]
    # each as the first process of its container, wherever in TensorFlow it is; the server last, or the others would end
    for service in reversed(c.names):
        ask('stop', '-t', '60', c.container(service))
        assert c.inspect(service)['State']['ExitCode'] == 143


@pytest.mark.parametrize('victim', ['worker-1', 'worker-0', 'ps'])
def test_one_is_killed_half_way(started, kill, tmp_path, victim):
    tmp_path.chmod(0o777)
    epochs = 200
    total = epochs * IMAGES // BATCH
    c = started(Compose(RESULTS=str(tmp_path), EPOCHS=str(epochs)))
    pid = c.inspect(victim)['State']['Pid']
    until(lambda: (saved(tmp_path) or 0) > total // 8, 'a checkpoint of an eighth of the updates')
    before = saved(tmp_path)
    kill(pid)
    after = saved(tmp_path)
    assert before <= after < total // 2
    counts = [after]

    def ended():
        count = saved(tmp_path)
        if count is not None:
            counts.append(count)
        return c.ended_well('worker-0', 'worker-1')

    until(ended, 'both workers end')
    # nothing that was saved is lost: neither in the folder, nor in what the chief says over all its starts
    assert counts == sorted(counts) and counts[-1] > after
    updates = [int(n) for n in re.findall(r'^update (\d+) ', c.said('worker-0'), re.M)]
    assert updates == sorted(set(updates)) and updates[0] < before and total <= updates[-1]
    metrics = json.loads((tmp_path / 'distributed-parameter_server' / 'result.json').read_text())['metrics']
    assert metrics['updates'] >= total and 0.8 < metrics['test_accuracy'] <= 1
    assert [p.name for p in tmp_path.iterdir()] == ['distributed-parameter_server']
    # whoever was killed, and nobody else, was started again; but all who lose the server, each with its sentence
    restarted = {service: c.inspect(service)['RestartCount'] for service in c.names}
    if victim == 'ps':
        assert restarted['ps'] == 1 and restarted['worker-0'] >= 1 and restarted['worker-1'] >= 1
        for n in 0, 1:
            said = c.said(f'worker-{n}')
            assert f'error: /job:worker/task:{n} lost the server' in said and 'Traceback' not in said
    else:
        assert restarted == dict({'ps': 0, 'worker-0': 0, 'worker-1': 0}, **{victim: 1})
    if victim == 'worker-1':
        found = steps(c, after)
        assert ALONE in found and max(found[found.index(ALONE) :]) > ALONE


def test_a_worker_in_a_new_container_is_found_where_the_old_one_was(started, tmp_path):
    tmp_path.chmod(0o777)
    c = started(Compose(RESULTS=str(tmp_path), EPOCHS='5000'))
    until(lambda: saved(tmp_path), 'a checkpoint')
    old = c.container('worker-1')
    ask('rm', '-f', old)
    del c.containers['worker-1']
    until(lambda: ALONE in steps(c)[-3:], 'the chief is alone')
    c.compose('up', '-d', 'worker-1', check=True)
    assert c.container('worker-1') != old
    until(lambda: steps(c)[-1] > ALONE, 'the worker takes part again')
    # A first step may time out while the server still tries a connection to the old container; at another address none
    # got through at all.
    assert c.inspect('worker-1')['RestartCount'] <= 1


@pytest.mark.parametrize('service', ['worker-0', 'worker-1'])
def test_a_worker_without_a_server_ends_with_3_and_a_sentence(started, service):
    c = started(Alone(TFK_TIMEOUT='5'))
    begin = time.monotonic()
    done = c.compose('run', '--rm', '-T', service, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert time.monotonic() - begin < 60
    assert done.returncode == 3
    n = service[-1]
    assert f'error: /job:worker/task:{n} reached no server at ps:2222 that a chief has initialised' in done.stdout
    assert 'Traceback' not in done.stdout
