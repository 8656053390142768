"""What a model file is, and whether Keras 2.2.4 loads it here: read by h5py, without TensorFlow and Keras.

Reads names, shapes and configurations, never the weights themselves, and executes nothing of the file.

Sources: keras/engine/saving.py, H5Dict in keras/utils/io_utils.py and the from_config of every class, Keras 2.2.4.
"""

import builtins
import collections
import faulthandler
import gc
import json
import multiprocessing
import os
import re

from . import bytecode, doctor, keras_names
from .file_kinds import BAD_KIND, BROKEN, NoModel, open_hdf5

LOADS, LOADS_NOT = 0, 1
DAMAGED = '%s is damaged inside: copy it again, or take an older one'
RECIPE = 'examples/export/h5_custom_objects.py'
OURS = (2, 2)  # versions of Keras up to this the recipe's `load` tries to load
TRAINING = ('optimizer_config', 'loss', 'metrics', 'sample_weight_mode', 'loss_weights')  # _deserialize_model asks
POPPED = {  # what a from_config takes out of the configuration before the constructor sees the rest
    'Bidirectional': ('num_constants',),
    'ConvRNN2D': ('num_constants',),
    'Lambda': ('function_type', 'output_shape_type'),
    'RNN': ('num_constants',),
    'SimpleRNN': ('implementation',),
}
RECURRENT = (('recurrent_activation', 'hard_sigmoid'), ('reset_after', False))  # defaults that others changed since
DTYPE = r'(float(16|32|64)|u?int(8|16|32|64)|bool|string|complex(64|128))$'
CUDNN = {  # and the layer that computes the same on any processor; load_weights converts
    'CuDNNLSTM': "LSTM(recurrent_activation='sigmoid')",
    'CuDNNGRU': "GRU(recurrent_activation='sigmoid', reset_after=True)",
}
MODELS = ('Model', 'Sequential', 'Functional')
PARTS = (  # part of a keyword -> its kind, where a configuration holds an object by name
    ('_initializer', 'initializer', keras_names.INITIALIZERS),
    ('_regularizer', 'regularizer', keras_names.REGULARIZERS),
    ('_constraint', 'constraint', keras_names.CONSTRAINTS),
)


# --- strings. Keras asks for bytes, and for lists of them; what h5py 2.10 gives it depends on how they were written.


def _text(value):
    return value.decode('utf-8', 'replace') if isinstance(value, bytes) else str(value)


def _attribute(group, name):
    """An attribute of text as str, or None."""
    return _text(group.attrs[name]) if name in group.attrs else None


def _chunks(group, name):
    """The attribute of that name; or, where HDF5 has no room for it in one, those that Keras numbers from 0."""
    if name in group.attrs:
        return [name]
    found = []
    while '%s%d' % (name, len(found)) in group.attrs:
        found.append('%s%d' % (name, len(found)))
    return found


def _names(group, name):
    return [_text(n) for chunk in _chunks(group, name) for n in group.attrs[chunk]]


def _strings(group, name):
    """'fixed' or 'variable' length; 'unicode' for variable length with UTF-8, which h5py 2.10 reads as str; or None."""
    import h5py

    kind = h5py.h5a.open(group.id, name.encode()).get_type()
    if not isinstance(kind, h5py.h5t.TypeStringID):
        return None
    if not kind.is_variable_str():
        return 'fixed'
    return 'unicode' if kind.get_cset() == h5py.h5t.CSET_UTF8 else 'variable'


