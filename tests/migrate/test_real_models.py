"""Models that projects of 2018 and 2019 build, which nobody here wrote. Only the whole session fetches the projects."""

import json
import os
import pathlib
import sys

import pytest
from conftest import HERE, QUICK, ROOT, STEPS, Models

pytestmark = pytest.mark.skipif(QUICK, reason='only the whole session fetches projects')
PROJECTS = ['anago', 'csbdeep', 'keras-resnet', 'keras-retinanet', 'keras-self-attention', 'keras-tcn']
OWN_LAYERS = ['attention', 'boxes', 'resnet', 'retinanet', 'tagger']


@pytest.fixture(scope='module')
def models(tmp_path_factory):
    sys.path.insert(0, str(ROOT / 'scripts'))
    import projects
    import tomli

    known = tomli.loads((ROOT / 'tests' / 'projects' / 'projects.toml').read_text())
    sources = tmp_path_factory.mktemp('sources')
    for name in PROJECTS:
        projects.unpack(projects.fetch(name, known[name], tmp_path_factory.mktemp('sdist')), sources / name)
    os.environ['SOURCES'] = str(sources)
    script = HERE / 'real_models.py'
    yield Models(tmp_path_factory.mktemp('models'), script, [*OWN_LAYERS, 'tcn', 'unet'], custom=[script])
    del os.environ['SOURCES']


@pytest.fixture(scope='module')
def proofs(models):
    def of(target):
        if target not in found:
            found[target] = models.proofs(*STEPS[target])
        return found[target]

    found = {}
    return of


@pytest.mark.parametrize('target', ['onnx', 'savedmodel'])
@pytest.mark.parametrize('name', [*OWN_LAYERS, 'tcn', 'unet'])
def test_the_graph_answers_the_same(proofs, name, target):
    proof = proofs(target)[name]
    assert 'sentence' not in proof, proof
    assert proof['holds'], {key: proof[key] for key in ('outputs', 'first_layer_that_parts', 'notes')}


def test_boxes_are_asked_for_where_rounding_does_not_choose_them(proofs):
    proof = proofs('onnx')['boxes']
    assert 'Rounding decides' in proof['notes'][0] and 'times smaller' in proof['notes'][0]
    assert max(row['rounding'] for row in proof['outputs']) < proof['tolerance'] / 4
    assert max(row['largest'] for row in proof['outputs'] if row['output'] == 'filtered_detections') > 50  # in pixels


@pytest.mark.parametrize('target', ['keras3', 'tf_keras'])
def test_what_is_of_keras_own_layers_is_built_anew(models, target):
    jobs = [job for job in models.jobs if job['name'] in ('tcn', 'unet')]
    found = models.ask(jobs, *STEPS[target], ('new', 'judge'))
    assert list(found) == ['tcn'] and 'lambda_1 is bytecode of Python 3.6' in found['tcn']['sentence']
    (unet,) = [job for job in jobs if job['name'] == 'unet']
    proof = json.loads(pathlib.Path(unet['work'], 'proof.json').read_text())
    assert (proof['target'], proof['holds']) == (target, True), proof['notes']
