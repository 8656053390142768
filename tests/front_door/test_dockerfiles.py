"""The two Dockerfiles: what they share is the same, and everything in them is pinned."""

import os
import re

import pytest

from tensorflow_with_keras.recipe import ROOT

ONLY_GPU = (
    'CUDA',
    'cuda',
    'given',
    'NVIDIA',
    '/driver',
    'ENTRYPOINT',
    'entrypoint',
    'stub',
    'libgomp',
    'LD_LIBRARY_PATH',
    'tensorflow/python/_pywrap',
)


def instructions(name):
    """The instructions without comments, each with its continuation lines in one."""
    with open(os.path.join(ROOT, name)) as f:
        lines = [line for line in f.read().splitlines() if line and not line.startswith('#')]
    return [re.sub(' +', ' ', i) for i in '\n'.join(lines).replace('\\\n', '').split('\n')]


def test_the_gpu_image_does_all_that_the_cpu_image_does():
    def neutral(text):
        for gpu, cpu in (
            ('gpu.txt', 'cpu.txt'),
            ('tensorflow-gpu=', 'tensorflow='),
            ('(GPU)', '(CPU)'),
            (' chmod +x /rootfs/opt/tensorflow-with-keras/entrypoint &&', ''),
            (' --mount=type=bind,from=cuda,source=/cuda,target=/cuda', ''),
        ):
            text = text.replace(gpu, cpu)
        return text

    gpu = [neutral(i) for i in instructions('Dockerfile')]
    shared = [i for i in gpu if not any(word in i for word in ONLY_GPU)]
    assert shared == instructions('Dockerfile.cpu') and len(shared) > 50


@pytest.mark.parametrize('name', ['Dockerfile', 'Dockerfile.cpu'])
def test_every_base_has_a_digest_and_nothing_comes_from_an_archive_that_moves(name):
    text = '\n'.join(instructions(name))
    stages = set(re.findall(r'^FROM .* AS (\w+)$', text, re.M))
    for image in re.findall(r'^FROM (?:--platform=linux/amd64 )?(\S+) AS', text, re.M):
        assert image in stages or re.match(r'\$\{(RUNTIME_BASE|BUILDER_BASE|CUDA_LIBS)\}$', image)
    for default in re.findall(r'^ARG (?:RUNTIME|BUILDER)_BASE=(.*)$', text, re.M):
        assert re.match(r'python:3\.6(-slim)?@sha256:[0-9a-f]{64}$', default)
    assert not re.search(r'apt-get|apt |conda|curl|wget|pip install', text)


@pytest.mark.parametrize('name', ['Dockerfile', 'Dockerfile.cpu'])
def test_horovod_is_in_the_distributed_targets_alone(name):
    bodies = re.split(r'^FROM ', '\n'.join(instructions(name)), flags=re.M)[1:]
    stages = {re.search(r' AS (\w+)', body).group(1): body for body in bodies}
    bases = {stage: body.split(' AS ')[0] for stage, body in stages.items()}
    assert {stage for stage, body in stages.items() if 'horovod' in body} == {'horovod', 'distributed'}
    assert [stage for stage, base in bases.items() if base in ('horovod', 'distributed')] == ['distributed_test']
    assert bases['distributed'] == bases['test'] == 'runtime'
    locked = open(os.path.join(ROOT, 'requirements', 'distributed.txt')).read()
    assert re.search(r'horovod="(.*)"', stages['distributed']).group(1) in re.findall(r'^horovod==(\S+)', locked, re.M)
