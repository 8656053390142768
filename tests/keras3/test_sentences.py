"""Some of what docs/keras3/README.md says where there is no file: what surprises, and what may change."""

from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from sides import dense


def by_threads(function, batches):
    """Answers, and the errors in place of those that failed."""
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(function, x) for x in batches]
        return [future.exception() or future.result() for future in futures]


def test_threads_may_call_a_model_at_once_and_may_not_predict():
    model = dense('threads', 6, 3)
    batches = [np.random.rand(16, 6).astype('float32') for _ in range(200)]
    right = [model.predict(x, verbose=0) for x in batches]
    for answer, expected in zip(by_threads(lambda x: np.array(model(x)), batches), right):
        np.testing.assert_allclose(answer, expected, atol=1e-6)
    answers = by_threads(lambda x: model.predict(x, verbose=0), batches)
    assert any(isinstance(answer, Exception) for answer in answers)


def test_exports_and_tensorboard_ask_for_packages():
    model = dense('export', 6, 3)
    model(np.ones((1, 6)))  # one that was never called is not exported
    for kind, package in {'tf_saved_model': 'tensorflow', 'onnx': 'jax2onnx'}.items():
        with pytest.raises(ImportError, match=package):
            model.export('exported', format=kind)
    with pytest.raises(ImportError, match='tensorflow'):
        keras.callbacks.TensorBoard('logs').set_model(model)
    with pytest.raises(ValueError, match='LiteRT'):
        model.export('exported', format='litert')


def test_gates_of_an_lstm_are_the_sigmoid_by_default():
    assert keras.layers.LSTM(3).recurrent_activation is keras.activations.sigmoid
