"""make bundle of a real image: its bill against what the image says, and the image loaded where there is no network."""

import json
import os
import pathlib
import re
import subprocess
import tarfile

import pytest
from conftest import ENGINE, IMAGE, KIND, SANDBOX

from tensorflow_with_keras import recipe

ROOT = pathlib.Path(recipe.ROOT)
OFFLINE = ['unshare', '--net'] if os.getuid() == 0 else ['unshare', '--user', '--map-root-user', '--net']


@pytest.fixture(scope='module')
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp('a bundle')
    env = {**os.environ, 'KIND': KIND, 'OUT': str(folder)}
    subprocess.run([str(ROOT / 'scripts' / 'front-door'), 'bundle'], env=env, check=True, stdout=subprocess.DEVNULL)
    (archive,) = folder.iterdir()
    with tarfile.open(archive) as file:
        file.extractall(folder)
    archive.unlink()
    (top,) = folder.iterdir()
    return top


def test_the_bill_names_what_the_image_says_is_in_it(bundle, container):
    parts = json.loads((bundle / 'sbom.cdx.json').read_text())['components']
    code = 'import json, pkg_resources as p; print(json.dumps({d.key: d.version for d in p.working_set}))'
    python = {
        each['name'].lower().replace('_', '-'): each['version'] for each in parts if 'pypi/' in each.get('purl', '')
    }
    assert python == {name.replace('_', '-'): version for name, version in container.python(code).items()}
    code, out, err = container('dpkg-query', '-W', '-f', '${Package} ${Version}\n')
    debian = {f'{each["name"]} {each["version"]}' for each in parts if 'deb/' in each.get('purl', '')}
    assert code == 0 and debian == set(out.splitlines())
    index = (bundle / 'licences' / 'index.txt').read_text()
    assert len(index.splitlines()) == 2 + len(debian) + len(python)
    assert (
        re.search(r'\npython +tensorflow 1\.', index)
        and 'GNU' in (bundle / 'licences/debian/libc6/copyright').read_text()
    )


def test_it_loads_and_trains_where_there_is_no_network(bundle, tmp_path, inspected):
    engine = tmp_path / ENGINE
    if ENGINE == 'podman':  # a machine that has no image
        engine.write_text(f'#!/bin/sh\nexec podman --root "{tmp_path}/images" --runroot "{tmp_path}/run" "$@"\n')
    else:
        engine.write_text(f'#!/bin/sh\nexec {ENGINE} "$@"\n')
        subprocess.run([ENGINE, 'rmi', IMAGE], check=True, stdout=subprocess.DEVNULL)
    engine.chmod(0o755)
    try:
        done = subprocess.run([*OFFLINE, 'sh', str(bundle / 'load.sh'), str(engine)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        train = ['python', '-m', 'tensorflow_with_keras', 'run', 'metrics/cohens_kappa', '--epochs', '1']
        done = subprocess.run(
            [*OFFLINE, engine, 'run', '--rm', *SANDBOX, IMAGE, *train], capture_output=True, text=True
        )
        assert done.returncode == 0 and 'kappa' in done.stdout, done.stderr
        shown = subprocess.run([engine, 'image', 'inspect', IMAGE], capture_output=True, text=True, check=True)
        assert json.loads(shown.stdout)[0]['Id'] == inspected['Id']
        assert inspected['Id'].split(':')[-1] in (bundle / 'README.txt').read_text()
    finally:
        if ENGINE == 'podman':
            subprocess.run([engine, 'rmi', '--all', '--force'], stdout=subprocess.DEVNULL)
