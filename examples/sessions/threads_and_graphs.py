"""Two models in graphs of their own, answering from a pool of threads behind an HTTP server.

When: a web service keeps more than one model, and its server starts the threads.

The line that matters: `with self.sess.graph.as_default(), self.sess.as_default():` in predict.
The default graph and session belong to a thread: each has to be told, every time.

Without it: `ValueError: Tensor … is not an element of this graph`. A new thread begins with
the process's own graph and Keras's own session, and neither is the model's.

Checked: each answer under load against the single-threaded one; the error without the line.

Sources: tf.Graph.as_default, TensorFlow 1.9; http.server and socketserver, Python 3.6.
"""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tensorflow_with_keras import recipe


class Service:
    def __init__(self, activation, data, *fit_arguments):
        self.sess = tf.Session(graph=tf.Graph())
        with self.sess.graph.as_default(), self.sess.as_default():
            stack = [layers.Flatten(input_shape=data.x_train.shape[1:]), layers.Dense(32, activation=activation)]
            self.model = keras.models.Sequential(stack + [layers.Dense(10, activation='softmax')])
            self.model.compile('adam', 'sparse_categorical_crossentropy')
            self.model.fit(data.x_train, data.y_train, *fit_arguments)

    def predict(self, x):
        with self.sess.graph.as_default(), self.sess.as_default():
            return self.model.predict(x)


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):  # samples to /NAME
        samples = np.array(json.loads(self.rfile.read(int(self.headers['Content-Length'])).decode()))
        try:
            status, answer = 200, self.server.predictors[self.path[1:]](samples).tolist()
        except Exception as e:
            status, answer = 500, '%s: %s' % (type(e).__name__, e)
        self.send_response_only(status)  # without a line on standard error
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())


def ask_all(predictors, questions):
    Server = type('Server', (ThreadingMixIn, HTTPServer), {'predictors': predictors, 'request_queue_size': 64})
    server = Server(('127.0.0.1', 0), Handler)  # a new thread for each request
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def ask(question):
        connection = HTTPConnection(*server.server_address, timeout=30)
        connection.request('POST', '/' + question[0], json.dumps(question[1].tolist()))
        response = connection.getresponse()
        return response.status, json.loads(response.read().decode())

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, questions))
    server.shutdown()
    return answers


def run(data, epochs=3, batch_size=32, verbose=2):
    services = {name: Service(name, data, batch_size, epochs, verbose) for name in ('relu', 'tanh')}
    questions = [(name, x) for x in np.array_split(data.x_test[:320], 40) for name in services]
    wrong = ask_all({name: service.model.predict for name, service in services.items()}, questions)
    expected = [services[name].predict(x) for name, x in questions]  # one thread; the first one builds the function
    answers = ask_all({name: service.predict for name, service in services.items()}, questions)
    right = [s == 200 and np.allclose(a, e, atol=1e-6) for (s, a), e in zip(answers, expected)]
    print('Without the graph: %s\nWith it %d of %d answers are right.' % (wrong[0][1], sum(right), len(right)))
    return {
        'answers_right': sum(right),
        'errors_without_the_graph': sum(status == 500 for status, _ in wrong),
        'test_accuracy': np.mean(services['relu'].predict(data.x_test).argmax(1) == data.y_test),
    }


if __name__ == '__main__':
    recipe.main(run)
