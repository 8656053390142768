"""bundle ENGINE IMAGE FOLDER [PYTHON LOCK]: one archive with an image, with no network (docs/bundle.md).

FOLDER/NAME.tar, with NAME as the image with the version, holds in a folder NAME: image.tar.gz, the image in an
archive that is an OCI layout and what `docker save` writes, which Docker and Podman load; sbom.cdx.json, a
bill of materials in CycloneDX; licences, with their texts; SHA256SUMS; load.sh, which checks those and loads the
image; README.txt. The same image gives the same bytes, whichever engine has it.

With ENGINE `local` it is FOLDER/NAME-linux-x86_64.tar.gz, for a machine that has no container engine either: instead of
the image it holds PYTHON with the packages of LOCK and the recipes, which run from any place (environment.py).
"""

import collections
import contextlib
import errno
import glob
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import uuid

import environment
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from tqdm import tqdm

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SCHEMA = SchemaVersion.V1_6
EPOCH = 1546300800  # SOURCE_DATE_EPOCH of the Dockerfiles: the time of every file in the bundle
NVIDIA = '/usr/local/cuda*'  # where an image for GPUs has NVIDIA's libraries
# where the image of `make migrate` has the packages of its environments, and of its second Python
ENVIRONMENTS = [
    '/opt/tensorflow-with-keras/.venv-*/lib/python*/site-packages',
    '/opt/python312/lib/python*/site-packages',
]
NOT_NVIDIAS = re.compile(r'/stub/|/libgomp\.so')  # what lies there too: ours in the place of the driver's, and GCC's


class Failed(Exception):
    """One sentence for whoever asked for the bundle."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def ask(engine, *arguments, **options):
    done = subprocess.run([engine, *arguments], stdout=subprocess.PIPE, **options)
    if done.returncode:
        raise Failed(f'`{pathlib.Path(engine).name} {arguments[0]}` failed (see above).')
    return done.stdout


# --- the image


def entry(archive, name, content=b'', size=None, mode=0o644, kind=tarfile.REGTYPE):
    """Adds a file, of bytes or an open file of this size, with nothing of this machine: its time, its owner."""
    info = tarfile.TarInfo(name)
    info.type = kind
    info.size, info.mtime, info.mode = len(content) if size is None else size, EPOCH, mode
    archive.addfile(info, io.BytesIO(content) if size is None else content)


class Hashed:
    """A file that is read once, its SHA-256 and the progress known at the end."""

    def __init__(self, file, bar):
        self.file, self.bar, self.sha256 = file, bar, hashlib.sha256()

    def read(self, size=-1):
        content = self.file.read(size)
        self.sha256.update(content)
        self.bar.update(len(content))
        return content


def repack(saved, out, name):
    """Writes what `docker save` or `podman save` made to the file `out`, as an OCI layout that is also of that form.

    Returns the digest of the OCI manifest. Raises Failed where a layer's SHA-256 is not what the configuration says.
    """
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(tarfile.open(saved))
        compressed = stack.enter_context(gzip.GzipFile('', 'wb', 6, stack.enter_context(open(out, 'wb')), mtime=0))
        archive = stack.enter_context(tarfile.open(fileobj=compressed, mode='w|'))
        read = json.load(source.extractfile('manifest.json'))[0]
        config = source.extractfile(read['Config']).read()
        for folder in ('blobs', 'blobs/sha256'):  # Apptainer makes none that no entry names
            entry(archive, folder, mode=0o755, kind=tarfile.DIRTYPE)
        layers, written = [], set()
        sizes = [source.getmember(layer).size for layer in read['Layers']]
        bar = stack.enter_context(tqdm(total=sum(sizes), unit='B', unit_scale=True, desc='Packing', disable=None))
        for layer, digest, size in zip(read['Layers'], json.loads(config)['rootfs']['diff_ids'], sizes):
            layers.append({'mediaType': 'application/vnd.oci.image.layer.v1.tar', 'digest': digest, 'size': size})
            if digest in written:
                bar.update(size)
                continue
            written.add(digest)
            hashed = Hashed(source.extractfile(layer), bar)
            entry(archive, blob(digest), hashed, size)
            if 'sha256:' + hashed.sha256.hexdigest() != digest:
                raise Failed(f'the layer {layer} is not what the image says: the engine wrote something else.')
        manifest = {
            'schemaVersion': 2,
            'mediaType': 'application/vnd.oci.image.manifest.v1+json',
            'config': described('application/vnd.oci.image.config.v1+json', config),
            'layers': layers,
        }
        text = json.dumps(manifest).encode()
        top = described(manifest['mediaType'], text)
        top['annotations'] = {'org.opencontainers.image.ref.name': name}
        docker = {'Config': blob(manifest['config']['digest']), 'RepoTags': [name]}
        docker['Layers'] = [blob(layer['digest']) for layer in layers]
        entry(archive, blob(manifest['config']['digest']), config)
        entry(archive, blob(top['digest']), text)
        entry(archive, 'index.json', json.dumps({'schemaVersion': 2, 'manifests': [top]}).encode())
        entry(archive, 'manifest.json', json.dumps([docker]).encode())
        entry(archive, 'oci-layout', b'{"imageLayoutVersion": "1.0.0"}')
        return top['digest']


def blob(digest):
    return 'blobs/' + digest.replace(':', '/')


def described(kind, content):
    return {'mediaType': kind, 'digest': 'sha256:' + hashlib.sha256(content).hexdigest(), 'size': len(content)}


# --- the bill of materials


def plain(name):
    """The name of a package of Python's as package URLs have it."""
    return name.lower().replace('_', '-')


