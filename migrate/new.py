"""The new side, beside a current Keras on jax: runs ONNX, rebuilds models in Keras 3, runs these from their files.

`python -m migrate.new STEP JOBS`, where STEP is `build` (writes model.keras), `run` (answers from model.keras, in a
process that has built nothing) or `onnx` (answers from model.onnx). Answers go to new_outputs.npz and new_layers.npz.
"""

import os
import sys

import numpy as np

from .common import Refused, load_custom, read_json, run_jobs, write_json


def prepare(jobs):
    """Keras's settings have to be made before its import."""
    os.environ['KERAS_BACKEND'] = 'jax'
    os.environ['JAX_PLATFORMS'] = 'cpu'
    os.environ['JAX_DISABLE_MOST_OPTIMIZATIONS'] = '1'  # each model runs a few times, and compiling took most of it
    for job in jobs:
        path = os.path.join(job['work'], 'description.json')
        if os.path.exists(path) and 'float64' in str(read_json(path)):
            os.environ['JAX_ENABLE_X64'] = '1'


def batches(folder, description):
    """Lists of the input arrays, batch by batch."""
    with np.load(os.path.join(folder, 'inputs.npz')) as saved:
        return [
            [saved[f'{b}/{n}'] for n in range(len(description['inputs']))] for b in range(len(description['batches']))
        ]


def save_answers(folder, name, answers, keys, layers, versions, notes=()):
    """answers: per batch the list of outputs. layers: arrays for the first batch, and their keys."""
    flat = {f'{b}/{n}': np.asarray(array) for b, out in enumerate(answers) for n, array in enumerate(out)}
    np.savez(os.path.join(folder, 'new_outputs.npz'), **flat)
    np.savez(os.path.join(folder, 'new_layers.npz'), *[np.asarray(array) for array in layers])
    write_json({'layer_order': keys, 'versions': versions, 'notes': list(notes), 'target': name}, folder, 'new.json')


def python_version():
    return '%d.%d.%d' % sys.version_info[:3]


# --- Keras 3


def build(job):
    import keras

    from . import rebuild

    folder = job['work']
    description = read_json(folder, 'description.json')
    ours = rebuild.import_layers(rebuild.LAYERS_FILE)
    custom = load_custom(job['custom'], newer=True)
    with np.load(os.path.join(folder, 'weights.npz')) as saved:
        weights = [saved[f'arr_{n}'] for n in range(len(saved.files))]
    keras.backend.clear_session()
    rebuild.register(keras, custom)
    model = rebuild.Builder(keras, ours, custom, job['stock']).model(description, weights)
    model.save(os.path.join(folder, 'model.keras'))


def run(job):
    import jax
    import keras

    from . import rebuild

    folder = job['work']
    description = read_json(folder, 'description.json')
    rebuild.import_layers(rebuild.LAYERS_FILE)
    custom = load_custom(job['custom'], newer=True)
    keras.backend.clear_session()
    rebuild.register(keras, custom)
    try:
        model = keras.models.load_model(os.path.join(folder, 'model.keras'), compile=False)
    except Exception as error:
        raise Refused(f'the new file cannot be loaded again: {type(error).__name__}: {error}'.split('\n')[0]) from error
    answers, keys, layers = answer_by_keras(keras, model, description, batches(folder, description))
    versions = {'Python': python_version(), 'Keras': keras.__version__, 'jax': jax.__version__, 'NumPy': np.__version__}
    save_answers(folder, 'keras3', answers, keys, layers, versions)


def answer_by_keras(keras, model, description, inputs):
    from . import rebuild

    def ask(model, arrays):
        reset(model)
        out = model.predict_on_batch(arrays if len(arrays) > 1 else arrays[0])
        reset(model)
        return list(out) if isinstance(out, (list, tuple)) else [out]

    answers = [ask(model, arrays) for arrays in inputs]
    traced, keys = rebuild.trace(keras, model, description)
    return answers, keys, ask(traced, inputs[0])


