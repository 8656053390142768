"""Horovod: a process for each device or machine, the gradients of all averaged before every update.

When: the machines are alike, and the result shall be one process's with a batch N times as large.

The line that matters: `hvd.broadcast_global_variables(0)`, before the first batch.

Without it: each process goes on from weights of its own, for only gradients are averaged.
BroadcastGlobalVariablesCallback, which most examples have, acts after the first batch: that one's
update comes from gradients at different weights.

What goes wrong too: without DistributedOptimizer each learns from its own part of the data, and the
averaged metrics hide it; with unequal numbers of batches one waits for others that have ended.

Checked: all weights, against one process over the joint batches, to 1e-5; the averaged metrics.

Sources: horovod.keras of Horovod 0.19.5; for the warm-up Goyal et al., arXiv:1706.02677.
"""

import os

import horovod.keras as hvd
import keras
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import cluster, recipe

RATE = 0.02  # of one process


def build_model(shape):
    hidden = layers.Dense(64, activation='relu')
    return keras.models.Sequential([layers.Flatten(input_shape=shape), hidden, layers.Dense(10, activation='softmax')])


def run(data, epochs=8, batch_size=32, verbose=2, callbacks=(), out=None, resume=None):
    if not hvd.mpi_built() and 'HOROVOD_RANK' not in os.environ:
        recipe.fail('mpirun started this, but this Horovod was built without MPI: start it with `horovodrun --gloo`')
    with cluster.give_up('not all processes came within %d s' % cluster.TIMEOUT):
        hvd.init()
    rank, size, chief = hvd.rank(), hvd.size(), hvd.rank() == 0
    numbers = hvd.allgather([len(data.x_train)], name='numbers').tolist()
    if len(set(numbers)) > 1:
        recipe.fail('the processes must have the same training images, and have %s of them' % numbers)

    model = build_model(data.x_train.shape[1:])
    optimizer = keras.optimizers.SGD(RATE * size, momentum=0.9)
    model.compile(hvd.DistributedOptimizer(optimizer), 'sparse_categorical_crossentropy', metrics=['accuracy'])
    model._make_train_function()  # the optimizer's variables are to be saved and broadcast, too
    session, saver = K.get_session(), tf.train.Saver()
    path = tf.train.latest_checkpoint(resume) if chief else None
    if path:
        saver.restore(session, path)
    begin = int(hvd.broadcast([int(path.rsplit('-', 1)[1]) if path else 0], 0, name='begin')[0])
    hvd.broadcast_global_variables(0)

    steps = len(data.x_train) // (size * batch_size)  # the same for all, or some would wait for ever
    x, y = (a[rank::size][: steps * batch_size] for a in (data.x_train, data.y_train))

    def save(epoch, logs):
        saver.save(session, os.path.join(resume, 'model'), epoch + 1)

    joined = [  # the average first: the others are to see it
        hvd.callbacks.MetricAverageCallback(),
        hvd.callbacks.LearningRateWarmupCallback(2, steps_per_epoch=steps, initial_lr=RATE * size),
    ]
    chiefs = [keras.callbacks.LambdaCallback(on_epoch_end=save)] + list(callbacks) if chief else []
    model.fit(x, y, batch_size, epochs, verbose if chief else 0, joined + chiefs, initial_epoch=begin)

    right = model.predict(data.x_test[rank::size]).argmax(1) == data.y_test[rank::size]
    accuracy = hvd.allgather(right.astype('float32'), name='right').mean()  # right for shards of any sizes
    if chief:
        saver.save(session, os.path.join(out, 'model'), write_meta_graph=False)
    return {'processes': size, 'steps': steps * epochs, 'test_accuracy': accuracy, 'checkpoint': 'model.index'}


if __name__ == '__main__':
    recipe.main(run, cluster.Horovod(ranks=2))
