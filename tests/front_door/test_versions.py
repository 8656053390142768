"""Every version stands in one place that a person edits; elsewhere it is generated, or compared here."""

import re

import pytest
from files import find, read, written_by_hand

from tensorflow_with_keras import __version__, doctor

TEXTS = written_by_hand()
HISTORY = 'CHANGELOG.md'  # what was so when it was written
PINS = {
    (name, version)
    for path in find()
    if re.match(r'requirements/\w+\.in$', path)
    for name, version in re.findall(r'^([a-z0-9-]+)==([^\s;]+)', read(path), re.M)
}
LOCK = dict(re.findall(r'^([a-z0-9-]+)==([^\s;]+)', read('requirements/cpu.txt'), re.M))
# The subject of this project: in sentences everywhere, so those are compared.
SUBJECT = {'keras', 'tensorflow', 'tensorflow-gpu'}


def places(pattern):
    """Where it is written by hand: file and text, once for each time."""
    return [(path, m) for path, text in TEXTS.items() for m in re.findall(pattern, text)]


@pytest.mark.parametrize('name, version', sorted(pin for pin in PINS if pin[0] not in SUBJECT))
def test_a_pinned_version_is_written_by_hand_once(name, version):
    facts = {
        HISTORY,
        'examples/distributed/horovod.py',  # the source that it cites
        'tests/library/model_files/README.md',  # what wrote those files
    }
    written = r'(?i)\b%s[^\w\n]{1,6}%s(?!\w|\.\d)' % (name.replace('-', '[-_ ]?'), re.escape(version))
    found = [path for path, _ in places(written) if path not in facts]
    assert len(found) == 1 and re.match(r'requirements/\w+\.in$', found[0]), found


def test_keras_and_tensorflow_have_their_locked_version_in_every_sentence():
    """Other pages than these name no other version than those of the stacks."""
    stacks = [doctor.pins(stack) for stack in doctor.STACKS]
    known = {'keras': {pins['keras'] for pins in stacks}}
    known['tensorflow'] = {pins[build] for pins in stacks for build in doctor.BUILDS if build in pins}
    # files that another version wrote, and where old models are moved to
    others = re.compile(r'docs/model_files\.md|tests/|requirements/migrate_(new|tf)\.in')
    found = places(r'(?i)(?<!tf\.)\b(keras|tensorflow(?:-gpu)?)[^\w\n]{1,3}(?:own )?(\d+\.\d+\.\d+)')
    for path, (name, version) in found:
        if not others.match(path):
            assert version in known[name.lower().replace('-gpu', '')], path
    assert len(found) > 50


def test_both_builds_of_tensorflow_have_one_version():
    assert {version for name, version in PINS if name in SUBJECT - {'keras'}} == {LOCK['tensorflow']}


def test_python_has_the_version_of_the_base_image():
    version = re.search(r'^version = "(3\.6\.\d+)"$', read('docker/images.toml'), re.M).group(1)
    found = places(r'\b3\.6\.\d+\b')
    assert {m for _, m in found} == {version}
    assert len({path for path, _ in found}) > 3


def test_every_digest_is_written_by_hand_once():
    pins = ''.join(
        map(read, ('docker/images.toml', 'docker/cuda-9.0.pins', 'docker/cuda-10.0.pins', 'docker/nvidia.pins'))
    )
    digests = re.findall('[0-9a-f]{64}', pins)
    assert len(digests) >= 7
    for digest in digests:
        assert len(places(digest)) == 1


def test_what_is_said_of_nvidias_files_is_what_is_fetched():
    pins = read('docker/cuda-9.0.pins')
    toolkit, its_driver = re.search(r'^file installer cuda_([\d.]+)_([\d.]+)_linux', pins, re.M).groups()
    cudnn = re.search(r'/cudnn/v([\d.]+)/', pins).group(1)
    assert doctor.OLDEST_DRIVER == its_driver
    assert re.findall(r'serves CUDA [\d.]+ is ([\d.]+) or newer', read('docs/hardware.md')) == [its_driver]
    assert set(
        re.findall(r'\bCUDA (\d+\.\d+\.\d+)', read('docs/images.md') + read('tensorflow_with_keras/doctor.py'))
    ) == {toolkit}
    assert set(re.findall(r'cuDNN (\d+\.\d+\.\d+)', read('docs/images.md'))) == {cudnn}


def test_the_newest_changes_are_of_this_version():
    assert re.search(r'^## (\S+)', read(HISTORY), re.M).group(1) == __version__
