"""make bundle, with an engine that is a stub: what the archive holds, and what stops it."""

import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile

import numpy
import pytest

from tensorflow_with_keras.recipe import ROOT

ROOT = pathlib.Path(ROOT)
INVENTORY = ROOT / 'scripts' / 'bundle' / 'inventory.py'
# An engine that has one image: it answers `run` with what stands in FOUND and `save -o FILE` with SAVED.
STUB = """#!/bin/sh
case $1 in
  run) cat > /dev/null; cat "$FOUND" ;;
  save) cp "$SAVED" "$3" ;;
  load) cat "$3" > "$LOADED"; echo "Loaded" ;;
esac
"""
FOUND = {
    'pythons': ['3.12.11', '3.6.15'],
    'debian': [
        {'name': 'zlib1g', 'version': '1:1.2-3', 'architecture': 'amd64', 'source': 'zlib', 'licence_text': 'as is'}
    ],
    'python': [
        {
            'name': 'Some_Thing',
            'version': '1',
            'licence': 'MIT',
            'classifiers': [],
            'licence_texts': {'a/LICENSE': 'ü'},
        },
        {'name': 'odd', 'version': '2', 'licence': 'my own words', 'classifiers': [], 'licence_texts': {}},
        {'name': 'bsd', 'version': '3', 'licence': 'UNKNOWN', 'classifiers': ['BSD License'], 'licence_texts': {}},
    ],
    'libraries': [
        {'path': f'/usr/local/cuda-9.0/{name}', 'sha256': 'ab' * 32, 'bytes': 7}
        for name in ('lib64/libcudart.so.9.0', 'lib64/libgomp.so.1', 'stub/libcuda.so.1')
    ],
}


def saved(path, layers, damage=b'', order=('manifest', 'config', 'layers')):
    """What `docker save` writes of an image with these layers, each with the bytes of a file."""
    config = json.dumps(
        {'rootfs': {'type': 'layers', 'diff_ids': ['sha256:' + hashlib.sha256(one).hexdigest() for one in layers]}}
    ).encode()
    names = ['%d/layer.tar' % n for n in range(len(layers))]
    manifest = json.dumps([{'Config': 'c.json', 'RepoTags': ['localhost/x:cpu'], 'Layers': names}]).encode()
    parts = {
        'manifest': [('manifest.json', manifest)],
        'config': [('c.json', config)],
        'layers': [(name, one + damage) for name, one in zip(names, layers)],
    }
    with tarfile.open(str(path), 'w') as archive:
        for part in order:
            for name, content in parts[part]:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return 'sha256:' + hashlib.sha256(config).hexdigest()


