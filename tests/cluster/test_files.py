"""What the files that start clusters say: by their published schemas, and beyond what a schema can see."""

import copy
import ipaddress
import json
import re
import shlex
import subprocess
import sys

import kubernetes_validate
import pytest
import yaml
from manifests import FILES, ROOT, objects, pods

from tensorflow_with_keras import cluster, recipe

COMPOSE = ROOT / 'docker-compose.yml'
VERSIONS = ['1.28', kubernetes_validate.latest_version()]  # the first that has the labels the Services go by
KUBERNETES = pytest.mark.parametrize('file', FILES, ids=lambda file: file.name)
FRONT_DOOR = (ROOT / 'scripts' / 'front-door').read_text()
IMAGE = re.search(r'^IMAGE=(\S+):\$KIND\$SUFFIX$', FRONT_DOOR, re.M)[1] + ':cpu'
SANDBOX = set((ROOT / 'docker' / 'sandbox.txt').read_text().split())
WITH_HOROVOD = IMAGE + re.search(r'^if needs_horovod; then IMAGE=\$IMAGE(\S+) ', FRONT_DOOR, re.M)[1]


def services():
    return yaml.safe_load(COMPOSE.read_text())['services']


def run_arguments(command):
    """Of `python -m tensorflow_with_keras run NAME …`: the recipe's name, and its options as the recipe reads them."""
    python, minus_m, package, run, name, *options = command
    assert (python, minus_m, package, run) == ('python', '-m', 'tensorflow_with_keras', 'run')
    assert name in recipe.find()
    return name, recipe.parser(name).parse_args(options)


def members(clusters, monkeypatch):
    """Of TF_CONFIGs by address: the address of the chief, as the launcher itself reads them."""
    chiefs, named = [], []
    for address, text in clusters.items():
        monkeypatch.setenv('TF_CONFIG', text)
        launcher = cluster.ParameterServer()
        assert launcher.join()
        config = json.loads(text)
        assert config['cluster'][config['task']['type']][config['task']['index']] == address
        named.append(sorted(a for addresses in config['cluster'].values() for a in addresses))
        if config['task']['type'] != 'ps' and launcher.chief():
            chiefs.append(address)
    assert named == [sorted(clusters)] * len(clusters)  # all know all, and nobody else
    [chief] = chiefs
    return chief


@KUBERNETES
@pytest.mark.parametrize('version', VERSIONS)
def test_kubernetes_takes_them(file, version):
    for found in objects(file):
        used = kubernetes_validate.validate(found, version, strict=True)
        assert used == '.'.join(version.split('.')[:2])


def misspell(found, path):
    """A copy in which the last key of the path has lost its last letter."""
    found = copy.deepcopy(found)
    inner = found
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1][:-1]] = inner.pop(path[-1])
    return found


POD = ('spec', 'template', 'spec')
PATHS = {
    'Service': [('spec', 'publishNotReadyAddresses'), ('spec', 'selector')],
    'PersistentVolumeClaim': [('spec', 'accessModes')],
    'Job': [
        ('spec', 'completionMode'),
        ('spec', 'activeDeadlineSeconds'),
        (*POD, 'restartPolicy'),
        (*POD, 'securityContext', 'runAsNonRoot'),
        (*POD, 'containers', 0, 'image'),
        (*POD, 'containers', 0, 'resources', 'limits'),
        (*POD, 'containers', 0, 'securityContext', 'readOnlyRootFilesystem'),
    ],
}


@KUBERNETES
@pytest.mark.parametrize('version', VERSIONS)
def test_a_misspelt_field_is_found(file, version):
    for found in objects(file):
        for path in PATHS[found['kind']]:
            with pytest.raises(kubernetes_validate.ValidationError, match=f"'{path[-1][:-1]}'"):
                kubernetes_validate.validate(misspell(found, path), version, strict=True)