def reset(model):
    for layer in model.layers:
        for name in ('reset_state', 'reset_states'):
            if getattr(layer, 'stateful', False) and hasattr(layer, name):
                getattr(layer, name)()
                break
        if hasattr(layer, 'layers'):
            reset(layer)


# --- ONNX


def onnx(job):
    import onnx
    import onnxruntime

    folder = job['work']
    description = read_json(folder, 'description.json')
    path = os.path.join(folder, 'model.onnx')
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    names, outputs = description['io_names']
    session = onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])
    inputs = batches(folder, description)
    wanted = {each.name for each in session.get_inputs()}  # an input that no output needs is left out
    answers = [session.run(outputs, {k: v for k, v in zip(names, arrays) if k in wanted}) for arrays in inputs]
    del session
    model = onnx.load(path)
    inside = {name for node in model.graph.node for name in node.output} - set(outputs)
    fetch = {}  # key of a layer -> name of its tensor in the file
    for key, name in description['tensor_names'].items():
        for each in description['last_layers']:
            if each['own'] == key:
                name = outputs[description['last_layers'].index(each)]
        if name in inside or name in outputs:
            fetch[key] = name
    for output, last in zip(outputs, description['last_layers']):
        key = last['logits'] or (last['before'][0] if last['squashes'] and len(last['before']) == 1 else None)
        name = squashed(model.graph, output)
        if key and name in inside:
            fetch[key] = name
    model.graph.output.extend(onnx.ValueInfoProto(name=n) for n in dict.fromkeys(fetch.values()) if n in inside)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=['CPUExecutionProvider'])
    feed = {k: v for k, v in zip(names, inputs[0]) if k in wanted}
    values = session.run(list(fetch.values()), feed) if fetch else []
    with np.load(os.path.join(folder, 'layers.npz')) as saved:
        at = {key: f'arr_{n}' for n, key in enumerate(description['layer_order'])}
        values = [in_order(value, saved[at[key]]) for key, value in zip(fetch, values)]
    both = [(key, value) for key, value in zip(fetch, values) if value is not None]
    notes = [f'{len(both)} of {len(at)} layer outputs stand in the file; the others were merged.']
    versions = {'Python': python_version(), 'onnxruntime': onnxruntime.__version__, 'NumPy': np.__version__}
    versions['ONNX opset'] = str(max(each.version for each in model.opset_import if each.domain in ('', 'ai.onnx')))
    save_answers(folder, 'onnx', answers, [key for key, _ in both], [value for _, value in both], versions, notes)


SAME_NUMBERS = ('Identity', 'Reshape', 'Squeeze', 'Transpose', 'Unsqueeze')


def squashed(graph, name):
    """What the softmax, sigmoid or tanh is applied to that makes this tensor; None where none of them does.

    The converter merges layers, and names what is left after the first operation that it kept.
    """
    made_by = {output: node for node in graph.node for output in node.output}

    def back(name, *kinds):
        while name in made_by and made_by[name].op_type in (*SAME_NUMBERS, *kinds):
            name = made_by[name].input[0]
        return made_by.get(name)

    node = back(name)
    if node is not None and node.op_type == 'Div':  # a softmax of three and more dimensions is several operations
        node = back(name, 'Div', 'Exp')
        return node.input[0] if node is not None and node.op_type == 'Sub' else None
    return node.input[0] if node is not None and node.op_type in ('Sigmoid', 'Softmax', 'Tanh') else None


def in_order(value, old):
    """A tensor as Keras has it: channels may stand first in the file. None where it is another tensor altogether."""
    candidates = [value]
    if value.ndim > 2:
        candidates += [np.moveaxis(value, 1, -1), np.moveaxis(value, -1, 1)]
    candidates = [each for each in candidates if each.shape == old.shape]
    if not candidates:
        return None
    with np.errstate(all='ignore'):
        return min(candidates, key=lambda each: float(np.abs(each.astype('float64') - old).max()))


STEPS = {'build': build, 'run': run, 'onnx': onnx}

if __name__ == '__main__':
    prepare(read_json(sys.argv[2]))
    run_jobs(sys.argv[2], STEPS[sys.argv[1]])
