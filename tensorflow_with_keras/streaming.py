"""A TensorFlow streaming metric as a metric of Keras 2.2.4, or of Keras 2.3.

This file stands alone: copy it into a project that has TensorFlow 1.9 to 1.15 and Keras 2.2.4 or 2.3.1.
"""

import collections
import functools
import re
import warnings
import weakref

import tensorflow as tf
from keras import backend as K
from keras import metrics
from keras.layers import Layer

# Since Keras 2.3 metrics are objects. Before, a function was one, and a layer that is `stateful` was not averaged.
_METRICS_ARE_OBJECTS = hasattr(metrics, 'Metric')


class StreamingMetric(metrics.Metric if _METRICS_ARE_OBJECTS else Layer):
    """Wraps a function of `tf.metrics` or `tf.contrib.metrics` for `model.compile(metrics=[…])`.

    Keras averages what a metric function returns over the batches; a streaming metric has
    already accumulated them, in local variables that Keras neither initialises nor resets.
    As a *stateful metric* of Keras, on Keras 2.3 a `keras.metrics.Metric`, it is not averaged, and
    its variables are set back at the start of every epoch, validation and evaluation. No
    initialiser need be called, in whichever session the model runs.

        metrics=['accuracy', StreamingMetric(cohens_kappa),
                 StreamingMetric(tf.metrics.auc, name='pr_auc', curve='PR')]

    # Arguments
        metric_fn: function of `(y_true, y_pred)`, tensors of dtype `K.floatx()`, batch first, that
            returns TensorFlow's pair `(value, update_op)`. `value` must be one number, a tensor of
            shape `()` and any numeric dtype. The variables that `update_op` changes must be made by
            `metric_fn` itself.
        name: the name in Keras's logs; by default that of `metric_fn`.
        sparse_labels: whether `metric_fn` is written for labels of another shape than `y_pred`, as
            `sparse_categorical_crossentropy` has them: class numbers, `y_true[..., 0]`. Without it a
            batch of such labels is an error, since a function that expects one-hot labels would
            quietly count class 0 alone.
        **kwargs: handed on to `metric_fn`, as by `functools.partial`.

    # Raises
        TypeError: `metric_fn` is no function.
        ValueError: no usable name; or, when a model is compiled: no pair came back, the value
            is not one number, the function keeps no state that could be reset, it is among
            `weighted_metrics`, the model is one of `tf.keras`, or, on Keras 2.3, the instance
            already is a metric of another output or model.
        AttributeError: on Keras 2.3, `metrics` of a model with several outputs is a plain list.
        tf.errors.InvalidArgumentError: in training or evaluation, `y_true` and `y_pred` differ in
            shape (see `sparse_labels`).

    # Notes
        `train_on_batch` and `test_on_batch` return the value over all batches since the last
        reset, and Keras 2.2.4 resets nothing there: call `reset_states()` where your epoch starts.
        Keras 2.3 resets after each batch, unless it is told `reset_metrics=False`.

        On Keras 2.2.4 one instance may serve several models; a reset sets back what it holds for
        each model of the graph in which Keras's session runs. Where one model is evaluated in the
        middle of another's epoch, give each its own instance. On Keras 2.3, which keeps the value
        in the metric itself, an instance is for one output of one model, which may be compiled again.
        Of several metrics of one name in a model, Keras 2.3 keeps the last: give each a name.

        A saved model names the metric, as it names a metric function. To load it:
        `load_model(path, custom_objects={'cohens_kappa': StreamingMetric(cohens_kappa)})`.
        A pickled metric is `metric_fn`, by its own rules of pickling, and the arguments.

        Source: `keras/engine/training.py` of Keras 2.2.4 (`stateful_metric_functions`),
        `keras/metrics.py` of Keras 2.3 (`Metric`), `tensorflow/python/ops/metrics_impl.py` of
        TensorFlow 1.9.
    """

    def __init__(self, metric_fn, name=None, sparse_labels=False, **kwargs):
        if not callable(metric_fn):
            raise TypeError('StreamingMetric wants a function of (y_true, y_pred), not %r.' % (metric_fn,))
        if name is None:
            function = metric_fn
            while isinstance(function, functools.partial):
                function = function.func
            name = getattr(function, '__name__', type(function).__name__)
        if not re.match(r'^[A-Za-z0-9.][A-Za-z0-9_.\-]*$', name):  # Keras makes a TensorFlow name scope of it
            raise ValueError(
                'StreamingMetric needs a name of letters, digits and "_.-" that starts '
                'with a letter or digit, not %r: pass name=.' % name
            )
        super(StreamingMetric, self).__init__(name=name)
        self.metric_fn = functools.partial(metric_fn, **kwargs) if kwargs else metric_fn
        self.sparse_labels = sparse_labels
        self.stateful = True
        self._own_name = name  # Keras 2.3 sets `name` to what the model calls it
        # By graph. Names, not operations: an operation would keep its graph alive after K.clear_session().
        self._initializers = weakref.WeakKeyDictionary()  # names of initializer operations
        self._outputs = weakref.WeakKeyDictionary()  # the name of y_pred
        self._results = weakref.WeakKeyDictionary()  # the name of the tensor that result() returns

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Builds the metric in the current graph.

        # Returns
            Scalar tensor of dtype `K.floatx()`, but float32 for float16: the value over all batches since the last
            reset, this one included. Evaluating it accumulates this batch.
        """
        self.update_state(y_true, y_pred, sample_weight)
        result = self.result()
        result._metric_obj = self  # where Keras 2.3 looks for the metric of a tensor that add_metric gets
        return result

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Builds the metric in the current graph; Keras 2.3 calls it and then `result`.

        # Returns
            The operation that accumulates a batch, in a list. It is part of `result`: run one of them.
        """
        graph = tf.get_default_graph()
        self._refuse_what_keras_would_spoil(graph, y_pred, sample_weight)
        if not self.sparse_labels:
            y_true = self._of_one_shape(y_true, y_pred)

        first = graph.version
        pair = self.metric_fn(y_true, y_pred)
        operations = [op for op in graph.get_operations() if op._id > first]
        if not (isinstance(pair, (tuple, list)) and len(pair) == 2):
            cure = 'A function that keeps no state goes to metrics itself, without StreamingMetric.'
            if any(op.type in _VARIABLES for op in operations):
                cure = 'Let it return both: the value, and update_op, with tf.group where there are several.'
            raise ValueError('%s returned no pair (value, update_op) but %r. %s' % (self.name, pair, cure))
        value, update_op = tf.convert_to_tensor(pair[0]), graph.as_graph_element(pair[1])
        update_op = getattr(update_op, 'op', update_op)
        if value.shape.ndims != 0:
            raise ValueError(
                '%s has a value of shape %s, and a Keras metric is one number: choose or average in '
                'metric_fn, as in `value[0], update_op`.' % (self.name, value.shape)
            )
        initializers = self._initializers.setdefault(graph, [])
        operations = [op for op in graph.get_operations() if op._id > first]  # now with the read of a value's variable
        built = _Built(operations, value, update_op, initializers, self.name)
        initializers.extend(v.initializer.name for v in built.variables if v.initializer.name not in initializers)

        # float16 holds whole numbers up to 2048 only, and a value may be a count
        dtype = tf.float32 if K.floatx() == 'float16' else K.floatx()
        result = tf.cast(built.value_after_update(), dtype)
        built.read_before_writing()
        built.initialize_where_nobody_did()
        result.__class__ = _Whole
        self._outputs[graph], self._results[graph] = y_pred.name, result.name
        return [built.update_op]

    def result(self):
        """What `update_state` has built in the current graph: the tensor that calling the metric returns."""
        graph = tf.get_default_graph()
        return graph.get_tensor_by_name(self._results[graph])

    # Keras 2.3 keeps a metric's tensor and updates in the metric itself. Here they would keep their graph alive; and
    # the value depends on its update, so Keras has nothing more to run.

    @property
    def _call_result(self):
        graph = tf.get_default_graph()
        if graph not in self._results:
            raise AttributeError('%s has not been called in this graph.' % self.name)
        return graph.get_tensor_by_name(self._results[graph])

    @_call_result.setter
    def _call_result(self, result):
        self._results[result.graph] = result.name

    def add_update(self, updates, inputs=None):
        """Nothing: see `updates`."""

    def reset_states(self):
        """Sets the metric's own variables, and no others, to their initial values in Keras's session."""
        # get_session() would also initialise every variable Keras finds uninitialised: not ours to do here.
        backend = K.tensorflow_backend
        backend = getattr(backend, 'tf_keras_backend', backend)  # Keras 2.3 has the session of tf.keras
        manual = backend._MANUAL_VAR_INIT
        K.manual_variable_initialization(True)
        try:
            session = K.get_session()
        finally:
            K.manual_variable_initialization(manual)
        # the session's graph: another thread's default graph is not the one that holds the model
        if _METRICS_ARE_OBJECTS and self._initializers and session.graph not in self._initializers:
            raise RuntimeError(
                '%s cannot be reset here: Keras 2.3 takes its session from the default graph of this thread, which is '
                "not the model's: use the model in `with graph.as_default(), session.as_default():`." % self.name
            )
        # one after the other, as they were made: an initial value may be that of an earlier variable
        for name in self._initializers.get(session.graph, []):
            session.run(session.graph.get_operation_by_name(name))

    @property
    def updates(self):
        """Empty: the value depends on its update, so Keras has nothing more to run."""
        return []

    @property
    def get_config(self):
        # Keras saves what has a get_config as a dict that its own load_model cannot read back;
        # what has none it saves by name, and load_model finds that name in custom_objects.
        raise AttributeError(
            '%s is a StreamingMetric, which is saved by its name and has no config, by which Keras 2.3 copies a list '
            'of metrics for each output: name the outputs, as in metrics={"a": [StreamingMetric(f)], '
            '"b": [StreamingMetric(f)]}.' % self.name
        )

    @property
    def __name__(self):
        return self._own_name

    def __reduce__(self):
        return type(self), (self.metric_fn, self._own_name, self.sparse_labels)  # no graph goes along

    def _refuse_what_keras_would_spoil(self, graph, y_pred, sample_weight):
        layer, node, index = getattr(y_pred, '_keras_history', (None, None, None))
        masked = isinstance(layer, Layer) and layer._inbound_nodes[node].output_masks[index] is not None
        # Keras 2.2.4 multiplies a weighted metric by the weights of the last batch; only its scope tells. Keras 2.3
        # hands the weights on, and to the metrics of a masked output the mask.
        weighted = re.search(r'(^|/)weighted_%s(_\d+)?$' % re.escape(self.name), graph.get_name_scope())
        if weighted or (sample_weight is not None and not (masked and sample_weight.op.type == 'Cast')):
            raise ValueError(
                '%s is a StreamingMetric and cannot be in weighted_metrics, since a function of TensorFlow that gets '
                'labels and predictions cannot weigh them: put it in metrics.' % self.name
            )
        if _METRICS_ARE_OBJECTS and self._outputs.get(graph, y_pred.name) != y_pred.name:
            raise ValueError(
                '%s is already a metric of another output or model, and Keras 2.3 keeps one value in it: '
                'give each its own StreamingMetric.' % self.name
            )
        if layer is not None and not isinstance(layer, Layer):
            raise ValueError(
                '%s is a StreamingMetric, which is for models of Keras, and this model is one of tf.keras, '
                'which would average it: build the model with keras.layers.' % self.name
            )
        if masked:
            warnings.warn(
                '%s: the output is masked, and a StreamingMetric also counts what is masked '
                'unless metric_fn leaves it out.' % self.name,
                stacklevel=3,
            )

    def _of_one_shape(self, y_true, y_pred):
        """`y_true`, once it is known to be of the shape of `y_pred`."""
        sentence = (
            '%s: the labels y_true are not of the shape of the predictions y_pred. A metric function for one-hot '
            'labels needs them one-hot: keras.utils.to_categorical and categorical_crossentropy. One that takes class '
            'numbers, y_true[..., 0], is passed with StreamingMetric(..., sparse_labels=True). The two shapes:'
            % self.name
        )
        if not y_true.shape.is_compatible_with(y_pred.shape):
            raise ValueError('%s %s, %s' % (sentence, y_true.shape, y_pred.shape))
        shapes = tf.shape(y_true), tf.shape(y_pred)
        with tf.control_dependencies([tf.Assert(tf.reduce_all(tf.equal(*shapes)), (sentence,) + shapes)]):
            return tf.identity(y_true)