class _Strings:
    """Which of a model's strings keep Keras 2.2.4 with h5py 2.10 from loading it."""

    def __init__(self, file):
        self.of_lists = set()
        self.unreadable = False
        for name in ('model_config', 'training_config'):
            self.scalar(file, name)
        if 'model_weights' in file:
            group = file['model_weights']
            self.scalar(group, 'keras_version')
            self.scalar(group, 'backend')
            self.list(group, 'layer_names')
            for name in _names(group, 'layer_names'):
                self.list(group[name], 'weight_names', asked_for_its_truth=True)
        if 'optimizer_weights' in file and 'training_config' in file.attrs:
            self.list(file['optimizer_weights'], 'weight_names', decoded=True)

    def scalar(self, group, name):
        if name in group.attrs and _strings(group, name) == 'unicode':
            self.unreadable = True

    def list(self, group, name, asked_for_its_truth=False, decoded=False):
        chunks = _chunks(group, name)
        for chunk in chunks:
            kind = _strings(group, chunk)
            if kind is None:  # an empty list is no text
                continue
            self.of_lists.add(kind)
            if asked_for_its_truth and chunks == [name] and kind != 'fixed' and len(group.attrs[chunk]) > 1:
                self.unreadable = True
            if kind == 'unicode' and (decoded or chunks != [name]):
                self.unreadable = True


# --- what Keras does with the configurations


def _has_gpu():
    return 'tensorflow-gpu' in doctor.installed_packages() and os.path.exists(doctor.NVIDIA)


