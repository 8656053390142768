"""The recipes' own numbers: `python old.py OUT.npz [TOPIC/NAME …]` beside Keras 2.2.4 on TensorFlow 1.9.

All of them in one process, since TensorFlow is imported once. The array `TOPIC/NAME:KEY` is what the recipe of that
name makes of the arrays that arrays.py makes; the twin's test makes the same in Keras 3.
"""

import importlib.util
import os
import sys
import tempfile
import types

import arrays
import keras
import numpy as np
import tensorflow as tf
from arrays import BATCHES, N, floats, network, random, split
from keras import backend as K
from keras import layers

from tensorflow_with_keras import session
from tensorflow_with_keras.datasets import Dataset
from tensorflow_with_keras.recipe import EXAMPLES

CASES = {}


def case(function):
    """Registers `topic__name(module)`, which yields pairs of a key and an array."""
    CASES['/'.join(function.__name__.split('__'))] = function
    return function


def load(name):
    spec = importlib.util.spec_from_file_location(name.replace('/', '_'), os.path.join(EXAMPLES, name + '.py'))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stream(metric, batches, **options):
    """The values of a streaming metric of TensorFlow: before the first batch, and after each."""
    with tf.Graph().as_default(), tf.Session() as sess:
        true, predicted = [tf.placeholder(tf.float32, (None,) + a.shape[1:]) for a in batches[0]]
        value, update = metric(true, predicted, **options)
        sess.run(tf.local_variables_initializer())
        feeds = [{true: y, predicted: p} for y, p in batches]
        values = [sess.run(value, feeds[0])]  # fed, since some values depend on the batch as well
        for feed in feeds:
            sess.run(update, feed)
            values.append(sess.run(value, feed))
        return np.array(values)


def by_split(metric, y, p, **options):
    """The value before the first sample, and after all of them for each size of batches."""
    found = [stream(metric, split(size, y, p), **options) for size in BATCHES]
    return np.array([found[0][0]] + [f[-1] for f in found])


def compute(function, *values):
    """What a function of tensors gives for arrays, and its gradient with respect to the last of them."""
    with tf.Graph().as_default(), tf.Session() as sess:
        tensors = [tf.placeholder(tf.float32, v.shape) for v in values]
        out = function(*tensors)
        gradient = tf.gradients(out, tensors[-1])[0]
        wanted = [out] if gradient is None else [out, gradient]
        sess.run(tf.global_variables_initializer())
        return sess.run(wanted, dict(zip(tensors, values)))


def identity(shape, **compiling):
    """A model that answers what it is given, to ask Keras for metrics and losses of chosen predictions."""
    model = keras.models.Sequential([layers.Activation('linear', input_shape=shape)])
    model.compile('sgd', **compiling)
    return model


def set_weights(model, weights):
    model.set_weights(weights)
    return model


def dense(name, *sizes, activation='softmax'):
    stack = [layers.Dense(size, activation='tanh') for size in sizes[1:-1]]
    stack.append(layers.Dense(sizes[-1], activation=activation))
    model = keras.models.Sequential([layers.Activation('linear', input_shape=sizes[:1])] + stack)
    return set_weights(model, network(name, *sizes))


# --- metrics


@case
def metrics__cohens_kappa(module):
    for classes in (3, 10):
        module.CLASSES = classes
        _, y, p = arrays.scores('cohens_kappa', classes)
        yield 'of_%d' % classes, by_split(module.cohens_kappa, y, p)
    one = np.eye(classes, dtype='float32')[:1]
    yield 'one_sample', stream(module.cohens_kappa, [(one, one)])
    _, y, p = arrays.scores('cohens_kappa', 10)
    order = p.max(1).argsort()  # the uncertain ones first, so that running values differ
    y, p = y[order], p[order]
    printed = load('metrics/cohens_kappa_update_op')
    model = identity((10,), loss='mse', metrics=[printed.cohens_kappa])
    K.get_session().run(tf.local_variables_initializer())
    yield 'printed', model.evaluate(p, y, batch_size=32, verbose=0)[1]


