"""A trained Keras model for TensorFlow Lite, in float and in 8 bits, run by its interpreter.

When: the model goes to a phone or a small board. An 8-bit file is under a third as large.

The line that matters: `TocoConverter(frozen, [image], [classes])`, of a graph of constants.

Without it: `TocoConverter.from_session` of TensorFlow 1.9 first runs the global initialiser, and
converts an untrained network without a word. In 8 bits, a layer whose values have no range
(fake_quant gives it, as measured on training data) ends in RuntimeError.

Checked: both files, run by the interpreter, against predict, with a bound each; their sizes.

Sources: from_session and _freeze_graph in tensorflow/contrib/lite/python/lite.py, TensorFlow 1.9.
"""

import os
import sys

import keras
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras import layers

from tensorflow_with_keras import recipe

os.environ['PATH'] = os.path.dirname(sys.executable) + os.pathsep + os.environ['PATH']  # for toco_from_protos


def build_model(shape):
    conv = layers.Conv2D(16, 3, activation='relu', input_shape=shape)
    return keras.models.Sequential([conv, layers.Flatten(), layers.Dense(10), layers.Activation('softmax')])


def ranges(model, x):
    """The lowest and highest value after each layer with weights, 0 included."""
    outputs = keras.models.Model(model.input, [model.layers[i].output for i in (0, 2)]).predict(x)
    return [(min(0.0, float(o.min())), max(0.0, float(o.max()))) for o in outputs]


def convert(model, activation_ranges=None):
    """The bytes of a TensorFlow Lite file, in 8 bits where ranges are given."""
    weights, limits = model.get_weights(), list(activation_ranges or [])
    with tf.Graph().as_default(), tf.Session().as_default() as session:
        serving = build_model(model.input_shape[1:])
        serving.set_weights(weights)
        x = image = tf.placeholder(tf.float32, (1,) + model.input_shape[1:], 'image')
        for layer in serving.layers:
            if limits and layer.weights:
                top = float(np.abs(K.get_value(layer.kernel)).max())  # the converter refuses the lowest byte
                layer.kernel = tf.fake_quant_with_min_max_args(layer.kernel, -top, top, narrow_range=True)
            x = layer(x)
            x = tf.fake_quant_with_min_max_args(x, *limits.pop(0)) if limits and layer.weights else x
        frozen = tf.graph_util.convert_variables_to_constants(session, session.graph_def, [x.op.name])
        converter = tf.contrib.lite.TocoConverter(frozen, [image], [x])
    if activation_ranges:
        converter.inference_type = tf.contrib.lite.constants.QUANTIZED_UINT8
        converter.quantized_input_stats = {'image': (0.0, 255.0)}  # value = (byte - 0) / 255
    return converter.convert()


def interpret(content, x):
    interpreter = tf.contrib.lite.Interpreter(model_content=content)
    interpreter.allocate_tensors()
    (image,), (classes,) = interpreter.get_input_details(), interpreter.get_output_details()
    x, answers = x if image['dtype'] == np.float32 else np.round(x * 255).astype(np.uint8), []
    for one in x:
        interpreter.set_tensor(image['index'], one[np.newaxis])
        interpreter.invoke()
        answers.append(interpreter.get_tensor(classes['index'])[0].astype(np.float32))
    return np.array(answers) * (classes['quantization'][0] or 1)


def run(data, epochs=4, batch_size=32, verbose=2, callbacks=(), out='.'):
    model = build_model(data.x_train.shape[1:])
    model.compile('adam', 'sparse_categorical_crossentropy', metrics=['accuracy'])
    model.fit(data.x_train, data.y_train, batch_size, epochs, verbose, list(callbacks))
    expected, found = model.predict(data.x_test), {}
    for name, limits in (('float', None), ('8bit', ranges(model, data.x_train))):
        content, found[name + '_file'] = convert(model, limits), name + '.tflite'
        with open(os.path.join(out, name + '.tflite'), 'wb') as f:
            found[name + '_bytes'] = f.write(content)
        answer = interpret(content, data.x_test)
        found[name + '_accuracy'] = np.mean(answer.argmax(1) == data.y_test)
        found[name + '_difference'] = np.abs(answer - expected).max()
    return found


if __name__ == '__main__':
    recipe.main(run)
