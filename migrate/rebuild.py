"""A model built anew out of its description, layer by layer, with each weight put in its place.

For Keras 3 and for tf-keras alike: `keras` is either module, `ours` the module keras2_layers. Loading the old file
instead fails for a fifth of all layers in Keras 3 and answers something else for another tenth.
"""

import importlib.util
import inspect
import os
import sys

import numpy as np

from .common import Refused, leaves, walk

LAYERS_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'keras2_layers.py')
RECURRENT = {'Bidirectional', 'ConvLSTM2D', 'GRU', 'LSTM', 'RNN', 'SimpleRNN'}
MERGES = {'Add', 'Average', 'Concatenate', 'Maximum', 'Minimum', 'Multiply', 'Subtract'}
REMOVED = {'LocallyConnected1D', 'LocallyConnected2D'}  # in Keras 3
MEANINGLESS = {'batch_input_shape', 'dtype', 'implementation', 'input_dtype', 'input_length', 'num_constants', 'sparse'}
SCALE = 1.2  # Keras 3's hard_sigmoid of 1.2 x is Keras 2's of x


def layers_text(keras_name):
    """The source of keras2_layers.py for that module, which travels with the model."""
    with open(LAYERS_FILE, encoding='utf-8') as file:
        text = file.read()
    if keras_name == 'tf_keras':
        return text.replace(
            'import keras\nfrom keras import ops\n',
            'import tf_keras as keras\nfrom tensorflow.experimental import numpy as ops\n',
        )
    return text


def import_layers(path):
    """The module keras2_layers of a folder, under the name that it has for everybody who loads the model."""
    if 'keras2_layers' in sys.modules:
        return sys.modules['keras2_layers']
    spec = importlib.util.spec_from_file_location('keras2_layers', path)
    module = importlib.util.module_from_spec(spec)
    sys.modules['keras2_layers'] = module
    spec.loader.exec_module(module)
    return module


def register(keras, custom):
    """Gives the objects of CUSTOM the names under which the new file holds them, as load.py does."""
    for name, each in custom.items():
        keras.saving.register_keras_serializable(package='custom', name=name)(each)


def new_name(name):
    return name.replace('/', '_')  # which newer ones refuse