def licences(package):
    """What a Python package says of its licence: by its SPDX name where that is one, else in its own words."""
    make = LicenseFactory().make_from_string
    said = package['licence'].strip()
    if said and '\n' not in said and said.upper() != 'UNKNOWN':
        return [make(said)]
    return [make(each) for each in package['classifiers']]


def bill(found, name, version, label):
    """The `Bom` of what inventory.py found in the image `name`, whose ID is `label`."""
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_URL, label))
    bom.metadata.timestamp = None  # the same image gives the same bytes
    about = {
        'type': ComponentType.CONTAINER,
        'bom_ref': 'image',
        'properties': [Property(name='image ID', value=label)],
    }
    bom.metadata.component = image = Component(name=name, version=version, **about)
    licence = [LicenseFactory().make_from_string('PSF-2.0')]
    about = {'type': ComponentType.PLATFORM, 'licenses': licence}
    parts = [Component(name='CPython', version=each, bom_ref=f'CPython {each}', **about) for each in found['pythons']]
    for package in found['debian']:
        qualifiers = {'arch': package['architecture']}
        url = PackageURL('deb', 'debian', package['name'], package['version'], qualifiers)
        parts.append(Component(name=package['name'], version=package['version'], purl=url, bom_ref=str(url)))
    for package in found['python']:
        url = PackageURL('pypi', None, plain(package['name']), package['version'])
        about = {'purl': url, 'bom_ref': str(url), 'licenses': licences(package)}
        parts.append(Component(name=package['name'], version=package['version'], **about))
    for library in found['libraries']:
        sums = [HashType(alg=HashAlgorithm.SHA_256, content=library['sha256'])]
        about = {'type': ComponentType.FILE, 'hashes': sums, 'bom_ref': library['path']}
        if library['path'].startswith(NVIDIA.rstrip('*')) and not NOT_NVIDIAS.search(library['path']):
            about['supplier'] = OrganizationalEntity(name='NVIDIA')
        if 'origin' in library:
            about['properties'] = [Property(name='copied from', value=library['origin'])]
        parts.append(Component(name=library['path'], **about))
    bom.components.update(parts)
    bom.register_dependency(image, parts)
    return bom


def bill_text(bom):
    """The bill as JSON. Raises Failed where that is not what the schema of CycloneDX allows."""
    text = make_outputter(bom, OutputFormat.JSON, SCHEMA).output_as_string(indent=1)
    problem = JsonStrictValidator(SCHEMA).validate_str(text)
    if problem:
        raise Failed(f'the bill of materials is not valid: {problem}')
    return text + '\n'


def write_licences(found, folder):
    """Every licence text that the image has, one file each, and an index; what has none is named there, too.

    They lie in a folder for each package, with its version in the name where another version is there as well.
    """
    lines = ['The licence texts that lie in what this comes with, by package.', '']
    for kind, packages in (('debian', found['debian']), ('python', found['python'])):
        versions = collections.Counter(plain(package['name']) for package in packages)
        for package in sorted(packages, key=lambda each: each['name'].lower()):
            own = package['name'] + (f'-{package["version"]}' if versions[plain(package['name'])] > 1 else '')
            texts = package.get('licence_texts') or {'copyright': package.get('licence_text')}
            texts = {name: text for name, text in texts.items() if text}
            words = [package.get('licence', '').split('\n')[0].replace('UNKNOWN', ''), *package.get('classifiers', [])]
            said = '; '.join(filter(None, words))
            for name, text in texts.items():
                path = folder / kind / own / name.replace('/', '_')
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding='utf-8')
            said = (said or 'as in its text') + ('' if texts else ' (no text there)')
            lines.append(f'{kind:<7} {package["name"]} {package["version"]}: {said}')
    (folder / 'index.txt').write_text('\n'.join(lines) + '\n', encoding='utf-8')


