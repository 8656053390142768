"""A small training step on each device, for doctor, which runs this text in a process of its own.

Prints, as the last line of standard output, a JSON object: `version` and `devices` (of each its name, the loss after
five steps, and the seconds of the first step and of each later one), or `error` where TensorFlow does not run.
"""

import json
import os
import sys
import time


def train(device):
    """Five steps of gradient descent on a convolution and a dense layer, with the same data on every device."""
    import numpy as np
    import tensorflow as tf

    random = np.random.RandomState(0)
    x, y = random.rand(64, 28, 28, 1).astype('f4'), random.rand(64, 10).astype('f4')
    kernel, dense = random.rand(3, 3, 1, 8).astype('f4') - 0.5, (random.rand(5408, 10).astype('f4') - 0.5) / 50
    with tf.Graph().as_default(), tf.device(device):
        weights = [tf.Variable(kernel), tf.Variable(dense)]
        hidden = tf.nn.relu(tf.nn.conv2d(x, weights[0], [1, 1, 1, 1], 'VALID'))
        loss = tf.reduce_mean(tf.square(tf.matmul(tf.reshape(hidden, [64, -1]), weights[1]) - y))
        step = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            seconds = []
            for _ in range(5):
                begin = time.time()
                session.run(step)
                seconds.append(time.time() - begin)
            return {
                'name': device,
                'first_step_s': round(seconds[0], 4),
                'step_s': round(sum(seconds[1:]) / 4, 4),
                'loss': float(session.run(loss)),
            }


def main():
    report = {}
    try:
        os.environ['TF_CPP_MIN_LOG_LEVEL'] = '2'
        import tensorflow as tf
        from tensorflow.python.client import device_lib

        report['version'] = tf.__version__
        names = [d.name for d in device_lib.list_local_devices() if d.device_type in ('CPU', 'GPU')]
        report['devices'] = [train(name) for name in names]
    except BaseException as e:
        report['error'] = '%s: %s' % (type(e).__name__, (str(e).strip().splitlines() or [''])[-1])
    sys.stdout.write('\n' + json.dumps(report))


if __name__ == '__main__':
    main()
