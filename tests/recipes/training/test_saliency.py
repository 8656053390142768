import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K


def scores(weights, images):
    w, b, v, c = (a.astype(float) for a in weights)
    return np.maximum(images.reshape(len(images), -1) @ w + b, 0) @ v + c


def test_the_gradients_are_those_of_numeric_differences(module, digits):
    model = module.build_model(digits.x_train.shape[1:])
    random = np.random.RandomState(5)
    model.set_weights([random.randn(*w.shape) / 4 for w in model.get_weights()])
    x, classes = digits.x_test[:3], np.array([7, 0, 3])
    found = module.saliency(model)(x, classes)
    assert found.shape == x.shape
    h = 1e-5
    for i in range(3):
        shifted = x[i].astype(float).ravel() + h * np.concatenate([np.eye(64), -np.eye(64)])
        up, down = scores(model.get_weights(), shifted)[:, classes[i]].reshape(2, 64)
        np.testing.assert_allclose(found[i].ravel(), (up - down) / (2 * h), atol=1e-4)
    assert np.abs(found).max() > 0.1


def test_salient_pixels_are_those_that_matter(module, digits, tmp_path):
    found = module.run(digits, epochs=10, verbose=0, out=str(tmp_path))
    assert found['test_accuracy'] > 0.8  # chance is 0.1
    assert found['accuracy_without_most_salient'] < found['test_accuracy'] - 0.3
    assert found['accuracy_without_least_salient'] > found['test_accuracy'] - 0.05
    assert (tmp_path / found['picture']).read_bytes().startswith(b'\x89PNG')

    # the same in NumPy: what each pixel did for the score of the class
    w, b, v, _ = (a.astype(float) for a in module.model.get_weights())
    x = digits.x_test.reshape(360, -1).astype(float)
    classes = scores(module.model.get_weights(), x).argmax(1)
    did = x * (((x @ w + b > 0) * v[:, classes].T) @ w.T)
    ranks = did.argsort(1).argsort(1)
    for name, blank in ('least', ranks < 6), ('most', ranks >= 58):
        right = scores(module.model.get_weights(), np.where(blank, 0, x)).argmax(1) == digits.y_test
        assert found['accuracy_without_%s_salient' % name] == pytest.approx(right.mean(), abs=1.1 / 360)

    # the two wrong ways, on the trained network
    model, x = module.model, digits.x_test
    predicted = model.predict(x)
    right = np.abs(module.saliency(model)(x, predicted.argmax(1)))
    of_all, of_one = K.get_session().run(
        [tf.gradients(y, model.input)[0] for y in (model.output, tf.reduce_max(model.output, 1))], {model.input: x}
    )
    assert np.abs(of_all).max() < 1e-5 < 0.1 < right.max()
    sure = np.argmax(predicted.max(1))
    assert np.abs(of_one[sure]).max() < 0.05 * right[sure].max()
