"""Every layer of Keras 2.2.4 and every wiring, by target: equal, or refused with a sentence."""

import pytest
from conftest import NAMES, RESULTS

ONNX_REFUSES = {'Conv2DTranspose[output_padding]': 'negative pads'}
STOCK_REFUSES = {
    'Activation[hard_sigmoid]',
    'Embedding[mask_zero]+Bidirectional',
    'Embedding[mask_zero]+Bidirectional sequences',
    'LocallyConnected1D',
    'LocallyConnected2D',
    'LocallyConnected2D[strides, tanh]',
    'Masking+Concatenate+LSTM',
    'UpSampling2D[bilinear]',
}
TF_KERAS_REFUSES = {
    'Conv1D[channels_first]',
    'Conv2D[channels_first]',
    'Conv2DTranspose[channels_first]',
    'Conv3D[channels_first]',
    'MaxPooling2D[channels_first]',
    'channels_first network',
}


@pytest.fixture(scope='module')
def onnx(models):
    RESULTS['onnx'] = {**models.proofs(('new', 'new', 'onnx')), **models.without_onnx}
    return RESULTS['onnx']


@pytest.fixture(scope='module')
def savedmodel(models):
    RESULTS['savedmodel'] = models.proofs(('tf', 'with_tf', 'savedmodel'))
    return RESULTS['savedmodel']


@pytest.fixture(scope='module')
def keras3(models):
    RESULTS['keras3'] = models.proofs(('new', 'new', 'build'), ('new', 'new', 'run'))
    return RESULTS['keras3']


@pytest.fixture(scope='module')
def stock(models):
    RESULTS['keras3, STOCK=1'] = models.proofs(('new', 'new', 'build'), ('new', 'new', 'run'), stock=True)
    return RESULTS['keras3, STOCK=1']


@pytest.fixture(scope='module')
def tf_keras(models):
    RESULTS['tf_keras'] = models.proofs(('tf', 'with_tf', 'build'), ('tf', 'with_tf', 'run'))
    return RESULTS['tf_keras']


def proven(proof):
    assert 'sentence' not in proof, proof
    assert proof['holds'], {key: proof[key] for key in ('outputs', 'first_layer_that_parts', 'notes')}
    assert proof['largest_relative_difference'] <= 1e-5
    assert len({row['batch'] for row in proof['outputs']}) == 2


@pytest.mark.parametrize('name', NAMES)
def test_onnx(onnx, name):
    if name in ONNX_REFUSES:
        assert ONNX_REFUSES[name] in onnx[name]['sentence']
    else:
        proven(onnx[name])


@pytest.mark.parametrize('name', NAMES)
def test_savedmodel(savedmodel, name):
    proven(savedmodel[name])


@pytest.mark.parametrize('name', NAMES)
def test_keras3(keras3, name):
    proven(keras3[name])


@pytest.mark.parametrize('name', NAMES)
def test_keras3_of_stock_layers(stock, name):
    if name in STOCK_REFUSES:
        assert stock[name]['sentence'].startswith('STOCK=1') and 'unexpected' not in stock[name]
    else:
        proven(stock[name])


@pytest.mark.parametrize('name', NAMES)
def test_tf_keras(tf_keras, name):
    if name in TF_KERAS_REFUSES:
        assert 'channels come first' in tf_keras[name]['sentence']
    else:
        proven(tf_keras[name])


def test_that_no_case_is_left_out(models):
    assert sorted(NAMES) == sorted(job['name'] for job in models.jobs)
