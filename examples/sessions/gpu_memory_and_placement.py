"""GPU memory and placement: which device runs what, how much memory it takes, and the proof.

When: a GPU is shared with others, a model should be split over devices, or you want to know
whether the GPU is used at all.

The line that matters: `allow_soft_placement=True`. A graph that names a GPU then runs on any
machine, on a device that is there in place of one that is not.

Without it: InvalidArgumentError, `Cannot assign a device for operation`, at the first run of
anything in that session, also of what has nothing to do with the missing device. (By its
documentation TensorFlow also takes all GPU memory at once unless gpu_options say otherwise.)

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


def config(soft=True):
    return tf.ConfigProto(
        allow_soft_placement=soft,
        log_device_placement=False,  # True: a line an operation, hundreds of them, on standard output
        device_count={'CPU': 2},  # two CPU devices, to split a model also where there is no GPU
        gpu_options=tf.GPUOptions(
            allow_growth=True,  # memory as it is needed, instead of all at the start
            per_process_gpu_memory_fraction=0.5,  # and never more than half
            visible_device_list='',  # all; '1' would show the second card alone, as /gpu:0
        ),
    )


def first_gpu(sess):
    gpus = [d.name for d in sess.list_devices() if d.device_type == 'GPU']
    return gpus[0] if gpus else '/cpu:1'


def devices_of(sess, tensor, feed):
    """Where TensorFlow put each operation of a run: name -> device."""
    record = tf.RunMetadata()
    sess.run(tensor, feed, options=tf.RunOptions(output_partition_graphs=True), run_metadata=record)
    return {node.name: node.device for graph in record.partition_graphs for node in graph.node}


def run(data, epochs=3, batch_size=32, verbose=2, callbacks=()):
    sess = tf.Session(config=config())
    K.set_session(sess)
    device = first_gpu(sess)
    print('Devices: %s' % ', '.join(d.name for d in sess.list_devices()))
    with tf.device('/cpu:0'):
        inputs = layers.Input(data.x_train.shape[1:])
        hidden = layers.Dense(64, activation='relu', name='on_cpu')(layers.Flatten()(inputs))
    with tf.device(device):
        outputs = layers.Dense(10, activation='softmax', name='on_device')(hidden)
    with tf.device('/gpu:7'):  # few machines have eight
        confidence = tf.reduce_mean(tf.reduce_max(outputs, 1), name='confidence')
    model = keras.models.Model(inputs, outputs)
    model.compile('adam', 'sparse_categorical_crossentropy', metrics=['accuracy'])
    model.fit(data.x_train, data.y_train, batch_size, epochs, verbose, list(callbacks))

    feed = {inputs: data.x_test}
    placed = devices_of(sess, confidence, feed)
    for name in ('on_cpu/MatMul', 'on_device/MatMul', 'confidence'):
        print('%-18s %s' % (name, placed[name]))
    fails = 0
    try:
        tf.Session(config=config(soft=False)).run(tf.constant(1))  # a graph is placed whole
    except tf.errors.InvalidArgumentError as e:
        fails = 1
        print('Without soft placement: %s' % e.message.split(' but ')[0])
    return {
        'test_accuracy': model.evaluate(data.x_test, data.y_test, verbose=0)[1],
        'mean_confidence': sess.run(confidence, feed),
        'split': int(placed['on_cpu/MatMul'] != placed['on_device/MatMul']),
        'fails_without_soft_placement': fails,
    }


if __name__ == '__main__':
    recipe.main(run)