@KUBERNETES
def test_each_pod_has_a_name_of_its_own_that_the_others_can_ask_for(file):
    hosts = [host for pod in pods(file) for host in pod.hosts]
    assert len(hosts) == len(set(hosts)) == len(list(pods(file)))
    for service in objects(file, 'Service'):
        assert service['spec']['publishNotReadyAddresses'] is True
        assert any(service['spec']['selector'].items() <= pod.labels.items() for pod in pods(file))
    for pod in pods(file):
        ports = {p['port'] for s in objects(file, 'Service') for p in s['spec']['ports']}
        assert {p['containerPort'] for p in pod.container['ports']} == ports
        assert pod.job['spec']['parallelism'] == pod.job['spec']['completions']  # none can begin without the others


@KUBERNETES
def test_each_pod_runs_a_recipe_in_our_image_and_is_locked_in(file):
    names = set()
    for pod in pods(file):
        name, options = run_arguments(pod.container['command'])
        names.add(name)
        assert pod.container['image'] == (WITH_HOROVOD if name == 'distributed/horovod' else IMAGE)
        # what `restricted` of Kubernetes' Pod Security Standards asks for, and a root that is read-only
        of_all, of_one = pod.spec['securityContext'], pod.container['securityContext']
        assert of_all['runAsNonRoot'] is True and of_all['seccompProfile'] == {'type': 'RuntimeDefault'}
        assert of_all['runAsUser'] == of_all['runAsGroup'] == of_all['fsGroup'] == 1000
        locked_in = {
            'allowPrivilegeEscalation': False,
            'readOnlyRootFilesystem': True,
            'capabilities': {'drop': ['ALL']},
        }
        assert of_one == locked_in
        assert pod.spec['automountServiceAccountToken'] is False
        # it writes into volumes only, and each is there
        mounts = {m['mountPath']: m['name'] for m in pod.container['volumeMounts']}
        assert set(mounts) == {'/tmp', options.out}
        assert sorted(mounts.values()) == sorted(v['name'] for v in pod.spec['volumes'])
        # the same as the front door's, but for SELinux's labels, which are the cluster's own business
        volumes = {v['name']: v for v in pod.spec['volumes']}
        flags = [f'--cap-drop={capability}' for capability in of_one['capabilities']['drop']]
        flags += ['--read-only'] * of_one['readOnlyRootFilesystem']
        flags += ['--security-opt=no-new-privileges'] * (not of_one['allowPrivilegeEscalation'])
        flags += ['--tmpfs=/tmp:exec'] * ('emptyDir' in volumes[mounts['/tmp']])
        assert sorted(flags) == sorted(SANDBOX - {'--security-opt=label=disable'})
        claims = {v['persistentVolumeClaim']['claimName'] for v in pod.spec['volumes'] if 'persistentVolumeClaim' in v}
        assert claims <= {c['metadata']['name'] for c in objects(file, 'PersistentVolumeClaim')}
        # it ends: a failed one is started again some times, and nothing goes on for ever
        assert pod.spec['restartPolicy'] == 'OnFailure'
        assert pod.job['spec']['backoffLimit'] > 0 and pod.job['spec']['activeDeadlineSeconds'] > 0
    assert len(names) == 1


@KUBERNETES
def test_the_commands_at_its_top_name_what_is_in_it(file):
    top = file.read_text().split('apiVersion')[0]
    jobs = {'job/' + job['metadata']['name'] for job in objects(file, 'Job')}
    assert set(re.findall(r'\bjob/\S+', top)) <= jobs
    assert len(re.findall(r'kubectl (?:apply|delete) -f deploy/kubernetes/%s' % re.escape(file.name), top)) == 2