class _Whole(tf.Tensor):
    """A number over all batches, which Keras is not to weigh by the mask of the last one.

    For a masked output Keras multiplies what a metric returns by the mask and divides it by the mask's mean: nothing
    for one number, but NaN where a whole batch is masked.
    """

    def __mul__(self, mask):
        return self

    __truediv__ = __div__ = __mul__


class _Built:
    """The operations that one call of a metric function has made, and the variables that they use.

    # Arguments
        operations: list of `tf.Operation`, in the order in which they were made.
        value, update_op: the tensor and the operation that came back.
        known: names of the initializers of variables that earlier calls of the same function made.
        name: of the metric, for messages.

    # Raises
        ValueError: unless what is updated are such variables, which can be initialised and reset.
    """

    def __init__(self, operations, value, update_op, known, name):
        self.name, self.value, self.update_op = name, value, update_op
        self._first = min((op._id for op in operations), default=0)
        of_operation = {
            v.op: v
            for key in tf.get_default_graph().get_all_collection_keys()
            for v in tf.get_collection(key)
            if isinstance(v, tf.Variable)
        }
        shared = {op for op, v in of_operation.items() if v.initializer.name in known}
        reads = {op for op in _inputs_of(operations) if _reads(op) and op.inputs[0].op in shared}
        self._new = set(operations) | reads  # a variable has one read of its own, made with it
        used = {_variable_behind(t) for op in self._new for t in op.inputs} - {None}
        for op in used & self._new - set(of_operation):
            raise ValueError(
                '%s makes a variable, %s, that is in no collection, so that nothing could reset it: leave out '
                'collections=[], or name tf.GraphKeys.LOCAL_VARIABLES.' % (name, op.name)
            )
        own = used & (self._new | shared)
        self.variables = [of_operation[op] for op in sorted(own, key=lambda op: op._id)]
        self._initializing = _ancestors([v.initializer for v in self.variables], self._new)
        run = _ancestors([value.op, update_op], self._new) - self._initializing
        self.writers = [op for op in operations if op in run and _writes(op)]
        if not self.writers:
            raise ValueError(
                '%s updates no variable of TensorFlow, so there is nothing to accumulate in or to reset. A function '
                'without state goes to metrics itself, without StreamingMetric.' % name
            )
        for op in {_variable_behind(t) for writer in self.writers for t in writer.inputs} - own - {None}:
            raise ValueError(
                '%s updates the variable %s, which it did not make itself, so that it could be neither '
                'initialised nor reset: make its variables inside the function.' % (name, op.name)
            )

    def value_after_update(self):
        """The value as it is once the update has run.

        TensorFlow leaves open whether `value` is read before or after an update in the same step, and not every
        `update_op` returns the value (`tf.metrics.mean_iou`: a confusion matrix). So all that lies between the
        variables and the value is built a second time, conditions and loops whole, with reads that come after the
        update. What comes out of the update itself stays: a second one would count the batch twice.
        """
        graph, value, update = tf.get_default_graph(), self.value, self.update_op
        updated = _descendants(self.writers, self._new) & (_ancestors([update], self._new) | {update})
        kept = set(self.writers) | updated | self._initializing | set(filter(_holds_state, self._new))
        between = self._new - kept
        needed = _ancestors([value.op], between)
        copied = needed & _descendants([op for op in needed if _variable_behind_any(op)], between)
        while True:  # a loop is copied whole, and so are the arrays that it reads and writes
            loops = {loop for op in copied for loop in _loops_around(op)}
            more = {op for op in needed if loops and (op.type.startswith('TensorArray') or loops & _loops_around(op))}
            more = _descendants(more, between) & needed
            if more <= copied:
                break
            copied |= more
        if not copied:
            with tf.control_dependencies([update]):
                return tf.identity(value)
        if any(op._get_control_flow_context() is not None for op in _inputs_of(copied) & set(self.writers)):
            raise ValueError(
                '%s has a value that is computed from an update inside tf.cond or tf.while_loop; return the same '
                'tensor as value and update_op, or compute the value from the variables.' % self.name
            )

        copy = tf.GraphDef(versions=graph.graph_def_versions)
        outside, waits = {}, {}
        for op in sorted(copied, key=lambda op: op._id):
            node = copy.node.add()
            node.CopyFrom(op.node_def)
            node.attr.pop('_class', None)  # a colocation, with operations that are not copied
            if 'frame_name' in node.attr:  # a loop of its own, not a part of the first one
                node.attr['frame_name'].s += b'_after_update'
            del node.input[:]
            for tensor in op.inputs:
                node.input.append(tensor.name)
                if tensor.op not in copied:
                    outside[tensor.name] = tensor
            node.input.extend('^' + c.name for c in op.control_inputs if c in copied)
            waits[op.name] = [c for c in op.control_inputs if c not in copied]
            if _variable_behind_any(op):
                waits[op.name].append(update)
        (result,) = tf.import_graph_def(copy, outside, [value.name], name='after_update')
        prefix = result.op.name[: -len(value.op.name)]
        for name, controls in waits.items():
            graph.get_operation_by_name(prefix + name)._add_control_inputs(controls)
        with tf.control_dependencies([update]):  # also where the value reads nothing that is updated
            return tf.identity(result)

    def read_before_writing(self):
        """Makes what the update reads wait for no update of the same variable, unless the function says so.

        `streaming_concat` sets its array aside before it replaces it by a larger one, but nothing orders the two.
        """
        for writer in self.writers:
            if _loops_around(writer):
                continue
            written = {_variable_behind(t) for t in writer.inputs} - {None}
            later = _descendants([writer], self._new)
            for variable in written:
                for reader in variable.outputs[0].consumers():
                    if reader in self._new - later and _reads(reader) and reader._get_control_flow_context() is None:
                        writer._add_control_input(reader)

    def initialize_where_nobody_did(self):
        """Makes every use of a variable wait until the session that runs has initialised them."""
        # a shared variable's earlier users wait already
        users = {op for v in self.variables for op in v.op.outputs[0].consumers() if op._id >= self._first}
        missing = tf.logical_not(tf.reduce_all([tf.is_variable_initialized(v) for v in self.variables]))
        ready = tf.cond(missing, lambda: tf.group(*map(_initialized, self.variables)), tf.no_op)
        for user in users - self._initializing:
            user._add_control_input(ready.op)


