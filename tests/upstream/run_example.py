"""Runs one of Keras's example scripts, cut short: `python run_example.py SCRIPT RECORD`, in an empty folder.

The script's file stays as it is. `load_data` gives the first samples only; `fit` and its kin run the last of their
epochs only, for a few batches; and the loops and constants of the script itself are made smaller in memory, as
`SHORTER` says. RECORD gets what went through: how many calls, and the loss of each step.
"""

import ast
import functools
import glob
import inspect
import json
import os
import random
import sys
import typing

import numpy as np
import served_files

KERAS = os.environ['STACK'].split('-keras')[1]
TRAIN, TEST = 640, 320  # samples that `load_data` gives
BATCHES = 2


def libcairo():
    """For cairocffi, which loads the system's library: nobody pins that one; a wheel of manimpango has another."""
    import cffi

    [library] = glob.glob(os.path.join(np.__path__[0], '..', 'ManimPango.libs', 'libcairo-*'))
    dlopen = cffi.FFI.dlopen
    cffi.FFI.dlopen = lambda ffi, name, *args: dlopen(ffi, library if name == 'libcairo.so.2' else name, *args)


class Shorter(typing.NamedTuple):
    constants: dict = {}  # names, keyword arguments and defaults that the script sets: what they get instead
    loops: dict = {}  # N of the script's `range(N)`: how many rounds it makes instead
    arguments: str = ''
    files: typing.Callable = None  # writes what the script wants in its folder
    after: str = None  # the script that has to run before, in the same folder
    whole: bool = False  # the script counts on every sample that `load_data` gives


SHORTER = {
    'addition_rnn.py': Shorter({'TRAINING_SIZE': 1000}, {200: 2}),
    'antirectifier.py': Shorter(whole=True),
    'conv_lstm.py': Shorter({'n_samples': 11, 'which': 10}, {16: 8}),
    'deep_dream.py': Shorter({'iterations': 2}, arguments='picture.png dream', files=served_files.pictures),
    'image_ocr.py': Shorter(files=libcairo),
    'lstm_seq2seq.py': Shorter(loops={100: 3}, files=served_files.sentence_pairs),
    'lstm_seq2seq_restore.py': Shorter(loops={100: 3}, after='lstm_seq2seq.py'),
    'lstm_text_generation.py': Shorter(loops={400: 10}),
    'mnist_acgan.py': Shorter({'epochs': 1}),
    'mnist_mlp.py': Shorter(whole=True),
    'neural_doodle.py': Shorter(
        {'maxfun': 3, **({} if KERAS == '2.2.4' else {'num_iterations': 1})},
        {50: 1} if KERAS == '2.2.4' else {},
        '--nlabels 2 --style-image picture.png --style-mask mask.png --target-mask mask.png '
        '--content-image picture.png --target-image-prefix doodle',
        served_files.pictures,
    ),
    'neural_style_transfer.py': Shorter(
        {'img_nrows': 64, 'maxfun': 3}, {}, 'picture.png picture.png style --iter 1', served_files.pictures
    ),
    'pretrained_word_embeddings.py': Shorter(files=served_files.news_and_vectors),
    'reuters_mlp_relu_vs_selu.py': Shorter({'epochs': 1}),
}
SHORTER.update(
    {
        '2.2.4': {'conv_filter_visualization.py': Shorter({'n': 4}, {200: 40, 20: 1})},
        '2.3.1': {
            'class_activation_maps.py': Shorter(arguments='picture.png', files=served_files.pictures),
            'cnn_seq2seq.py': Shorter(files=served_files.sentence_pairs),
            'conv_filter_visualization.py': Shorter(
                {'epochs': 1, 'upscaling_steps': 2, 'output_dim': (96, 96), 'filter_range': (0, 4)}
            ),
        },
    }[KERAS]
)


class Smaller(ast.NodeTransformer):
    """Puts what a `Shorter` says into a script's syntax tree."""

    def __init__(self, shorter):
        self.values, self.loops, self.seen = shorter.constants, shorter.loops, set()

    def changed(self, node, name):
        if name in self.values and isinstance(node.value, ast.Num):
            self.seen.add(name)
            node.value = ast.copy_location(ast.Num(self.values[name]), node.value)
        return node

    def visit_Assign(self, node):
        self.generic_visit(node)
        return self.changed(node, getattr(node.targets[0], 'id', None))

    def visit_keyword(self, node):
        self.generic_visit(node)
        return self.changed(node, node.arg)

    def visit_arguments(self, node):
        self.generic_visit(node)
        for i, argument in enumerate(node.args[len(node.args) - len(node.defaults) :]):
            if argument.arg in self.values:
                self.seen.add(argument.arg)
                node.defaults[i] = ast.parse(repr(self.values[argument.arg]), mode='eval').body
        return node

    def visit_Call(self, node):
        self.generic_visit(node)
        if getattr(node.func, 'id', None) == 'range':
            end = node.args[-1] if len(node.args) < 3 else node.args[1]
            if isinstance(end, ast.Num) and end.n in self.loops:
                self.seen.add(end.n)
                end.n = self.loops[end.n]
        return node


