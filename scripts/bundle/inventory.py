"""What is in the image or environment that this runs in, as JSON on standard output, by the standard library alone.

`make bundle` sends it to that Python, of 3.6 on. Its arguments are patterns: of shared libraries or folders of them,
and of the folders `site-packages` of other environments. It reads what is there, and not what a lock says should be:
Debian's packages (`debian`), those of this Python and of the other environments (`python`), the versions of these
Pythons (`pythons`), and the shared libraries (`libraries`, each with its SHA-256 and size in bytes).
"""

import email
import glob
import hashlib
import json
import os
import re
import subprocess
import sys


def read(path):
    with open(path, encoding='utf-8', errors='replace') as file:
        return file.read()


def debian():
    """Installed packages, each with its licence text as Debian has it; '' where the image has none."""
    if not os.path.exists('/var/lib/dpkg/status'):
        return
    for paragraph in read('/var/lib/dpkg/status').strip().split('\n\n'):
        fields = email.message_from_string(paragraph)
        if fields['Status'] == 'install ok installed':
            text = '/usr/share/doc/%s/copyright' % fields['Package']
            yield {
                'name': fields['Package'],
                'version': fields['Version'],
                'architecture': fields['Architecture'],
                'source': (fields['Source'] or fields['Package']).split()[0],
                'licence_text': read(text) if os.path.exists(text) else '',
            }


def licence_texts(folder, recorded):
    """The files of a Python package whose names say that they are licences, as a dict from path to text."""
    root = os.path.dirname(folder)
    names = [line.split(',')[0].strip('"') for line in recorded.splitlines()]
    names += [os.path.join(os.path.basename(folder), name) for name in os.listdir(folder)]
    told = re.compile('(?i)(third.?party.?)?(licen[cs]e|copying|notice)')
    wanted = sorted({name for name in names if told.match(os.path.basename(name))})
    paths = {name: os.path.join(root, name) for name in wanted if not name.endswith(('.py', '.pyc'))}
    return {name: read(path) for name, path in paths.items() if os.path.isfile(path)}


def python(environments):
    """Packages on the path and in other environments, each with what its metadata says of its licence, and the texts.

    One that is there twice, as in an environment and in Python's own folder, is named once, unless its versions differ.
    """
    seen = set()
    for root in sys.path + environments:
        for folder in sorted(
            glob.glob(os.path.join(root, '*.dist-info')) + glob.glob(os.path.join(root, '*.egg-info'))
        ):
            if not os.path.isdir(folder):
                continue
            file = os.path.join(folder, 'METADATA' if folder.endswith('.dist-info') else 'PKG-INFO')
            fields = email.message_from_string(read(file))
            this = fields['Name'].lower().replace('_', '-'), fields['Version']
            if this in seen:
                continue
            seen.add(this)
            record = os.path.join(folder, 'RECORD')
            classifiers = [c.split(' :: ')[-1] for c in fields.get_all('Classifier', []) if c.startswith('License :: ')]
            yield {
                'name': fields['Name'],
                'version': fields['Version'],
                'licence': fields['License-Expression'] or fields['License'] or '',
                'classifiers': [c for c in classifiers if c != 'OSI Approved'],
                'licence_texts': licence_texts(folder, read(record) if os.path.exists(record) else ''),
            }


def pythons(environments):
    """The versions of this Python and of those of other environments, which are asked themselves."""
    versions = {'%d.%d.%d' % sys.version_info[:3]}
    for environment in environments:
        prefix, name = re.match('(.*)/lib/(python[0-9.]+)/', environment).groups()
        said = subprocess.check_output([prefix + '/bin/' + name, '--version'])
        versions.add(said.decode().split()[1])
    return sorted(versions)


def libraries(folders):
    for folder in folders:
        within = sorted(glob.glob(os.path.join(folder, '**', '*.so*'), recursive=True))
        for path in within if os.path.isdir(folder) else [folder]:
            if os.path.isfile(path) and (path == folder or not os.path.islink(path)):
                with open(path, 'rb') as file:
                    content = file.read()
                yield {'path': path, 'sha256': hashlib.sha256(content).hexdigest(), 'bytes': len(content)}


if __name__ == '__main__':
    paths = [path for pattern in sys.argv[1:] for path in sorted(glob.glob(pattern))]
    environments = [path for path in paths if path.endswith('/site-packages')]
    found = {
        'pythons': pythons(environments),
        'debian': list(debian()),
        'python': list(python(environments)),
        'libraries': list(libraries([path for path in paths if path not in environments])),
    }
    json.dump(found, sys.stdout)