# --- the bundle

README = """{name}: {what} in a container image, for a machine without a network.

image.tar.gz    the image {image}
                ID       {label}
                manifest {digest}
sbom.cdx.json   its bill of materials, in CycloneDX 1.6: {count} parts
licences        the licence texts that are in it; index.txt lists them{nvidia}
SHA256SUMS      of all these files
load.sh         checks them, and loads the image: sh load.sh

SHA256SUMS finds what a transfer broke. That nobody changed the whole bundle shows the SHA-256 of the archive that this
came in, which has to reach you by another way.
"""
TERMS = """
                NVIDIA's libraries are under NVIDIA's own terms, not among these texts: the licence of the CUDA Toolkit,
                which lists in its Attachment A what may be passed on, and that of cuDNN. Read them before you do."""


WITHOUT_CONTAINER = """{name}: Keras on TensorFlow 1.x, for a machine without a network and without containers.

python3.6       starts the Python of this folder, wherever it lies, as in
                ./python3.6 -m tensorflow_with_keras run metrics/cohens_kappa
python          that Python, and its packages: {packages}
examples, …     the recipes, and the library
sbom.cdx.json   a bill of materials, in CycloneDX 1.6: {count} parts
licences        the licence texts that come with them; index.txt lists them
SHA256SUMS      of all these files: sha256sum --quiet -c SHA256SUMS

It runs on Linux on x86-64 with glibc {glibc} or newer, and libstdc++ with GLIBCXX_{glibcxx} or newer (libstdc++6 in
Debian). It uses nothing else of the machine, and writes results into ./runs, or where --out says.

SHA256SUMS finds what a transfer broke. That nobody changed the whole archive shows its own SHA-256, which has to reach
you by another way.
"""


def project_version():
    return re.search("__version__ = '(.*)'", (ROOT / 'tensorflow_with_keras' / '__init__.py').read_text())[1]


def write_sums(top):
    files = sorted(path for path in top.rglob('*') if path.is_file() and not path.is_symlink())
    sums = [f'{sha256(path)}  {path.relative_to(top)}\n' for path in files]
    (top / 'SHA256SUMS').write_text(''.join(sums), encoding='utf-8')


def bundle_environment(image, folder, python, lock):
    version = project_version()
    name = f'{image.replace(":", "-")}-{version}-linux-x86_64'
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix='.bundle-', dir=folder) as work:
        top = pathlib.Path(work).resolve() / name
        say(f'Copying {python}, and installing the packages of {lock}')
        libraries = environment.fill(top, python, lock, EPOCH)
        if libraries is None:
            raise Failed(f'the packages of {lock} could not be installed (see above).')
        copies = {str(top / 'python' / 'lib' / library.name): str(library) for library in libraries}
        inside = [str(top / 'python3.6'), '-', *map(glob.escape, copies)]
        found = json.loads(
            subprocess.run(
                inside, input=(HERE / 'inventory.py').read_bytes(), stdout=subprocess.PIPE, check=True
            ).stdout
        )
        for library in found['libraries']:
            library['origin'] = copies[library['path']]
            library['path'] = str(pathlib.Path(library['path']).relative_to(top))
        packages = {environment.package_of(library) for library in libraries}
        found['debian'] = [each for each in found['debian'] if each['name'] in packages]
        bom = bill(found, image.split(':')[0], version, name)
        (top / 'sbom.cdx.json').write_text(bill_text(bom), encoding='utf-8')
        write_licences(found, top / 'licences')
        files = environment.elves(top)
        about = {'glibc': environment.newest(rb'GLIBC', files), 'glibcxx': environment.newest(rb'GLIBCXX', files)}
        about.update(count=len(bom.components), packages=len(found['python']))
        (top / 'README.txt').write_text(WITHOUT_CONTAINER.format(name=name, **about), encoding='utf-8')
        write_sums(top)
        made = folder / f'{name}.tar.gz'
        with contextlib.ExitStack() as stack:
            compressed = stack.enter_context(open(top.parent / 'whole', 'wb'))
            compressed = stack.enter_context(gzip.GzipFile('', 'wb', 6, compressed, mtime=0))
            archive = stack.enter_context(tarfile.open(fileobj=compressed, mode='w|'))
            paths = sorted(path for path in top.rglob('*') if path.is_symlink() or path.is_file())
            for path in tqdm(paths, unit=' files', desc='Packing', disable=None):
                place = str(path.relative_to(top.parent))
                if path.is_symlink():
                    info = tarfile.TarInfo(place)
                    info.type, info.linkname, info.mtime = tarfile.SYMTYPE, os.readlink(path), EPOCH
                    archive.addfile(info)
                    continue
                with open(path, 'rb') as file:
                    entry(archive, place, file, path.stat().st_size, 0o755 if path.stat().st_mode & 0o100 else 0o644)
        os.replace(top.parent / 'whole', made)
    print(f'{made}: {made.stat().st_size / 1e6:.0f} MB, SHA-256 {sha256(made)}')
    say(f'There: tar xf {made.name} && {name}/python3.6 -m tensorflow_with_keras run metrics/cohens_kappa')


