"""The old side, beside TensorFlow 1.9 and Python 3.6: reads the model file and says what it answers.

`python -m migrate.old JOBS` writes into the folder `work` of each job: description.json (the model's graph),
weights.npz, inputs.npz and outputs.npz, every layer's outputs, and model.onnx or saved_model where that is the target.
Several jobs share a process since importing TensorFlow and Keras takes longer than a small model.
"""

import contextlib
import json
import keyword
import os
import re
import sys

import h5py
import keras
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras.engine import saving
from keras.engine.network import Network
from keras.layers import deserialize
from tensorflow.core.protobuf import rewriter_config_pb2
from tensorflow.python.grappler import tf_optimizer

from .common import MOVES, Refused, compare, load_custom, run_jobs, tolerated, undecided, walk, write_json

OPSET = 12
FREE = {3: 9, 4: 96, 5: 16}  # rank -> size for a dimension that the model leaves open; Inception wants 75
PASSED_THROUGH = {  # layers behind which an input is still what it was, as far as an Embedding is concerned
    'Concatenate', 'Cropping1D', 'Dropout', 'Flatten', 'Lambda', 'Masking', 'Permute', 'RepeatVector', 'Reshape',
    'SpatialDropout1D',
}  # fmt: skip
WITH_LOGITS = {'Dense', 'Conv1D', 'Conv2D', 'Conv3D', 'Conv2DTranspose', 'Conv3DTranspose', 'SeparableConv2D'}
ROUNDED = set(  # operations of TensorFlow whose results are rounded numbers
    'Acos Add AddN Asin Atan Atan2 AvgPool AvgPool3D BatchMatMul BiasAdd Conv2D Conv2DBackpropInput Conv3D '
    'Conv3DBackpropInputV2 Cos Cosh CropAndResize Cumprod Cumsum DepthwiseConv2dNative Div Elu Erf Erfc Exp Expm1 '
    'FusedBatchNorm FusedBatchNormV2 L2Loss LRN Log Log1p LogSoftmax MatMul MatrixInverse Mean Mul Pow Prod RealDiv '
    'Reciprocal ResizeBicubic ResizeBilinear Rsqrt Selu Sigmoid Sin Sinh Softmax Softplus Softsign Sqrt Square '
    'SquaredDifference Sub Sum Tan Tanh'.split()
)
SMALLER = (1, 4, 16, 64)  # what random inputs are divided by, in turn, until rounding no longer decides the answers
PLAIN = {  # layers for GPUs alone, and the layer that computes the same anywhere; Keras converts the weights
    'CuDNNLSTM': ('LSTM', {'activation': 'tanh', 'recurrent_activation': 'sigmoid'}),
    'CuDNNGRU': ('GRU', {'activation': 'tanh', 'recurrent_activation': 'sigmoid', 'reset_after': True}),
}


# --- reading the file


def without_cudnn(config):
    """A model's configuration with the layers of CuDNN replaced by those that any processor runs."""
    if isinstance(config, list):
        return [without_cudnn(each) for each in config]
    if not isinstance(config, dict):
        return config
    config = {key: without_cudnn(value) for key, value in config.items()}
    if config.get('class_name') in PLAIN:
        name, more = PLAIN[config['class_name']]
        config = dict(config, class_name=name, config=dict(config['config'], **more))
    return config


def with_input_shape(config, shape):
    """A Sequential's configuration with the shape of its input, which some files lack."""
    layers = config['config'] if isinstance(config['config'], list) else config['config']['layers']
    first = layers[0]['config']
    known = 'batch_input_shape' in first or layers[0]['class_name'] in ('Model', 'Sequential')
    if not known and not (isinstance(config['config'], dict) and config['config'].get('build_input_shape')):
        if shape is None:
            raise Refused(
                'the file holds a Sequential without the shape of its input: add INPUT_SHAPE, without the batch, as in '
                'INPUT_SHAPE=28,28,1'
            )
        first['batch_input_shape'] = [None] + shape
        first.setdefault('dtype', 'float32')
    return config