class _Judge:
    """Goes through the configurations as Keras 2.2.4 does when it loads them, and collects what it would stumble over.

    problems: pairs of 'model' or 'training' and a sentence. unknown: kind -> names that custom_objects has to give.
    """

    def __init__(self, keras1=False):
        self.keras1 = keras1  # whose keywords Keras 2.2.4 renames
        self.problems, self.unknown, self.lambdas, self.recurrent = [], collections.OrderedDict(), [], []
        self.part = 'model'

    def problem(self, sentence):
        if (self.part, sentence) not in self.problems:
            self.problems.append((self.part, sentence))

    def want(self, kind, name):
        names = self.unknown.setdefault((self.part, kind), [])
        if name not in names:
            names.append(name)

    def keywords(self, kind, name, config, known):
        more = sorted(set(config) - set(known))
        if more and not self.keras1:
            self.problem('%s %s has %s, which Keras 2.2.4 does not know' % (kind, name, ', '.join(more)))

    def model(self, kind, config):
        if kind == 'Functional':
            self.problem('Functional is what tf.keras calls a Model since TensorFlow 2.3')
        if isinstance(config, list) and kind != 'Sequential':
            return self.problem('the model is a list of layers, as only a Sequential may be')
        for layer in config if isinstance(config, list) else config['layers']:
            if kind != 'Sequential' and not {'name', 'inbound_nodes'} <= set(layer):
                self.problem('the layers of %s are not described as Keras 2.2.4 does it' % config.get('name'))
            self.layer(layer)

    def layer(self, description):
        kind, config = description['class_name'], description['config']
        if kind in MODELS:
            return self.model(kind, config)
        if kind not in keras_names.LAYERS:
            return self.want('layer', kind)
        known = keras_names.LAYERS[kind] | set(POPPED.get(kind, ()))
        if kind != 'InputLayer':
            known |= keras_names.OF_ANY_LAYER
        self.keywords('layer', kind, config, known)
        if (kind == 'InputLayer' or {'batch_input_shape', 'input_shape'} & set(config)) and config.get('dtype'):
            if not isinstance(config['dtype'], str) or not re.match(DTYPE, config['dtype']):
                self.problem('layer %s has a dtype that TensorFlow 1.9 does not know, a policy perhaps' % kind)
        if kind == 'BatchNormalization' and isinstance(config.get('axis'), list):
            self.problem('layer BatchNormalization has a list as its axis, where Keras 2.2.4 wants a number')
        other = ['%s=%r' % (k, config[k]) for k, default in RECURRENT if config.get(k, default) != default]
        call = '%s(%s)' % (kind, ', '.join(other))
        if kind in ('LSTM', 'GRU') and other and call not in self.recurrent:
            self.recurrent.append(call)
        if kind in CUDNN and not _has_gpu():
            self.problem('layer %s runs on a GPU alone, with tensorflow-gpu' % kind)
            if CUDNN[kind] not in self.recurrent:
                self.recurrent.append(CUDNN[kind])
        if kind == 'Lambda':
            self.function_of_lambda(config, 'function')
            self.function_of_lambda(config, 'output_shape')
        for key, value in sorted(config.items()):
            if key in ('activation', 'recurrent_activation'):
                self.activation(kind, value)
            for end, what, known in PARTS:
                if key.endswith(end):
                    self.part_of_layer(what, value, known)
        for key in ('layer', 'cell'):
            if isinstance(config.get(key), dict):
                self.layer(config[key])
        for cell in config.get('cells', ()):
            self.layer(cell)

    def activation(self, layer, value):
        if isinstance(value, str):
            if value not in keras_names.ACTIVATIONS:
                self.want('activation', value)
        elif value is not None:
            self.problem('layer %s has an activation that is no name' % layer)

    def part_of_layer(self, what, value, known):
        if value is None and what != 'initializer':
            return
        name, config = (value, {}) if isinstance(value, str) else (value['class_name'], value['config'])
        if name not in known:
            return self.want(what, name)
        if what == 'initializer' and name[0].isupper():  # the classes take this out, the functions do not
            config = {k: v for k, v in config.items() if k != 'dtype'}
        self.keywords(what, name, config, known[name])

    def function_of_lambda(self, config, key):
        value, kind = config.get(key), config.get(key + '_type')
        if kind == 'function':
            return self.want('function of a Lambda', value)
        if kind != 'lambda':
            if key == 'function' or kind != 'raw':
                self.problem('a Lambda has a function of an unknown type')
            return
        found = bytecode.examine(value[0] if isinstance(value, list) else value)
        self.lambdas.append({'layer': config.get('name'), 'what': key, 'python': found.python, 'runs': found.runs})
        if not found.runs:
            self.problem(
                'the Lambda %s has bytecode of %s, and Python 3.6 runs only its own'
                % (config.get('name'), 'Python ' + found.python if found.python else 'an unknown Python')
            )
        for name in found.globals:
            if name not in keras_names.OF_A_LAMBDA and not hasattr(builtins, name):
                self.want('name in a Lambda', name)

    def training(self, config, outputs):
        """What compile stumbles over. outputs: their names; None for a model that does not know its input yet."""
        self.part = 'training'
        missing = [k for k in TRAINING if k not in config]
        if missing:
            self.problem('the settings of the training lack %s' % ', '.join(missing))
        optimizer = config.get('optimizer_config', {})
        if optimizer:
            name = optimizer['class_name']
            known = keras_names.OPTIMIZERS.get(name.lower())
            if known is None:
                self.want('optimizer', name)
            else:
                self.keywords('optimizer', name, optimizer['config'], known | {'clipnorm', 'clipvalue'})
        if outputs is not None:  # else compile asks for losses and metrics only later
            self.losses(config.get('loss'), outputs)
            self.metrics(config.get('metrics') or [], outputs)

    def losses(self, loss, outputs):
        if isinstance(loss, dict):
            strange = sorted(set(loss) - set(outputs))
            if strange:
                self.problem('the loss is for %s, which are no outputs, or is an object' % ', '.join(strange))
            loss = [loss.get(name) for name in outputs]
        elif isinstance(loss, list) and len(loss) != len(outputs):
            self.problem('it has %d losses for %d outputs' % (len(loss), len(outputs)))
        for each in loss if isinstance(loss, list) else [loss]:
            if isinstance(each, str):
                if each not in keras_names.LOSSES:
                    self.want('loss', each)
            elif each is not None:
                self.problem('a loss is an object, where Keras 2.2.4 has functions')

    def metrics(self, metrics, outputs):
        if isinstance(metrics, dict):
            found = [metrics.get(name, []) for name in outputs]
            metrics = [m for each in found for m in (each if isinstance(each, list) else [each])]
        for each in metrics:
            if not isinstance(each, str):
                self.problem('a metric is an object or a list, where Keras 2.2.4 has functions')
            elif each not in keras_names.METRICS and each not in ('accuracy', 'acc', 'crossentropy', 'ce'):
                self.want('metric', each)