@case
def metrics__per_class_accuracy(module):
    _, y, p = arrays.scores('per_class_accuracy', 10)
    yield 'value', by_split(module.mean_accuracy, y, p)
    kept = y[:, 9] == 0
    yield 'without_a_class', by_split(module.mean_accuracy, y[kept], p[kept])


@case
def metrics__pearson_correlation(module):
    r = random('pearson_correlation')
    y = floats(r, N, 1)
    p = 0.5 * y + floats(r, N, 1)
    yield 'value', by_split(module.pearson, y, p)
    yield 'far_from_zero', by_split(module.pearson, y + 100, p - 50)


@case
def metrics__f1_score(module):
    _, y, p = arrays.scores('f1_score', 10)
    yield 'macro', by_split(module.macro_f1, y, p)
    yield 'of_eights', by_split(module.f1_of_eights, y, p)
    kept = y[:, 9] == 0
    yield 'without_a_class', by_split(module.macro_f1, y[kept], p[kept])
    yield 'averaged', identity((10,), loss='mse', metrics=[module.batch_f1]).evaluate(p, y, 32, verbose=0)[1]


@case
def metrics__mean_iou(module):
    _, y, p = arrays.pixels('mean_iou')
    yield 'value', np.array([stream(module.mean_iou, split(size, y, p))[-1] for size in (1, 3, 7)])
    two = np.array([1, 1, 0])  # no pixel is, or is taken for, the third class
    yield 'without_a_class', stream(module.mean_iou, [((y[..., [0, 1, 1]] + y[..., [0, 2, 2]]) * two, p * two)])[-1]


@case
def metrics__roc_auc(module):
    _, y, p = arrays.scores('roc_auc', 3)
    for method in ('careful_interpolation', 'minoring', 'majoring'):
        yield method, by_split(module.one_vs_rest_auc, y, p, summation_method=method)
    kept = y[:, 2] == 0
    yield 'without_a_class', by_split(module.one_vs_rest_auc, y[kept], p[kept])


@case
def metrics__operating_point(module):
    y, p, _ = arrays.binary('operating point 14', 60)
    yield 'sensitivity', by_split(tf.metrics.sensitivity_at_specificity, y, p, specificity=0.95)
    yield 'precision', by_split(module.precision, y, p)
    yield 'recall', by_split(module.recall, y, p)


@case
def metrics__many_metrics(module):
    _, y, p = arrays.scores('many_metrics', 10, 300)
    names = sorted(module.METRICS)
    yield 'names', np.array(names)
    for name in names:
        yield name, stream(module.METRICS[name], split(128, y, p))[-1]
    for name in (
        'sensitivity_at_specificity',
        'specificity_at_sensitivity',
        'precision_at_recall',
        'recall_at_precision',
    ):
        yield name + '_apart', stream(module.METRICS[name], [arrays.operating(name)])[-1]


@case
def metrics__sample_weights(module):
    labels, y, p = arrays.scores('sample_weights', 10)
    weights = arrays.weights()
    found = [stream(module.weighted_accuracy, split(s, np.column_stack([y, weights]), p))[-1] for s in BATCHES]
    yield 'streamed', np.array(found)
    metrics = {'metrics': [module.plain_accuracy], 'weighted_metrics': [module.plain_accuracy]}
    model = identity((10,), loss='categorical_crossentropy', **metrics)
    for size in (32, N):
        yield 'evaluate_%d' % size, model.evaluate(p, y, size, verbose=0, sample_weight=weights)
    yield 'weights_of_zero', model.evaluate(p, y, N, verbose=0, sample_weight=0 * weights)


@case
def metrics__accuracy_stateless(module):
    _, y, p = arrays.scores('accuracy_stateless', 10)
    model = identity((10,), loss='mse', metrics=[module.tf_accuracy])
    yield 'value', [model.evaluate(p, y, size, verbose=0)[1] for size in BATCHES]


