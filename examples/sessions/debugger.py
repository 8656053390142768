"""tfdbg without a terminal: dump one training step and name the node where the first NaN arose.

When: the loss is nan, and the run is a job, a container or a test, where tfdbg's screen is none.

The line that matters: `K.set_session(tfdbg.DumpingDebugWrapperSession(tf.Session(), folder, …))`,
before the model is built. Every run then writes every tensor to the folder.

Without it: Keras reports `loss: nan` and goes on, and after one step all weights are NaN: which
of them was first can't be seen. Here a layer divides by the spread of a pixel that is always
black, 0 / 0; an epsilon below the line cures it.

Checked: the node against the one that was planted, and the number of its NaNs against
NumPy's 0 / 0 on the same batch; the same model with an epsilon has none and learns.

Sources: tensorflow/python/debug, TensorFlow 1.9.
"""

import os
import tempfile

import keras
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras import layers
from tensorflow.python import debug as tfdbg

from tensorflow_with_keras import recipe


def build_model(shape, epsilon):
    def standardize(x):
        mean, variance = tf.nn.moments(x, [0])
        return tf.divide(x - mean, tf.sqrt(variance) + epsilon, name='by_spread')

    stack = [layers.Flatten(input_shape=shape), layers.Lambda(standardize, name='standardize')]
    model = keras.models.Sequential(stack + [layers.Dense(10, activation='softmax')])
    model.compile('adam', 'sparse_categorical_crossentropy', metrics=['accuracy'])
    return model


def has_nan(datum, tensor):
    return getattr(tensor, 'dtype', None) == np.float32 and bool(np.isnan(tensor).any())


def nan_nodes(shape, epsilon, x, y):
    """One training step under the debugger: how many tensors, and the nodes that had a NaN, the first one first."""
    before = K.get_session()
    with tempfile.TemporaryDirectory() as folder:
        K.set_session(tfdbg.DumpingDebugWrapperSession(tf.Session(), folder, log_usage=False))
        build_model(shape, epsilon).train_on_batch(x, y)
        K.set_session(before)
        runs = sorted(os.listdir(folder), key=lambda name: int(name.split('_')[-1]))
        dump = tfdbg.DebugDumpDir(os.path.join(folder, runs[-1]))  # the runs before it initialise
        return dump.size, [datum.node_name for datum in dump.find(has_nan)]


def run(data, epochs=3, batch_size=32, verbose=2, callbacks=(), out='.'):
    x, y = data.x_train[:batch_size], data.y_train[:batch_size]
    dumped, nodes = nan_nodes(x.shape[1:], 0.0, x, y)
    with open(os.path.join(out, 'nan_nodes.txt'), 'w') as f:
        f.writelines(node + '\n' for node in nodes)
    print('%d tensors dumped, %d with a NaN; the first: %s' % (dumped, len(nodes), nodes[0]))

    nodes_cured = nan_nodes(x.shape[1:], 1e-3, x, y)[1]
    model = build_model(x.shape[1:], 1e-3)
    model.fit(data.x_train, data.y_train, batch_size, epochs, verbose, list(callbacks))
    return {
        'nan_nodes': len(nodes),
        'nan_nodes_cured': len(nodes_cured),
        'test_accuracy': model.evaluate(data.x_test, data.y_test, batch_size=120, verbose=0)[1],
        'report': 'nan_nodes.txt',
    }


if __name__ == '__main__':
    recipe.main(run)