# --- the report


def _written_by(version):
    """Library, and whether the recipe's load takes its files. Sources: version strings of the packages themselves."""
    if version is None:
        return 'Keras 1.1 or older', False
    numbers = tuple(int(n) for n in re.findall(r'\d+', version)[:2])
    if '-tf' in version:
        return 'tf.keras', False
    if numbers >= (3,):
        return 'Keras 3', False
    return ('tf.keras', False) if numbers >= (2, 4) else ('Keras', numbers <= OURS)


def _weights(group):
    """Layer -> list of its weights. Only shapes and types are read."""
    found = collections.OrderedDict()
    for layer in _names(group, 'layer_names'):
        found[layer] = []
        for name in _names(group[layer], 'weight_names'):
            data = group[layer][name]
            found[layer].append({'name': name, 'shape': list(data.shape), 'dtype': str(data.dtype)})
    return found


def _size(shape):
    size = 1
    for n in shape:
        size *= n
    return size


def _layer(name, kind, config, weights):
    shape = config.get('batch_input_shape', config.get('batch_shape')) if isinstance(config, dict) else None
    return {
        'name': name,
        'class': kind,
        'input_shape': shape,
        'weights': weights,
        'parameters': sum(_size(w['shape']) for w in weights),
    }


def _outputs(kind, config, layers):
    """Names of a model's outputs; None for a Sequential that does not know its input yet."""
    if kind != 'Sequential':
        return [name for name, _, _ in config['output_layers']]
    known = isinstance(config, dict) and config.get('build_input_shape')
    if known or any(k in ('InputLayer', *MODELS) or 'batch_input_shape' in c for _, k, c in layers):
        return [layers[-1][0]]
    return None


def _build_and_load(path, judge):
    """The way that is open for every file whose weights can be read."""
    way = "build the model in code and model.load_weights('%s')" % path
    if judge.recurrent:
        way += ', with %s, as the file has it and the defaults here have not' % ' and '.join(judge.recurrent)
    return way


def _custom_objects(unknown):
    return 'custom_objects={%s}' % ', '.join('%r: …' % name for names in unknown.values() for name in names)


def _verdict(path, judge, strings, ours, library):
    """The verdict, 'as it is', 'mended' or 'no', and the shortest way to a model here."""
    broken = {part for part, _ in judge.problems}
    unknown = {part for part, _ in judge.unknown}
    if not broken and not unknown:
        if not strings.unreadable:
            return 'as it is', "keras.models.load_model('%s')" % path
        if ours:
            return 'mended', "load('%s') of %s, which mends the strings in memory" % (path, RECIPE)
    foreign = library != 'Keras' and 'model' in unknown
    if 'model' in broken or foreign or (strings.unreadable and not ours):
        return 'no', _build_and_load(path, judge)
    if strings.unreadable:
        if broken:
            return 'no', _build_and_load(path, judge)
        return 'no', "load('%s') of %s, with %s" % (path, RECIPE, _custom_objects(judge.unknown))
    objects = ', %s' % _custom_objects(judge.unknown) if unknown else ''
    if 'training' in broken:
        wanted = {k: v for k, v in judge.unknown.items() if k[0] == 'model'}
        objects = ', %s' % _custom_objects(wanted) if wanted else ''
        return 'no', "keras.models.load_model('%s'%s, compile=False), then model.compile" % (path, objects)
    return 'no', "keras.models.load_model('%s'%s)" % (path, objects)


