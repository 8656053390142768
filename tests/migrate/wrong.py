"""Builds a wrong Keras 3 model out of a job's description: `python wrong.py JOBS`, each job with a `wrong`."""

import os
import sys

import keras
import numpy as np

from migrate import rebuild
from migrate.common import read_json, run_jobs


def layer(description, name):
    return next(each for each in description['layers'] if each['name'] == name)


@keras.saving.register_keras_serializable('custom')
class TrainingDropout(keras.layers.Dropout):
    def call(self, inputs, training=None):
        return super().call(inputs, training=True)


@keras.saving.register_keras_serializable('custom')
class TrainingBatchNormalization(keras.layers.BatchNormalization):
    def call(self, inputs, training=None, mask=None):
        return super().call(inputs, training=True, mask=mask)


CUSTOM = {each.__name__: each for each in (TrainingDropout, TrainingBatchNormalization)}


def transposed(description, weights):
    at = layer(description, 'square')['weights'][0]
    weights[at] = weights[at].T


def gates_swapped(description, weights):
    for at in layer(description, 'lstm')['weights']:
        i, f, c, o = np.split(weights[at], 4, axis=-1)
        weights[at] = np.concatenate([f, i, c, o], axis=-1)


def epsilon(description, weights):
    layer(description, 'bn')['config']['epsilon'] = 1e-2


def channels_swapped(description, weights):
    at = layer(description, 'conv')['weights'][0]
    weights[at] = weights[at][:, :, ::-1]


def mask_dropped(description, weights):
    layer(description, 'masking')['config']['mask_value'] = 1e9


def dropout_on(description, weights):
    layer(description, 'dropout')['class'] = 'TrainingDropout'


def batch_norm_in_training(description, weights):
    layer(description, 'bn')['class'] = 'TrainingBatchNormalization'


def weights_of_another(description, weights):
    a, b = layer(description, 'square')['weights'], layer(description, 'second')['weights']
    for one, other in zip(a, b):
        weights[one], weights[other] = weights[other], weights[one]


def pad(description, weights):
    layer(description, 'pad')['config']['padding'] = [[1, 0], [1, 0]]


class WithTheirHardSigmoid(rebuild.Builder):
    def activation(self, name):
        return name


def hard_sigmoid_of_keras3(description, weights):
    return WithTheirHardSigmoid


def work(job):
    description = read_json(job['work'], 'description.json')
    with np.load(os.path.join(job['work'], 'weights.npz')) as saved:
        weights = [saved[f'arr_{n}'] for n in range(len(saved.files))]
    builder = globals()[job['wrong']](description, weights) if job['wrong'] else None
    ours = rebuild.import_layers(rebuild.LAYERS_FILE)
    keras.backend.clear_session()
    model = (builder or rebuild.Builder)(keras, ours, CUSTOM).model(description, weights)
    model.save(os.path.join(job['work'], 'model.keras'))


if __name__ == '__main__':
    run_jobs(sys.argv[1], work)