def _initialized(variable):
    value = variable.initializer.inputs[1]
    if variable.initializer.type != 'Assign':
        return variable.assign(value)
    # a variable that may change its shape must not be told otherwise: TensorFlow would then take the shape for fixed
    return tf.assign(variable, value, variable.initializer.get_attr('validate_shape'))


# How operations touch a variable. A tensor that stands for one has a reference dtype, or is a resource handle.
_VARIABLES = {'Variable', 'VariableV2', 'VarHandleOp'}
_ON_THE_WAY = {
    prefix + name
    for prefix in ('', 'Ref')
    for name in ('Enter', 'Exit', 'Identity', 'Merge', 'NextIteration', 'Switch')
}
_READS = {'IsVariableInitialized', 'ReadVariableOp', 'ResourceGather', 'VarIsInitializedOp', 'VariableShape'}


def _stands_for_a_variable(tensor):
    return tensor.dtype._is_ref_dtype or tensor.dtype == tf.resource


def _variable_behind(tensor):
    """The operation of the variable that a reference or handle stands for; None for any other tensor."""
    while _stands_for_a_variable(tensor):
        if tensor.op.type in _VARIABLES:
            return tensor.op
        if not tensor.op.inputs:  # a table, a TensorArray
            return None
        tensor = tensor.op.inputs[0]  # through a loop, a condition, or an update, which hands the reference on
    return None


