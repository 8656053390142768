"""What is in the image or environment that this runs in, as JSON on standard output, by the standard library alone.

`make bundle` sends it to that Python, of 3.6 on, with shared libraries or folders of them as arguments.
It reads what is there, and not what a lock says should be: Debian's packages (`debian`), Python's (`python`), Python
itself (`version`), and the shared libraries in those folders (`libraries`, each with its SHA-256 and size in bytes).
"""

import email
import glob
import hashlib
import json
import os
import re
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
    wanted = sorted({n for n in names if re.match('(?i)(licen[cs]e|copying|notice)', os.path.basename(n))})
    paths = {name: os.path.join(root, name) for name in wanted if not name.endswith(('.py', '.pyc'))}
    return {name: read(path) for name, path in paths.items() if os.path.isfile(path)}


def python():
    """Python's packages on the path, each with what its metadata says of its licence, and the licence's texts.

    One that is there twice, in the environment and in Python's own folder, is named once, unless its versions differ.
    """
    seen = set()
    for root in sys.path:
        for folder in sorted(
            glob.glob(os.path.join(root, '*.dist-info')) + glob.glob(os.path.join(root, '*.egg-info'))
        ):
            if not os.path.isdir(folder):
                continue
            file = os.path.join(folder, 'METADATA' if folder.endswith('.dist-info') else 'PKG-INFO')
            fields = email.message_from_string(read(file))
            if (fields['Name'], fields['Version']) in seen:
                continue
            seen.add((fields['Name'], fields['Version']))
            record = os.path.join(folder, 'RECORD')
            classifiers = [c.split(' :: ')[-1] for c in fields.get_all('Classifier', []) if c.startswith('License :: ')]
            yield {
                'name': fields['Name'],
                'version': fields['Version'],
                'licence': fields['License-Expression'] or fields['License'] or '',
                'classifiers': [c for c in classifiers if c != 'OSI Approved'],
                'licence_texts': licence_texts(folder, read(record) if os.path.exists(record) else ''),
            }


def libraries(folders):
    for folder in folders:
        within = sorted(glob.glob(os.path.join(folder, '**', '*.so*'), recursive=True))
        for path in within if os.path.isdir(folder) else [folder]:
            if os.path.isfile(path) and (path == folder or not os.path.islink(path)):
                with open(path, 'rb') as file:
                    content = file.read()
                yield {'path': path, 'sha256': hashlib.sha256(content).hexdigest(), 'bytes': len(content)}


if __name__ == '__main__':
    found = {
        'version': '%d.%d.%d' % sys.version_info[:3],
        'debian': list(debian()),
        'python': list(python()),
        'libraries': list(libraries([f for pattern in sys.argv[1:] for f in glob.glob(pattern)])),
    }
    json.dump(found, sys.stdout)