def load(path, custom, input_shape):
    """The model of a file, without its training."""
    with h5py.File(path, 'r') as file:
        config = without_cudnn(json.loads(_text(file.attrs['model_config'])))
        if config['class_name'] == 'Sequential':
            config = with_input_shape(config, input_shape)
        problems = [each for each in custom.values() if isinstance(each, Refused)]
        custom = {name: each for name, each in custom.items() if not isinstance(each, Refused)}
        try:
            model = deserialize(config, custom_objects=custom)
        except ValueError as error:
            if 'Unknown' in str(error):
                if problems:
                    raise problems[0] from None
                raise Refused('%s: name the file and the class in CUSTOM=layers.py:Name' % error, 2) from None
            raise
        except TypeError as error:
            if not custom:
                raise Refused(
                    'a layer of the file has arguments that the class of that name in Keras 2.2.4 does not take (%s): '
                    'if the class is your own, name the file and the class in CUSTOM=layers.py:Name' % error, 2,
                ) from None  # fmt: skip
            raise Refused(
                'a class of CUSTOM cannot be made from what the file has of its arguments (%s): give one that has '
                'defaults for what its get_config leaves out' % error, 2,
            ) from None  # fmt: skip
        except NameError as error:
            raise Refused('a Lambda of the model uses a name that CUSTOM has to give: %s' % error, 2) from None
        saving.load_weights_from_hdf5_group(file['model_weights'], model.layers)
    return model


def _text(value):
    return value.decode('utf-8') if isinstance(value, bytes) else value


# --- describing the model


def plain(value):
    """A configuration as JSON has it."""
    if isinstance(value, dict):
        if set(value) == {'type', 'value'} and value['type'] == 'ndarray':
            return plain(value['value'])
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if hasattr(value, 'value') and type(value).__name__ == 'Dimension':
        return value.value
    return value


def describe(model, weights):
    """The graph of a model as nested dicts; the weights of its layers go to the end of the list `weights`."""
    config = model.get_config()
    if isinstance(model, keras.Sequential):
        entries, nodes, at = [], [], None
        name = '%s_input' % model.name
        for layer in model.layers:
            first = int(isinstance(layer, Network))
            entries.append((layer, [{'from': [at or [name, 0, 0]], 'keywords': {}}]))
            at = [layer.name, first, 0]
        inputs_at, outputs_at = [[name, 0, 0]], [at]
    else:
        entries = []
        for each in config['layers']:
            nodes = [
                {'from': [list(ref[:3]) for ref in node], 'keywords': next((r[3] for r in node if r[3:] and r[3]), {})}
                for node in each['inbound_nodes']
            ]
            entries.append((model.get_layer(each['name']), nodes))
        inputs_at, outputs_at = config['input_layers'], config['output_layers']
    return {
        'name': model.name,
        'sequential': isinstance(model, keras.Sequential),
        'trainable': model.trainable,
        'inputs': [
            {'name': name, 'shape': list(K.int_shape(t)), 'dtype': K.dtype(t), 'sparse': K.is_sparse(t)}
            for name, t in zip(model.input_names, model.inputs)
        ],
        'output_names': list(model.output_names),
        'layers': [describe_layer(layer, nodes, weights) for layer, nodes in entries],
        'inputs_at': plain(inputs_at),
        'outputs_at': plain(outputs_at),
    }


