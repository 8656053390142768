"""Any NumPy or scikit-learn function as a metric, through jax.pure_callback.

Different from Keras 2.2.4: tf.py_func is gone with the graph. On JAX its place has jax.pure_callback, which
wants the shape of the answer beforehand; on TensorFlow it is tf.numpy_function, and with
compile(run_eagerly=True) on PyTorch or TensorFlow plain NumPy will do. Return a number for each sample:
one number for the batch is averaged without the batch's size (metrics/accuracy_stateless.py).

Recipe: examples/metrics/numpy_metric.py
"""

import jax
import keras
import numpy as np


def ranking(y_true, y_pred):
    """How high the true class ranks among the scores: 1, 1/2, 1/3 and so on; of ties the worst place."""
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    score_of_true = (y_true * y_pred).sum(1, keepdims=True)
    return (1 / (y_pred >= score_of_true).sum(1)).astype('float32')


def reciprocal_rank(y_true, y_pred):
    answer = jax.ShapeDtypeStruct(y_pred.shape[:1], 'float32')
    return jax.pure_callback(ranking, answer, y_true, y_pred)


if __name__ == '__main__':
    x, y = np.random.rand(200, 8), np.eye(3)[np.random.randint(3, size=200)]
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3, activation='softmax')])
    model.compile('adam', 'categorical_crossentropy', metrics=[reciprocal_rank])
    model.fit(x, y, epochs=2, verbose=2)
