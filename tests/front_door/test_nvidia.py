"""docker/nvidia, which gets NVIDIA's TensorFlow, against a server of our own; what Keras's suite leaves out by name."""

import importlib.util
import os
import subprocess

import pytest
from test_cuda import CONTENT, SHA256, Server, serving

from tensorflow_with_keras import doctor
from tensorflow_with_keras.recipe import ROOT

OTHER_SUM = 'f' * 64


@pytest.fixture
def server():
    with serving(Server()) as server:
        yield server


@pytest.fixture
def wheel(server, tmp_path):
    """Gets the wheel by pins with this sum; gives exit code, standard error, and what lies in the folder then."""

    def get(sha256, given=''):
        out, pins = tmp_path / 'out', tmp_path / 'pins'
        pins.write_text('file wheel x-1-cp36.whl %s %s\n' % (sha256, server.url()))
        done = subprocess.run(
            [os.path.join(ROOT, 'docker', 'nvidia'), 'wheel', str(out), given],
            env=dict(os.environ, NVIDIA_PINS=str(pins), no_proxy='127.0.0.1'),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
        )
        return done.returncode, done.stderr, {p.name: p.read_bytes() for p in out.iterdir() if p.suffix != '.part'}

    return get


def test_a_wheel_of_unknown_sum_is_taken_with_its_sum(wheel, server):
    assert wheel('unknown') == (0, '', {'x-1-cp36.whl': CONTENT, 'sha256': SHA256.encode() + b'\n'})


def test_a_wheel_that_is_not_there_is_one_sentence_and_leaves_no_sum(wheel, server):
    server.answers = ['missing']
    code, err, found = wheel('unknown')
    assert code == 3 and 'could not be had from' in err.splitlines()[-1] and found == {}


@pytest.mark.parametrize('sha256, right', [(SHA256, True), (OTHER_SUM, False)], ids=['right', 'wrong'])
def test_a_known_sum_is_required(wheel, sha256, right):
    code, err, found = wheel(sha256)
    assert (code == 0) is right and set(found) == ({'x-1-cp36.whl', 'sha256'} if right else set())


def test_a_sites_own_wheel_is_required_by_its_sum(wheel, server):
    server.files['/mine-2-cp36.whl'] = CONTENT
    code, err, found = wheel(OTHER_SUM, '%s#sha256=%s' % (server.url('/mine-2-cp36.whl'), SHA256))
    assert code == 0 and set(found) == {'mine-2-cp36.whl', 'sha256'}
    code, err, found = wheel('unknown', server.url('/mine-2-cp36.whl'))
    assert code == 3 and 'is neither pypi nor ADDRESS#sha256=SUM' in err


def test_pypis_takes_nothing(wheel, server):
    assert wheel('unknown', 'pypi') == (0, '', {}) and server.requests == []


def test_what_a_stack_leaves_out_is_by_exact_name_and_under_its_heading():
    spec = importlib.util.spec_from_file_location('left_out', os.path.join(ROOT, 'tests', 'upstream', 'left_out.py'))
    left_out = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(left_out)
    lines = ['# all', 'a::before any heading', '[one, two]', '# why', 'a::x', '', '[two]', 'a::y']
    assert left_out.read(lines, 'one') == {'a::x'} and left_out.read(lines, 'two') == {'a::x', 'a::y'}
    assert left_out.read(lines, 'three') == set()
    with open(left_out.LIST) as file:
        lines = file.read().splitlines()
    pairs, stacks = [], []
    for line in lines:
        if line.startswith('['):
            stacks = line.strip('[]').split(', ')
        elif line and not line.startswith('#'):
            pairs += [(stack, line) for stack in stacks]
    # A stack may stand under two headings, its own and one that several share; a name is its once.
    assert len(pairs) == len(set(pairs)) and {stack for stack, _ in pairs} <= set(doctor.STACKS)
    assert set(pairs) == {(stack, name) for stack in doctor.STACKS for name in left_out.read(lines, stack)}
