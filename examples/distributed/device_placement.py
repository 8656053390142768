"""A model split over two devices with tf.device: its layers, its gradients and its optimizer's state.

When: a model's weights, or its optimizer's state beside them, outgrow the memory of one device.

The line that matters: `with tf.device(devices[1]):` around the layers' calls, for only there are
weights and operations made; and `colocate_gradients_with_ops=True`, for the way back.

Without it: no error and the right numbers, but the first device does the work. A block around
`Dense(…)` alone, or around an `add` to a Sequential with no input shape yet, places nothing. A
tf.train optimizer computes all gradients on the first device; Keras's own keep every layer's
state there. Soft placement hides a mistyped device as quietly. So look, as the recipe does.

Checked: all weights after training, against the same model on one device without tf.device, to
the last bit on CPUs; what the last step ran where, against the parameters counted by hand.

Sources: tf.device and tf.train.Optimizer.compute_gradients, TensorFlow 1.9; K.gradients and
get_updates in keras/optimizers.py, Keras 2.2.4.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import recipe


class Adam(tf.train.AdamOptimizer):
    """Computes each gradient where its layer is; its moments lie beside their weights as it is."""

    def compute_gradients(self, *args, **kwargs):
        return super().compute_gradients(*args, colocate_gradients_with_ops=True, **kwargs)


def two_devices():
    """Two GPUs where there are two, else two CPU devices, which share this machine's cores."""
    K.set_session(tf.Session(config=tf.ConfigProto(device_count={'CPU': 2}, allow_soft_placement=True)))
    names = {kind: [d.name for d in K.get_session().list_devices() if d.device_type == kind] for kind in ('CPU', 'GPU')}
    return names['GPU'][:2] if len(names['GPU']) > 1 else names['CPU']


def build_model(shape, devices):
    images = layers.Input(shape)
    with tf.device(devices[0]):
        hidden = layers.Dense(96, activation='relu', name='low')(layers.Flatten()(images))
    with tf.device(devices[1]):
        hidden = layers.Dense(64, activation='relu', name='middle')(hidden)
        classes = layers.Dense(10, activation='softmax', name='top')(hidden)
    return keras.models.Model(images, classes)


def ran_where(record):
    """Name of each operation that ran in the last step -> its device."""
    ours = {op.name for op in tf.get_default_graph().get_operations()}  # not the traffic between devices
    return {node.name: node.device for graph in record.partition_graphs for node in graph.node if node.name in ours}


def run(data, epochs=5, batch_size=64, verbose=2, callbacks=()):
    devices = two_devices()
    split, whole = (build_model(data.x_train.shape[1:], pair) for pair in (devices, devices[:1] * 2))
    whole.set_weights(split.get_weights())
    record = tf.RunMetadata()
    tracing = {'options': tf.RunOptions(output_partition_graphs=True), 'run_metadata': record}  # costs time
    for model, more in ((split, tracing), (whole, {})):  # the same model on one device, to compare
        model.compile(Adam(), 'sparse_categorical_crossentropy', **more)
        model.fit(data.x_train, data.y_train, batch_size, epochs, verbose, list(callbacks), shuffle=False)

    where, memory = ran_where(record), []
    for device in devices:
        names = [name for name in where if where[name] == device]
        variables = [v for v in tf.global_variables() if where.get(v.op.name) == device]  # weights and moments
        memory.append(sum(v.shape.num_elements() * v.dtype.size for v in variables))
        gradients = sum('gradients/' in name for name in names)
        print('%s: %d operations, %d of gradients, %d bytes' % (device, len(names), gradients, memory[-1]))
    # TensorFlow names all that it makes for a weight or an operation after that
    astray = [name for name in where if ('middle/' in name or 'top/' in name) and where[name] != devices[1]]
    weights = zip(split.get_weights(), whole.get_weights())
    return {
        'test_accuracy': np.mean(split.predict(data.x_test).argmax(1) == data.y_test),
        'difference_from_one_device': max(np.abs(a - b).max() for a, b in weights),
        'bytes_on_first_device': memory[0],
        'bytes_on_second_device': memory[1],
        'second_half_on_first_device': len(astray),
    }


if __name__ == '__main__':
    recipe.main(run)
