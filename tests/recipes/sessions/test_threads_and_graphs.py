import threading

import numpy as np
import pytest
import tensorflow as tf

NAME = 'sessions/threads_and_graphs'


@pytest.fixture
def module(load_recipe, monkeypatch):
    """The recipe, with its services, and with the threads and answers of every load."""
    module = load_recipe(NAME)
    ask_all, service = module.ask_all, module.Service
    module.loads, module.services, module.threads = [], [], set()

    def recorded(predictors, questions):
        def on_thread(predict):
            return lambda x: module.threads.add(threading.current_thread()) or predict(x)

        answers = ask_all({name: on_thread(predict) for name, predict in predictors.items()}, questions)
        module.loads.append((questions, answers))
        return answers

    monkeypatch.setattr(module, 'ask_all', recorded)
    monkeypatch.setattr(module, 'Service', lambda *args: module.services.append(service(*args)) or module.services[-1])
    return module


def test_every_answer_under_load_is_numpys(module, digits):
    found = module.run(digits, epochs=2, verbose=0)
    assert module.services[0].sess.graph is not module.services[1].sess.graph
    questions, answers = module.loads[-1]
    functions = {'relu': lambda z: np.maximum(z, 0), 'tanh': np.tanh}
    weights = {}
    for name, service in zip(('relu', 'tanh'), module.services):
        weights[name] = service.sess.run(service.model.weights)
    assert len(answers) == found['answers_right'] == 80
    for (name, x), (status, answer) in zip(questions, answers):
        w1, b1, w2, b2 = weights[name]
        logits = functions[name](x.reshape(len(x), -1).dot(w1) + b1).dot(w2) + b2
        exps = np.exp(logits - logits.max(axis=1, keepdims=True))
        assert status == 200
        np.testing.assert_allclose(answer, exps / exps.sum(axis=1, keepdims=True), atol=1e-5)
    assert len(module.threads) == 160 and threading.main_thread() not in module.threads
    assert found['test_accuracy'] > 0.4  # chance is 0.1


def test_without_the_line_that_matters_every_request_fails(module, digits):
    found = module.run(digits, epochs=1, verbose=0)
    _, answers = module.loads[0]
    assert found['errors_without_the_graph'] == len(answers) == 80
    for status, sentence in answers:
        assert status == 500 and sentence.startswith('ValueError: Tensor Tensor(')
        assert 'is not an element of this graph' in sentence


def test_a_threads_default_graph_is_not_that_of_its_parent():
    seen = []
    with tf.Graph().as_default() as graph:
        thread = threading.Thread(target=lambda: seen.append(tf.get_default_graph()))
        thread.start()
        thread.join()
        assert tf.get_default_graph() is graph is not seen[0]
