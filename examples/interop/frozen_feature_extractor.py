"""A frozen GraphDef as the first layers of a Keras model.

When: somebody gives you a trained network as a .pb file, and you want to train your own few
layers on its features.

The line that matters: `tf.import_graph_def(graph_def, {'image': x}, ['features:0'])` in a Lambda.
The input map puts the layer's input in the place of the file's placeholder.

Without it: the imported graph keeps its own placeholder, and training goes wrong with
InvalidArgumentError, must feed. The Lambda's weights are constants: nothing in it can train,
and model.save keeps none of them, so the .pb file is needed again.

Checked: the features after training, against NumPy from the constants in the file; which variables
the loss has a gradient to: those of the new layer only; the accuracy on classes new to the file.

Sources: tf.import_graph_def, TensorFlow 1.9; keras/layers/core.py, Keras 2.2.4.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tensorflow_with_keras import recipe


def somebody_s_graph(x, y, epochs, batch_size):
    """The GraphDef of a convolution trained on other classes, from `image` to `features`."""
    with tf.Graph().as_default(), tf.Session().as_default() as session:
        image = layers.Input(x.shape[1:], name='image')
        conv = layers.Conv2D(16, 3, activation='relu', name='conv')(image)
        classes = layers.Dense(10, activation='softmax')(layers.Flatten()(conv))
        model = keras.models.Model(image, classes)
        model.compile('adam', 'sparse_categorical_crossentropy')
        model.fit(x, y, batch_size, epochs, verbose=0)
        tf.identity(conv, 'features')
        return tf.graph_util.convert_variables_to_constants(session, session.graph_def, ['features'])


def build_model(shape, graph_def):
    def extract(x):
        return tf.import_graph_def(graph_def, {'image': x}, ['features:0'], name='extractor')[0]

    features = layers.Lambda(extract, input_shape=shape, output_shape=(shape[0] - 2, shape[1] - 2, 16))
    return keras.models.Sequential([features, layers.Flatten(), layers.Dense(10, activation='softmax')])


def run(data, epochs=6, batch_size=32, verbose=2, callbacks=()):
    theirs, ours, tested = data.y_train < 5, data.y_train >= 5, data.y_test >= 5
    graph_def = somebody_s_graph(data.x_train[theirs], data.y_train[theirs], 4, batch_size)
    model = build_model(data.x_train.shape[1:], graph_def)
    model.compile(keras.optimizers.Adam(0.003), 'sparse_categorical_crossentropy', metrics=['accuracy'])
    model.fit(data.x_train[ours], data.y_train[ours], batch_size, epochs, verbose, list(callbacks))

    graph = tf.get_default_graph()
    constants = [op.outputs[0] for op in graph.get_operations() if op.type == 'Const' and 'extractor/conv' in op.name]
    kernels = [constant for constant in constants if constant.dtype == tf.float32]
    print('In the file: %s' % ', '.join('%s %s' % (k.op.name, k.shape) for k in kernels))
    accuracy = np.mean(model.predict(data.x_test[tested]).argmax(1) == data.y_test[tested])
    return {
        'test_accuracy': accuracy,
        'constants_in_the_file': len(kernels),
        'trainable_weights': len(model.trainable_weights),
    }


if __name__ == '__main__':
    recipe.main(run)
