import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K


@pytest.fixture
def module(module, monkeypatch):
    """The recipe, which keeps its test set where a test can ask for it."""
    scenes = module.scenes

    def keep(images, digits, seed):
        module.test_set = scenes(images, digits, seed)
        return module.test_set

    monkeypatch.setattr(module, 'scenes', keep)
    return module


def predicted_and_true(module):
    x, y = module.test_set
    return module.model.predict(x).argmax(3), y.argmax(3)


def numpy_mean_iou(predicted, true):
    ious = [
        np.logical_and(predicted == c, true == c).sum() / np.logical_or(predicted == c, true == c).sum()
        for c in range(3)
    ]
    return np.mean(ious)


def test_it_is_intersection_over_union(module, digits):
    found = module.run(digits, epochs=6, verbose=0)
    predicted, true = predicted_and_true(module)
    assert found['test_mean_iou'] == pytest.approx(numpy_mean_iou(predicted, true), abs=1e-6)
    assert found['test_accuracy'] == pytest.approx((predicted == true).mean(), abs=1e-5)
    background = numpy_mean_iou(np.zeros_like(true), true)
    assert found['test_background'] == pytest.approx((true == 0).mean(), abs=1e-6) and found['test_background'] > 0.6
    assert found['test_mean_iou'] > 2 * background > 0.4  # twice what background everywhere would give


def test_the_scenes_are_what_they_say(module, digits):
    x, y = module.scenes(digits.x_test, digits.y_test, seed=2)
    assert x.shape == (360, 8, 8, 1) and y.shape == (360, 8, 8, 3)
    assert 0.19 < (x - digits.x_test).std() < 0.21
    for image, digit, classes in zip(digits.x_test[..., 0], digits.y_test, y.argmax(3)):
        assert set(classes[image > 0.5]) == {2 if digit % 2 else 1} and not classes[image <= 0.5].any()


def test_the_update_op_in_its_place_gives_pixels(module, digits, monkeypatch):
    def update_op(metric_fn):
        def mean_iou(y_true, y_pred):
            result = metric_fn(y_true, y_pred)[1]
            assert result.shape.as_list() == [3, 3]
            K.get_session().run(tf.local_variables_initializer())
            return result

        return mean_iou

    monkeypatch.setattr(module, 'StreamingMetric', update_op)
    found = module.run(digits, epochs=1, verbose=0)
    # the mean of a matrix that counts all pixels since the start, after each of the 12 batches of validation
    pixels = 64 * np.array([1437 + min(32 * i, 360) for i in range(1, 13)]) / 9
    sizes = [32] * 11 + [8] if keras.__version__ < '2.3' else None  # Keras 2.3 takes a short batch for a whole one
    assert found['test_mean_iou'] == pytest.approx(np.average(pixels, weights=sizes), rel=1e-4)
    assert found['test_mean_iou'] > 1000


def test_averaged_over_batches_it_is_something_else(module, digits, monkeypatch):
    module.run(digits, epochs=4, verbose=0)
    predicted, true = predicted_and_true(module)
    in_order = np.argsort(digits.y_test % 2, kind='mergesort')  # batches of even digits, then of odd ones
    each = []
    for start in range(0, 360, 32):
        batch = in_order[start : start + 32]
        with tf.Graph().as_default(), tf.Session() as s:
            y_true, y_pred = (keras.utils.to_categorical(c[batch], 3) for c in (true, predicted))
            value, update_op = module.mean_iou(tf.constant(y_true), tf.constant(y_pred))
            s.run(tf.local_variables_initializer())
            s.run(update_op)
            each.append(s.run(value))
    assert abs(np.average(each, weights=[32] * 11 + [8]) - numpy_mean_iou(predicted, true)) > 0.05