@case
def metrics__numpy_metric(module):
    _, y, p = arrays.scores('numpy_metric', 10)
    model = identity((10,), loss='mse', metrics=[module.reciprocal_rank])
    yield 'value', [model.evaluate(p, y, size, verbose=0)[1] for size in BATCHES]


@case
def metrics__ignored_labels(module):
    labels, _, p = arrays.pixels('ignored_labels', module.VOID)
    y, logits = labels[..., np.newaxis].astype('float32'), np.log(p)
    yield 'loss', [compute(module.loss_without_void, y[i : i + 3], logits[i : i + 3])[0] for i in (0, 3, 6)]
    yield 'gradient', compute(module.loss_without_void, y, logits)[1]
    yield 'loss_of_void', compute(module.loss_without_void, np.full_like(y, module.VOID), logits)[0]
    for name in ('accuracy_without_void', 'mean_iou_without_void'):
        yield name, np.array([stream(getattr(module, name), split(size, y, logits))[-1] for size in (1, 3, 7)])


@case
def metrics__masked_sequences(module):
    x, labels, real = arrays.sequences('masked_sequences')
    y = np.where(real, labels, module.PADDING)[..., np.newaxis]
    model = set_weights(module.build_model((7, 4)), arrays.lstm('masked_sequences', 4, 32, 3))
    yield 'logits', model.predict(x)
    logits = model.predict(x)
    yield 'accuracy', [stream(module.accuracy_of_real_steps, split(s, y, logits))[-1] for s in (1, 4, 12)]
    yield 'loss', compute(module.loss_of_real_steps, y.astype('float32'), logits)[0]
    # Keras's own way, under the mask: averaged over batches, and 0 / 0 where a batch is padding alone
    masked = [layers.Masking(module.PADDING, input_shape=(7, 4)), layers.Dense(3, activation='softmax')]
    model = set_weights(keras.models.Sequential(masked), network('masked', 4, 3))
    model.compile('sgd', 'categorical_crossentropy', weighted_metrics=['acc'])
    y = np.eye(3)[labels]
    yield 'by_keras', model.evaluate(x[:8], y[:8], 3, verbose=0)
    yield 'by_keras_with_padding_alone', model.evaluate(x, y, 4, verbose=0)


@case
def metrics__epoch_callback(module):
    _, y, p = arrays.scores('epoch_callback', 4)
    x = floats(random('epoch_callback x'), N, 6)
    model = dense('epoch_callback', 6, 4)
    model.compile(keras.optimizers.SGD(1.0), 'categorical_crossentropy')
    score = module.EpochScore(x, y)
    stop = keras.callbacks.EarlyStopping('val_ap', mode='max', patience=2)
    fitting = {'batch_size': 32, 'epochs': 20, 'shuffle': False, 'verbose': 0}
    yield 'val_ap', model.fit(x, y, callbacks=[score, stop], **fitting).history['val_ap']


@case
def metrics__best_epoch(module):
    # less is better, silently, for a name that is not known
    for name in ('f1', 'acc'):
        stop = keras.callbacks.EarlyStopping('val_' + name)
        yield name, stop.monitor_op is np.less


# --- losses


@case
def losses__focal(module):
    y = np.array([[0], [1]] * 41, 'float32')
    logits = np.linspace(-100, 100, 82).astype('float32')[:, np.newaxis]
    for gamma in (0, 2, 5):
        value, gradient = compute(module.focal(gamma), y, logits)
        yield 'value_%d' % gamma, value
        yield 'gradient_%d' % gamma, gradient


@case
def losses__backend_loss(module):
    _, y, p = arrays.scores('backend_loss', 10)
    p[0] = np.eye(10)[(y[0].argmax() + 1) % 10]  # sure and wrong
    yield 'one_hot', compute(module.kl_divergence, y, p)[0]
    yield 'soft', compute(module.kl_divergence, (y + 0.1) / 2, p)[0]
    yield 'posts', compute(module.posts_loss, y, p)[0]
    yield 'gradient', compute(module.kl_divergence, (y + 0.1) / 2, p)[1]


