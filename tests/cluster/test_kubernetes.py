"""The pods of deploy/kubernetes/*.yaml as containers on one network, run as their Jobs say, without Kubernetes."""

import json
import re
import subprocess

import pytest
from containers import BATCH, ENGINE, IMAGE, IMAGES, Containers, ask, saved, until
from manifests import ROOT, objects, pods


class Pods(Containers):
    """Each pod a container, named, restarted and locked in as the manifest says; a folder takes the claim's place."""

    def __init__(self, name, folder, *options):
        super().__init__()
        folder.chmod(0o777)
        file = ROOT / 'deploy' / 'kubernetes' / (name + '.yaml')
        self.pods = {pod.name: pod for pod in pods(file)}
        self.names = tuple(self.pods)
        self.restarts = max(job['spec']['backoffLimit'] for job in objects(file, 'Job'))
        self.folder, self.options = folder, options

    def container(self, name):
        return f'{self.project}-{name}'

    def start(self):
        ask('network', 'create', '--internal', '--subnet', f'{self.subnet}.0/24', self.project)
        for number, (name, pod) in enumerate(self.pods.items(), 10):
            of_all, of_one = pod.spec['securityContext'], pod.container['securityContext']
            command = ['run', '-d', '--name', self.container(name), '--network', self.project]
            command += ['--ip', f'{self.subnet}.{number}', *(f'--network-alias={host}' for host in pod.hosts)]
            command += ['--restart', 'on-failure:%d' % pod.job['spec']['backoffLimit']]
            command += ['--stop-timeout', '1', '--user', '{runAsUser}:{runAsGroup}'.format(**of_all)]
            command += ['--read-only'] * of_one['readOnlyRootFilesystem']
            command += ['--security-opt', 'no-new-privileges'] * (not of_one['allowPrivilegeEscalation'])
            command += [f'--cap-drop={capability}' for capability in of_one['capabilities']['drop']]
            command += ['--memory', pod.container['resources']['limits']['memory'].replace('Gi', 'g')]
            command += [f'--env={key}={value}' for key, value in pod.environment.items()]
            claims = [volume['name'] for volume in pod.spec['volumes'] if 'persistentVolumeClaim' in volume]
            for mount in pod.container['volumeMounts']:
                path = mount['mountPath']
                kept = ['--security-opt', 'label=disable', '-v', f'{self.folder}:{path}']
                command += kept if mount['name'] in claims else ['--tmpfs', path]
            # an image of another name than the front door's, and Horovod's of that name beside it
            image = pod.container['image'].replace('tensorflow-with-keras:cpu', IMAGE)
            ask(*command, image, *pod.container['command'], *self.options)

    def take_down(self):
        for name in self.names:  # also where not all of them have come to be
            subprocess.run([ENGINE, 'rm', '-f', '-v', self.container(name)])
        subprocess.run([ENGINE, 'network', 'rm', self.project])

    def result(self, recipe):
        return json.loads((self.folder / recipe / 'result.json').read_text())['metrics']


def test_parameter_server(started, tmp_path):
    c = started(Pods('parameter-server', tmp_path))
    trained = [name for name in c.names if name != 'parameter-server-ps-0']
    assert len(trained) == 3
    until(lambda: c.ended_well(*trained), 'the chief and both workers end')
    metrics = c.result('distributed-parameter_server')
    assert metrics['updates'] >= 8 * IMAGES // BATCH and 0.8 < metrics['test_accuracy'] <= 1  # chance is 0.1


@pytest.mark.parametrize('victim', ['horovod-0', 'horovod-1'])
def test_horovod_whoever_is_killed_all_go_on_from_the_last_checkpoint(started, kill, tmp_path, victim):
    epochs = 100
    c = started(Pods('horovod', tmp_path, '--epochs', str(epochs)))
    pid = c.inspect(victim)['State']['Pid']
    until(lambda: (saved(tmp_path) or 0) > epochs // 8, 'a checkpoint of an eighth of the epochs')
    kill(pid)
    after = saved(tmp_path)
    assert after < epochs // 2
    until(lambda: c.ended_well(*c.names), 'both ranks end')
    begun = [int(n) for n in re.findall(r'^Epoch (\d+)/', c.said('horovod-0'), re.M)]
    [again] = [late for early, late in zip(begun, begun[1:]) if late != early + 1] or [after + 1]
    assert again > after and begun[-1] == epochs
    assert all(c.inspect(name)['RestartCount'] >= 1 for name in c.names)
    metrics = c.result('distributed-horovod')
    assert metrics['processes'] == 2 and 0.8 < metrics['test_accuracy'] <= 1
