import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture
def module(module, monkeypatch):
    """The recipe, with what was asked over HTTP and answered, and with the threads that its services answered in."""
    ask, predict = module.ask, module.Service.predict
    module.asked, module.services, module.threads = [], {}, set()

    def recorded(address, name, samples):
        answer = ask(address, name, samples)
        module.asked.append((name, samples, answer))
        return answer

    def on_thread(service, samples):
        module.services[service.model.layers[1].activation.__name__] = service
        module.threads.add(threading.current_thread())
        return predict(service, samples)

    monkeypatch.setattr(module, 'ask', recorded)
    monkeypatch.setattr(module.Service, 'predict', on_thread)
    return module


def test_every_answer_under_load_is_numpys(module, digits):
    found = module.run(digits, epochs=2, verbose=0)
    assert len(module.built) == 2 and module.services['relu'].sess.graph is not module.services['tanh'].sess.graph
    functions = {'relu': lambda z: np.maximum(z, 0), 'tanh': np.tanh}
    weights = {name: service.sess.run(service.model.weights) for name, service in module.services.items()}
    assert len(module.asked) == found['answers_right'] == 80
    for name in functions:
        samples = np.concatenate([samples for asked, samples, _ in module.asked if asked == name])
        assert sorted(map(bytes, samples)) == sorted(map(bytes, digits.x_test[:320]))  # each sample once
    for name, x, answer in module.asked:
        w1, b1, w2, b2 = weights[name]
        logits = functions[name](x.reshape(len(x), -1).dot(w1) + b1).dot(w2) + b2
        exps = np.exp(logits - logits.max(axis=1, keepdims=True))
        np.testing.assert_allclose(answer, exps / exps.sum(axis=1, keepdims=True), atol=1e-5)
    # each answer in a thread of its own, beside those that the recipe itself asked for
    assert len(module.threads - {threading.main_thread()}) == 80
    assert found['test_accuracy'] > 0.4  # chance is 0.1


def test_without_the_line_that_matters_every_call_in_a_thread_fails(module, digits, monkeypatch):
    futures = []

    class Pool(ThreadPoolExecutor):
        def submit(self, *args):
            futures.append(super().submit(*args))
            return futures[-1]

    monkeypatch.setattr(module, 'ThreadPoolExecutor', Pool)
    found = module.run(digits, epochs=1, verbose=0)
    errors = [future.exception() for future in futures[:-80]]  # the last 80 asked the server
    assert found['errors_without_the_graph'] == len(errors) == 80
    for error in errors:
        assert isinstance(error, ValueError) and str(error).startswith('Tensor Tensor(')
        assert 'is not an element of this graph' in str(error)


def test_a_threads_default_graph_is_not_that_of_its_parent():
    seen = []
    with tf.Graph().as_default() as graph:
        thread = threading.Thread(target=lambda: seen.append(tf.get_default_graph()))
        thread.start()
        thread.join()
        assert tf.get_default_graph() is graph is not seen[0]