@case
def losses__huber(module):
    r = random('huber')
    y, p, weights = 3 * floats(r, N, 1), floats(r, N, 1), arrays.weights()
    yield 'value', compute(module.huber, y, p)[0]
    model = identity((1,), loss=module.huber)
    yield 'weighted', [model.evaluate(p, y, size, verbose=0, sample_weight=weights) for size in (32, N)]


@case
def losses__weighted_cross_entropy(module):
    y = np.array([[0], [1]] * 41, 'float32')
    logits = np.linspace(-100, 100, 82).astype('float32')[:, np.newaxis]
    yield 'value', compute(module.weighted_cross_entropy(9.0), y, logits)[0]
    yield 'gradient', compute(module.weighted_cross_entropy(9.0), y, logits)[1]


@case
def losses__ctc(module):
    y, logits = arrays.lines('ctc')
    value, gradient = compute(module.ctc, y, logits)
    yield 'value', value
    yield 'gradient', gradient
    yield 'decoded', compute(lambda scores: tf.to_float(module.decode(scores)), logits)[0]


@case
def losses__crf(module):
    r = random('crf')
    scores, tags, transitions = floats(r, 9, 6, 4), r.randint(0, 4, (9, 6, 1)), floats(r, 4, 4)
    field = module.ConditionalRandomField(input_shape=(6, 4))
    keras.models.Sequential([field]).set_weights([transitions])
    answer = tf.constant(scores)
    loss = field.loss(tf.constant(tags), answer)
    fetched = [loss, tf.gradients(loss, answer)[0], tf.gradients(loss, field.transitions)[0], field.decode(answer)]
    for key, value in zip(('value', 'gradient', 'of_transitions', 'decoded'), K.get_session().run(fetched)):
        yield key, value


@case
def losses__triplet_semihard(module):
    r = random('triplet_semihard')
    embedded = floats(r, 24, 5)
    embedded /= np.linalg.norm(embedded, axis=1, keepdims=True)
    labels = r.randint(0, 4, (24, 1)).astype('float32')
    value, gradient = compute(module.triplet_loss, labels, embedded)
    yield 'value', value
    yield 'gradient', gradient
    yield 'without_a_pair', compute(module.triplet_loss, np.arange(3, dtype='float32').reshape(3, 1), embedded[:3])[0]


@case
def losses__extra_inputs(module):
    r = random('extra_inputs')
    x, y, confidence = floats(r, N, 6, 1), np.eye(3, dtype='float32')[r.randint(0, 3, N)], r.rand(N, 1)
    module.CLASSES = 3
    model = set_weights(module.build_model((6, 1)), network('extra_inputs', 6, 3))
    model.compile(keras.optimizers.SGD(0.5), module.weighted_by(model.inputs[1]))
    losses = [model.train_on_batch([a, c], b) for a, b, c in split(32, x, y, confidence)]
    yield 'losses', losses
    for n, weight in enumerate(model.get_weights()):
        yield 'weight_%d' % n, weight


@case
def losses__variational(module):
    r = random('variational')
    parameters, y, logits = floats(r, 9, 2 * module.CODE), r.rand(9, 64).astype('float32'), 3 * floats(r, 9, 64)
    yield 'divergence', compute(module.divergence, parameters)[0]
    yield 'reconstruction', compute(module.reconstruction, y, logits)[0]


# --- layers


@case
def layers__custom_layer(module):
    x, _, real = arrays.sequences('custom_layer')
    x, real = np.where(real[..., np.newaxis], x, 0)[:8], real[:8]
    r = random('custom_layer weights')
    stack = [layers.Masking(0.0, input_shape=(None, 4)), module.Attention(5)]
    model = set_weights(keras.models.Sequential(stack), [floats(r, 4, 5), floats(r, 5)])
    yield 'value', model.predict(x)
    yield 'longer', model.predict(np.pad(x, ((0, 0), (0, 3), (0, 0)), 'constant'))


