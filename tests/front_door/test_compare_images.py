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
    with tarfile.open(fileobj=data, mode='w', format=tarfile.PAX_FORMAT) as t:
        for name, content, mtime, *more in files:
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), mtime
            for field, value in more[0].items() if more else ():
                setattr(member, field, value)
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


def compare(*arguments):
    done = subprocess.run(
        [sys.executable, os.path.join(ROOT, 'docker', 'compare_images.py'), *arguments],
        stdout=subprocess.PIPE,
        universal_newlines=True,
    )
    return done.returncode, done.stdout


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
    found, out = compare(one, two)
    assert found == code and said in out


# of two builds at different times: `a` and the epoch's own files are the same, /opt was made during the build
EPOCH = 1000
BUILT = {'created': 'then', 'history': [{'created': 'then', 'created_by': 'COPY'}], 'config': {'User': '1000'}}


def layer(time, name='opt/c.py', content=b'c', **fields):
    return [('etc/a', b'a', 900), (name, content, time, fields)]


@pytest.mark.parametrize(
    'other, config, said',
    [
        (layer(2000), {}, None),
        (layer(2000), {'history': [{'created': 'now', 'created_by': 'COPY', 'comment': 'FROM 4f6a'}]}, None),
        (layer(1000), {}, None),  # at the epoch itself, as after it
        (layer(999), {}, 'layer 1: opt/c.py: mtime 1000 against 999'),
        (layer(2000, mode=0o600), {}, 'layer 1: opt/c.py: mode 420 against 384'),
        (layer(2000, uid=7), {}, 'layer 1: opt/c.py: uid 0 against 7'),
        (layer(2000, gid=7), {}, 'layer 1: opt/c.py: gid 0 against 7'),
        (layer(2000, content=b'd'), {}, 'layer 1: opt/c.py: the contents differ'),
        (layer(2000, name='opt/d.py'), {}, 'layer 1: opt/c.py against opt/d.py'),
        (layer(2000, type=tarfile.SYMTYPE, linkname='d', size=0), {}, "layer 1: opt/c.py: type b'0' against b'2'"),
        (
            layer(2000, pax_headers={'SCHILY.xattr.security.capability': 'x'}),
            {},
            "layer 1: opt/c.py: extended attributes {} against {'SCHILY.xattr.security.capability': 'x'}",
        ),
        (layer(2000), {'history': [{'created': 'now', 'created_by': 'RUN'}]}, 'the configuration differs in: history'),
        (layer(2000), {'config': {'User': '0'}}, 'the configuration differs in: config'),
        (None, {}, 'layer 1: layer1.tar against None'),
    ],
)
def test_all_but_the_times_of_the_build_must_be_the_same(tmp_path, other, config, said):
    one = archive(tmp_path / 'one.tar', [BASE, layer(1500)], **BUILT)
    later = dict(BUILT, created='now', history=[{'created': 'now', 'created_by': 'COPY'}])
    two = archive(tmp_path / 'two.tar', [BASE] + ([other] if other else []), **dict(later, **config))
    code, out = compare('--times-up-to', str(EPOCH), one, two)
    if said:
        assert code == 1 and said in out
    else:
        assert code == 0 and 'the same files in 2 layers and the same configuration; the IDs differ since' in out
    assert compare(one, two)[0] == 1  # asked for one image ID


def test_links_are_compared_by_where_they_lead(tmp_path):
    paths = [tmp_path / 'one.tar', tmp_path / 'two.tar']
    links = [dict(type=tarfile.SYMTYPE, linkname=target, size=0) for target in ('to', 'elsewhere')]
    one, two = (archive(p, [layer(n, **link)]) for n, (p, link) in enumerate(zip(paths, links), 2000))
    code, out = compare('--times-up-to', str(EPOCH), one, two)
    assert code == 1 and 'layer 0: opt/c.py: linkname to against elsewhere' in out


def test_one_configuration_written_in_two_ways_is_not_one_image(tmp_path):
    one, two = tmp_path / 'one.tar', tmp_path / 'two.tar'
    archive(one, [BASE], created='then')
    with tarfile.open(str(one)) as t:
        content = {m.name: t.extractfile(m).read() for m in t.getmembers()}
    content['config.json'] += b'\n'
    two.write_bytes(tar([(name, data, 0) for name, data in content.items()]))
    code, out = compare(str(one), str(two))
    assert code == 1 and out.startswith('different image IDs:')
