import numpy as np
import pytest
from keras import layers, models
from keras.engine.saving import preprocess_weights_for_loading


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def cudnn(x, kernel, recurrent_kernel, bias):
    """The LSTM of cuDNN in float64, last output: each gate is W x + R h + b_W + b_R, in the order i, f, c, o.

    cuDNN lays W out as units rows of one number for each input. CuDNNLSTM's kernel holds the same numbers in the same
    order under the shape (inputs, units).
    """
    units = len(recurrent_kernel)
    w = [k.reshape(-1).reshape(units, -1).astype(np.float64) for k in np.split(kernel, 4, axis=1)]
    r = [k.astype(np.float64) for k in np.split(recurrent_kernel, 4, axis=1)]
    b_w, b_r = bias.astype(np.float64).reshape(2, 4, units)
    h = c = np.zeros((len(x), units))
    for t in range(x.shape[1]):
        i, f, g, o = (x[:, t].dot(w[n].T) + h.dot(r[n].T) + b_w[n] + b_r[n] for n in range(4))
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    return h


def test_the_served_model_is_cudnns_equations(module, digits, tmp_path):
    found = module.run(digits, epochs=3, verbose=0, out=str(tmp_path))
    with np.load(str(tmp_path / found['weights'])) as weights:
        features = cudnn(digits.x_test[..., 0], **weights)
    kernel, bias = module.built[0].layers[2].get_weights()
    scores = features.dot(kernel) + bias
    expected = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    served = module.built[1].predict(digits.x_test)
    np.testing.assert_allclose(served, expected, atol=1e-5)
    np.testing.assert_allclose(module.built[0].predict(digits.x_test), expected, atol=1e-5)
    assert found['test_accuracy'] == np.mean(served.argmax(1) == digits.y_test)
    assert found['test_accuracy'] > 0.5  # chance is 0.1
    assert found['agreement_of_classes'] == 1


@pytest.fixture
def foreign():
    """Inputs, and weights as a GPU would leave them: other than 8 by 32, and with both biases at work."""
    random = np.random.RandomState(0)
    shapes = {'kernel': (5, 4 * 7), 'recurrent_kernel': (7, 4 * 7), 'bias': (2 * 4 * 7,)}
    weights = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    return random.normal(size=(3, 6, 5)), weights


def serve(x, weights, **kwargs):
    model = models.Sequential([layers.LSTM(7, input_shape=x.shape[1:], **kwargs)])
    model.set_weights(preprocess_weights_for_loading(model.layers[0], weights))
    return model.predict(x)


@pytest.mark.not_on('tf1.15-keras2.3.1', reason='Keras 2.3 takes the sigmoid unasked')
def test_without_the_line_that_matters_the_gate_is_a_hard_sigmoid(foreign):
    x, weights = foreign
    raw = [weights[name] for name in ('kernel', 'recurrent_kernel', 'bias')]
    np.testing.assert_array_equal(serve(x, raw), serve(x, raw, recurrent_activation='hard_sigmoid'))


def test_weights_that_were_made_in_cudnns_layout(foreign):
    x, weights = foreign
    raw = [weights[name] for name in ('kernel', 'recurrent_kernel', 'bias')]
    expected = cudnn(x, **weights)
    np.testing.assert_allclose(serve(x, raw, recurrent_activation='sigmoid'), expected, atol=1e-5)
    # without the line that matters, with the loader's own conversion: loads, and is another function
    assert np.abs(serve(x, raw, recurrent_activation='hard_sigmoid') - expected).max() > 0.02
    # biases added up by hand, so that the shapes fit: the matrices lie transposed
    merged = raw[:2] + [raw[2].reshape(2, -1).sum(0)]
    assert np.abs(serve(x, merged, recurrent_activation='sigmoid') - expected).max() > 0.2


def test_without_the_loader_the_weights_are_refused(module, digits, tmp_path, monkeypatch):
    def only_towards_cudnn(layer, weights):
        return weights if isinstance(layer, layers.LSTM) else preprocess_weights_for_loading(layer, weights)

    monkeypatch.setattr(module, 'preprocess_weights_for_loading', only_towards_cudnn)
    with pytest.raises(ValueError, match='not compatible with provided weight shape'):
        module.run(digits, epochs=1, verbose=0, out=str(tmp_path))
