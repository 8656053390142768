"""An image in a registry of this machine: run from there by PULL=NAME@sha256:…; pushed as a release pushes it."""

import hashlib
import http.client
import json
import os
import socket
import subprocess
import time

import pytest
import yaml
from conftest import ENGINE, IMAGE, ROOT

CONFIGURATION = """
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: '{folder}'}}}}
http: {{addr: '127.0.0.1:{port}'}}
"""


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """Its address. Engines speak to a registry on this machine without TLS, Podman where it is told so."""
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    (tmp_path / 'registries.conf').write_text(f'[[registry]]\nlocation = "127.0.0.1:{port}"\ninsecure = true\n')
    monkeypatch.setenv('CONTAINERS_REGISTRIES_CONF', str(tmp_path / 'registries.conf'))
    (tmp_path / 'registry.yml').write_text(CONFIGURATION.format(folder=tmp_path / 'images', port=port))
    server = subprocess.Popen(['docker-registry', 'serve', tmp_path / 'registry.yml'])
    try:
        for _ in range(100):
            with socket.socket() as s:
                if s.connect_ex(('127.0.0.1', port)) == 0:
                    break
            assert server.poll() is None
            time.sleep(0.1)
        yield f'127.0.0.1:{port}'
    finally:
        server.terminate()
        server.wait()


MANIFESTS = ['docker.distribution.manifest.v2', 'docker.distribution.manifest.list.v2', 'oci.image.manifest.v1']
ACCEPT = ', '.join(f'application/vnd.{kind}+json' for kind in [*MANIFESTS, 'oci.image.index.v1'])


def ask(registry, path):
    """What the registry itself answers, past engines and proxies: the header that names a digest, and the content."""
    connection = http.client.HTTPConnection(registry, timeout=30)
    try:
        connection.request('GET', f'/v2/{path}', headers={'Accept': ACCEPT})
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content
        return answer.getheader('Docker-Content-Digest'), content
    finally:
        connection.close()


def engine(*arguments):
    return subprocess.run([ENGINE, *arguments], check=True, capture_output=True, text=True).stdout


def test_an_image_from_a_registry_runs_by_its_digest(registry, tmp_path):
    def run(pull):
        command = ['make', 'run-example', f'ENGINE={ENGINE}', f'PULL={pull}', 'EPOCHS=1', f'ARGS=--out {tmp_path}/runs']
        (tmp_path / 'runs').mkdir(exist_ok=True)
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    name = f'{registry}/tensorflow-with-keras'
    before = engine('image', 'inspect', '--format', '{{.Id}}', IMAGE)
    engine('tag', IMAGE, f'{name}:cpu')
    engine('tag', IMAGE, 'kept-by-the-test')  # the layers stay, and what is built after this
    try:
        engine('push', f'{name}:cpu')
        digest, _ = ask(registry, 'tensorflow-with-keras/manifests/cpu')
        engine('rmi', IMAGE, f'{name}:cpu')
        code, out, err = run(f'{name}@sha256:{"0" * 64}')
        assert code == 2 and f'error: {ENGINE} could not pull {name}@sha256:0000' in err and out == ''
        code, out, err = run(f'{name}@{digest}')
        assert code == 0 and 'test_kappa' in out, err
        assert f'Pulling {name}@{digest}\n' in err and 'Building' not in err
        assert engine('image', 'inspect', '--format', '{{.Id}}', IMAGE) == before
    finally:
        engine('tag', 'kept-by-the-test', IMAGE)
        engine('rmi', 'kept-by-the-test')
        if ENGINE == 'docker':  # to Podman that is no name of its own, and it would remove the image
            subprocess.run([ENGINE, 'rmi', f'{name}@{digest}'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_a_release_pushes_every_tag_and_names_the_digest_that_the_registry_has(registry, tmp_path):
    [job] = yaml.safe_load((ROOT / '.github' / 'workflows' / 'release.yml').read_text())['jobs'].values()
    [row] = [each for each in job['strategy']['matrix']['include'] if f'tensorflow-with-keras:{each["image"]}' == IMAGE]
    [step] = [each for each in job['steps'] if each.get('name') == 'Push']
    lines = step['run'].replace('${{ matrix.image }}', row['image']).replace('${{ matrix.tags }}', row['tags'])
    assert '${{' not in lines
    (tmp_path / 'push').write_text(lines)
    (tmp_path / 'bin').mkdir()
    if ENGINE == 'podman':  # in the place of the docker that the workflow calls
        (tmp_path / 'bin' / 'docker').write_text('#!/bin/sh\nexec podman "$@"\n')
        (tmp_path / 'bin' / 'docker').chmod(0o755)
    name, written = f'{registry}/tensorflow-with-keras', tmp_path / 'output'
    variables = {'NAME': name, 'GITHUB_REF_NAME': 'v0.2.0', 'GITHUB_OUTPUT': str(written)}
    variables['PATH'] = f'{tmp_path / "bin"}:{os.environ["PATH"]}'
    tags = {'0.2.0-cpu-tf1.9-keras2.2.4', 'cpu-tf1.9-keras2.2.4', 'cpu'}
    try:
        command = ['bash', '-e', tmp_path / 'push']  # as the hosted runner starts such a step
        done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert set(json.loads(ask(registry, 'tensorflow-with-keras/tags/list')[1])['tags']) == tags
        [(digest, manifest)] = {ask(registry, f'tensorflow-with-keras/manifests/{tag}') for tag in tags}
        assert digest == 'sha256:' + hashlib.sha256(manifest).hexdigest()
        # Podman compresses as it pushes, which gives another manifest than the one whose digest it knows
        assert ENGINE == 'podman' or written.read_text() == f'digest={digest}\n'
    finally:
        for tag in tags:
            subprocess.run([ENGINE, 'rmi', f'{name}:{tag}'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
