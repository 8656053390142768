"""Keras layers in the model_fn of a tf.estimator.Estimator: trained, evaluated and exported.

When: an Estimator does the work around the model (train_and_evaluate, checkpoints, clusters,
serving), and the network is easier to write with Keras layers.

The line that matters: `K.set_learning_phase(int(mode == TRAIN))`, first in model_fn. Each mode
has a graph of its own, and Keras keeps a learning phase for each graph.

Without it: the phase is an input that stays False, so that in training dropout never drops and
batch normalisation uses the moving averages instead of the batch's own. It also goes wrong without
the model's updates before the train_op: the moving averages stay at 0 and 1, and evaluation
is that of another network.

tf.keras.estimator.model_to_estimator is no way for a model of Keras: it takes those of tf.keras alone.

Reaches: test accuracy 0.89 after 4 epochs, 6 s on 2 cores, 0.28 GB.

Checked: the Estimator's accuracy and the exported model's answers, against a Keras model given
the same weights; the moving averages against what they start from; dropout in training mode.

Sources: tf.estimator, TensorFlow 1.9; keras/layers/normalization.py, Keras 2.2.4.
"""

import os
import tempfile

import keras
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import recipe

TRAIN = tf.estimator.ModeKeys.TRAIN
PREDICT = tf.estimator.ModeKeys.PREDICT


def build_model(shape):
    stack = [layers.Conv2D(16, 3, activation='relu', input_shape=shape), layers.BatchNormalization()]
    return keras.models.Sequential(stack + [layers.Flatten(), layers.Dropout(0.2), layers.Dense(10)])  # logits


def model_fn(features, labels, mode):
    K.set_learning_phase(int(mode == TRAIN))  # <- the line that matters
    model = build_model(features['image'].shape[1:].as_list())
    logits = model(features['image'])
    predictions = {'class': tf.argmax(logits, 1), 'probabilities': tf.nn.softmax(logits)}
    if mode == PREDICT:
        exported = {'serving_default': tf.estimator.export.PredictOutput(predictions)}
        return tf.estimator.EstimatorSpec(mode, predictions, export_outputs=exported)
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    metrics = {'accuracy': tf.metrics.accuracy(labels, predictions['class'])}
    with tf.control_dependencies(model.get_updates_for(features['image'])):
        train_op = tf.train.AdamOptimizer().minimize(loss, tf.train.get_global_step())
    return tf.estimator.EstimatorSpec(mode, predictions, loss, train_op, metrics)


def run(data, epochs=4, batch_size=32):
    def train_input():
        dataset = tf.data.Dataset.from_tensor_slices(({'image': data.x_train}, data.y_train))
        return dataset.shuffle(len(data.x_train), seed=0).repeat().batch(batch_size)

    def test_input():
        return tf.data.Dataset.from_tensor_slices(({'image': data.x_test}, data.y_test)).batch(batch_size)

    shape = data.x_train.shape[1:]
    steps = epochs * int(np.ceil(len(data.x_train) / batch_size))
    np.random.seed(0)  # Keras draws the initialisers' seeds from NumPy
    with tempfile.TemporaryDirectory() as folder:
        one_thread = tf.ConfigProto(intra_op_parallelism_threads=1)
        config = tf.estimator.RunConfig(folder, tf_random_seed=0, session_config=one_thread)
        estimator = tf.estimator.Estimator(model_fn, config=config)
        training = tf.estimator.TrainSpec(train_input, max_steps=steps)
        testing = tf.estimator.EvalSpec(test_input, steps=None)  # None: all of it
        tf.estimator.train_and_evaluate(estimator, training, testing)
        accuracy = estimator.evaluate(test_input)['accuracy']

        image = tf.placeholder(tf.float32, (None,) + shape, 'image')
        receiver = tf.estimator.export.build_raw_serving_input_receiver_fn({'image': image})
        saved = estimator.export_savedmodel(os.path.join(folder, 'export'), receiver).decode()
        served = tf.contrib.predictor.from_saved_model(saved)({'image': data.x_test})

        model = build_model(shape)  # to compare: the same weights in a Keras model
        for layer in model.layers:
            layer.set_weights([estimator.get_variable_value(weight.op.name) for weight in layer.weights])
    classes = model.predict(data.x_test).argmax(1)
    return {
        'steps': steps,
        'largest_moving_mean': np.abs(model.layers[1].get_weights()[2]).max(),
        'test_accuracy': accuracy,
        'keras_accuracy': np.mean(classes == data.y_test),
        'classes_that_differ': np.sum(classes != served['class']),
    }


if __name__ == '__main__':
    recipe.main(run)
