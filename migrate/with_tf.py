"""The new side beside a current TensorFlow: runs SavedModels, and rebuilds models in tf-keras.

`python -m migrate.with_tf STEP JOBS`, where STEP is `savedmodel` (answers from saved_model/), `build` (writes
model.h5) or `run` (answers from model.h5, in a process that has built nothing).
"""

import os
import sys

import numpy as np
import tensorflow as tf

from .common import Refused, load_custom, read_json, run_jobs
from .new import answer_by_keras, batches, python_version, save_answers

SIGNATURE = 'serving_default'


def versions(**more):
    return {'Python': python_version(), 'TensorFlow': tf.__version__, **more, 'NumPy': np.__version__}


# --- SavedModel


def savedmodel(job):
    folder = job['work']
    description = read_json(folder, 'description.json')
    path = os.path.join(folder, 'saved_model')
    names, outputs = description['io_names']
    check_signature(path, names, outputs)
    answer = tf.saved_model.load(path).signatures[SIGNATURE]
    inputs = batches(folder, description)
    answers = []
    for arrays in inputs:
        out = answer(**{name: tf.constant(array) for name, array in zip(names, arrays)})
        answers.append([out[name].numpy() for name in outputs])
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        meta = tf.compat.v1.saved_model.load(session, ['serve'], path)
        feed = {meta.signature_def[SIGNATURE].inputs[name].name: array for name, array in zip(names, inputs[0])}
        fetch = {}
        for key, name in description['tensor_names'].items():
            try:
                fetch[key] = graph.get_tensor_by_name(name)
            except (KeyError, ValueError):  # made after the file was written: a layer inside a nested model
                continue
        values = session.run(fetch, feed)
    keys = list(values)
    save_answers(folder, 'savedmodel', answers, keys, [values[key] for key in keys], versions())


def check_signature(path, inputs, outputs):
    """What TensorFlow Serving asks of a SavedModel that it is to predict with."""
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    with open(os.path.join(path, 'saved_model.pb'), 'rb') as file:
        saved.ParseFromString(file.read())
    graphs = [graph for graph in saved.meta_graphs if set(graph.meta_info_def.tags) == {'serve'}]
    signature = graphs[0].signature_def.get(SIGNATURE) if len(graphs) == 1 else None
    if signature is None or signature.method_name != 'tensorflow/serving/predict':
        raise Refused('the SavedModel has no graph tagged serve with a signature serving_default to predict with')
    nodes = {node.name for node in graphs[0].graph_def.node}
    for names, given in ((inputs, signature.inputs), (outputs, signature.outputs)):
        if set(names) != set(given) or any(each.name.split(':')[0] not in nodes for each in given.values()):
            raise Refused(f'the signature of the SavedModel has {sorted(given)}, where the model has {sorted(names)}')


# --- tf-keras


def modules(job):
    """tf_keras and the layers that travel with the model, as they are beside it."""
    import tf_keras

    from . import rebuild

    path = os.path.join(job['work'], 'keras2_layers.py')
    with open(path, 'w', encoding='utf-8') as file:
        file.write(rebuild.layers_text('tf_keras'))
    return tf_keras, rebuild.import_layers(path)


def build(job):
    from . import rebuild

    folder = job['work']
    description = read_json(folder, 'description.json')
    tf_keras, ours = modules(job)
    first = list(channels_first(description))
    if first:
        raise Refused(
            'tf-keras cannot run the layer %s, whose channels come first, on a processor, where it would be proven: '
            'take another target' % first[0]
        )
    custom = load_custom(job['custom'], newer=True)
    with np.load(os.path.join(folder, 'weights.npz')) as saved:
        weights = [saved[f'arr_{n}'] for n in range(len(saved.files))]
    tf_keras.backend.clear_session()
    rebuild.register(tf_keras, custom)
    model = rebuild.Builder(tf_keras, ours, custom, job['stock']).model(description, weights)
    model.save(os.path.join(folder, 'model.h5'))


def channels_first(description):
    for layer in description['layers']:
        if layer['model']:
            yield from channels_first(layer['model'])
        inner = layer['config'].get('layer', {}).get('config', {}) if layer['class'] == 'TimeDistributed' else {}
        kind = layer['config']['layer']['class_name'] if inner else layer['class']
        config = inner or layer['config']
        if config.get('data_format') == 'channels_first' and (
            'Conv' in kind or kind.startswith(('MaxPool', 'AveragePool'))
        ):
            if kind not in ('DepthwiseConv2D', 'ConvLSTM2D') and not kind.endswith('1D') or kind == 'Conv1D':
                yield layer['name']


def run(job):
    from . import rebuild

    folder = job['work']
    description = read_json(folder, 'description.json')
    tf_keras, _ = modules(job)
    custom = load_custom(job['custom'], newer=True)
    tf_keras.backend.clear_session()
    rebuild.register(tf_keras, custom)
    try:
        # by their own names, too, since that is how the file has a cell of RNN
        model = tf_keras.models.load_model(os.path.join(folder, 'model.h5'), custom_objects=custom, compile=False)
    except Exception as error:
        raise Refused(f'the new file cannot be loaded again: {type(error).__name__}: {error}'.split('\n')[0]) from error
    answers, keys, layers = answer_by_keras(tf_keras, model, description, batches(folder, description))
    save_answers(folder, 'tf_keras', answers, keys, layers, versions(**{'tf-keras': tf_keras.__version__}))


STEPS = {'savedmodel': savedmodel, 'build': build, 'run': run}

if __name__ == '__main__':
    run_jobs(sys.argv[2], STEPS[sys.argv[1]])
