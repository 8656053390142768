"""A parameter server and workers that come and go: TensorFlow's own cluster under Keras's fit.

When: one machine is too slow, and a worker may be slow, or die and come back, without stopping the
others. The weights lie on the server, and every worker updates them in its own time. Whose update
comes first is chance, so that no two runs give the same bits, not even with one thread.

Stacks: tf1.9-keras2.2.4; training on several devices and machines was tried on this stack alone.

The line that matters: `device_filters=['/job:ps', me]`, the processes that this worker's session
asks for: the servers and itself.

Without it: a session begins only when every worker of the cluster answers. While one is dead no other
can start, nor come back.

What goes wrong without a word: Keras's own optimizers read a weight, compute, and assign the result, so
that workers overwrite each other's updates. Those of tf.train send the gradient, and the server adds it.

Reaches: test accuracy 0.89 after 8 epochs, 7 s on 2 cores, 0.23 GB.

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
    config = json.loads(os.environ['TF_CONFIG'])  # from an operator of Kubernetes, or from the launcher below
    spec = config['cluster']  # {'ps': [address, …], 'worker': [address, …]}
    job, index = config['task']['type'], config['task']['index']  # which of them this process is
    me = f'/job:{job}/task:{index}'
    try:
        server = tf.train.Server(spec, job, index, config=tf.ConfigProto(gpu_options=tf.GPUOptions(allow_growth=True)))
    except tf.errors.UnknownError:
        recipe.fail(f'{me} cannot listen on {spec[job][index]}: end what has that port, or name another')
    if job == 'ps':
        server.join()  # for ever: it is ended from outside
    workers = [address for name in cluster.WORKERS for address in spec.get(name, [])]
    number = workers.index(spec[job][index])
    chief = number == 0  # the worker that initialises, saves and records

    with tf.device(tf.train.replica_device_setter(cluster=spec, worker_device=me)):  # variables to the servers
        model = build_model(data.x_train.shape[1:])
        optimizer = keras.optimizers.TFOptimizer(tf.train.MomentumOptimizer(0.02, 0.9))
        model.compile(optimizer, 'sparse_categorical_crossentropy', metrics=['acc'])
        model._make_train_function()  # every variable has to be there before the session is

    saver, initialise = tf.train.Saver(), tf.global_variables_initializer()
    manager = tf.train.SessionManager(ready_op=tf.report_uninitialized_variables(), recovery_wait_secs=1)
    options = tf.ConfigProto(device_filters=['/job:ps', me])  # <- the line that matters
    options.operation_timeout_in_ms = 1000 * cluster.TIMEOUT
    with cluster.give_up(f'{me} reached no server at {", ".join(spec["ps"])} that a chief has initialised'):
        if chief:  # begins anew, or from its last checkpoint
            session = manager.prepare_session(server.target, initialise, saver, resume, config=options)
        else:
            session = manager.wait_for_session(server.target, options)
    K.set_session(session)

    wanted = epochs * len(data.x_train) // batch_size

    def updates():  # of all workers
        return int(K.get_value(optimizer.iterations)) // 2  # TFOptimizer counts every batch twice

    def stop_when_done(batch, logs):
        model.stop_training = updates() >= wanted

    stop = keras.callbacks.LambdaCallback(on_batch_end=stop_when_done)
    x, y = data.x_train[number :: len(workers)], data.y_train[number :: len(workers)]  # this worker's part
    try:
        done = updates()
        while done < wanted:
            logs = model.fit(x, y, batch_size=batch_size, verbose=0, callbacks=[stop]).history
            done = updates()  # asked once, or the others' go on between what is said and what is decided
            if chief:
                saver.save(session, os.path.join(resume, 'model'), done)
            if chief and verbose:
                print(f'update {done} of {wanted}: loss {logs["loss"][0]:.4f}, accuracy {logs["acc"][0]:.4f}')
        loss, accuracy = model.evaluate(data.x_test, data.y_test, verbose=0)
        if chief:
            saver.save(session, os.path.join(out, 'model'), write_meta_graph=False)
    except LOST as e:
        recipe.fail(f'{me} lost the server ({e.message.splitlines()[0]}): started again it goes on')
    return {'updates': updates(), 'test_loss': loss, 'test_accuracy': accuracy, 'checkpoint': 'model.index'}


if __name__ == '__main__':
    recipe.main(run, cluster.ParameterServer(servers=1, workers=2))
