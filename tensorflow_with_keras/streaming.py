"""A TensorFlow streaming metric as a metric of Keras 2.2.4.

This file stands alone: copy it into a project that has TensorFlow 1.9 and Keras 2.2.4.
"""

import functools
import re
import warnings
import weakref

import tensorflow as tf
from keras import backend as K
from keras.layers import Layer


class StreamingMetric(Layer):
    """Wraps a function of `tf.metrics` or `tf.contrib.metrics` for `model.compile(metrics=[…])`.

    Keras averages what a metric function returns over the batches; a streaming metric has
    already accumulated them, in local variables that Keras neither initialises nor resets.
    As a *stateful metric* of Keras it is not averaged, and its variables are set back at the
    start of every epoch, validation and evaluation. No initialiser need be called.

        metrics=['accuracy', StreamingMetric(cohens_kappa),
                 StreamingMetric(tf.metrics.auc, name='pr_auc', curve='PR')]

    # Arguments
        metric_fn: function of `(y_true, y_pred)`, float32 tensors of the shape of the model's
            output, batch first, that returns TensorFlow's pair `(value, update_op)`. `value`
            must be one number (shape `()`, any numeric dtype; Keras sees it as `K.floatx()`).
        name: the name in Keras's logs; by default that of `metric_fn`.
        **kwargs: handed on to `metric_fn`, as by `functools.partial`.

    # Raises
        TypeError: `metric_fn` is no function.
        ValueError: no usable name; or, when a model is compiled: no pair came back, the value
            is not one number, or it is among `weighted_metrics`.

    # Notes
        `train_on_batch` and `test_on_batch` return the value over all batches since the last
        reset, and Keras resets nothing there: call `reset_states()` where your epoch starts.

        One instance may serve several models; a reset sets back what it holds for each model
        in the current graph. Where one model is evaluated in the middle of another's epoch,
        give each its own instance.

        A saved model names the metric, as it names a metric function. To load it:
        `load_model(path, custom_objects={'cohens_kappa': StreamingMetric(cohens_kappa)})`.

        Source: `keras/engine/training.py` of Keras 2.2.4 (`stateful_metric_functions`),
        `tensorflow/python/ops/metrics_impl.py` of TensorFlow 1.9.
    """

    def __init__(self, metric_fn, name=None, **kwargs):
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
        self.stateful = True
        self.trainable = False
        # Names, not operations: an operation would keep its graph alive after K.clear_session().
        self._initializers = weakref.WeakKeyDictionary()  # graph -> names of its initializer operations

    def __call__(self, y_true, y_pred):
        """Builds the metric in the current graph.

        # Returns
            Scalar tensor of dtype `K.floatx()`: the value over all batches since the last
            reset, this one included. Evaluating it accumulates this batch.
        """
        graph = tf.get_default_graph()
        # Keras multiplies a weighted metric by the weights of the last batch; only its scope tells.
        if re.search(r'(^|/)weighted_%s(_\d+)?$' % re.escape(self.name), graph.get_name_scope()):
            raise ValueError(
                '%s is a StreamingMetric and cannot be in weighted_metrics, since Keras would multiply '
                'its value by the weights of the last batch: put it in metrics.' % self.name
            )
        layer, node, index = getattr(y_pred, '_keras_history', (None, None, None))
        if layer is not None and layer._inbound_nodes[node].output_masks[index] is not None:
            warnings.warn(
                '%s: the output is masked, and a StreamingMetric also counts what is masked '
                'unless metric_fn leaves it out.' % self.name,
                stacklevel=2,
            )

        before = set(_variables())
        pair = self.metric_fn(y_true, y_pred)
        variables = [v for v in _variables() if v not in before]
        if not (isinstance(pair, (tuple, list)) and len(pair) == 2):
            raise ValueError(
                '%s returned no pair (value, update_op) but %r. A function that returns one tensor keeps '
                'no state: pass it to metrics itself, without StreamingMetric.' % (self.name, pair)
            )
        value, update_op = tf.convert_to_tensor(pair[0]), pair[1]
        if value.shape.ndims != 0:
            raise ValueError(
                '%s has a value of shape %s, and a Keras metric is one number: choose or average in '
                'metric_fn, as in `value[0], update_op`.' % (self.name, value.shape)
            )

        self._initializers.setdefault(graph, []).extend(v.initializer.name for v in variables)
        self._initialize([v.initializer for v in variables])
        return tf.cast(_after(update_op, value, variables), K.floatx())

    def reset_states(self):
        """Sets the metric's own variables in the current graph, and no others, to their initial values."""
        graph = tf.get_default_graph()
        self._initialize([graph.get_operation_by_name(name) for name in self._initializers.get(graph, [])])

    @property
    def updates(self):
        """Empty: the value depends on its update, so Keras has nothing more to run."""
        return []

    @property
    def get_config(self):
        # Keras 2.2.4 saves what has a get_config as a dict that its own metrics.get() cannot read back;
        # what has none it saves by name, and load_model finds that name in custom_objects.
        raise AttributeError('A StreamingMetric is saved by its name.')

    @property
    def __name__(self):
        return self.name

    @staticmethod
    def _initialize(operations):
        # get_session() would also initialise every variable Keras finds uninitialised: not ours to do here.
        manual = K.tensorflow_backend._MANUAL_VAR_INIT
        K.manual_variable_initialization(True)
        try:
            session = K.get_session()
        finally:
            K.manual_variable_initialization(manual)
        if operations and session.graph is operations[0].graph:
            session.run(operations)


def _variables():
    return tf.global_variables() + tf.local_variables()


def _after(update_op, value, variables):
    """`value` as it is once `update_op` has run.

    TensorFlow leaves open whether `value` is read before or after an update in the same step,
    and not every `update_op` returns the value (`tf.metrics.mean_iou`: a confusion matrix). So
    the operations between the variables and `value` are copied onto reads that come after.
    """
    graph_editor = tf.contrib.graph_editor
    with tf.control_dependencies([update_op]):
        fresh = {
            op.outputs[0]: v.read_value()
            for v in variables
            for op in v.op.outputs[0].consumers()
            if op.type in ('Identity', 'ReadVariableOp')
        }
        if value in fresh:
            return fresh[value]
        between = graph_editor.get_walks_intersection_ops(list(fresh), [value])
        if not between:  # the function already computes its value from update_op
            return tf.identity(value)
    copier = graph_editor.Transformer()
    copier.transform_external_input_handler = lambda info, tensor: fresh.get(tensor, tensor)
    copier.assign_collections_handler = lambda info, old, new: (
        None
    )  # the default logs a deprecation of TensorFlow's own
    _, copies = copier(graph_editor.sgv(between), tf.get_default_graph(), dst_scope='after_update', src_scope='')
    return copies.transformed(value)