def _examine_model(path, file):
    strings = _Strings(file)
    try:
        config = json.loads(_attribute(file, 'model_config'))
        training = _attribute(file, 'training_config')
        training = training and json.loads(training)
    except ValueError:
        raise NoModel('%s has a damaged configuration: copy it again, or take an older one' % path, BROKEN) from None
    group = file['model_weights'] if 'model_weights' in file else None
    version = _attribute(file, 'keras_version')
    if group is not None:
        version = version or _attribute(group, 'keras_version')
    library, ours = _written_by(version)
    judge = _Judge(keras1=version is None or version.startswith('1.'))
    try:
        judge.layer(config)
        if config['class_name'] not in MODELS:
            judge.problem('the model is a %s, where Keras 2.2.4 has Model and Sequential' % config['class_name'])
        inner = config['config']
        described = inner if isinstance(inner, list) else inner.get('layers', [])
        described = [(d.get('name') or d['config'].get('name'), d['class_name'], d['config']) for d in described]
        if training:
            judge.training(training, _outputs(config['class_name'], inner, described))
    except (KeyError, TypeError, AttributeError, IndexError):
        judge.problem('its configuration is not written as Keras 2.2.4 does it')
        described = []
    judge.part = 'model'
    if group is None:
        judge.problem('it has no weights')
    weights = _weights(group) if group is not None else {}
    state = file['optimizer_weights'] if 'optimizer_weights' in file else None
    arrays = _chunks(state, 'weight_names') if state is not None else []
    if training and arrays and arrays != ['weight_names']:
        judge.part = 'training'
        judge.problem(
            "the optimizer's state has more names than HDF5 keeps in one attribute, which Keras 2.2.4 writes "
            'and does not read'
        )
    loads, way = _verdict(path, judge, strings, ours, library)
    return {
        'kind': 'model',
        'library': library,
        'keras_version': version,
        'backend': _attribute(file, 'backend'),
        'strings': _kind_of_strings(strings.of_lists),
        'layers': [_layer(n, kind, c, weights.get(n, [])) for n, kind, c in described],
        'parameters': sum(_size(w['shape']) for ws in weights.values() for w in ws),
        'optimizer': training and training.get('optimizer_config', {}).get('class_name'),
        'optimizer_state': bool(state is not None and arrays and _names(state, 'weight_names')),
        'custom_objects': [
            {'kind': kind, 'name': name} for (_, kind), names in judge.unknown.items() for name in names
        ],
        'lambdas': judge.lambdas,
        'problems': _problems(judge, strings),
        'loads': loads,
        'way': way,
    }


def _kind_of_strings(kinds):
    return 'variable length, as h5py 3 writes them' if kinds - {'fixed'} else 'fixed length, as h5py 2 writes them'


def _problems(judge, strings):
    found = [sentence for _, sentence in judge.problems]
    found += ['Keras 2.2.4 knows no %s %s' % (k, name) for (_, k), names in judge.unknown.items() for name in names]
    if strings.unreadable:
        found.append('its names are strings of variable length, which Keras 2.2.4 does not take as it finds them')
    return found


def _examine_weights(path, group):
    version = _attribute(group, 'keras_version')
    library, _ = _written_by(version)
    weights = _weights(group)
    kinds = {_strings(group, chunk) for chunk in _chunks(group, 'layer_names')} - {None}
    return {
        'kind': 'weights',
        'library': library,
        'keras_version': version,
        'backend': _attribute(group, 'backend'),
        'strings': _kind_of_strings(kinds),
        'layers': [_layer(name, None, {}, found) for name, found in weights.items()],
        'parameters': sum(_size(w['shape']) for ws in weights.values() for w in ws),
        'optimizer': None,
        'optimizer_state': False,
        'custom_objects': [],
        'lambdas': [],
        'problems': ['it holds weights alone, and no architecture'],
        'loads': 'no',
        'way': _build_and_load(path, _Judge()),
    }


