"""make bundle of a real image: its bill against what the image says, and the image loaded where there is no network."""

import json
import os
import re
import subprocess
import tempfile

import pytest
from conftest import ENGINE, IMAGE, ROOT

SANDBOX = ['--network=none', *(ROOT / 'docker' / 'sandbox.txt').read_text().split()]
OFFLINE = ['unshare', '--net'] if os.getuid() == 0 else ['unshare', '--user', '--map-root-user', '--net']


def printed(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def inside(*command):
    return printed(ENGINE, 'run', '--rm', *SANDBOX, IMAGE, *command)


def test_the_bill_names_what_the_image_says_is_in_it(bundle):
    parts = json.loads((bundle / 'sbom.cdx.json').read_text())['components']
    python = {(each['name'].replace('_', '-'), each['version']) for each in parts if 'pypi/' in each.get('purl', '')}
    code = (
        'import pkg_resources as p; print(*("%s %s" % (d.project_name, d.version) for d in p.working_set), sep="\\n")'
    )
    there = {tuple(line.replace('_', '-').split(' ')) for line in inside('python', '-c', code).splitlines()}
    more = {name for name, _ in python - there}  # a second copy, in Python's own folder
    assert there <= python and more <= {name for name, _ in there}
    debian = {f'{each["name"]} {each["version"]}' for each in parts if 'deb/' in each.get('purl', '')}
    assert debian == set(inside('dpkg-query', '-W', '-f', '${Package} ${Version}\n').splitlines())
    index = (bundle / 'licences' / 'index.txt').read_text()
    assert len(index.splitlines()) == 2 + len(debian) + len(python)
    assert re.search(r'\npython +tensorflow 1\.9\.0: Apache 2\.0', index)
    assert 'GNU' in (bundle / 'licences/debian/libc6/copyright').read_text()


def test_skopeo_finds_the_digest_that_the_bundle_names(bundle, tmp_path):
    image = tmp_path / 'image.tar'
    with open(image, 'wb') as file:
        subprocess.run(['gunzip', '-c', bundle / 'image.tar.gz'], stdout=file, check=True)
    oci, docker = (json.loads(printed('skopeo', 'inspect', f'{kind}-archive:{image}')) for kind in ('oci', 'docker'))
    assert oci['Digest'] in (bundle / 'README.txt').read_text()
    assert oci['Labels'] == docker['Labels'] and oci['Labels']['tensorflow'] == '1.9.0'


@pytest.fixture
def short():
    """A folder of whose path Podman takes 50 characters."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield folder


def test_it_loads_and_trains_where_there_is_no_network(bundle, tmp_path, short):
    identity = ['image', 'inspect', '--format', '{{.Id}}', IMAGE]
    before = printed(ENGINE, *identity)
    engine = tmp_path / ENGINE
    if ENGINE == 'podman':  # a machine that has no image
        engine.write_text(f'#!/bin/sh\nexec podman --root "{tmp_path}/images" --runroot "{short}" "$@"\n')
    else:
        engine.write_text(f'#!/bin/sh\nexec {ENGINE} "$@"\n')
        printed(ENGINE, 'rmi', IMAGE)
    engine.chmod(0o755)
    try:
        done = subprocess.run([*OFFLINE, 'sh', bundle / 'load.sh', engine], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        train = [
            'python',
            '-m',
            'tensorflow_with_keras',
            'run',
            'metrics/cohens_kappa',
            '--epochs',
            '1',
            '--out',
            '/tmp',
        ]
        assert 'kappa' in printed(*OFFLINE, engine, 'run', '--rm', *SANDBOX, IMAGE, *train)
        after = printed(engine, *identity)
        assert after == before and after.strip().split(':')[-1] in (bundle / 'README.txt').read_text()
    finally:
        if ENGINE == 'podman':
            subprocess.run([engine, 'rmi', '--all', '--force'], stdout=subprocess.DEVNULL)