def describe_layer(layer, nodes, weights):
    inner = layer.layer if isinstance(layer, keras.layers.TimeDistributed) else layer
    nested = isinstance(inner, Network)
    at = []
    if not nested:
        for weight in layer.weights:
            at.append(len(weights))
            weights.append(weight)
    masks = [mask for node in layer._inbound_nodes for mask in node.input_masks]
    config = plain(layer.get_config()) if not isinstance(layer, Network) else {}
    if type(layer).__name__ == 'Lambda':  # bytecode, which only this Python runs
        config = {'name': layer.name, 'arguments': config['arguments'], 'names': list(_code_names(layer.function))}
    elif nested:
        config.pop('layer', None)
    return {
        'name': layer.name,
        'class': type(layer).__name__,
        'custom': not type(layer).__module__.startswith('keras.'),
        'embeds': isinstance(layer, keras.layers.Embedding),  # classes made of it, too
        'config': config,
        'trainable': layer.trainable,
        'first': int(isinstance(layer, Network)),  # a model's first node is its own graph
        'nodes': nodes,
        'masked': any(mask is not None for mask in masks),
        'dtype': K.dtype(layer._inbound_nodes[-1].output_tensors[0]) if layer._inbound_nodes else 'float32',
        'weights': at,
        'model': describe(inner, weights) if nested else None,
    }


def _code_names(function):
    code = getattr(function, '__code__', None)
    return code.co_names if code else ()


# --- inputs


def consumers(model, at):
    """Yields the layers that see an input of the model as it is: Embedding, Masking, and None for all others."""
    reached = {tuple(at)}
    grew = True
    found = []
    while grew:
        grew = False
        for layer in model['layers']:
            for n, node in enumerate(layer['nodes']):
                refs = [tuple(ref) for ref in node['from']]
                if not reached & set(refs):
                    continue
                out = (layer['name'], layer['first'] + n, 0)
                if layer['model']:
                    if (layer['name'], n) not in found:
                        found.append((layer['name'], n))
                        for ref, inner in zip(refs, layer['model']['inputs_at']):
                            if ref in reached:
                                for each in consumers(layer['model'], inner):
                                    yield each
                    continue
                kind, config = layer['class'], layer['config']
                if kind == 'TimeDistributed':
                    kind, config = config['layer']['class_name'], config['layer']['config']
                if kind == 'Embedding' or layer['embeds']:
                    yield 'Embedding', config
                elif kind in PASSED_THROUGH:
                    if kind == 'Masking':
                        yield 'Masking', config
                    if out not in reached:
                        reached.add(out)
                        grew = True