@pytest.fixture(scope='module')
def python():
    done = subprocess.run([str(ROOT / 'scripts' / 'front-door'), 'tools', 'bundle'], stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    return str(ROOT / '.tools' / 'bin' / 'python')


@pytest.fixture
def make(python, tmp_path):
    engine = tmp_path / 'podman'
    engine.write_text(STUB)
    engine.chmod(0o755)
    folder = tmp_path / 'for you'
    env = dict(
        os.environ, FOUND=str(tmp_path / 'found'), SAVED=str(tmp_path / 'saved'), LOADED=str(tmp_path / 'loaded')
    )

    def make(found=FOUND, layers=(b'one', b'two', b'one'), kind='gpu', **how):
        (tmp_path / 'found').write_text(json.dumps(found))
        make.id = saved(tmp_path / 'saved', layers, **how)
        done = subprocess.run(
            [python, str(ROOT / 'scripts' / 'bundle'), str(engine), 'tensorflow-with-keras:' + kind, str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            env=env,
        )
        return done.returncode, done.stdout, done.stderr

    make.folder, make.engine, make.env = folder, engine, env
    return make


def unpack(make, tmp_path):
    (archive,) = make.folder.iterdir()
    with tarfile.open(str(archive)) as file:
        file.extractall(str(tmp_path / 'there'))
    (top,) = (tmp_path / 'there').iterdir()
    assert top.name == archive.name[:-4]
    return top


def test_the_image_is_an_oci_layout_and_what_docker_writes_in_one(make, tmp_path):
    code, out, err = make()
    assert code == 0, err
    assert hashlib.sha256(next(make.folder.iterdir()).read_bytes()).hexdigest() in out
    top = unpack(make, tmp_path)
    with tarfile.open(str(top / 'image.tar.gz')) as archive:
        members = archive.getmembers()
        parts = {m.name: archive.extractfile(m).read() for m in members if m.isfile()}
    there = {''}
    for member in members:  # Apptainer makes no folder that has no entry of its own
        assert os.path.dirname(member.name) in there, member.name
        there.add(member.name)
    for name, content in parts.items():
        assert not name.startswith('blobs/') or name == 'blobs/sha256/' + hashlib.sha256(content).hexdigest()
    index = json.loads(parts['index.json'].decode())
    manifest = json.loads(parts['blobs/' + index['manifests'][0]['digest'].replace(':', '/')].decode())
    docker = json.loads(parts['manifest.json'].decode())[0]
    assert json.loads(parts['oci-layout'].decode()) == {'imageLayoutVersion': '1.0.0'}
    assert manifest['config']['digest'] == make.id and docker['Config'] == 'blobs/' + make.id.replace(':', '/')
    assert [parts[name] for name in docker['Layers']] == [b'one', b'two', b'one']
    assert ['blobs/' + layer['digest'].replace(':', '/') for layer in manifest['layers']] == docker['Layers']
    assert [layer['size'] for layer in manifest['layers']] == [3, 3, 3]
    assert docker['RepoTags'] == ['tensorflow-with-keras:gpu']
    assert make.id in (top / 'README.txt').read_text() and 'NVIDIA' in (top / 'README.txt').read_text()


def test_the_same_image_gives_the_same_bytes_whichever_engine_saved_it(make):
    bundles = []
    for order in [('manifest', 'config', 'layers'), ('layers', 'config', 'manifest')]:
        assert make(order=order)[0] == 0
        (archive,) = make.folder.iterdir()
        bundles.append(archive.read_bytes())
    assert bundles[0] == bundles[1]


def test_the_bill_names_all_parts_and_their_licences(make, tmp_path):
    assert make()[0] == 0
    top = unpack(make, tmp_path)
    bill = json.loads((top / 'sbom.cdx.json').read_text())
    pythons = [part['version'] for part in bill['components'] if part['name'] == 'CPython']
    assert sorted(pythons) == FOUND['pythons']
    parts = {part['name']: part for part in bill['components']}
    cudart, gomp, stub = (each['path'] for each in FOUND['libraries'])
    assert set(parts) == {'CPython', 'zlib1g', 'Some_Thing', 'odd', 'bsd', cudart, gomp, stub}
    assert parts['zlib1g']['purl'] == 'pkg:deb/debian/zlib1g@1:1.2-3?arch=amd64'
    assert parts['Some_Thing']['purl'] == 'pkg:pypi/some-thing@1'
    assert parts['Some_Thing']['licenses'] == [{'license': {'id': 'MIT'}}]
    assert [parts[name]['licenses'][0]['license']['name'] for name in ('odd', 'bsd')] == ['my own words', 'BSD License']
    assert parts[cudart]['hashes'] == [{'alg': 'SHA-256', 'content': 'ab' * 32}]
    assert [parts[each].get('supplier') for each in (cudart, gomp, stub)] == [{'name': 'NVIDIA'}, None, None]
    assert (top / 'licences/python/Some_Thing/a_LICENSE').read_text(encoding='utf-8') == 'ü'
    assert (top / 'licences/debian/zlib1g/copyright').read_text() == 'as is'
    assert 'odd 2: my own words (no text there)' in (top / 'licences/index.txt').read_text()


def test_two_versions_of_one_package_have_their_licences_apart(make, tmp_path):
    def package(name, version):
        texts = {'x.dist-info/LICENSE': 'of ' + version}
        return {'name': name, 'version': version, 'licence': 'MIT', 'classifiers': [], 'licence_texts': texts}

    there = [package('absl_py', '2.3'), package('absl-py', '0.15'), package('numpy', '1.16'), package('numpy', '2.4')]
    assert make(dict(FOUND, python=there + [package('six', '1')]))[0] == 0
    top = unpack(make, tmp_path)
    folder = top / 'licences' / 'python'
    texts = {path.parent.name: path.read_text() for path in folder.glob('*/x.dist-info_LICENSE')}
    expected = {'absl_py-2.3': 'of 2.3', 'absl-py-0.15': 'of 0.15', 'numpy-1.16': 'of 1.16', 'numpy-2.4': 'of 2.4'}
    assert texts == dict(expected, six='of 1')
    bill = json.loads((top / 'sbom.cdx.json').read_text())
    parts = {part['purl'] for part in bill['components'] if part.get('purl', '').startswith('pkg:pypi')}
    names = ['absl-py@2.3', 'absl-py@0.15', 'numpy@1.16', 'numpy@2.4', 'six@1']
    assert parts == {'pkg:pypi/' + name for name in names}


@pytest.mark.parametrize('what', ['altered', 'missing'])
def test_load_loads_nothing_that_a_transfer_broke(make, tmp_path, what):
    assert make()[0] == 0
    top = unpack(make, tmp_path)
    load = ['sh', str(top / 'load.sh'), str(make.engine)]
    done = subprocess.run(load, stdout=subprocess.PIPE, env=make.env, universal_newlines=True)
    loaded = pathlib.Path(make.env['LOADED'])
    assert done.returncode == 0 and loaded.read_bytes() == (top / 'image.tar.gz').read_bytes()
    assert 'podman run --rm --network none tensorflow-with-keras:gpu ' in done.stdout
    loaded.unlink()
    content = bytearray((top / 'image.tar.gz').read_bytes())
    content[-9] ^= 1
    (top / 'image.tar.gz').unlink()
    if what == 'altered':
        (top / 'image.tar.gz').write_bytes(content)
    done = subprocess.run(load, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=make.env, universal_newlines=True)
    assert done.returncode != 0 and 'image.tar.gz' in done.stderr + done.stdout and not loaded.exists()


@pytest.mark.parametrize(
    'kind, words', [('gpu', 'python -m tensorflow_with_keras run '), ('migrate', 'migrate --help')]
)
def test_load_ends_with_what_the_image_can_do(make, tmp_path, kind, words):
    assert make(kind=kind)[0] == 0
    load = ['sh', str(unpack(make, tmp_path) / 'load.sh'), str(make.engine)]
    done = subprocess.run(load, stdout=subprocess.PIPE, env=make.env, universal_newlines=True)
    begins = 'Try it: podman run --rm --network none tensorflow-with-keras:%s %s' % (kind, words)
    assert done.returncode == 0 and done.stdout.splitlines()[-1].startswith(begins)


def test_load_without_an_engine_says_so(make, tmp_path):
    assert make()[0] == 0
    top = unpack(make, tmp_path)
    env = dict(make.env, PATH=str(tmp_path / 'bin'))
    (tmp_path / 'bin').mkdir()
    for program in ('sh', 'sha256sum', 'dirname'):
        os.symlink(
            subprocess.check_output(['which', program], universal_newlines=True).strip(),
            str(tmp_path / 'bin' / program),
        )
    for named, word in (([], 'no docker and no podman'), (['podman'], 'no podman')):
        load = [str(tmp_path / 'bin' / 'sh'), str(top / 'load.sh'), *named]
        done = subprocess.run(load, stderr=subprocess.PIPE, env=env, universal_newlines=True)
        assert done.returncode == 2 and done.stderr.startswith('error: %s answers here' % word), done.stderr


def test_load_takes_the_engine_that_answers(make, tmp_path):
    assert make()[0] == 0
    top = unpack(make, tmp_path)
    (tmp_path / 'bin').mkdir()
    for name, text in (('docker', '#!/bin/sh\nexit 1\n'), ('podman', STUB)):  # Debian's client, and no daemon
        (tmp_path / 'bin' / name).write_text(text)
        (tmp_path / 'bin' / name).chmod(0o755)
    env = dict(make.env, PATH='%s:%s' % (tmp_path / 'bin', os.environ['PATH']))
    done = subprocess.run(['sh', str(top / 'load.sh')], stdout=subprocess.PIPE, env=env, universal_newlines=True)
    assert done.returncode == 0 and pathlib.Path(make.env['LOADED']).exists() and 'podman run' in done.stdout


def test_a_layer_that_is_not_what_the_image_says_ends_it_and_leaves_nothing(make):
    code, out, err = make(damage=b'!')
    assert code == 3 and 'error: the layer 0/layer.tar is not what the image says' in err and out == ''
    assert list(make.folder.iterdir()) == []


def test_an_engine_that_fails_ends_it_and_leaves_nothing(make):
    make.engine.write_text(STUB.replace('cp "$SAVED" "$3"', 'echo full >&2; exit 125'))
    code, out, err = make()
    assert code == 3 and 'full\nerror: `podman save` failed (see above).' in err and list(make.folder.iterdir()) == []


def test_a_bundle_that_is_there_stays_where_a_new_one_fails(make):
    assert make()[0] == 0
    (before,) = make.folder.iterdir()
    content = before.read_bytes()
    assert make(damage=b'!')[0] == 3
    assert [before] == list(make.folder.iterdir()) and before.read_bytes() == content


def test_a_folder_that_cannot_be_one_is_named(make):
    make.folder.write_text('a file')
    code, out, err = make()
    assert code == 3 and 'for you: ' in err and 'Traceback' not in err


def test_the_inventory_finds_what_is_installed_here(tmp_path):
    (tmp_path / 'cuda-1').mkdir()
    (tmp_path / 'cuda-1' / 'libx.so.1').write_bytes(b'x')
    (tmp_path / 'cuda-1' / 'libx.so').symlink_to('libx.so.1')
    found = json.loads(subprocess.check_output([sys.executable, str(INVENTORY), str(tmp_path / 'cuda*')]).decode())
    code = 'import json, pkg_resources as p; print(json.dumps({d.project_name: d.version for d in p.working_set}))'
    there = json.loads(subprocess.check_output([sys.executable, '-c', code]).decode())
    same = {re.sub('[-_.]+', '-', each['name']): each['version'] for each in found['python']}
    assert same == {re.sub('[-_.]+', '-', name): version for name, version in there.items()}
    texts = {each['name']: each['licence_texts'] for each in found['python']}
    assert any('Copyright' in text for text in texts['numpy'].values())
    x = str(tmp_path / 'cuda-1' / 'libx.so.1')
    assert found['libraries'] == [{'path': x, 'sha256': hashlib.sha256(b'x').hexdigest(), 'bytes': 1}]
    assert found['pythons'] == ['%d.%d.%d' % sys.version_info[:3]]
    asked = subprocess.check_output(['dpkg-query', '-W', '-f', '${db:Status-Abbrev}|${Package}|${Version}\n']).decode()
    here = {tuple(line.split('|')[1:]) for line in asked.splitlines() if line.startswith('ii')}
    assert {(each['name'], each['version']) for each in found['debian']} == here


def test_the_inventory_finds_what_other_environments_have(tmp_path):
    """One of another Python with one package of its own, and one that is here as well."""
    site = tmp_path / '.venv-other' / 'lib' / 'python3.99' / 'site-packages'
    for name, version in (('Other_Thing', '7'), ('NumPy', numpy.__version__)):
        folder = site / ('%s-%s.dist-info' % (name, version))
        folder.mkdir(parents=True)
        (folder / 'METADATA').write_text('Name: %s\nVersion: %s\nLicense: MIT\n' % (name, version))
        for file in ('LICENSE', 'ThirdPartyNotices.txt'):
            (folder / file).write_text(file + ' of ' + name)
    program = tmp_path / '.venv-other' / 'bin' / 'python3.99'
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho Python 3.99.1\n')
    program.chmod(0o755)

    def look(*patterns):
        return json.loads(subprocess.check_output([sys.executable, str(INVENTORY)] + list(patterns)).decode())

    before, found = look(), look(str(tmp_path / '.venv-*/lib/python*/site-packages'))
    (more,) = [each for each in found['python'] if each not in before['python']]
    names = ('LICENSE', 'ThirdPartyNotices.txt')
    texts = {'Other_Thing-7.dist-info/' + file: file + ' of Other_Thing' for file in names}
    about = {'name': 'Other_Thing', 'version': '7', 'licence': 'MIT', 'classifiers': [], 'licence_texts': texts}
    assert more == about and found['libraries'] == []
    assert set(found['pythons']) == {'%d.%d.%d' % sys.version_info[:3], '3.99.1'}


def test_gzip_has_no_time_in_it(make, tmp_path):
    assert make()[0] == 0
    content = (unpack(make, tmp_path) / 'image.tar.gz').read_bytes()
    assert content[4:8] == b'\0' * 4 and content[3] == 0 and gzip.decompress(content)


@pytest.mark.parametrize(
    'option, words',
    [
        ('KIND=gpu', 'without a container a bundle is for CPUs: '),
        ('KIND=migrate', 'without a container there is no bundle of `make migrate`: '),
        ('EXAMPLE=distributed/horovod', 'distributed/horovod needs Horovod, which is compiled for the machine '),
        ('KIND=nonsense', "there is no image of kind 'nonsense'; there are: cpu, gpu, migrate."),
    ],
)
def test_what_there_is_no_bundle_of_without_a_container(option, words, tmp_path):
    command = ['make', '--no-print-directory', 'bundle', 'ENGINE=local', option, 'OUT=' + str(tmp_path / 'out')]
    done = subprocess.run(command, stderr=subprocess.PIPE, universal_newlines=True, cwd=str(ROOT))
    assert done.returncode != 0 and 'error: ' + words in done.stderr
    assert not (tmp_path / 'out').exists()


def test_a_full_disk_is_one_sentence_however_many_files_do_not_fit(python, tmp_path):
    script = 'mount -t tmpfs -o size=200k none "$1"; code=0; '
    script += '"$2" "$3" local x:cpu "$1" "$4" "$5" || code=$?; ls -A "$1"; exit $code'
    root = [] if os.getuid() == 0 else ['--user', '--map-root-user']
    command = ['unshare'] + root + ['--mount', 'sh', '-euc', script, 'sh', str(tmp_path), python]
    command += [str(ROOT / 'scripts' / 'bundle'), sys.executable, str(ROOT / 'requirements' / 'cpu.txt')]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == 3 and done.stdout == ''
    assert done.stderr.splitlines()[-1].startswith('error: the disk is full: make room')
    assert len(done.stderr.splitlines()) == 2, done.stderr


def test_packages_that_cannot_be_installed_end_it_and_leave_nothing(python, tmp_path):
    (tmp_path / 'lock.txt').write_text('numpy==1.16.0 --hash=sha256:' + '0' * 64 + '\n')
    command = [python, str(ROOT / 'scripts' / 'bundle'), 'local', 'x:cpu', str(tmp_path / 'out'), sys.executable]
    env = dict(os.environ, UV_OFFLINE='1')
    done = subprocess.run(
        command + [str(tmp_path / 'lock.txt')], stderr=subprocess.PIPE, universal_newlines=True, env=env
    )
    assert done.returncode == 3 and 'lock.txt could not be installed (see above).' in done.stderr, done.stderr
    assert 'Traceback' not in done.stderr and list((tmp_path / 'out').iterdir()) == []
