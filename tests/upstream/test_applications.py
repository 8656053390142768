"""`weights='imagenet'`: what is downloaded arrives in the model, for every architecture of the suite's own test."""

import os
import sys

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.applications.imagenet_utils import decode_predictions

sys.path.append(os.path.join(os.environ['KERAS_SOURCE'], 'tests', 'integration_tests'))
from applications_test import MODEL_LIST  # noqa: E402

NAMES = ['ResNet50']
if not keras.__version__.startswith('2.2.'):
    NAMES += ['ResNet101', 'ResNet152', 'ResNet50V2', 'ResNet101V2', 'ResNet152V2']
NAMES += ['VGG16', 'VGG19', 'Xception', 'InceptionV3', 'InceptionResNetV2', 'MobileNet', 'MobileNetV2']
NAMES += ['DenseNet121', 'DenseNet169', 'DenseNet201', 'NASNetMobile']


def test_every_architecture_of_the_suite_is_here():
    assert [getattr(keras.applications, name) for name in NAMES] == [model for model, _ in MODEL_LIST]


@pytest.mark.parametrize('name', NAMES)
def test_downloaded_weights(name, tmp_path, monkeypatch):
    keras.backend.clear_session()
    monkeypatch.setattr(keras.backend, 'moving_average_update', lambda *_: tf.no_op())  # for training only, and slow
    monkeypatch.setenv('HOME', str(tmp_path))
    (tmp_path / '.keras').mkdir()  # where there is none, Keras takes /tmp
    model = getattr(keras.applications, name)(weights='imagenet')
    [path] = (tmp_path / '.keras' / 'models').iterdir()
    with h5py.File(str(path), 'r') as file:
        groups = [file[layer] for layer in file.attrs['layer_names']]
        wanted = [group[weight][()] for group in groups for weight in group.attrs['weight_names']]
    path.unlink()  # up to half a gigabyte
    loaded = model.get_weights()
    assert len(loaded) == len(wanted) > 0
    assert all(np.array_equal(a, b) for a, b in zip(loaded, wanted))
    image = np.random.RandomState(0).uniform(0, 255, size=[1] + [n or 299 for n in model.input_shape[1:]])
    prediction = model.predict(image)
    np.testing.assert_allclose(prediction.sum(), 1, rtol=1e-3)
    [named] = decode_predictions(prediction, top=1)
    assert named[0][1] == f'class_{prediction.argmax()}'