def make_input(model, n, batch, deviation, longer, random):
    """An array for the n-th input: normal with that deviation, or numbers for an Embedding, with masked steps."""
    spec = model['inputs'][n]
    shape = list(spec['shape'])
    shape[0] = shape[0] or batch
    for i in range(1, len(shape)):
        if shape[i] is None:
            shape[i] = FREE.get(len(shape), 9) + (longer if len(shape) < 4 else longer * 8)
    if len(shape) == 2 and spec['shape'][1] is None:
        shape[1] = 9 + longer
    seen = list(consumers(model, model['inputs_at'][n]))
    tables = [config for kind, config in seen if kind == 'Embedding']
    if tables:
        size = min(config['input_dim'] for config in tables)
        masked = any(config['mask_zero'] for config in tables)
        array = random.randint(1 if masked and size > 1 else 0, size, shape)
        mask_value = 0 if masked else None
    else:
        array = random.normal(0, deviation, shape)
        masking = [config for kind, config in seen if kind == 'Masking']
        mask_value = masking[0]['mask_value'] if masking else None
    if mask_value is not None and len(shape) > 1 and shape[1] > 1:
        steps = shape[1]
        for row in range(shape[0]):
            if row % 4 == 1:  # padded behind, as most sequences are
                array[row, -max(1, steps // 3) :] = mask_value
            elif row % 4 == 2:  # before and in the middle
                array[row, 0] = mask_value
                if steps > 3:
                    array[row, steps // 2] = mask_value
            elif row % 4 == 3 and steps > 2:
                array[row, 1:] = mask_value
    return array.astype(spec['dtype'])


def make_batches(model, mine, seed, smaller=1):
    """The batches that both sides answer: (how it was made, list of arrays). mine: the user's arrays, or None.

    smaller: what the deviation of the random ones is divided by.
    """
    random = np.random.RandomState(seed)
    batches = []
    for batch, deviation, longer in [(4, 2, 0), (7, 3, 2)]:
        deviation /= smaller
        arrays = [make_input(model, n, batch, deviation, longer, random) for n in range(len(model['inputs']))]
        size = len(arrays[0]) if arrays[0].ndim else batch
        how = 'random, standard deviation %g (whole numbers for an Embedding), batch of %d' % (deviation, size)
        batches.append((how, arrays))
    if mine is not None:
        batches.append(your_batches(model, mine)[0])
    return batches


def your_batches(model, mine):
    """The user's arrays as they are and, where the size of a batch is open, the first half of them."""
    arrays = [array.astype(spec['dtype']) for array, spec in zip(mine, model['inputs'])]
    sizes = [len(arrays[0])]
    if len(arrays[0]) > 1 and all(spec['shape'][0] is None for spec in model['inputs']):
        sizes.append((len(arrays[0]) + 1) // 2)
    return [('your own data, batch of %d' % size, [array[:size] for array in arrays]) for size in sizes]


def read_inputs(path, model):
    """The user's arrays, one for each input."""
    names = [spec['name'] for spec in model['inputs']]
    try:
        loaded = np.load(path, allow_pickle=False)
    except Exception as error:
        raise Refused('INPUTS: %s cannot be read as .npy or .npz: %s' % (path, str(error).split('\n')[0]), 2) from None
    if isinstance(loaded, np.ndarray):
        if len(names) > 1:
            raise Refused(
                'INPUTS: the model has the inputs %s: save an .npz with an array for each' % ', '.join(names), 2
            )
        arrays = [loaded]
    else:
        lacking = [name for name in names if name not in loaded.files]
        if lacking:
            raise Refused('INPUTS: %s has no array named %s' % (path, ', '.join(lacking)), 2)
        arrays = [loaded[name] for name in names]
    for array, spec in zip(arrays, model['inputs']):
        fits = array.ndim == len(spec['shape']) and all(s is None or s == a for s, a in zip(spec['shape'], array.shape))
        if not fits:
            raise Refused(
                'INPUTS: the array for %s has the shape %s, and the model takes %s'
                % (spec['name'], list(array.shape), spec['shape']), 2,
            )  # fmt: skip
        if array.dtype.kind not in 'biuf' or not np.isfinite(array).all() or not len(array):
            raise Refused('INPUTS: the array for %s is empty or holds what is no finite number' % spec['name'], 2)
    return arrays


# --- what every layer answers


def layer_tensors(model, description):
    """(path, tensors) of every layer's outputs, of nested models' layers too."""

    def call(layer, path, tensors, keywords, trace):  # inside nested models: the layer called once more, as it is
        real = found[id(layer)]
        if isinstance(real, Network):
            return walk(layer['model'], call, tensors, path + '/', trace)
        out = real(tensors[0] if len(tensors) == 1 else tensors, **keywords)
        return out if isinstance(out, list) else [out]

    found = {}

    def find(model, description):
        for layer in description['layers']:
            real = found[id(layer)] = model.get_layer(layer['name'])
            if isinstance(real, Network):
                find(real, layer['model'])

    find(model, description)

    def top(layer, path, tensors, keywords, trace):  # noqa: ARG001
        real = found[id(layer)]
        index = layer['first'] + (int(path.rsplit(':', 1)[1]) if path != layer['name'] else 0)
        if isinstance(real, Network):
            walk(layer['model'], call, tensors, path + '/', trace)
        return real._inbound_nodes[index].output_tensors

    trace = []
    walk(description, top, model.inputs, trace=trace)
    return [(path, layer, out) for path, layer, out in trace if layer['class'] != 'InputLayer']


def logits(tensor):
    """What the softmax, sigmoid or tanh is applied to that gives this tensor, or None."""
    op = tensor.op
    if op.type in ('Softmax', 'Sigmoid', 'Tanh'):
        return op.inputs[0]
    if op.type == 'RealDiv':  # a softmax of three and more dimensions is several operations
        while op.type != 'Sub' and len(op.inputs):
            op = op.inputs[0].op
        return op.inputs[0] if op.type == 'Sub' else None
    return None


def last_layers(model, description, prefix=''):
    """For each output: the keys of its layer, of its logits, of what the layer sees; in nested models too."""
    layers = {layer['name']: layer for layer in description['layers']}

    def key(ref):
        name, index, n = ref
        node = index - layers[name]['first'] if name in layers else 0
        return prefix + name + (':%d' % node if node else '') + ('#%d' % n if n else '')

    found = []
    for ref in description['outputs_at']:
        layer = layers.get(ref[0], {'class': 'InputLayer'})
        if layer['first'] if 'first' in layer else 0:
            inner = last_layers(model, layer['model'], key([ref[0], ref[1], 0]) + '/')[ref[2]]
            found.append(dict(inner, own=key(ref)))
            continue
        before = []
        if layer['class'] != 'InputLayer':
            sees = layer['nodes'][ref[1]]['from']
            before = [key(r) for r in sees if layers.get(r[0], {'class': 'InputLayer'})['class'] != 'InputLayer']
        found.append({'own': key(ref), 'layer': key(ref), 'class': layer['class'], 'before': before})
    return found


# --- writing the new model


def freeze(model):
    """The graph with weights made constants, and its inputs and outputs under the names of the layers."""
    session = K.get_session()
    names = clean_names(model)
    with session.graph.as_default():
        outputs = [tf.identity(t, name='migrate_output_%d' % n) for n, t in enumerate(model.outputs)]
    graph = tf.graph_util.convert_variables_to_constants(
        session, session.graph.as_graph_def(), [t.op.name for t in outputs]
    )
    rename = {t.name: name for t, name in zip(model.inputs + outputs, names[0] + names[1])}
    kept = {node.name for node in graph.node}  # an input that no output needs is not among them
    return graph, [t.name for t in model.inputs if t.op.name in kept], [t.name for t in outputs], rename


def clean_names(model):
    """Names of inputs and outputs, each once: a layer with two outputs, or an input that is an output, has two.

    They are names in Python too, since TensorFlow 2 loads no SavedModel with an input named `in`.
    """
    seen, both = set(), []
    for names in (model.input_names, model.output_names):
        both.append([])
        for name in names:
            name, n = re.sub(r'\W', '_', name), 1
            if not name.isidentifier() or keyword.iskeyword(name):
                name = 'tensor_' + name
            while name in seen:
                name = '%s_%d' % (name.rsplit('_', 1)[0] if n > 1 else name, n)
                n += 1
            seen.add(name)
            both[-1].append(name)
    return both


def onnx_nodes(graph):
    """The nodes of an ONNX graph, and of the bodies of its loops and branches."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField('g'):
                for each in onnx_nodes(attribute.g):
                    yield each


def without_calls(graph, tensors):
    """A graph with the bodies of functions in the place of their calls, which tf2onnx does not know on TensorFlow 1.9.

    tf.nn.swish is such a function, as is whatever else has the decorator Defun. tensors: names of what has to stay.
    """
    if not graph.library.function:
        return graph
    for function in graph.library.function:
        function.attr.pop('_noinline', None)  # swish has it
    with tf.Graph().as_default():  # or the collections of another go with it
        whole = tf.train.export_meta_graph(graph_def=graph)
    whole.collection_def['train_op'].node_list.value.extend(tensors)  # where the optimizer looks for them
    whole = tf_optimizer.OptimizeGraph(rewriter_config_pb2.RewriterConfig(optimizers=['function']), whole)
    whole.ClearField('library')
    return whole


def check_graph(model, targets):
    """Refuses a model that calls what no file of these targets can hold."""
    graph = K.get_session().graph.as_graph_def()
    graph = tf.graph_util.extract_sub_graph(graph, [tensor.op.name for tensor in model.outputs])
    functions = {function.signature.name: function.node_def for function in graph.library.function}
    inside = [node for nodes in functions.values() for node in nodes]
    for node in [*graph.node, *inside]:
        if node.op in ('PyFunc', 'PyFuncStateless', 'EagerPyFunc'):
            raise Refused(
                '%s calls a function of Python (tf.py_func), which neither ONNX nor a SavedModel can hold: write it in '
                'operations of TensorFlow, or take TO=keras3 or tf_keras with the layer in CUSTOM' % node.name
            )
    for node in inside:
        if node.op in functions and 'savedmodel' in targets:
            raise Refused(
                'a function of the graph calls another, %s, which a current TensorFlow does not find in a SavedModel: '
                'take TO=onnx, whose graph has no functions' % node.op
            )


def write_onnx(model, path):
    import onnx
    import tf2onnx
    from tf2onnx import optimizer, tf_loader, tfonnx

    graph, inputs, outputs, rename = freeze(model)
    graph = tf_loader.tf_optimize(inputs, outputs, without_calls(graph, inputs + outputs))
    with tf.Graph().as_default() as frozen:
        tf.import_graph_def(graph, name='')
        with tf.Session(graph=frozen):
            made = tfonnx.process_tf_graph(
                frozen, opset=OPSET, input_names=inputs, output_names=outputs, tensors_to_rename=rename
            )
        proto = optimizer.optimize_graph(made).make_model('migrated by tf2onnx %s' % tf2onnx.__version__)
    for node in onnx_nodes(proto.graph):
        if node.domain not in ('', 'ai.onnx') or not onnx.defs.has(node.op_type):
            raise Refused(
                "ONNX has no counterpart of TensorFlow's operation %s, as %s has it: take another target"
                % (node.op_type, node.name)
            )
        for attribute in node.attribute:
            if attribute.name == 'pads' and any(pad < 0 for pad in attribute.ints):
                raise Refused(
                    'ONNX has no counterpart of the transposed convolution %s, which needs negative pads (it has an '
                    'output_padding, or a stride larger than its kernel): take another target' % node.name
                )
    for value, tensor in zip(proto.graph.output, model.outputs):  # tf2onnx loses some shapes behind loops
        if not value.type.tensor_type.HasField('shape'):
            for n, size in enumerate(K.int_shape(tensor)):
                dim = value.type.tensor_type.shape.dim.add()
                if size is None:
                    dim.dim_param = 'unk__output_%d' % n
                else:
                    dim.dim_value = size
    onnx.checker.check_model(proto)
    onnx.save(proto, path)


def write_savedmodel(model, path):
    names = clean_names(model)
    builder = tf.saved_model.builder.SavedModelBuilder(path)
    signature = tf.saved_model.signature_def_utils.predict_signature_def(
        dict(zip(names[0], model.inputs)), dict(zip(names[1], model.outputs))
    )
    builder.add_meta_graph_and_variables(
        K.get_session(),
        [tf.saved_model.tag_constants.SERVING],
        {tf.saved_model.signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY: signature},
        clear_devices=True,
    )
    builder.save()


# --- a job


def answer(model, arrays):
    """The model's outputs, a list."""
    if model.stateful:
        model.reset_states()
    out = model.predict_on_batch(arrays)
    return out if isinstance(out, list) else [out]


def own_moves(model, other, batches):
    """How far the model's own answers move, as a share of the largest answer.

    Returns a dict from 'BATCH/OUTPUT' to a dict: `chance`, where it is asked the same twice, and `rounding`, where the
    result of each of its operations moves in its last digit, as in `other`, the session that `shaken` makes.
    `rounding` is not there where that cannot be found out, and `other` is None where there is none.
    'BATCH/OUTPUT/before' is the same of what the output's softmax, sigmoid or tanh is applied to.
    """
    watched = {str(n): tensor for n, tensor in enumerate(model.outputs)}
    watched.update(('%s/before' % n, logits(tensor)) for n, tensor in list(watched.items()))
    watched = {key: tensor for key, tensor in watched.items() if tensor is not None}
    feeds = [dict(zip(model.inputs, arrays)) for _, arrays in batches]

    def ask():
        if model.stateful:
            model.reset_states()
        return [K.get_session().run(watched, feed) for feed in feeds]

    first, others = ask(), {'chance': ask()}
    fetch = {key: tensor.name for key, tensor in watched.items()}
    if other is not None:
        with contextlib.suppress(tf.errors.OpError):
            others['rounding'] = [other.run(fetch, {t.name: array for t, array in feed.items()}) for feed in feeds]
    return {
        '%d/%s' % (b, key): {why: compare(first[b][key], moved[b][key])[1] for why, moved in others.items()}
        for b in range(len(batches))
        for key in watched
    }


def shaken(session):
    """A session with a copy of the graph and its variables, in which every result of ROUNDED moves in its last digit.

    Up or down or not at all, by chance, each number by itself. Whole numbers stay, since most are exact: masks, counts.
    """
    variables = session.graph.get_collection(tf.GraphKeys.GLOBAL_VARIABLES)
    values = session.run({variable.name: variable for variable in variables})
    with tf.Graph().as_default() as copy:
        tf.set_random_seed(0)
        tf.train.import_meta_graph(tf.train.export_meta_graph(graph=session.graph), clear_devices=True)
        for op in copy.get_operations():
            if op.type not in ROUNDED and op.type not in copy._functions:
                continue
            context = op._get_control_flow_context()
            for tensor in op.outputs:
                if tensor.dtype.is_floating:
                    users = [(user, n) for user in tensor.consumers() for n, t in enumerate(user.inputs) if t is tensor]
                    if context:  # of a loop, outside of which its tensors are not to be had
                        context.Enter()
                    other = shake(tensor)
                    if context:
                        context.Exit()
                    for user, n in users:
                        user._update_input(n, other)
        given = {tf.placeholder(v.dtype.base_dtype, v.shape): v for v in tf.global_variables()}
        assign = [tf.assign(variable, placeholder) for placeholder, variable in given.items()]
        session = tf.Session()
        session.run(assign, {placeholder: values[variable.name] for placeholder, variable in given.items()})
    return session


def shake(tensor):
    """Each number of a tensor as it is, or moved to one beside it; whole numbers as they are."""
    eps = np.finfo(tensor.dtype.as_numpy_dtype).eps
    factor = tf.random_uniform(tf.shape(tensor), 1 - eps, 1 + eps, tensor.dtype)
    return tf.where(tf.equal(tensor, tf.floor(tensor)), tensor, tensor * factor)


def ask_all(model, other, description, mine, seed):
    """Asks the model. Returns batches, answers, the moves of own_moves, and notes for the proof.

    Where rounding decides what it answers to the random inputs, smaller ones are taken, or else the user's own alone.
    """
    tolerance = tolerated(description)

    def ask(batches):
        return [answer(model, arrays) for _, arrays in batches], own_moves(model, other, batches)

    def ask_yours_alone(why):
        batches = your_batches(description, mine)
        try:
            answers, moves = ask(batches)
        except Exception as error:
            raise Refused('INPUTS: the model does not take them (%s)' % str(error).split('\n')[0], 2) from None
        return batches, answers, moves, [why[0].upper() + why[1:] + ', so your own were judged alone.']

    first = None
    for smaller in SMALLER:
        batches = make_batches(description, mine, seed, smaller)
        try:
            answers, moves = ask(batches)
        except Exception as error:
            tried = ', '.join(str(list(array.shape)) for array in batches[0][1])
            why = 'the model does not take the random inputs that were tried, %s (%s)'
            why %= (tried, str(error).split('\n')[0])
            if mine is None:
                raise Refused(why + ': give it INPUTS') from None
            return ask_yours_alone(why)
        of_random = [each for key, each in moves.items() if key[:2] in ('0/', '1/')]
        chance, rounding = (max(each.get(why, 0) for each in of_random) for why in MOVES)
        if first is None:
            first = batches, answers, moves, []
            why = 'rounding decides what the model answers to random inputs of standard deviation 2 and 3: its answers '
            why += 'move by %.1e of the largest where each of its operations rounds otherwise' % rounding
        if undecided(chance, tolerance) or not undecided(rounding, tolerance):
            notes = ['R%s. So they are %d times smaller.' % (why[1:], smaller)] if smaller > 1 else []
            return batches, answers, moves, notes
    return first if mine is None else ask_yours_alone(why)


def work(job):
    K.clear_session()
    K.set_learning_phase(0)
    custom = load_custom(job['custom'], newer=False)
    model = load(job['model'], custom, job['input_shape'])
    folder = job['work']
    variables = []
    description = describe(model, variables)
    if len({id(v) for v in variables}) != len({id(w) for w in model.weights}):
        raise Refused('the model holds weights that belong to none of its layers, and nothing could account for them')
    np.savez(os.path.join(folder, 'weights.npz'), *K.batch_get_value(variables))
    mine = read_inputs(job['inputs'], description) if job['inputs'] else None
    try:
        other = shaken(K.get_session())
    except Exception:  # whatever graphs there are that cannot be copied: then rounding is not known
        other = None
    batches, answers, moves, description['notes'] = ask_all(model, other, description, mine, job['seed'])
    if other is not None:
        other.close()
    saved = {'%d/%d' % (b, n): array for b, (_, arrays) in enumerate(batches) for n, array in enumerate(arrays)}
    answers = {'%d/%d' % (b, n): array for b, out in enumerate(answers) for n, array in enumerate(out)}
    if model.stateful:
        model.reset_states()
    if {'onnx', 'savedmodel'} & set(job['targets']):
        check_graph(model, job['targets'])
    if 'savedmodel' in job['targets']:
        write_savedmodel(model, os.path.join(folder, 'saved_model'))
    if 'onnx' in job['targets']:
        write_onnx(model, os.path.join(folder, 'model.onnx'))
    fetch, names = {}, {}
    for path, _, out in layer_tensors(model, description):
        for n, tensor in enumerate(out):
            key = path + ('#%d' % n if n else '')
            fetch[key], names[key] = tensor, tensor.name
    last = last_layers(model, description)
    for each, tensor in zip(last, model.outputs):
        before = logits(tensor)
        each['logits'] = None
        each['squashes'] = before is not None
        if before is not None and each['class'] in WITH_LOGITS:
            each['logits'] = each['layer'] + '@logits'
            fetch[each['logits']], names[each['logits']] = before, before.name
    feed = dict(zip(model.inputs, batches[0][1]))
    values = K.get_session().run(fetch, feed)
    order = list(fetch)
    np.savez(os.path.join(folder, 'layers.npz'), *[values[key] for key in order])
    np.savez(os.path.join(folder, 'inputs.npz'), **saved)
    np.savez(os.path.join(folder, 'outputs.npz'), **answers)
    description.update(
        batches=[how for how, _ in batches],
        fixed_batch=any(spec['shape'][0] is not None for spec in description['inputs']),
        moves=moves,
        layer_order=order,
        tensor_names=names,
        last_layers=last,
        io_names=clean_names(model),
        stateful=model.stateful,
        versions={
            'Python': '%d.%d.%d' % sys.version_info[:3],
            'TensorFlow': tf.__version__,
            'Keras': keras.__version__,
            'NumPy': np.__version__,
        },
    )
    write_json(description, folder, 'description.json')


if __name__ == '__main__':
    run_jobs(sys.argv[1], work)
