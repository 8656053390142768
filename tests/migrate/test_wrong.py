"""A migration that is wrong on purpose is caught, and the layer named; a proof of nothing is no proof."""

import json
import pathlib

import pytest
from conftest import HERE, Models, run

WRONG = {  # fault -> the model it is made in, and the layer where it is
    'transposed': ('dense', 'square'),
    'weights_of_another': ('dense', 'square'),
    'epsilon': ('dense', 'bn'),
    'batch_norm_in_training': ('dense', 'bn'),
    'dropout_on': ('dense', 'dropout'),
    'gates_swapped': ('lstm', 'lstm'),
    'hard_sigmoid_of_keras3': ('lstm', 'lstm'),
    'mask_dropped': ('lstm', 'masking'),
    'channels_swapped': ('conv', 'conv'),
    'pad': ('conv', 'pad'),
}


@pytest.fixture(scope='module')
def asked(tmp_path_factory):
    made = Models(tmp_path_factory.mktemp('wrong'), HERE / 'wrong_cases.py', [])
    assert not made.failed
    return made


@pytest.fixture(scope='module')
def proofs(asked):
    """Fault -> proof; the right model of each kind under its own name."""
    jobs = {job['name']: job for job in asked.jobs}
    plan = [(name, name, None) for name in ('dense', 'lstm', 'conv')]
    plan += [(fault, model, fault) for fault, (model, _) in WRONG.items()]
    found = []
    for name, model, fault in plan:
        work = asked.folder / f'wrong-{name}'
        work.mkdir()
        for file in pathlib.Path(jobs[model]['work']).iterdir():
            if file.is_file():
                (work / file.name).symlink_to(file)
        (work / 'model.keras').unlink(missing_ok=True)
        custom = [[str(HERE / 'wrong.py'), f'Training{kind}'] for kind in ('Dropout', 'BatchNormalization')]
        found.append({**jobs[model], 'name': name, 'work': str(work), 'wrong': fault, 'custom': custom})
    listed = asked.folder / 'wrong.json'
    listed.write_text(json.dumps(found))
    run('new', HERE / 'wrong.py', listed)
    sentences = asked.ask(found, ('new', 'new', 'run'), ('new', 'judge'))
    assert not sentences
    return {job['name']: json.loads(pathlib.Path(job['work'], 'proof.json').read_text()) for job in found}


@pytest.mark.parametrize('name', ['dense', 'lstm', 'conv'])
def test_that_the_right_model_is_proven(proofs, name):
    assert proofs[name]['holds'] and proofs[name]['first_layer_that_parts'] is None


@pytest.mark.parametrize('fault', WRONG)
def test_that_a_fault_is_caught_and_located(proofs, fault):
    assert not proofs[fault]['holds']
    assert proofs[fault]['first_layer_that_parts'] == WRONG[fault][1]


# In ONNX and SavedModel files, the last layer's bias is changed.
ALTER_ONNX = """
import sys, onnx, numpy as np
from onnx import numpy_helper
model = onnx.load(sys.argv[1])
weights = [w for w in model.graph.initializer if 'last/kernel' in w.name or w.dims == [20, 3] or list(w.dims) == [6, 3]]
assert weights
for w in weights:
    w.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(w)[::-1].copy(), w.name))
onnx.save(model, sys.argv[1])
"""


def test_that_a_changed_onnx_file_is_caught_and_located(asked):
    job = next(job for job in asked.jobs if job['name'] == 'dense')
    assert asked.proofs(('new', 'new', 'onnx'))['dense']['holds']
    run('new', '-c', ALTER_ONNX, pathlib.Path(job['work'], 'model.onnx'))
    proof = asked.proofs(('new', 'new', 'onnx'))['dense']
    assert not proof['holds'] and proof['first_layer_that_parts'] == 'last'


def test_that_a_saturated_softmax_is_judged_by_its_logits(asked):
    proof = asked.proofs(('new', 'new', 'onnx'))['saturated']
    assert proof['holds']
    assert 'is saturated' in ' '.join(proof['notes']) and 'last before its activation' in ' '.join(proof['notes'])
    assert any(row['output'] == 'last@logits' and 0 <= row['relative'] < 1e-5 for row in proof['outputs'])


def test_that_a_saturated_map_is_judged_by_the_merged_layer_before_it(asked):
    proof = asked.proofs(('new', 'new', 'onnx'))['saturated map']
    assert proof['holds'], proof['notes']
    assert any(row['output'] == 'up' and 0 <= row['relative'] < 1e-5 for row in proof['outputs'])


def test_that_answers_which_never_vary_prove_nothing(asked):
    proof = asked.proofs(('new', 'new', 'onnx'))['constant']
    assert not proof['holds']
    assert 'this proves nothing' in ' '.join(proof['notes'])
