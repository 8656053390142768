"""Keras layers under TensorFlow's scopes, and the collections that their variables land in.

When: Keras layers stand in a TensorFlow graph with name scopes, variable scopes and devices,
and TensorFlow code then asks the graph's collections for what to train, update or add.

The line that matters: `optimizer.minimize(loss, var_list=model.trainable_weights)`.

Without it: minimize takes the collection of trainable variables, and Keras puts every variable
there: those of frozen layers, the moving averages and the optimizer's own. A frozen layer is
then trained. The collections of updates and of regularisation losses stay empty; model.updates
and model.losses hold them. tf.variable_scope(reuse=True) shares nothing; the same layer does.

Checked: the graph's own collections, names and devices; the frozen layer's weights before and
after training; the accuracy from the logits, by NumPy.

Sources: K.variable in keras/backend/tensorflow_backend.py, Keras 2.2.4; tf.GraphKeys.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import recipe


def build_model(shape):
    with tf.name_scope('trunk'), tf.device('/cpu:0'):  # all the operations and variables of these layers
        image = layers.Input(shape)
        hidden = layers.Conv2D(16, 3, activation='relu', trainable=False, name='frozen')(image)
        hidden = layers.Flatten()(layers.BatchNormalization(name='norm')(hidden))
    with tf.variable_scope('head', reuse=tf.AUTO_REUSE):  # for a Keras layer, a name scope
        logits = layers.Dense(10, kernel_regularizer=keras.regularizers.l2(1e-4), name='classes')(hidden)
    return keras.models.Model(image, logits)


def run(data, epochs=4, batch_size=32):
    model = build_model(data.x_train.shape[1:])
    labels = tf.placeholder(tf.int64, [None])
    loss = tf.add_n([tf.losses.sparse_softmax_cross_entropy(labels, model.output)] + model.losses)
    with tf.control_dependencies(model.updates):
        train = tf.train.GradientDescentOptimizer(0.1).minimize(loss, var_list=model.trainable_weights)

    graph = tf.get_default_graph()
    for weight in model.weights:
        print(
            '%-28s device %-14s trainable %s' % (weight.name, weight.device or 'any', weight in model.trainable_weights)
        )
    session = K.get_session()
    before = model.get_layer('frozen').get_weights()
    order = np.random.RandomState(0)
    for _ in range(epochs):
        for rows in np.array_split(order.permutation(len(data.x_train)), -(-len(data.x_train) // batch_size)):
            feed = {model.input: data.x_train[rows], labels: data.y_train[rows], K.learning_phase(): True}
            session.run(train, feed)
    moved = [np.abs(a - b).max() for a, b in zip(model.get_layer('frozen').get_weights(), before)]
    return {
        'test_accuracy': np.mean(model.predict(data.x_test).argmax(1) == data.y_test),
        'frozen_layer_moved': max(moved),
        'weights': len(model.weights),
        'trainable_weights': len(model.trainable_weights),
        'in_trainable_collection': len(set(model.weights) & set(tf.trainable_variables())),
        'updates': len(model.updates),
        'in_update_collection': len(graph.get_collection(tf.GraphKeys.UPDATE_OPS)),
        'losses': len(model.losses),
        'in_loss_collection': len(graph.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)),
    }


if __name__ == '__main__':
    recipe.main(run)