class Builder:
    """keras, ours: the modules. custom: name -> what CUSTOM gives. stock: without layers of ours, or refused."""

    def __init__(self, keras, ours, custom, stock=False):
        self.keras, self.ours, self.custom, self.stock = keras, ours, custom, stock
        self.old_style = keras.__name__ == 'tf_keras'

    def model(self, description, weights):
        """The Keras model. weights: the arrays, in the order of the numbers that the description gives."""
        self.layers = {}
        model = self.graph(description, '')
        self.set_weights(model, description, weights)
        self.freeze(model, description, '')
        return model

    # --- layers

    def graph(self, description, prefix):
        keras = self.keras
        inputs = [
            keras.Input(
                batch_shape=tuple(spec['shape']),
                dtype=spec['dtype'],
                name=new_name(spec['name']),
                sparse=spec['sparse'],
            )
            for spec in description['inputs']
        ]
        for layer in description['layers']:
            if layer['class'] == 'InputLayer':
                continue
            path = prefix + layer['name']
            if layer['model']:
                made = self.graph(layer['model'], path + '/')
                if layer['class'] == 'TimeDistributed':
                    made = keras.layers.TimeDistributed(made, name=new_name(layer['name']))
            else:
                made = self.layer(layer['class'], layer['config'], layer)
            self.layers[path] = made

        def call(layer, path, tensors, keywords, trace):  # noqa: ARG001
            if keywords.get('training') and not self.old_style:
                raise Refused(
                    '%s is called with training=True, which a model of Keras 3 forgets: take another target' % path
                )
            return apply(self.layers[path.rsplit(':', 1)[0] if ':' in path else path], layer, tensors, keywords)

        outputs = walk(description, call, inputs, prefix)
        one = len(inputs) == 1, len(outputs) == 1
        name = new_name(description['name'])
        if description['sequential'] and all(one) and self.is_chain(description):
            chain = [self.layers[prefix + layer['name']] for layer in description['layers']]
            return keras.Sequential(
                [inputs[0], *chain] if not self.old_style else [self.input_layer(inputs[0]), *chain], name=name
            )
        return keras.Model(inputs[0] if one[0] else inputs, outputs[0] if one[1] else outputs, name=name)

    def input_layer(self, tensor):
        return self.keras.layers.InputLayer(batch_input_shape=tuple(tensor.shape), dtype=tensor.dtype, name=tensor.name)

    def is_chain(self, description):
        return not self.old_style and all(len(layer['nodes']) == 1 for layer in description['layers'])

    def layer(self, kind, config, layer=None):
        """A layer out of Keras 2's configuration. layer: its description, where it is no part of a wrapper."""
        config = {key: value for key, value in config.items() if key not in MEANINGLESS}
        masked = bool(layer and layer['masked'])
        if layer and layer['dtype'] in ('float16', 'float64'):
            config['dtype'] = layer['dtype']
        if config.get('name'):
            config['name'] = new_name(config['name'])
        if kind == 'Lambda':
            return self.function(config, layer)
        if kind in self.custom:
            return self.custom[kind].from_config(config)
        if layer and layer['config'].get('num_constants'):
            raise Refused('%s is called with constants, which cannot be carried over' % config['name'])
        if kind in ('Bidirectional', 'TimeDistributed'):
            config['layer'] = self.layer(config['layer']['class_name'], config['layer']['config'])
        if kind == 'RNN':
            config['cell'] = self.layer(config['cell']['class_name'], config['cell']['config'])
        if kind == 'StackedRNNCells':
            config['cells'] = [self.layer(cell['class_name'], cell['config']) for cell in config['cells']]
        cls = self.cls(kind, config, masked)
        if kind == 'Softmax' and masked:
            if config['axis'] not in (-1, None):
                raise Refused(
                    '%s is a Softmax along another axis under a mask, which cannot be carried over' % config['name']
                )
            return self.keras.layers.Activation('softmax', name=config['name'])
        for key in ('activation', 'recurrent_activation'):
            if key in config:
                config[key] = self.activation(config[key])
        for key, value in list(config.items()):
            if key.endswith(('_initializer', '_regularizer', '_constraint')) and isinstance(value, dict):
                config[key] = self.part(key, value)
        self.rename(kind, config)
        if cls is getattr(self.ours, kind, None) and kind in REMOVED:  # which says nothing of how it is trained
            training = ('_initializer', '_regularizer', '_constraint', 'padding')
            config = {key: value for key, value in config.items() if not key.endswith(training)}
        known = accepted(cls)
        strange = sorted(set(config) - known - {'trainable'})  # set afterwards, where it is no keyword
        if any(config[key] is not None for key in strange):
            raise Refused(
                '%s %s has %s, which the new layer does not know' % (kind, config.get('name'), ', '.join(strange))
            )
        return cls(**{key: value for key, value in config.items() if key in known})

    def cls(self, kind, config, masked):
        layers, own = self.keras.layers, None
        if masked and (kind in MERGES or kind == 'Bidirectional'):
            own = kind
        if kind in REMOVED and not hasattr(layers, kind):
            own = kind
        if kind == 'UpSampling2D' and config.get('interpolation') == 'bilinear':
            own = kind
        if own and self.stock:
            raise Refused(
                'STOCK=1: no stock layer computes what %s (%s) did; without STOCK=1 it is carried over'
                % (config['name'], kind)
            )
        if own:
            return getattr(self.ours, own)
        if kind == 'ThresholdedReLU' and not hasattr(layers, kind):
            return layers.ReLU
        if not hasattr(layers, kind):
            raise Refused(
                'the model holds %s, which is none of Keras: name the file and the class in CUSTOM=layers.py:%s'
                % (kind, kind),
                2,
            )
        return getattr(layers, kind)

    def rename(self, kind, config):
        """Keras 3's own words for the same."""
        if self.old_style:
            return
        if kind == 'LeakyReLU':
            config['negative_slope'] = config.pop('alpha')
        if kind == 'ThresholdedReLU':
            config['threshold'] = config.pop('theta')
        if kind in ('GRU', 'GRUCell'):
            config.setdefault('reset_after', False)

    def activation(self, name):
        if name in self.custom:
            return self.custom[name]
        if name == 'hard_sigmoid' and not self.old_style and not self.stock:
            return self.ours.hard_sigmoid
        return name

    def part(self, key, value):
        """An initializer, regularizer or constraint. None of them matters for what a model answers."""
        name, config = value['class_name'], dict(value.get('config') or {})
        if name in self.custom:
            return self.custom[name](**config)
        where = {'_initializer': 'initializers', '_regularizer': 'regularizers', '_constraint': 'constraints'}
        module = getattr(self.keras, where['_' + key.rsplit('_', 1)[1]])
        cls = getattr(module, name, None)
        if cls is None:
            return 'zeros' if key.endswith('_initializer') else None
        if config.get('distribution') == 'normal':
            config['distribution'] = 'truncated_normal'
        known = accepted(cls)
        return cls(**{k: v for k, v in config.items() if k in known and k != 'dtype'})

    def function(self, config, layer):
        name = config['name']
        function = self.custom.get(name)
        if function is None:
            names = ', '.join(layer['config']['names']) or 'nothing'
            raise Refused(
                'the Lambda %s is bytecode of Python 3.6, which no newer Python runs; it uses the names %s. Write a '
                'function named %s and give it in CUSTOM=layers.py:%s' % (name, names, name, name), 2,
            )  # fmt: skip
        if getattr(function, '__name__', '') == '<lambda>':
            raise Refused('CUSTOM: %s is a lambda, which a model file cannot name: write it with def' % name, 2)
        more = {'dtype': config['dtype']} if 'dtype' in config else {}
        return self.keras.layers.Lambda(function, arguments=config['arguments'] or {}, name=name, **more)

    # --- weights

    def set_weights(self, model, description, weights):
        """Every array in its place, every place filled once."""
        filled = set()
        for path, layer in leaves(description):
            variables = self.weights_of(path, layer)
            arrays = [weights[n] for n in layer['weights']]
            if [tuple(v.shape) for v in variables] != [a.shape for a in arrays]:
                raise Refused(
                    'layer %s has weights of the shapes %s in the file, and %s in the new model'
                    % (path, [list(a.shape) for a in arrays], [list(v.shape) for v in variables])
                )
            if self.stock:
                arrays = scaled(layer['class'], layer['config'], arrays)
            for variable, array in zip(variables, arrays):
                variable.assign(array)
                filled.add(id(variable))
        empty = [v.name for v in model.weights if id(v) not in filled]
        if empty or len(filled) != len(weights):
            raise Refused(
                '%d weights of the file for %d of the new model; without one: %s'
                % (len(weights), len(model.weights), empty)
            )

    def weights_of(self, path, layer):
        if layer['class'] == 'InputLayer':
            return []
        made = self.layers.get(path)
        if made is None and '/' in path:
            raise AssertionError(path)
        return list(made.weights)

    def freeze(self, model, description, prefix):
        for layer in description['layers']:
            if layer['model'] and layer['class'] != 'TimeDistributed':
                self.freeze(self.layers[prefix + layer['name']], layer['model'], prefix + layer['name'] + '/')
            elif layer['class'] != 'InputLayer':
                self.layers[prefix + layer['name']].trainable = layer['trainable']
        if not description['trainable']:
            model.trainable = False


