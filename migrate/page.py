"""The page about a proof, and the program that loads the new model without anything of this repository."""

import os

HEAD = {
    'onnx': 'an ONNX model',
    'savedmodel': 'a SavedModel',
    'tf_keras': 'a tf-keras model',
    'keras3': 'a Keras 3 model',
}
DECIDES = {  # what the answers depend on, where a difference says nothing of the new model
    'rounding': 'rounding decides what the old one answers to these inputs; give it INPUTS of your own',
    'chance': 'the old one draws random numbers, and answers the same inputs in another way each time',
}
TRAINING = """Proven is what the model answers. Training it further is not the same everywhere: SGD, with
momentum too, and Adam, Adamax and Adadelta go the same way from the same weights; RMSprop, Adagrad and Nadam
add their epsilon elsewhere or start elsewhere, clipnorm clips each variable by itself, and
BatchNormalization's moving averages are kept in another way. The state of the optimizer is not carried
over."""


def number(value):
    return 'not known' if value is None else f'{value:.2e}' if value else '0'


def proof(proof, description):
    """proof.md."""
    verdict = 'It answers the same.' if proof['holds'] else 'It is NOT proven to answer the same.'
    old, new = proof['versions']['old'], proof['versions']['new']
    lines = [f'# {description["name"]}: moved to {HEAD[proof["target"]]}', '', f'**{verdict}**', '']
    if not proof['holds']:
        parts = f'The first layer that parts: {proof["first_layer_that_parts"] or "none that could be compared"}.'
        why = DECIDES.get(proof['decides'])
        lines += [why[0].upper() + why[1:] + '.' if why else parts, '']
    lines += ['| file | SHA-256 |', '|---|---|', *(f'| {n} | `{h}` |' for n, h in proof['files'].items()), '']
    lines += ['| side | versions |', '|---|---|']
    lines += [
        f'| {side} | {", ".join(f"{k} {v}" for k, v in each.items())} |' for side, each in (('old', old), ('new', new))
    ]
    lines += [
        '',
        'Each side ran in a process of its own, the new one with nothing but the new file. The inputs of both:',
        '',
    ]
    lines += [f'{n}. {how}' for n, how in enumerate(proof['batches'], 1)]
    lines += [
        '',
        'Sequences that an Embedding or a Masking masks have masked steps at the end, at the start and between.',
    ]
    if description['fixed_batch']:
        lines += ['The model fixes the size of its batch, so that no second size was tried.']
    if description['stateful']:
        lines += ['Its recurrent layers are stateful; each batch began after reset_states.']
    lines += [
        '',
        '| judged | batch | largest answer | largest difference | of the largest answer | rounding of the old model |',
        '|---|---|---|---|---|---|',
    ]
    for row in proof['outputs']:
        values = [number(row[key]) for key in ('largest', 'absolute', 'relative', 'rounding')]
        lines.append(f'| {row["output"]} | {row["batch"] + 1} | {" | ".join(values)} |')
    lines += [
        '',
        f'Tolerated: {proof["tolerance"]:.0e} of the largest answer. The last column is how far the old model moves by',
        'itself, where the result of each of its operations moves in its last digit.',
        *proof['notes'],
        '',
    ]
    compared = [row for row in proof['layers'] if isinstance(row['relative'], float)]
    if compared:
        worst = max(compared, key=lambda row: row['relative'])
        lines += [
            f'{len(compared)} outputs of layers were compared too. The largest difference is that of {worst["layer"]},',
            f'{number(worst["relative"])} of its largest answer.',
            '',
        ]
    lines += ['## What is not promised', '', TRAINING, '']
    return '\n'.join(lines)


def loader(args, description, custom):
    """load.py: loads and runs the new model."""
    names, outputs = description['io_names']
    arrays = []
    for spec in description['inputs']:
        shape = [1 if size is None and n == 0 else size or 64 for n, size in enumerate(spec['shape'])]
        arrays.append(f'np.zeros({tuple(shape)}, {spec["dtype"]!r})')
    own = [f'import {os.path.splitext(os.path.basename(path))[0]}' for path in dict.fromkeys(custom.values())]
    lines = [
        '"""Loads the model and runs it once, on zeros. Needs %s and NumPy."""',
        '',
        'import os',
        '',
        'import numpy as np',
    ]
    here = 'here = os.path.dirname(os.path.abspath(__file__))'
    inputs = f'inputs = [{", ".join(arrays)}]'
    if args.to == 'onnx':
        needs = 'onnxruntime'
        body = [
            'import onnxruntime', '', here,
            "path = os.path.join(here, 'model.onnx')",
            "session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])",
            inputs,
            'feed = {each.name: array for each, array in zip(session.get_inputs(), inputs)}' if len(names) == 1 else
            f'feed = dict(zip({names!r}, inputs))',
            f'for name, answer in zip({outputs!r}, session.run({outputs!r}, feed)):',
            '    print(name, answer.shape, answer)',
        ]  # fmt: skip
    elif args.to == 'savedmodel':
        needs = 'TensorFlow 2'
        body = [
            'import tensorflow as tf', '', here,
            "loaded = tf.saved_model.load(os.path.join(here, 'saved_model'))",
            "answer = loaded.signatures['serving_default']",
            inputs,
            f'feed = {{name: tf.constant(array) for name, array in zip({names!r}, inputs)}}',
            'for name, value in answer(**feed).items():',
            '    print(name, value.shape, value.numpy())',
        ]  # fmt: skip
    else:
        keras, file = ('keras', 'model.keras') if args.to == 'keras3' else ('tf_keras', 'model.h5')
        needs = 'keras with jax, TensorFlow or PyTorch' if args.to == 'keras3' else 'tf-keras'
        if args.to == 'keras3':
            lines += ['', "os.environ.setdefault('KERAS_BACKEND', 'jax')"]
        body = [
            f'import {keras}',
            *([] if args.stock else ['import keras2_layers  # noqa: F401  its layers have to be known']),
            *own,
            '',
        ]
        objects = []
        for name, path in custom.items():
            module = os.path.splitext(os.path.basename(path))[0]
            objects.append(f'{name!r}: {module}.{name}')
            body.append(f"{keras}.saving.register_keras_serializable('custom', {name!r})({module}.{name})")
        body += [
            here,
            # tf-keras writes a cell of RNN by its own name
            f"model = {keras}.models.load_model(os.path.join(here, '{file}'), "
            + (f'custom_objects={{{", ".join(objects)}}}, ' if objects and keras == 'tf_keras' else '')
            + 'compile=False)',
            inputs,
            'answers = model.predict_on_batch(inputs if len(inputs) > 1 else inputs[0])',
            'for answer in answers if isinstance(answers, list) else [answers]:',
            '    print(answer.shape, answer)',
        ]  # fmt: skip
    lines[0] %= needs
    return '\n'.join(lines + body) + '\n'