@case
def layers__gradient_reversal(module):
    x = floats(random('gradient_reversal'), 5, 4)
    value, gradient = compute(lambda x: tf.square(module.reverse(x)), x)
    yield 'value', value
    yield 'gradient', gradient


@case
def layers__lambda_op(module):
    yield 'value', compute(module.amplitudes, floats(random('lambda_op'), 5, 6, 7, 1))[0]


@case
def layers__py_func_layer(module):
    value, gradient = compute(lambda x: tf.square(module.contrast(x)), floats(random('py_func_layer'), 3, 6, 6, 2))
    yield 'value', value
    yield 'gradient', gradient


@case
def layers__while_loop(module):
    r = random('while_loop')
    x, decay = floats(r, 5, 7, 3), r.uniform(0.2, 0.9, 3).astype('float32')
    layer = module.LeakyMemory(input_shape=(7, 3))
    model = set_weights(keras.models.Sequential([layer]), [decay])
    gradient = K.function(model.inputs, K.gradients(K.sum(K.square(model.output)), [layer.decay]))
    yield 'value', model.predict(x)
    yield 'gradient', gradient([x])[0]


@case
def layers__tf_rnn_cell(module):
    r = random('tf_rnn_cell')
    x, units = floats(r, 5, 7, 4), 6
    cell = module.TensorFlowCell(tf.contrib.rnn.LayerNormBasicLSTMCell(units), name='twin')
    model = keras.models.Sequential([layers.RNN(cell, return_sequences=True, input_shape=(7, 4))])
    names = [v.op.name.split('cell/')[-1] for v in cell.trainable_weights]
    weights = arrays.cell('tf_rnn_cell', units, 4)
    model.set_weights([weights[n] for n in names])
    yield 'value', model.predict(x)


@case
def layers__frozen_batch_norm(module):
    x = floats(random('frozen_batch_norm'), 9, 6, 6, 1)
    base = set_weights(module.build_base((6, 6, 1)), arrays.convolution('frozen_batch_norm', 16))
    for name, keep in (('kept', True), ('frozen_alone', False)):
        model = module.build_model(base, keep)
        flat = K.function([model.input, K.learning_phase()], [model.layers[-1].input])
        yield name + '_in_training', flat([x, 1])[0]
        yield name, flat([x, 0])[0]


@case
def layers__initializers_regularizers_constraints(module):
    weights = floats(random('constraints'), 12, 5)
    yield 'penalty', compute(module.elastic_net, weights)[0]
    yield 'bounded', compute(module.bounded_columns, weights / 3)[0]


@case
def layers__image_augmentation(module):
    x = random('image_augmentation').rand(3, 9, 9, 1).astype('float32')
    angles = np.full(3, np.pi / 9, 'float32')
    yield 'turned', compute(lambda x: tf.contrib.image.rotate(x, angles, interpolation='BILINEAR'), x)[0]


@case
def layers__foreign_variables(module):
    x = floats(random('foreign_variables'), 9, 6)
    layer = module.TensorFlowFunction(module.features, (64,), input_shape=(6,))
    model = keras.models.Sequential([layer])
    weights = arrays.features('foreign_variables', 6, 64)
    model.set_weights([weights[v.op.name.split('/', 1)[1]] for v in layer.trainable_weights])
    yield 'value', model.predict(x)


# --- training


def trained(name, optimizer, steps=10, size=16):
    """Weights after some steps of a small network, by train_on_batch."""
    x, y = arrays.task(name, steps * size)
    model = dense(name, 6, 8, 3)
    model.compile(optimizer, 'categorical_crossentropy')
    for batch in split(size, x, y):
        model.train_on_batch(*batch)
    return np.concatenate([w.ravel() for w in model.get_weights()])


