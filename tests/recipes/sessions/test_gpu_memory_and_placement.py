import ctypes
import re

import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K

LOGGED = re.compile(r'^(\S+): \(\w+\): (/job:\S+)$', re.M)


def test_the_devices_against_the_placement_log_and_the_device_list(module, digits, monkeypatch, capfd):
    config, devices_of, seen = module.config, module.devices_of, {}

    def logging():
        logged = config()
        logged.log_device_placement = True
        return logged

    def recorded(sess, tensor, feed):
        seen.update(devices_of(sess, tensor, feed))
        seen['confidence'] = seen[tensor.op.name]
        return seen

    monkeypatch.setattr(module, 'config', logging)
    monkeypatch.setattr(module, 'devices_of', recorded)
    found = module.run(digits, epochs=1, verbose=0)
    ctypes.CDLL(None).fflush(None)  # TensorFlow writes the log with C's printf
    logged = dict(LOGGED.findall(capfd.readouterr().out))
    devices = [d.name for d in K.get_session().list_devices()]
    wanted = next((d for d in devices if 'GPU' in d), devices[1])
    assert logged['on_cpu/Relu'] == seen['on_cpu/Relu'] == devices[0]
    assert logged['on_device/Softmax'] == seen['on_device/Softmax'] == wanted
    assert logged['confidence'] == seen['confidence'] in devices  # though the graph says /gpu:7
    assert {n: d for n, d in seen.items() if n in logged} == {n: d for n, d in logged.items() if n in seen}
    assert found['split'] == 1 and found['fails_without_soft_placement'] == 1


def test_the_split_model_computes_what_numpy_does(module, digits):
    found = module.run(digits, epochs=3, verbose=0)
    w1, b1, w2, b2 = (w.astype(np.float64) for w in module.model.get_weights())
    logits = np.maximum(digits.x_test.reshape(360, -1).dot(w1) + b1, 0).dot(w2) + b2
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert found['mean_confidence'] == pytest.approx(probabilities.max(axis=1).mean(), abs=1e-5)
    assert found['test_accuracy'] == pytest.approx(np.mean(probabilities.argmax(1) == digits.y_test), abs=1e-6)
    assert found['test_accuracy'] > 0.6  # chance is 0.1


def test_without_the_line_that_matters_it_fails(module, digits, monkeypatch):
    strict = module.config()
    strict.allow_soft_placement = False
    monkeypatch.setattr(module, 'config', lambda: strict)
    with pytest.raises(tf.errors.InvalidArgumentError, match='Cannot assign a device for operation'):
        module.run(digits, epochs=1, verbose=0)
