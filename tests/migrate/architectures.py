"""Saves keras.applications' architectures with random weights: `python architectures.py FOLDER NAME …`."""

import json
import os
import sys

import numpy as np
from keras import applications
from keras import backend as K
from keras.layers import Activation, Conv2D, Dense, GlobalAveragePooling2D, Input, Lambda
from keras.models import Model, Sequential


def pooled():
    """A convolution, its mean and a softmax, which converters merge, so wide that the softmax is saturated."""
    model = Sequential([Conv2D(5, 3, input_shape=(8, 8, 2)), GlobalAveragePooling2D(), Activation('softmax')])
    random = np.random.RandomState(0)
    model.set_weights([random.normal(0, 300, weights.shape) for weights in model.get_weights()])
    return model


def half_used():
    """A model of two inputs, of which its output needs the second."""
    both = [Input((3,), name='idle'), Input((3,), name='used')]
    return Model(both, Dense(2)(Lambda(lambda both: both[1])(both)))


def let_through(model, random):
    """Random weights by which an output still depends on the input behind a hundred layers: He's."""
    values = []
    for variable in model.weights:
        shape = K.int_shape(variable)
        kind = variable.name.split('/')[-1].split(':')[0]
        if 'kernel' in kind:
            fan = np.prod(shape[:2]) if 'depthwise' in kind else np.prod(shape[:-1])
            values.append(random.normal(0, np.sqrt(2 / fan), shape))
        elif kind in ('gamma', 'moving_variance'):
            values.append(random.uniform(0.7, 1.4, shape))
        else:
            values.append(random.normal(0, 0.1, shape))
    K.batch_set_value(list(zip(model.weights, values)))


SMALL = {'pooled softmax': pooled, 'half used': half_used}


def main(folder, names):
    listed = []
    for n, name in enumerate(names):
        K.clear_session()
        if name in SMALL:
            model = SMALL[name]()
        else:
            model = getattr(applications, name)(weights=None)
            let_through(model, np.random.RandomState(n))
        model.save(os.path.join(folder, '%d.h5' % n))
        listed.append({'name': name, 'file': '%d.h5' % n, 'custom': []})
    with open(os.path.join(folder, 'cases.json'), 'w') as file:
        json.dump(listed, file)


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2:])
