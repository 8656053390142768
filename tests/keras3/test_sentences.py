"""Some of what docs/keras3/README.md says where there is no file: what surprises, and what may change."""

from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from sides import dense


def test_threads_may_call_a_model_at_once():  # that predict breaks there is seen nearly always, which makes no test
    model = dense('threads', 6, 3)
    batches = [np.random.rand(16, 6).astype('float32') for _ in range(200)]
    right = [model.predict(x, verbose=0) for x in batches]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(model, batches))
    for answer, expected in zip(answers, right):
        np.testing.assert_allclose(answer, expected, atol=1e-6)


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
