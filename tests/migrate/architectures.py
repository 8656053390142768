"""Saves keras.applications' architectures with random weights: `python architectures.py FOLDER NAME …`."""

import json
import os
import sys

import numpy as np
from cases import widen
from keras import applications
from keras import backend as K
from keras.layers import Activation, Conv2D, GlobalAveragePooling2D
from keras.models import Sequential


def pooled():
    """A convolution, its mean and a softmax, which converters merge, so wide that the softmax is saturated."""
    model = Sequential([Conv2D(5, 3, input_shape=(8, 8, 2)), GlobalAveragePooling2D(), Activation('softmax')])
    random = np.random.RandomState(0)
    model.set_weights([random.normal(0, 300, weights.shape) for weights in model.get_weights()])
    return model


def main(folder, names):
    listed = []
    for n, name in enumerate(names):
        K.clear_session()
        if name == 'pooled softmax':
            model = pooled()
        else:
            model = getattr(applications, name)(weights=None)
            widen(model, np.random.RandomState(n))
        model.save(os.path.join(folder, '%d.h5' % n))
        listed.append({'name': name, 'file': '%d.h5' % n, 'custom': []})
    with open(os.path.join(folder, 'cases.json'), 'w') as file:
        json.dump(listed, file)


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2:])