def first(data, count):
    """The first samples of an array, or of every array in a list, tuple or dict of them."""
    if isinstance(data, (list, tuple)):
        return type(data)(first(part, count) for part in data)
    if isinstance(data, dict):
        return {name: first(part, count) for name, part in data.items()}
    return data if data is None else data[:count]


def cut(arguments):
    """Makes the arguments of fit, evaluate and their generator forms smaller, in place."""
    batch = arguments.get('batch_size') or 32
    count = batch * max(BATCHES, 32 // batch)
    for name in ('x', 'y', 'validation_data'):
        if isinstance(arguments.get(name), (np.ndarray, list, tuple, dict)):
            arguments[name] = first(arguments[name], count)
    if arguments.get('epochs', 1) > 1:  # the last: files are named after it, and learning rates have come down
        arguments['initial_epoch'] = arguments['epochs'] - 1
    if inspect.isgenerator(arguments.get('generator')):
        # image_ocr.py makes its words anew as an epoch starts, and a thread would read them meanwhile
        arguments['workers'] = 0
    steps = [name for name in ('steps_per_epoch', 'validation_steps', 'steps') if arguments.get(name)]
    if 'generator' in arguments:
        steps += {'steps_per_epoch', 'steps'} & set(arguments)
    for name in steps:
        arguments[name] = BATCHES


def watch(owner, name, record, shorten=False):
    """Counts the calls of a method, and cuts their arguments short."""
    method = getattr(owner, name)
    signature = inspect.signature(method)

    @functools.wraps(method)
    def watched(*args, **kwargs):
        if shorten:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            kwargs = dict(bound.arguments)
            args = (kwargs.pop('self'),)
            kwargs.update(kwargs.pop('kwargs', {}))
            cut(kwargs)
        result = method(*args, **kwargs)
        record['calls'][name] = record['calls'].get(name, 0) + 1
        return result

    setattr(owner, name, watched)


def watch_losses(record):
    """Every step of Keras goes through K.function, which gives the loss first; prediction gives arrays."""
    if KERAS == '2.2.4':
        from keras.backend.tensorflow_backend import Function
    else:
        from tensorflow.python.keras.backend import GraphExecutionFunction as Function

    call = Function.__call__

    def watched(self, inputs):
        outputs = call(self, inputs)
        record['steps'] += 1
        if outputs and np.ndim(outputs[0]) == 0:
            record['losses'].append(float(outputs[0]))
        return outputs

    Function.__call__ = watched


def load_first(module):
    load = module.load_data

    def load_data(*args, **kwargs):
        train, test = load(*args, **kwargs)
        return first(train, TRAIN), first(test, TEST)

    module.load_data = load_data


def main(script, record_file):
    name = os.path.basename(script)
    shorter = SHORTER.get(name, Shorter())
    served_files.serve(os.environ['SERVED_FILES'])
    if shorter.files:
        shorter.files()

    import keras
    import tensorflow as tf

    random.seed(0)
    np.random.seed(0)
    tf.set_random_seed(0)
    record = {'calls': {}, 'steps': 0, 'losses': []}
    watch_losses(record)
    for method in ('fit', 'fit_generator', 'evaluate', 'evaluate_generator'):
        watch(keras.models.Model, method, record, shorten=True)
    for method in ('predict', 'predict_generator', 'train_on_batch', 'test_on_batch'):
        watch(keras.models.Model, method, record)
    if not shorter.whole:
        for data in ('mnist', 'cifar10', 'imdb', 'reuters'):
            load_first(getattr(keras.datasets, data))

    with open(script, encoding='utf-8') as file:
        tree = ast.parse(file.read(), script)
    smaller = Smaller(shorter)
    tree = smaller.visit(tree)
    unused = (set(shorter.constants) | set(shorter.loops)) - smaller.seen
    if unused:
        sys.exit(f'{name} has no such constant or loop: {sorted(map(str, unused))}')
    sys.argv = [script] + shorter.arguments.split()
    sys.path.insert(0, os.path.dirname(script))
    exec(compile(tree, script, 'exec'), {'__name__': '__main__', '__file__': script})
    with open(record_file, 'w') as file:
        json.dump(record, file)


if __name__ == '__main__':
    main(*sys.argv[1:])
