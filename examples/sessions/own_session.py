"""Your own session under Keras: K.set_session, before the first layer.

When: you want a tf.Session with a configuration of your own (threads, devices, memory), or run
TensorFlow operations beside Keras and need the model's trained values in them.

The line that matters: `K.set_session(sess)`, before the model is built. A graph only names the
variables; each session holds values of its own.

Without it: Keras makes a session of its own, and sess.run of anything that reads a weight
raises FailedPreconditionError, though the model is trained. Called too late it goes wrong the
other way: the weights stay behind, and as Keras takes them for initialised it never
initialises them again. `with tf.Session() as s:` switches Keras's session too, inside the block.

Checked: what plain TensorFlow computes in sess, against NumPy on the weights that Keras gives
out; the error of each wrong session.

Sources: get_session and set_session in keras/backend/tensorflow_backend.py, Keras 2.2.4.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import recipe


def attempt(what, function):
    """1 if it works, 0 if a variable has no value in the session it ran in."""
    try:
        function()
    except tf.errors.FailedPreconditionError as e:
        print('%-30s FailedPreconditionError: %s' % (what, e.message.split('\n')[0]))
        return 0
    print('%-30s works' % what)
    return 1


def predict_in_block(model, x):
    with tf.Session():  # the default session inside the block, which Keras prefers to its own
        return model.predict(x)


def run(data, epochs=3, batch_size=32, verbose=2, callbacks=()):
    sess = tf.Session(config=tf.ConfigProto(intra_op_parallelism_threads=1, allow_soft_placement=True))
    K.set_session(sess)

    model = keras.models.Sequential([layers.Flatten(input_shape=data.x_train.shape[1:]), layers.Dense(10)])
    model.compile(
        keras.optimizers.Adam(0.01),
        lambda y_true, logits: tf.losses.sparse_softmax_cross_entropy(tf.cast(y_true[:, 0], tf.int64), logits),
    )
    model.fit(data.x_train, data.y_train, batch_size, epochs, verbose, list(callbacks))

    # plain TensorFlow on the trained model: how often the class is one of the first two
    labels = tf.placeholder(tf.int64, [None])
    top_two = tf.reduce_mean(tf.cast(tf.nn.in_top_k(model.output, labels, 2), tf.float32))
    feed = {model.input: data.x_test, labels: data.y_test}
    found = {
        'test_accuracy': np.mean(model.predict(data.x_test).argmax(1) == data.y_test),
        'test_top_two': sess.run(top_two, feed),
        'works_in_second_session': attempt('a second tf.Session()', lambda: tf.Session().run(top_two, feed)),
        'works_in_with_block': attempt('with tf.Session():', lambda: predict_in_block(model, data.x_test)),
    }
    K.set_session(tf.Session())  # too late: the trained values stay in sess
    found['works_when_set_too_late'] = attempt('K.set_session after training', lambda: model.predict(data.x_test))
    K.set_session(sess)  # and they are there still
    found['works_when_set_back'] = attempt('K.set_session(sess) again', lambda: model.predict(data.x_test))
    return found


if __name__ == '__main__':
    recipe.main(run)