def apply(made, layer, tensors, keywords):
    """Calls a new layer as the old one was called; returns the list of its outputs."""
    if layer['class'] in RECURRENT and len(tensors) > 1:
        out = made(tensors[0], initial_state=tensors[1:], **keywords)
    else:
        out = made(tensors[0] if len(tensors) == 1 else tensors, **keywords)
    return list(out) if isinstance(out, (list, tuple)) else [out]


def accepted(cls):
    """The keywords that a class and those it is derived from take."""
    known = set()
    for each in cls.__mro__:
        if '__init__' not in vars(each):
            continue
        parameters = inspect.signature(each.__init__).parameters
        known |= {name for name, p in parameters.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)} - {'self'}
        if each.__name__ == 'Layer':  # tf-keras has it among the keywords that it does not name
            known.add('activity_regularizer')
        if all(p.kind != p.VAR_KEYWORD for p in parameters.values()):
            break
    return known


def scaled(kind, config, arrays):
    """Weights with which stock layers compute Keras 2's hard_sigmoid. Raises Refused where no weight can."""
    if kind == 'Bidirectional':
        half = len(arrays) // 2
        inner = config['layer']['class_name'], config['layer']['config']
        return scaled(*inner, arrays[:half]) + scaled(*inner, arrays[half:])
    if kind == 'TimeDistributed' and 'layer' in config:
        return scaled(config['layer']['class_name'], config['layer']['config'], arrays)
    if kind == 'RNN':
        return scaled(config['cell']['class_name'], config['cell']['config'], arrays)
    if kind == 'StackedRNNCells':
        done = []
        for cell in config['cells']:
            n = 2 + bool(cell['config'].get('use_bias', True))
            done += scaled(cell['class_name'], cell['config'], arrays[len(done) : len(done) + n])
        return done
    main, gate = config.get('activation') == 'hard_sigmoid', config.get('recurrent_activation') == 'hard_sigmoid'
    if not main and not gate:
        return arrays
    kind = kind[: -len('Cell')] if kind.endswith('Cell') else kind
    if kind in ('LSTM', 'ConvLSTM2D') and not main:
        gates = [SCALE, SCALE, 1, SCALE]
    elif kind == 'GRU':
        gates = [SCALE if gate else 1] * 2 + [SCALE if main else 1]
    elif kind in ('SimpleRNN', 'Dense', 'Conv1D', 'Conv2D', 'Conv3D', 'Conv2DTranspose', 'Conv3DTranspose'):
        gates = [SCALE]
    else:
        raise Refused(
            'STOCK=1: %s has a hard_sigmoid that no weight can make up for; without STOCK=1 it is carried over'
            % config['name']
        )
    return [a * np.repeat(np.array(gates, a.dtype), a.shape[-1] // len(gates)) for a in arrays]


def trace(keras, model, description):
    """A model of every layer's outputs, nested models' too, and their keys; with what activations are applied to."""

    def find(model, description, prefix, found):
        for layer in description['layers']:
            if layer['class'] != 'InputLayer':
                found[prefix + layer['name']] = model.get_layer(new_name(layer['name']))
                if layer['model'] and layer['class'] != 'TimeDistributed':
                    find(found[prefix + layer['name']], layer['model'], prefix + layer['name'] + '/', found)
        return found

    layers = find(model, description, '', {})
    keys, outputs = [], []

    def inside(layer, path, tensors, keywords, trace):  # a nested model's layers, called once more
        made = layers['/'.join(part.rsplit(':', 1)[0] if ':' in part else part for part in path.split('/'))]
        if layer['model'] and layer['class'] != 'TimeDistributed':
            return walk(layer['model'], inside, tensors, path + '/', trace)
        before_activation(layer, made, path, tensors, keywords)
        return apply(made, layer, tensors, keywords)

    def before_activation(layer, made, path, tensors, keywords):
        if path + '@logits' in description['layer_order']:
            config = {**made.get_config(), 'activation': 'linear', 'name': made.name + '_logits'}
            plain = type(made).from_config(config)
            outputs.extend(apply(plain, layer, tensors, keywords))
            plain.set_weights(made.get_weights())
            keys.append(path + '@logits')

    graph = nodes_of(model)

    def top(layer, path, tensors, keywords, trace):  # the file's own graph, as it is
        made = layers[layer['name']]
        number = int(path.rsplit(':', 1)[1]) if path != layer['name'] else 0
        if layer['model'] and layer['class'] != 'TimeDistributed':
            walk(layer['model'], inside, tensors, path + '/', trace)
        else:
            before_activation(layer, made, path, tensors, keywords)
        out = [node for node in made._inbound_nodes if id(node) in graph][number].outputs
        return list(out) if isinstance(out, (list, tuple)) else [out]

    calls = []
    walk(description, top, model.inputs, trace=calls)
    for path, _, out in calls:
        for n, tensor in enumerate(out):
            keys.append(path + ('#%d' % n if n else ''))
            outputs.append(tensor)
    return keras.Model(model.inputs, outputs), keys


def nodes_of(model):
    """The ids of the calls that make up a model's graph."""
    model = getattr(model, '_functional', None) or model  # of a Sequential of Keras 3
    return {id(node) for nodes in model._nodes_by_depth.values() for node in nodes}
