"""docker/compare_images.py on archives made by hand."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile

import pytest

from tensorflow_with_keras.recipe import ROOT


def tar(files):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode='w') as t:
        for name, content, mtime in files:
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), mtime
            t.addfile(member, io.BytesIO(content))
    return data.getvalue()


def archive(path, layers, **config):
    layers = [tar(files) for files in layers]
    config['rootfs'] = [hashlib.sha256(layer).hexdigest() for layer in layers]
    names = ['layer%d.tar' % i for i in range(len(layers))]
    manifest = [{'Config': 'config.json', 'Layers': names}]
    contents = [
        ('manifest.json', json.dumps(manifest).encode(), 0),
        ('config.json', json.dumps(config, sort_keys=True).encode(), 0),
    ] + [(n, d, 0) for n, d in zip(names, layers)]
    path.write_bytes(tar(contents))
    return str(path)


BASE = [('etc/a', b'a', 0), ('etc/b', b'b', 0)]
APP = [('opt/c.py', b'c', 0), ('opt/c.pyc', b'cc', 0)]


@pytest.mark.parametrize(
    'layers, config, code, said',
    [
        ([BASE, APP], {}, 0, 'same image ID sha256:'),
        ([BASE, [APP[0], ('opt/c.pyc', b'cd', 0)]], {}, 1, 'layer 1: opt/c.pyc: the contents differ'),
        ([BASE, [APP[0], ('opt/c.pyc', b'ccc', 0)]], {}, 1, 'layer 1: opt/c.pyc: size 2 against 3'),
        ([BASE, [APP[0], ('opt/c.pyc', b'cc', 9)]], {}, 1, 'layer 1: opt/c.pyc: mtime 0 against 9'),
        ([BASE, APP[:1]], {}, 1, 'layer 1: opt/c.pyc against None'),
        ([BASE[1:], APP], {}, 1, 'layer 0: etc/a against etc/b'),
        ([BASE, APP], {'created': 'now'}, 1, 'the configuration differs in: created'),
    ],
)
def test_the_first_thing_that_differs_is_named(tmp_path, layers, config, code, said):
    one = archive(tmp_path / 'one.tar', [BASE, APP], created='then')
    two = archive(tmp_path / 'two.tar', layers, **dict({'created': 'then'}, **config))
    done = subprocess.run(
        [sys.executable, os.path.join(ROOT, 'docker', 'compare_images.py'), one, two],
        stdout=subprocess.PIPE,
        universal_newlines=True,
    )
    assert done.returncode == code and said in done.stdout
