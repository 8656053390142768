"""make run-example PULL=NAME@sha256:…: an image in a registry of this machine, run from there by its digest."""

import re
import socket
import subprocess
import time

import pytest
from conftest import ENGINE, IMAGE, ROOT

CONFIGURATION = """
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: '{folder}'}}}}
http: {{addr: '127.0.0.1:{port}'}}
"""


@pytest.fixture
def registry(tmp_path):
    """Its address. Engines speak to a registry on this machine without TLS, Podman where it is told so."""
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
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


def test_an_image_from_a_registry_runs_by_its_digest(registry, tmp_path, monkeypatch):
    (tmp_path / 'registries.conf').write_text(f'[[registry]]\nlocation = "{registry}"\ninsecure = true\n')
    monkeypatch.setenv('CONTAINERS_REGISTRIES_CONF', str(tmp_path / 'registries.conf'))

    def engine(*arguments):
        return subprocess.run([ENGINE, *arguments], check=True, capture_output=True, text=True).stdout

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
        digests = engine('image', 'inspect', '--format', '{{range .RepoDigests}}{{println .}}{{end}}', f'{name}:cpu')
        digest = re.search(rf'^{name}@(sha256:\w+)$', digests, re.M)[1]
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
        subprocess.run([ENGINE, 'rmi', f'{name}@{digest}'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
