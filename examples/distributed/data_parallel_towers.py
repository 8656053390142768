"""Data parallelism: one model, a tower of it on every device, and the gradients of all joined.

When: a batch takes too long on one device, and the machine has more of them.

The line that matters: `losses.append(tf.reduce_sum(each) / tf.to_float(count))`, the tower's share
of the whole batch's mean: the sum of the towers' gradients is then that batch's own.

Without it: the average of the towers' means is wrong wherever slices differ in size, as in most
last batches; of no images it makes the loss NaN. Means added up are the learning rate times the
number of towers. Two more things go wrong: BatchNormalization, as each tower normalises by its own
slice, and tf.gradients for compute_gradients: weights may change while a tower still reads them.

Checked: all weights, against Keras's fit on one device with the same batches, whole.

Sources: tf.train.Optimizer, TensorFlow 1.9; keras.utils.multi_gpu_model, Keras 2.2.4, which
divides only the forward pass, not the loss, and takes only GPUs.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import recipe

CLASSES, RATE = 10, 0.05


def all_devices():
    """The GPUs where there are two or more, else two CPU devices, which share this machine's cores."""
    K.set_session(tf.Session(config=tf.ConfigProto(device_count={'CPU': 2}, allow_soft_placement=True)))
    names = {kind: [d.name for d in K.get_session().list_devices() if d.device_type == kind] for kind in ('CPU', 'GPU')}
    return names['GPU'] if len(names['GPU']) > 1 else names['CPU']


def build_model(shape):
    with tf.device('/cpu:0'):  # the weights are here, and every tower reads them
        stack = [layers.Flatten(input_shape=shape), layers.Dense(64, activation='relu')]
        return keras.models.Sequential(stack + [layers.Dense(CLASSES)])  # logits


def entropy(y_true, logits):
    return tf.nn.softmax_cross_entropy_with_logits_v2(labels=y_true, logits=logits)


def training_step(model, devices, images, labels):
    """One step on a batch, of which every device takes a slice. Returns the batch's loss, too."""
    optimizer = tf.train.MomentumOptimizer(RATE, momentum=0.9)
    count, losses, towers = tf.shape(images)[0], [], []
    for i, device in enumerate(devices):
        own = slice(count * i // len(devices), count * (i + 1) // len(devices))
        with tf.device(device), tf.name_scope('tower_%d' % i):
            each = entropy(labels[own], model(images[own]))  # a call makes new operations on the same weights
            losses.append(tf.reduce_sum(each) / tf.to_float(count))
            towers.append(optimizer.compute_gradients(losses[-1], model.trainable_weights))
    joined = [(tf.add_n([g for g, _ in pairs]), pairs[0][1]) for pairs in zip(*towers)]
    return tf.add_n(losses), optimizer.apply_gradients(joined)


def run(data, epochs=8, batch_size=64, verbose=2):
    devices = all_devices()
    y_train = keras.utils.to_categorical(data.y_train, CLASSES)
    model = build_model(data.x_train.shape[1:])
    images, labels = model.input, tf.placeholder(tf.float32, [None, CLASSES])
    step = training_step(model, devices, images, labels)
    session, order = K.get_session(), np.arange(len(y_train))  # only now: it initialises what it finds
    for epoch in range(epochs):
        np.random.shuffle(order)
        for begin in range(0, len(order), batch_size):
            chosen = order[begin : begin + batch_size]
            loss, _ = session.run(step, {images: data.x_train[chosen], labels: y_train[chosen]})
        if verbose:
            print('epoch %d of %d: loss %.4f' % (epoch + 1, epochs, loss))
    accuracy = np.mean(model.predict(data.x_test).argmax(1) == data.y_test)
    print('%.1f %% of the test set are right, learnt on %s.' % (100 * accuracy, ', '.join(devices)))
    found = {'epochs': epochs, 'towers': len(devices), 'last_loss': loss, 'test_accuracy': accuracy}

    if 'GPU' in devices[0]:  # beside it what Keras has, whose fit does the rest
        again = build_model(data.x_train.shape[1:])
        parallel = keras.utils.multi_gpu_model(again, len(devices))  # shares its weights with `again`
        # Keras's optimizers leave gradients on their tower's GPU, those of tf.train bring all to the first
        parallel.compile(keras.optimizers.SGD(RATE, momentum=0.9), entropy)
        parallel.fit(data.x_train, y_train, batch_size, epochs, verbose)
        found['multi_gpu_model_accuracy'] = np.mean(again.predict(data.x_test).argmax(1) == data.y_test)
    return found


if __name__ == '__main__':
    recipe.main(run)