def examine(path):
    """What the file is, who wrote it, what is in it, and whether it loads here.

    # Arguments
        path: str, of a file.

    # Returns
        A dict that JSON can hold; its key `loads` is 'as it is' (keras.models.load_model(path) loads it), 'mended'
        (only `load` of examples/export/h5_custom_objects.py does) or 'no', and `way` is the shortest way to a model.

    # Raises
        NoModel: one sentence, where the file is no model of Keras or cannot be read.
    """
    with open_hdf5(path) as file:
        try:
            if 'model_config' in file.attrs:
                report = _examine_model(path, file)
            elif _chunks(file, 'layer_names'):
                report = _examine_weights(path, file)
            elif 'model_weights' in file and _chunks(file['model_weights'], 'layer_names'):
                report = _examine_weights(path, file['model_weights'])
            elif 'optimizer_weights' in file or _chunks(file, 'weight_names'):
                raise NoModel(
                    "%s holds an optimizer's state alone, and no model: name the model's file" % path, BAD_KIND
                )
            elif '_layer_checkpoint_dependencies' in file or ('layers' in file and 'vars' in file):
                raise NoModel(
                    '%s holds weights as Keras 3 and the last tf.keras 2 save them: there, '
                    "np.savez('weights.npz', *model.get_weights()); "
                    'here, build the model and give it these by set_weights' % path,
                    BAD_KIND,
                )
            else:
                raise NoModel(
                    '%s is an HDF5 file without a model of Keras: name one that model.save wrote' % path, BAD_KIND
                )
        except (OSError, KeyError, RuntimeError, AttributeError, TypeError, ValueError):
            raise NoModel(DAMAGED % path, BROKEN) from None
    return dict({'file': path, 'bytes': os.path.getsize(path)}, **report)


def _send(connection, path):
    # In a fork the threads of its parent are gone: to collect a graph of TensorFlow there would wait for them for ever.
    gc.disable()
    faulthandler.disable()  # a crash of HDF5 is foreseen, and becomes a sentence
    try:
        connection.send((examine(path), None, None))
    except NoModel as e:
        connection.send((None, str(e), e.code))


def examine_apart(path):
    """`examine` in a process of its own, since HDF5 may end its process over a damaged file. Raises NoModel."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=_send, args=(theirs, path))
    process.start()
    theirs.close()
    try:
        report, sentence, code = ours.recv()
    except EOFError:
        report, sentence, code = None, DAMAGED % path, BROKEN
    process.join()
    if sentence:
        raise NoModel(sentence, code)
    return report


def text(report):
    """The report for a person."""
    what = 'a model' if report['kind'] == 'model' else 'weights without a model'
    lines = ['%s: %s, %d bytes' % (report['file'], what, report['bytes'])]
    lines.append(
        'Written by %s (keras_version %s, backend %s); its strings have %s.'
        % (report['library'], report['keras_version'], report['backend'], report['strings'])
    )
    rows = [('layer', 'class', 'input', 'weights', 'parameters')]
    for layer in report['layers']:
        shapes = ' '.join('x'.join(map(str, w['shape'])) or 'scalar' for w in layer['weights'])
        given = layer['input_shape']
        given = '' if given is None else 'x'.join('?' if n is None else str(n) for n in given)
        rows.append((str(layer['name']), str(layer['class'] or ''), given, shapes, str(layer['parameters'])))
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines += ['  ' + '  '.join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in rows]
    lines.append('%d parameters in all.' % report['parameters'])
    if report['kind'] == 'model':
        state = 'with its state' if report['optimizer_state'] else 'without its state'
        lines.append(
            'Optimizer: %s.'
            % ('%s, %s' % (report['optimizer'], state) if report['optimizer'] else 'none, not compiled')
        )
    for each in report['lambdas']:
        python = 'Python %s' % each['python'] if each['python'] else 'no Python that is known'
        lines.append('The %s of the Lambda %s: bytecode of %s; it was not run.' % (each['what'], each['layer'], python))
    lines.append('Loads in Keras 2.2.4 here: %s.' % report['loads'])
    lines += ['  because %s.' % problem for problem in report['problems']]
    lines.append('The way: %s' % report['way'])
    return '\n'.join(lines)
