"""Data parallelism: one model, a tower of it on every device, and the gradients of all joined.

When: a batch takes too long on one device, and the machine has more of them. Each device gets its own
tower (the same operations, on the same weights) and a slice of every batch.

Stacks: tf1.9-keras2.2.4; training on several devices and machines was tried on this stack alone.

The line that matters: `loss = tf.reduce_sum(each) / tf.to_float(count)`, where `count` is the size of
the whole batch. So the towers' losses add up to the batch's mean loss, and their gradients to its gradient.

Without it: the average of the towers' own means is wrong wherever slices differ in size, as in most
last batches; and a slice of no images makes it NaN. The sum of those means has the same effect as a
learning rate that is larger by the number of towers. Two more things go wrong: BatchNormalization, as
each tower normalises by its own slice; and tf.gradients in place of compute_gradients, since then
weights may change while a tower still reads them.

Reaches: test accuracy 0.89 after 8 epochs, 3 s on 2 cores, 0.19 GB.

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

CLASSES = 10


def all_devices():
    """The GPUs where there are two or more, else two CPU devices, which share this machine's cores."""
    K.set_session(tf.Session(config=tf.ConfigProto(device_count={'CPU': 2}, allow_soft_placement=True)))
    devices = K.get_session().list_devices()
    gpus = [device.name for device in devices if device.device_type == 'GPU']
    cpus = [device.name for device in devices if device.device_type == 'CPU']
    return gpus if len(gpus) > 1 else cpus


def build_model(shape):
    with tf.device('/cpu:0'):  # the weights are here, and every tower reads them
        hidden = layers.Dense(64, activation='relu')
        return keras.models.Sequential([layers.Flatten(input_shape=shape), hidden, layers.Dense(CLASSES)])  # logits


def entropy(y_true, logits):
    return tf.nn.softmax_cross_entropy_with_logits_v2(labels=y_true, logits=logits)


def training_step(model, devices, images, labels):
    """One step on a batch, of which every device takes a slice. Returns the batch's loss, too."""
    optimizer = tf.train.MomentumOptimizer(0.05, momentum=0.9)
    count = tf.shape(images)[0]
    losses = []
    gradients = []  # of each tower a list
    for i, device in enumerate(devices):
        own = slice(count * i // len(devices), count * (i + 1) // len(devices))
        with tf.device(device), tf.name_scope(f'tower_{i}'):
            each = entropy(labels[own], model(images[own]))  # the call makes new operations on the same weights
            loss = tf.reduce_sum(each) / tf.to_float(count)  # <- the line that matters
            pairs = optimizer.compute_gradients(loss, model.trainable_weights)
        losses.append(loss)
        gradients.append([gradient for gradient, weight in pairs])
    joined = [tf.add_n(of_a_weight) for of_a_weight in zip(*gradients)]
    return tf.add_n(losses), optimizer.apply_gradients(zip(joined, model.trainable_weights))


def run(data, epochs=8, batch_size=64, verbose=2):
    devices = all_devices()
    y_train = keras.utils.to_categorical(data.y_train, CLASSES)
    model = build_model(data.x_train.shape[1:])
    images, labels = model.input, tf.placeholder(tf.float32, [None, CLASSES])
    step = training_step(model, devices, images, labels)
    session = K.get_session()  # only now: it initialises the variables that there are
    order = np.arange(len(y_train))
    for epoch in range(epochs):
        np.random.shuffle(order)
        for begin in range(0, len(order), batch_size):
            chosen = order[begin : begin + batch_size]
            loss, _ = session.run(step, {images: data.x_train[chosen], labels: y_train[chosen]})
        if verbose:
            print(f'epoch {epoch + 1} of {epochs}: loss {loss:.4f}')
    accuracy = np.mean(model.predict(data.x_test).argmax(1) == data.y_test)
    print(f'{100 * accuracy:.1f} % of the test set are right, learnt on {", ".join(devices)}.')
    results = {'epochs': epochs, 'towers': len(devices), 'last_loss': loss, 'test_accuracy': accuracy}
    if 'GPU' in devices[0]:  # to compare: what Keras has for it
        again = build_model(data.x_train.shape[1:])
        parallel = keras.utils.multi_gpu_model(again, len(devices))  # shares its weights with `again`
        # Keras's optimizers leave gradients on their tower's GPU, those of tf.train bring all to the first
        parallel.compile(keras.optimizers.SGD(0.05, momentum=0.9), entropy)
        parallel.fit(data.x_train, y_train, batch_size=batch_size, epochs=epochs, verbose=0)
        results['multi_gpu_model_accuracy'] = np.mean(again.predict(data.x_test).argmax(1) == data.y_test)
    return results


if __name__ == '__main__':
    recipe.main(run)
