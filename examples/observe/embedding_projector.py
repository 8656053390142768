"""A layer's output for TensorBoard's embedding projector, with labels and a picture a point.

When: you want to see how a layer arranges the samples: which classes lie together, and which
digits lie among the wrong ones.

The line that matters: `embedding.sprite.single_image_dim.extend([width, height])`. All pictures
are one PNG, row by row in the order of the vectors, and this tells where to cut.

Without it: the projector has no size to cut the PNG by, so the points show no digits of their
own. Metadata goes wrong by one row where a header is missing: TensorBoard wants one as soon
as there are two columns, and none for a single column.

Checked: every picture cut out of the PNG as the projector does, against its image; vectors
against NumPy's; the metadata's rows; TensorBoard's own reading of the configuration.

Sources: tensorflow/contrib/tensorboard/plugins/projector/projector_config.proto, TensorFlow 1.9.
"""

import os

import keras
import numpy as np
from google.protobuf import text_format
from keras import layers
from matplotlib import pyplot as plt
from tensorflow.contrib.tensorboard.plugins import projector

from tensorflow_with_keras import recipe


def build_model(shape):
    stack = [layers.Flatten(input_shape=shape), layers.Dense(16, activation='relu', name='embedding')]
    return keras.models.Sequential(stack + [layers.Dense(10, activation='softmax')])


def sprite(images):
    """One picture of all images, as many a row as there are rows; what is left over stays white."""
    n, height, width = images.shape[:3]
    side = int(np.ceil(np.sqrt(n)))
    sheet = np.zeros((side * side, height, width), images.dtype)
    sheet[:n] = images[..., 0]
    return 1 - sheet.reshape(side, side, height, width).swapaxes(1, 2).reshape(side * height, side * width)


def configuration(height, width):
    config = projector.ProjectorConfig()
    embedding = config.embeddings.add()
    embedding.tensor_name = 'digits'
    embedding.tensor_path = 'vectors.tsv'  # in place of a checkpoint with a variable of that name
    embedding.metadata_path = 'metadata.tsv'
    embedding.sprite.image_path = 'sprite.png'
    embedding.sprite.single_image_dim.extend([width, height])
    return text_format.MessageToString(config)


def run(data, epochs=5, batch_size=32, verbose=2, callbacks=(), out='.'):
    model = build_model(data.x_train.shape[1:])
    model.compile('adam', 'sparse_categorical_crossentropy', metrics=['accuracy'])
    model.fit(data.x_train, data.y_train, batch_size, epochs, verbose, list(callbacks))
    x, y = data.x_test[:1000], data.y_test[:1000]
    vectors = keras.models.Model(model.input, model.get_layer('embedding').output).predict(x)
    predicted = model.predict(x).argmax(1)

    np.savetxt(os.path.join(out, 'vectors.tsv'), vectors, '%.6g', '\t')
    with open(os.path.join(out, 'metadata.tsv'), 'w') as f:
        f.write('digit\tpredicted\n')  # two columns, so a header
        f.writelines('%d\t%d\n' % row for row in zip(y, predicted))
    plt.imsave(os.path.join(out, 'sprite.png'), sprite(x), vmin=0, vmax=1, cmap='gray')
    with open(os.path.join(out, 'projector_config.pbtxt'), 'w') as f:
        f.write(configuration(*x.shape[1:3]))
    print('To look: tensorboard --logdir on the folder of these files, then Projector')
    files = {'vectors': 'vectors.tsv', 'metadata': 'metadata.tsv', 'sprite': 'sprite.png'}
    return dict(files, config='projector_config.pbtxt', points=len(x), test_accuracy=np.mean(predicted == y))


if __name__ == '__main__':
    recipe.main(run)
