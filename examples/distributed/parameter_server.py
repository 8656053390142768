"""A parameter server and workers that come and go: TensorFlow's own cluster under Keras's fit.

When: one machine is too slow, and a worker may be slow, or die and come back, without stopping the
rest. Whose update comes first is chance: no two runs give the same bits, with one thread neither.

The line that matters: `device_filters=['/job:ps', me]`.

Without it: a session begins only when every worker of the cluster answers. While one is dead no other
can start, nor come back.

What goes wrong quietly: Keras's own optimizers read a weight, compute and assign, so workers overwrite
each other's updates. Those of tf.train send the gradient, and the server adds it.

Checked: that the weights lie on the server, and that two workers' updates add up there, against NumPy;
one worker against a single process, to 1e-6; two against it, by accuracy, within 0.03.

Sources: tensorflow.org/versions/r1.9/deploy/distributed; tf.train.SessionManager of TensorFlow 1.9.
"""

import json
import os

import keras
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import cluster, recipe

LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.DeadlineExceededError)


def build_model(shape):
    hidden = layers.Dense(64, activation='relu')
    return keras.models.Sequential([layers.Flatten(input_shape=shape), hidden, layers.Dense(10, activation='softmax')])


def run(data, epochs=8, batch_size=32, verbose=2, out=None, resume=None):
    config = json.loads(os.environ['TF_CONFIG'])  # by an operator of Kubernetes, or by the launcher below
    spec, job, index = config['cluster'], config['task']['type'], config['task']['index']
    workers = [(name, i) for name in ('chief', 'master', 'worker') for i in range(len(spec.get(name, [])))]
    me, chief = '/job:%s/task:%d' % (job, index), workers[0] == (job, index)
    try:
        server = tf.train.Server(spec, job, index, config=tf.ConfigProto(gpu_options=tf.GPUOptions(allow_growth=True)))
    except tf.errors.UnknownError:
        recipe.fail('%s cannot listen on %s: end what has that port, or name another' % (me, spec[job][index]))
    if job == 'ps':
        server.join()  # for ever: it is ended from outside

    with tf.device(tf.train.replica_device_setter(cluster=spec, worker_device=me)):
        model = build_model(data.x_train.shape[1:])
        optimizer = keras.optimizers.TFOptimizer(tf.train.MomentumOptimizer(0.02, 0.9))
        model.compile(optimizer, 'sparse_categorical_crossentropy', metrics=['accuracy'])
        model._make_train_function()  # every variable has to be there before the session is
    saver, init, missing = tf.train.Saver(), tf.global_variables_initializer(), tf.report_uninitialized_variables()

    manager = tf.train.SessionManager(ready_op=missing, recovery_wait_secs=1)
    config = tf.ConfigProto(device_filters=['/job:ps', me], operation_timeout_in_ms=1000 * cluster.TIMEOUT)
    with cluster.give_up('%s reached no server at %s that a chief has initialised' % (me, ', '.join(spec['ps']))):
        if chief:  # its own start, or from its last checkpoint
            session = manager.prepare_session(server.target, init, saver, resume, config=config)
        else:
            session = manager.wait_for_session(server.target, config)
    K.set_session(session)

    def updates():  # of all workers
        return int(K.get_value(optimizer.iterations)) // 2  # TFOptimizer counts every batch twice

    wanted = epochs * len(data.x_train) // batch_size
    stop = keras.callbacks.LambdaCallback(on_batch_end=lambda *_: setattr(model, 'stop_training', updates() >= wanted))
    mine = slice(workers.index((job, index)), None, len(workers))
    try:
        while updates() < wanted:
            logs = model.fit(data.x_train[mine], data.y_train[mine], batch_size, verbose=0, callbacks=[stop]).history
            if chief:
                saver.save(session, os.path.join(resume, 'model'), updates())
            if chief and verbose:
                shown = updates(), wanted, logs['loss'][0], logs['acc'][0]
                print('update %d of %d: loss %.4f, accuracy %.4f' % shown)
        loss, accuracy = model.evaluate(data.x_test, data.y_test, verbose=0)
        if chief:
            saver.save(session, os.path.join(out, 'model'), write_meta_graph=False)
    except LOST as e:
        recipe.fail('%s lost the server (%s): started again it goes on' % (me, e.message.split('\n')[0]))
    return {'updates': updates(), 'test_loss': loss, 'test_accuracy': accuracy, 'checkpoint': 'model.index'}


if __name__ == '__main__':
    recipe.main(run, cluster.ParameterServer(servers=1, workers=2))