def test_parameter_server_every_pod_has_its_place_in_tf_config(monkeypatch):
    file = ROOT / 'deploy/kubernetes/parameter-server.yaml'
    port = objects(file, 'Service')[0]['spec']['ports'][0]['port']
    # by addresses of their own, which stay when a pod is replaced
    assert all('clusterIP' not in service['spec'] for service in objects(file, 'Service'))
    found = {f'{pod.hosts[0]}:{port}': pod for pod in pods(file)}
    chief = members({address: pod.environment['TF_CONFIG'] for address, pod in found.items()}, monkeypatch)
    # the chief alone has the claim, which may be of a kind that only one node can mount
    keeps = [a for a, pod in found.items() if any('persistentVolumeClaim' in v for v in pod.spec['volumes'])]
    assert keeps == [chief]
    deadlines = {job['metadata']['name']: job['spec']['activeDeadlineSeconds'] for job in objects(file, 'Job')}
    assert deadlines.pop('parameter-server-ps') > max(deadlines.values())


def test_horovod_every_rank_finds_the_first():
    file = ROOT / 'deploy/kubernetes/horovod.yaml'
    found = list(pods(file))
    port = objects(file, 'Service')[0]['spec']['ports'][0]['port']
    for pod in found:
        assert pod.environment['HOROVOD_SIZE'] == str(len(found))
        assert pod.environment['HOROVOD_GLOO_RENDEZVOUS_ADDR'] == found[0].hosts[0]
        assert pod.environment['HOROVOD_GLOO_RENDEZVOUS_PORT'] == str(port)


def check_compose(path):
    command = [sys.executable, '-m', 'check_jsonschema', '--builtin-schema', 'vendor.compose-spec', str(path)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True)


def test_compose_takes_it():
    done = check_compose(COMPOSE)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize('field', ['read_only', 'cap_drop', 'restart', 'internal', 'networks'])
def test_compose_finds_a_misspelt_field(field, tmp_path):
    wrong = tmp_path / 'docker-compose.yml'
    wrong.write_text(re.sub(rf'^( +){field}:', rf'\1{field[:-1]}:', COMPOSE.read_text(), flags=re.M))
    done = check_compose(wrong)
    assert done.returncode == 1 and field[:-1] in done.stdout


def test_compose_every_service_has_an_address_of_its_own():
    found = [s['networks']['cluster']['ipv4_address'] for s in services().values()]
    [config] = yaml.safe_load(COMPOSE.read_text())['networks']['cluster']['ipam']['config']
    network = ipaddress.ip_network(config['subnet'].replace('${SUBNET:-198.18.9}', '198.18.9'))
    addresses = {ipaddress.ip_address(a.replace('${SUBNET:-198.18.9}', '198.18.9')) for a in found}
    assert len(addresses) == len(found) and all(a in network for a in addresses)


def test_compose_every_service_has_its_place_in_tf_config(monkeypatch):
    found = {f'{name}:2222': s['environment']['TF_CONFIG'] for name, s in services().items()}
    assert members(found, monkeypatch) == 'worker-0:2222'


def test_compose_every_service_runs_the_recipe_in_our_image_and_is_locked_in():
    networks = yaml.safe_load(COMPOSE.read_text())['networks']
    for service in services().values():
        shell, minus_c, text = service['command']
        assert (shell, minus_c) == ('sh', '-c')
        text = re.sub(r'\$\{\w+:-([^}]*)\}', r'\1', text)  # no variable is set
        name, options = run_arguments(shlex.split(text)[1:])
        assert text.startswith('exec ') and name == 'distributed/parameter_server'
        source = (ROOT / 'examples' / (name + '.py')).read_text()
        assert options.epochs == int(re.search(r'def run\(data, epochs=(\d+)', source)[1])
        assert service['image'] == '${IMAGE:-%s}' % IMAGE
        flags = ['--read-only'] * service['read_only'] + [f'--tmpfs={path}' for path in service['tmpfs']]
        flags += [f'--cap-drop={capability}' for capability in service['cap_drop']]
        flags += [f'--security-opt={option}' for option in service['security_opt']]
        assert sorted(flags) == sorted(SANDBOX)
        assert service['user'] == '${AS:-1000:1000}' and service['restart'] == 'on-failure:3'
        [network] = service['networks']
        assert networks[network]['internal'] is True
        assert any(volume.endswith(f':{options.out}') for volume in service['volumes'])