def bundle(engine, image, folder):
    version = project_version()
    name = f'{image.replace(":", "-")}-{version}'
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix='.bundle-', dir=folder) as work:
        work = pathlib.Path(work)
        top = work / name
        top.mkdir()
        say(f'Looking what is in {image}')
        inside = [
            'run',
            '--rm',
            '-i',
            '--network=none',
            '--read-only',
            '--cap-drop=ALL',
            '--security-opt=no-new-privileges',
        ]
        inside += [image, 'python', '-', NVIDIA, *ENVIRONMENTS]
        found = json.loads(ask(engine, *inside, input=(HERE / 'inventory.py').read_bytes()))
        say('Saving the image')
        ask(engine, 'save', '-o', str(work / 'saved.tar'), image)
        digest = repack(work / 'saved.tar', top / 'image.tar.gz', image)
        with tarfile.open(work / 'saved.tar') as saved:
            config = saved.extractfile(json.load(saved.extractfile('manifest.json'))[0]['Config']).read()
        label = described('', config)['digest']
        (work / 'saved.tar').unlink()
        bom = bill(found, image.split(':')[0], version, label)
        (top / 'sbom.cdx.json').write_text(bill_text(bom), encoding='utf-8')
        write_licences(found, top / 'licences')
        of_migrate = image.endswith(':migrate')
        about = {'count': len(bom.components), 'nvidia': TERMS if found['libraries'] else ''}
        about['what'] = 'models of Keras 2.2 moved to current frameworks' if of_migrate else 'Keras on TensorFlow 1.x'
        (top / 'README.txt').write_text(README.format(name=name, image=image, label=label, digest=digest, **about))
        try_it = 'migrate --help' if of_migrate else 'python -m tensorflow_with_keras run metrics/cohens_kappa'
        load = (HERE / 'load.sh').read_text().replace('@IMAGE@', image).replace('@TRY@', try_it)
        (top / 'load.sh').write_text(load)
        write_sums(top)
        with tarfile.open(work / 'whole.tar', 'w') as archive:
            for path in sorted(path for path in top.rglob('*') if path.is_file()):
                with open(path, 'rb') as file:
                    entry(archive, str(path.relative_to(work)), file, path.stat().st_size)
        made = folder / f'{name}.tar'
        os.replace(work / 'whole.tar', made)
    print(f'{made}: {made.stat().st_size / 1e6:.0f} MB, SHA-256 {sha256(made)}')
    say(f'There: tar xf {made.name} && sh {name}/load.sh')


def sha256(path):
    total = hashlib.sha256()
    with open(path, 'rb') as file:
        for block in iter(lambda: file.read(1 << 20), b''):
            total.update(block)
    return total.hexdigest()


def main(engine, image, folder, *local):
    try:
        if local:
            bundle_environment(image, pathlib.Path(folder), *local)
        else:
            bundle(engine, image, pathlib.Path(folder))
    except Failed as e:
        say(f'error: {e}')
        return 3
    except subprocess.CalledProcessError as e:
        say(f'error: `{" ".join(map(str, e.cmd))[:200]}` failed (see above). Nothing is left behind.')
        return 3
    except KeyboardInterrupt:
        return 130
    except OSError as e:
        if isinstance(e, shutil.Error):  # of a whole tree: a list of all files that could not be copied, with why
            e = OSError(errno.ENOSPC if os.strerror(errno.ENOSPC) in str(e) else None, str(e.args[0][0][2]))
        full = e.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = 'the disk is full: make room, and run this again' if full else e.strerror or e
        say(f'error: {e.filename + ": " if e.filename else ""}{reason}. Nothing is left behind.')
        return 3
    return 0


if __name__ == '__main__':
    if len(sys.argv) != (6 if sys.argv[1:2] == ['local'] else 4):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
