"""What Kubernetes makes of deploy/kubernetes/*.yaml, as far as tests want to know."""

import collections
import pathlib
import re

import yaml

from tensorflow_with_keras import recipe

ROOT = pathlib.Path(recipe.ROOT)
FILES = sorted((ROOT / 'deploy' / 'kubernetes').glob('*.yaml'))

# name: JOB-INDEX; hosts: what others reach it by in the cluster's DNS; environment: a dict; container, spec, labels: of
# the manifest, with what Kubernetes adds
Pod = collections.namedtuple('Pod', 'job index name hosts environment container spec labels')


def objects(file, kind=None):
    return [o for o in yaml.safe_load_all(file.read_text()) if kind in (None, o['kind'])]


def pods(file):
    """The pods of all indexed Jobs of a file, each with the variables that its container sees."""
    for job in objects(file, 'Job'):
        assert job['spec']['completionMode'] == 'Indexed'
        spec = job['spec']['template']['spec']
        [container] = spec['containers']
        for index in range(job['spec']['completions']):
            environment = {}
            for variable in container['env']:
                value = variable.get('value')
                if value is None:
                    path = variable['valueFrom']['fieldRef']['fieldPath']
                    assert path == "metadata.annotations['batch.kubernetes.io/job-completion-index']"
                    value = str(index)
                # $(NAME) stands for a variable further up in the list, and else for itself
                known = dict(environment)
                value = re.sub(r'\$\((\w+)\)', lambda m, known=known: known.get(m[1], m[0]), value)
                environment[variable['name']] = value
            environment['JOB_COMPLETION_INDEX'] = str(index)  # Kubernetes adds it behind them
            name = '{}-{}'.format(job['metadata']['name'], index)
            labels = {
                'batch.kubernetes.io/job-name': job['metadata']['name'],
                'batch.kubernetes.io/job-completion-index': str(index),
                **job['spec']['template']['metadata']['labels'],
            }
            hosts = []
            for service in objects(file, 'Service'):
                if service['spec']['selector'].items() <= labels.items():
                    if service['spec'].get('clusterIP') != 'None':
                        hosts.append(service['metadata']['name'])
                    elif spec.get('subdomain') == service['metadata']['name']:
                        hosts.append(f'{name}.{spec["subdomain"]}')
            yield Pod(job, index, name, hosts, environment, container, spec, labels)