def _reads(op):
    return op.type in ('Identity', 'ReadVariableOp') and not _stands_for_a_variable(op.outputs[0])


def _variable_behind_any(op):
    return any(_variable_behind(t) is not None for t in op.inputs)


def _writes(op):
    if op.type in _READS or op.type in _ON_THE_WAY or not _variable_behind_any(op):
        return False
    if not any(t.dtype == tf.resource for t in op.inputs):
        return any(argument.is_ref for argument in op.op_def.input_arg)
    if not re.match('(Assign.*Variable|Resource(Scatter|Apply|SparseApply|CountUpTo|StridedSliceAssign))', op.type):
        raise ValueError('StreamingMetric does not know whether %s (%s) reads or writes.' % (op.name, op.type))
    return True


def _holds_state(op):
    # a variable or a table; a TensorArray or a stack lives for one step and belongs to the loop that is copied
    lasting = not op.inputs and not re.match('TensorArray|Stack', op.type)
    return lasting and any(_stands_for_a_variable(t) for t in op.outputs)


def _inputs_of(operations):
    return {i for op in operations for i in [t.op for t in op.inputs] + op.control_inputs}


def _ancestors(operations, among):
    """Those `among` the operations without which `operations` cannot run, themselves included."""
    found, todo = set(), list(operations)
    while todo:
        op = todo.pop()
        if op in among and op not in found:
            found.add(op)
            todo.extend(_inputs_of([op]))
    return found


def _descendants(operations, among):
    """Those `among` the operations that wait for one of `operations`, themselves included."""
    waiting = collections.defaultdict(list)
    for op in among:
        for i in _inputs_of([op]):
            waiting[i].append(op)
    found, todo = set(), list(operations)
    while todo:
        op = todo.pop()
        if op not in found:
            found.add(op)
            todo.extend(waiting[op])
    return found


def _loops_around(op):
    """The tf.while_loop's, outermost last, that an operation is part of."""
    loops, context = set(), op._get_control_flow_context()
    while context is not None:
        if context.IsWhileContext():
            loops.add(context)
        context = context.outer_context
    return loops
