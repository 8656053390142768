import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K

SIZE, OFFSET = 33, 11  # pixels; the distance of a blob from the image's centre


def blobs(count):
    """Images with one round blob right of the centre."""
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE // 2
    blob = np.exp(-(y**2 + (x - OFFSET) ** 2) / 8.0)
    return np.repeat(blob[np.newaxis, ..., np.newaxis], count, axis=0).astype(np.float32)


def angle(images):
    """Degrees from the centre to the centre of mass, counted counter-clockwise."""
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE // 2
    return np.degrees(np.arctan2(-(images[..., 0] * y).sum((1, 2)), (images[..., 0] * x).sum((1, 2))))


def rotate(module, images, training):
    model = keras.models.Sequential([module.RandomRotation(30, input_shape=images.shape[1:])])
    return K.function([model.input, K.learning_phase()], [model.output])([images, training])[0]


def test_outside_of_training_it_is_the_identity(module):
    images = np.random.RandomState(0).rand(5, SIZE, SIZE, 1).astype(np.float32)
    np.testing.assert_array_equal(rotate(module, images, 0), images)


def test_in_training_the_angles_are_uniform_and_each_image_has_its_own(module):
    n = 2000
    angles = angle(rotate(module, blobs(n), 1))
    assert np.abs(angles).max() < 30.2 and np.abs(angles).max() > 29.5
    deviation = 60 / np.sqrt(12)
    assert abs(angles.mean()) < 4 * deviation / np.sqrt(n)
    assert angles.std() == pytest.approx(deviation, rel=0.04)
    assert np.mean(np.abs(angles) < 15) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(n))
    assert len(np.unique(np.round(angles, 3))) > 0.95 * n


def test_it_draws_anew_in_every_batch_and_its_degrees_are_saved(module):
    layer = module.RandomRotation.from_config(module.RandomRotation(30).get_config())
    images = tf.constant(blobs(50))
    turned = layer.call(images, training=True)
    first, second = (angle(K.get_session().run(turned)) for _ in range(2))
    assert layer.degrees == 30 and np.abs(first - second).max() > 5


def test_training_on_turned_images_helps_with_turned_images(module, digits):
    found = module.run(digits, epochs=8, verbose=0)
    assert found['largest_change_outside_training'] == 0
    with_it, without = (found['test_accuracy_turned_trained_with_%d_degrees' % d] for d in (30, 0))
    assert with_it > without + 0.05
    assert found['test_accuracy_upright_trained_with_30_degrees'] > 0.75  # chance is 0.1


def test_without_the_line_that_matters_predictions_are_turned_too(module, digits, monkeypatch):
    monkeypatch.setattr(module.K, 'in_train_phase', lambda turned, images, training: turned)
    model = module.build_model((8, 8, 1), 30)
    assert np.abs(model.predict(digits.x_test) - model.predict(digits.x_test)).max() > 0.005


def test_an_angle_drawn_in_python_is_always_the_same(module, monkeypatch):
    def drawn_once(shape, low, high):
        return np.random.RandomState(0).uniform(low, high)

    monkeypatch.setattr(tf, 'random_uniform', drawn_once)
    angles = angle(rotate(module, blobs(20), 1))
    assert np.ptp(angles) < 1e-3 and abs(angles[0]) > 1