@case
def training__gradient_clipping_and_accumulation(module):
    optimizer = module.Accumulated(tf.train.MomentumOptimizer(0.1, momentum=0.9), module.SMALL_BATCHES, 0.05)
    yield 'weights', trained('gradient_clipping', optimizer, 12)


@case
def training__learning_rate_decay(module):
    yield 'weights', trained('learning_rate_decay', module.Decayed(4))


@case
def training__tf_optimizer(module):
    optimizer = tf.contrib.opt.AddSignOptimizer(learning_rate=0.1, alpha=1.0, beta=0.9)
    yield 'weights', trained('tf_optimizer', optimizer)


@case
def training__multi_task(module):
    r = random('multi_task')
    module.CLASSES = 3
    x, y, ink = floats(r, N, 6, 1), np.eye(3)[r.randint(0, 3, N)], r.rand(N, 1)
    weight = K.variable(0.0)
    model = set_weights(module.build_model((6, 1)), arrays.two_tasks('multi_task'))
    losses = {'digit': 'categorical_crossentropy', 'ink': 'mse'}
    model.compile(keras.optimizers.SGD(0.1), losses, loss_weights=[weight, 1 - weight])
    found = []
    for value in (0, 0.25, 1):
        K.set_value(weight, value)
        found.append(model.train_on_batch(x, [y, ink])[0])
    yield 'losses', found
    yield 'weights', np.concatenate([w.ravel() for w in model.get_weights()])


@case
def training__saliency(module):
    r = random('saliency')
    x, classes = floats(r, 9, 4, 4, 1), r.randint(0, 10, 9)
    model = set_weights(module.build_model((4, 4, 1)), network('saliency weights', 16, 64, 10))
    yield 'gradient', module.saliency(model)(x, classes)


@case
def training__weight_moving_average(module):
    x, y = arrays.task('weight_moving_average', 160)
    model = dense('weight_moving_average', 6, 8, 3)
    model.compile(tf.train.MomentumOptimizer(0.1, momentum=0.9), 'categorical_crossentropy', metrics=['acc'])
    average = module.MovingAverage(x, y, 0.9)
    weights = []
    keep = keras.callbacks.LambdaCallback(on_batch_end=lambda batch, logs: weights.append(model.get_weights()))
    model.fit(x, y, batch_size=16, shuffle=False, verbose=0, callbacks=[average, keep])
    yield 'average', np.concatenate([w.ravel() for w in K.batch_get_value(average.averages)])
    yield 'weights', np.concatenate([w.ravel() for w in model.get_weights()])


@case
def training__tf_training_loop(module):
    x, y = arrays.task('tf_training_loop', 160)
    x = x[..., np.newaxis]  # a Flatten wants an axis to take away
    module.CLASSES = 3
    without = dict(vars(layers), Dropout=lambda rate, seed: layers.Dropout(0.0))  # whose numbers are random
    module.layers = types.SimpleNamespace(**without)
    model = set_weights(module.build_model((6, 1)), arrays.normalized('tf_training_loop'))
    module.build_model = lambda shape: model
    shuffle, np.random.shuffle = np.random.shuffle, lambda order: None
    try:
        module.run(Dataset('arrays', '', x, y.argmax(1), x, y.argmax(1)), epochs=1, batch_size=16, verbose=0)
    finally:
        np.random.shuffle = shuffle
    for n, weight in enumerate(model.get_weights()):
        yield 'weight_%d' % n, weight


# --- export


@case
def export__h5_custom_objects(module):
    _, y, p = arrays.scores('h5_custom_objects', 10)
    # one number for the batch there, a number for each sample here
    yield 'loss', compute(module.smooth_crossentropy, y, p)[0]


def main(path, *names):
    out = {}
    for name in names or CASES:
        session.start(seed=0)
        session.order_updates()
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            for key, value in CASES[name](load(name)):
                out['%s:%s' % (name, key)] = np.array(value)
            os.chdir('/')
    np.savez(path, **out)


if __name__ == '__main__':
    main(*sys.argv[1:])
