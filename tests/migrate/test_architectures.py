"""keras.applications' architectures by target, and a softmax that hides what the converter merged before it."""

import pytest
from conftest import HERE, QUICK, STEPS, Models, run

ARCHITECTURES = 'DenseNet121 InceptionV3 MobileNet MobileNetV2 NASNetMobile ResNet50 VGG16 Xception'.split()
NAMES = ['pooled softmax', *([] if QUICK else ARCHITECTURES)]


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
    """Each one alone, since a folder of all would be gigabytes."""

    def of(name):
        if name not in made:
            made.clear()
            made[name] = Models(tmp_path_factory.mktemp('architecture'), HERE / 'architectures.py', [name])
        return made[name]

    made = {}
    return of


@pytest.mark.parametrize('target', ['onnx'] if QUICK else list(STEPS))
@pytest.mark.parametrize('name', NAMES)
def test_an_architecture(saved, name, target):
    proof = saved(name).proofs(*STEPS[target])[name]
    assert 'sentence' not in proof, proof
    assert proof['holds'], {key: proof[key] for key in ('outputs', 'first_layer_that_parts', 'notes')}
    assert proof['largest_relative_difference'] <= (1e-5 if name == 'pooled softmax' else 1e-4)


@pytest.mark.parametrize('target', ['onnx', 'savedmodel'])
def test_an_input_that_no_output_needs(saved, target):
    proof = saved('half used').proofs(*STEPS[target])['half used']
    assert 'sentence' not in proof, proof
    assert proof['holds'] and proof['largest_relative_difference'] <= 1e-5


WIDER = """
import sys, numpy, onnx
model = onnx.load(sys.argv[1])
for each in model.graph.initializer:
    if each.data_type == onnx.TensorProto.FLOAT:
        each.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(each) * numpy.float32(1.001), each.name))
onnx.save(model, sys.argv[1])
"""


def test_what_a_saturated_softmax_hides_of_a_merged_layer_is_seen(saved):
    models = saved('pooled softmax')
    run('new', '-c', WIDER, models.folder / '0' / 'model.onnx')
    proof = models.proofs(*STEPS['onnx'])['pooled softmax']
    assert not proof['holds']
    hidden, found = [
        [row for row in proof['outputs'] if (row['output'] == 'activation_1') is same] for same in (True, False)
    ]
    assert max(row['relative'] for row in hidden) < 1e-5
    assert [row['output'] for row in found] == ['global_average_pooling2d_1']
    assert 5e-4 < found[0]['relative'] < 5e-3
