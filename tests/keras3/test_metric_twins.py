"""Metrics in Keras 3 against those of the recipes, and against formulas in float64; what differs, differing."""

import warnings

import arrays
import keras
import numpy as np
import pytest
from arrays import BATCHES, N, floats, network, random, split
from numpy.testing import assert_allclose
from scipy import stats
from sides import by_split, dense, identity, stream, twin, with_weights


def kappa(y, p, weights=None):
    counts = np.zeros((y.shape[1],) * 2)
    np.add.at(counts, (y.argmax(1), p.argmax(1)), 1 if weights is None else weights)
    chance = (counts.sum(0) * counts.sum(1)).sum() / counts.sum()
    return (np.trace(counts) - chance) / (counts.sum() - chance)


@pytest.mark.parametrize('classes', [3, 10])
def test_cohens_kappa(old, classes):
    _, y, p = arrays.scores('cohens_kappa', classes)
    found = by_split(lambda: twin('metrics/cohens_kappa').CohensKappa(classes), y, p)
    assert_allclose(found, old('metrics/cohens_kappa', f'of_{classes}')[1:], atol=1e-6)
    assert_allclose(found, kappa(y, p), atol=1e-6)


def test_cohens_kappa_where_it_is_not_defined(old):
    one = np.eye(10, dtype='float32')[:1]
    metric = twin('metrics/cohens_kappa').CohensKappa(10)
    assert [float(metric.result()), stream(metric, [(one, one)])] == list(old('metrics/cohens_kappa', 'one_sample'))


def test_cohens_kappa_in_evaluate_is_of_these_samples_alone_and_not_what_the_post_printed(old):
    _, y, p = arrays.scores('cohens_kappa', 10)
    order = p.max(1).argsort()
    y, p = y[order], p[order]
    model = identity((10,), metrics=[twin('metrics/cohens_kappa').CohensKappa(10)])
    for _ in range(2):
        assert_allclose(model.evaluate(p, y, 32, verbose=0)[1], kappa(y, p), atol=1e-6)
    assert abs(old('metrics/cohens_kappa', 'printed') - kappa(y, p)) > 0.01


def test_cohens_kappa_takes_weights_and_comes_back_from_its_config():
    _, y, p = arrays.scores('cohens_kappa', 10)
    weights = random('weights').rand(N)
    cls = twin('metrics/cohens_kappa').CohensKappa
    metric = cls.from_config(cls(10).get_config())
    assert_allclose(stream(metric, split(32, y, p, weights)), kappa(y, p, weights), atol=1e-6)


def recalls(y, p):
    right = y * np.eye(y.shape[1])[p.argmax(1)]
    return right.sum(0) / np.maximum(y.sum(0), 1)


def test_per_class_accuracy(old):
    _, y, p = arrays.scores('per_class_accuracy', 10)
    cls = twin('metrics/per_class_accuracy').MeanPerClassAccuracy
    found = by_split(lambda: cls(10), y, p)
    assert float(cls(10).result()) == old('metrics/per_class_accuracy', 'value')[0] == 0  # before the first sample
    assert_allclose(found, old('metrics/per_class_accuracy', 'value')[1:], atol=1e-6)
    assert_allclose(found, recalls(y, p).mean(), atol=1e-6)
    kept = y[:, 9] == 0
    found = by_split(lambda: cls.from_config(cls(10).get_config()), y[kept], p[kept])
    assert_allclose(found, old('metrics/per_class_accuracy', 'without_a_class')[1:], atol=1e-6)
    assert_allclose(found, recalls(y[kept], p[kept])[:9].sum() / 10, atol=1e-6)  # the tenth counts as 0
    twice = stream(cls(10), [(y, p, np.full(N, 2.0))])  # weights all alike change nothing
    assert_allclose(twice, recalls(y, p).mean(), atol=1e-6)


def test_pearson_correlation(old):
    r = random('pearson_correlation')
    y = floats(r, N, 1)
    p = 0.5 * y + floats(r, N, 1)
    cls = twin('metrics/pearson_correlation').Pearson
    for key, (a, b) in {'value': (y, p), 'far_from_zero': (y + 100, p - 50)}.items():
        found = by_split(cls, a, b)
        was = old('metrics/pearson_correlation', key)
        assert np.isnan(was[0]) and float(cls().result()) == 0  # before the first sample
        assert_allclose(found, was[1:], atol=2e-5)
        exact = stats.pearsonr(a[:, 0].astype(float), b[:, 0].astype(float)).statistic
        assert_allclose(found, exact, atol=2e-5)
    chosen = np.arange(N) % 3 == 0
    weighted = stream(cls(), split(32, y, p, chosen.astype(float)))
    assert_allclose(weighted, stats.pearsonr(y[chosen, 0], p[chosen, 0]).statistic, atol=1e-5)


def test_pearson_correlation_of_keras_itself_is_another_number():
    r = random('pearson_correlation')
    y = floats(r, N, 1)
    assert np.isnan(stream(keras.metrics.PearsonCorrelation(), [(y, y)]))
    y, p = floats(r, N, 3), floats(r, N, 3)
    of_samples = np.mean([stats.pearsonr(*pair).statistic for pair in zip(y, p)])
    assert_allclose(stream(keras.metrics.PearsonCorrelation(), [(y, p)]), of_samples, atol=1e-5)
    over_all = stats.pearsonr(y.ravel(), p.ravel()).statistic
    assert_allclose(stream(twin('metrics/pearson_correlation').Pearson(), [(y, p)]), over_all, atol=1e-5)
    assert abs(of_samples - over_all) > 0.01


def f1(y, p):
    says = np.eye(y.shape[1])[p.argmax(1)]
    return 2 * (y * says).sum(0) / np.maximum(y.sum(0) + says.sum(0), 1)


def test_f1_score(old):
    _, y, p = arrays.scores('f1_score', 10)
    found = by_split(lambda: twin('metrics/f1_score').f1_scores()[0], y, p)
    assert_allclose(found, old('metrics/f1_score', 'macro')[1:], atol=1e-6)
    assert_allclose(found, f1(y, p).mean(), atol=1e-6)
    of_classes = twin('metrics/f1_score').f1_scores()[1]
    of_classes.update_state(y, p)
    assert_allclose(of_classes.result(), f1(y, p), atol=1e-6)
    assert_allclose(of_classes.result()[8], old('metrics/f1_score', 'of_eights')[-1], atol=1e-6)
    kept = y[:, 9] == 0
    found = by_split(lambda: twin('metrics/f1_score').f1_scores()[0], y[kept], p[kept])
    assert_allclose(found, old('metrics/f1_score', 'without_a_class')[1:], atol=1e-6)


def test_f1_score_of_a_function_is_averaged_over_the_batches_still(old):
    _, y, p = arrays.scores('f1_score', 10)

    def batch_f1(t, q):
        both = [keras.ops.cast(keras.ops.argmax(each, -1) == 8, 'float32') for each in (t, q)]
        return 2 * keras.ops.sum(both[0] * both[1]) / keras.ops.maximum(keras.ops.sum(both[0] + both[1]), 1e-7)

    averaged = identity((10,), metrics=[batch_f1]).evaluate(p, y, 32, verbose=0)[1]
    by_batch = [f1(a, b)[8] for a, b in split(32, y, p)]
    assert_allclose(averaged, np.mean(by_batch), atol=1e-6)  # a last batch of one sample counts as the others do
    assert_allclose(old('metrics/f1_score', 'averaged'), np.average(by_batch, weights=[32, 32, 32, 1]), atol=1e-6)
    assert abs(averaged - f1(y, p)[8]) > 0.01 and abs(averaged - old('metrics/f1_score', 'averaged')) > 0.01


def iou(y, says):
    both, either = (y * says).sum((0, 1, 2)), np.maximum(y, says).sum((0, 1, 2))
    return (both[either > 0] / either[either > 0]).mean()


def test_mean_iou(old):
    _, y, p = arrays.pixels('mean_iou')
    found = [stream(twin('metrics/mean_iou').mean_iou(), split(size, y, p)) for size in (1, 3, 7)]
    assert_allclose(found, old('metrics/mean_iou', 'value'), atol=1e-6)
    assert_allclose(found, iou(y, np.eye(3)[p.argmax(-1)]), atol=1e-6)
    two = np.array([1, 1, 0])
    y, p = (y[..., [0, 1, 1]] + y[..., [0, 2, 2]]) * two, p * two
    found = stream(twin('metrics/mean_iou').mean_iou(), [(y, p)])
    assert_allclose(found, old('metrics/mean_iou', 'without_a_class'), atol=1e-6)


def test_mean_iou_by_default_takes_the_whole_number_of_a_probability_for_a_class():
    labels, _, p = arrays.pixels('mean_iou')
    right = stream(keras.metrics.MeanIoU(3, sparse_y_pred=False), [(labels, p)])
    assert_allclose(right, iou(np.eye(3)[labels], np.eye(3)[p.argmax(-1)]), atol=1e-6)
    with pytest.raises(TypeError, match='incompatible shapes'):
        stream(keras.metrics.MeanIoU(3), [(labels, p)])
    all_are_zero = stream(keras.metrics.MeanIoU(3), [(labels, p.max(-1) * 0.99)])
    assert_allclose(all_are_zero, (labels == 0).mean() / 3, atol=1e-6)


def exact_auc(y, p):
    of_classes = [
        stats.mannwhitneyu(q[t == 1], q[t == 0]).statistic / (t.sum() * (t == 0).sum()) for t, q in zip(y.T, p.T)
    ]
    return np.mean(of_classes)


METHODS = {'auc': 'careful_interpolation', 'floor': 'minoring', 'ceiling': 'majoring'}


def test_roc_auc(old):
    _, y, p = arrays.scores('roc_auc', 3)
    found = {}
    for n, (name, method) in enumerate(METHODS.items()):
        found[name] = by_split(lambda n=n: twin('metrics/roc_auc').metrics()[n], y, p)
        # TensorFlow adds 1e-6 above and below each share
        assert_allclose(found[name], old('metrics/roc_auc', method)[1:], atol=1e-5)
    assert found['floor'][-1] - 1e-6 <= exact_auc(y, p) <= found['ceiling'][-1] + 1e-6
    in_one_heap = stream(keras.metrics.AUC(), [(y, p)])
    assert abs(in_one_heap - found['auc'][-1]) > 1e-4


def test_roc_auc_of_a_class_that_is_not_there_is_0_and_was_1(old):
    _, y, p = arrays.scores('roc_auc', 3)
    kept = y[:, 2] == 0
    found = by_split(lambda: twin('metrics/roc_auc').metrics()[0], y[kept], p[kept])
    assert_allclose(old('metrics/roc_auc', 'without_a_class')[1:] - found, 1 / 3, atol=1e-5)


def rates(y, p):
    """Sensitivity, specificity and precision at the thresholds of both sides, the highest threshold last."""
    says = p.ravel() > np.r_[-1e-7, np.arange(1, 199) / 199, 1 + 1e-7][:, np.newaxis]
    y = y.ravel() == 1
    found, alarms = (says & y).sum(1), (says & ~y).sum(1)
    return found / y.sum(), 1 - alarms / (~y).sum(), found / np.maximum(found + alarms, 1)


def test_operating_point(old):
    y, p, _ = arrays.binary('operating point 14', 60)
    make = twin('metrics/operating_point').metrics
    found = [by_split(lambda n=n: make()[n], y, p) for n in range(3)]
    was = [old('metrics/operating_point', name)[1:] for name in ('sensitivity', 'precision', 'recall')]
    assert_allclose(found[1:], was[1:], atol=1e-6)
    says = p > 0.3
    assert_allclose(found[1], (says * y).sum() / says.sum(), atol=1e-6)
    assert_allclose(found[2], (says * y).sum() / y.sum(), atol=1e-6)
    # the best that keeps the specificity, where it was the one nearest to it
    sensitivity, specificity, _ = rates(y, p)
    assert_allclose(found[0], sensitivity[specificity >= 0.95].max(), atol=1e-6)
    assert_allclose(was[0], sensitivity[np.abs(specificity - 0.95).argmin()], atol=1e-6)
    assert (was[0] > found[0] + 0.1).all()


def test_many_metrics_has_a_line_for_each(old):
    module = twin('metrics/many_metrics')
    assert set(old('metrics/many_metrics', 'names')) == set(module.METRICS) | set(module.MISSING)
    assert not set(module.METRICS) & set(module.MISSING)


RULES = {
    'sensitivity_at_specificity': lambda sensitivity, specificity, precision: (specificity, sensitivity),
    'specificity_at_sensitivity': lambda sensitivity, specificity, precision: (sensitivity, specificity),
    'recall_at_precision': lambda sensitivity, specificity, precision: (precision, sensitivity),
    'precision_at_recall': lambda sensitivity, specificity, precision: (sensitivity, precision),
}


@pytest.mark.parametrize('name', sorted(set(twin('metrics/many_metrics').METRICS) - set(RULES)))
def test_many_metrics(old, name):
    _, y, p = arrays.scores('many_metrics', 10, 300)
    found = stream(twin('metrics/many_metrics').METRICS[name](), split(128, y, p))
    assert_allclose(found, old('metrics/many_metrics', name), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('name', sorted(RULES))
def test_many_metrics_takes_the_best_that_keeps_the_bound(old, name):
    y, p = arrays.operating(name)
    found = stream(twin('metrics/many_metrics').METRICS[name](), [(y, p)])
    bounded, wanted = RULES[name](*rates(y[:, 8], p[:, 8]))
    assert_allclose(found, wanted[bounded >= 0.9].max(), atol=1e-6)
    was = old('metrics/many_metrics', name + '_apart')
    if name == 'precision_at_recall':
        assert_allclose(was, wanted[bounded >= 0.9][-1], atol=1e-6)  # the last that keeps it
    else:
        nearest = np.abs(bounded - 0.9) <= np.abs(bounded - 0.9).min() + 1e-6
        assert np.abs(wanted[nearest] - was).min() < 1e-5
    assert abs(found - was) > 0.01


def test_sample_weights(old):
    labels, y, p = arrays.scores('sample_weights', 10)
    weights = arrays.weights()
    right = p.argmax(1) == labels
    model = twin('metrics/sample_weights').compile_with_weights(identity((10,)))
    for size in (32, N):
        loss, plain, weighted = model.evaluate(p, y, size, verbose=0, sample_weight=weights)
        assert_allclose(plain, right.mean(), atol=1e-6)
        assert_allclose(weighted, np.average(right, weights=weights), atol=1e-6)
        assert_allclose(weighted, old('metrics/sample_weights', 'streamed'), atol=1e-6)
        each = weights * -np.log(p[np.arange(N), labels])
        assert_allclose(loss, each.mean(), rtol=1e-5)
        old_loss, old_plain, old_weighted = old('metrics/sample_weights', f'evaluate_{size}')
        assert_allclose(old_plain, plain, atol=1e-6)
        assert abs(old_weighted - weighted) > 0.01
    assert_allclose(old_loss, each.sum() / (weights > 0).sum(), rtol=1e-5)
    assert abs(old_loss - loss) > 0.1
    # a batch of nothing but zeros
    assert np.isnan(old('metrics/sample_weights', 'weights_of_zero')[[0, 2]]).all()
    assert model.evaluate(p, y, N, verbose=0, sample_weight=0 * weights)[::2] == [0, 0]


def test_what_was_compiles_third_argument_is_taken_for_loss_weights():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    model.compile('sgd', 'mse', ['accuracy'])
    with pytest.raises(TypeError, match='accuracy'):
        model.evaluate(np.ones((4, 3)), np.ones((4, 3)), verbose=0)


def test_accuracy_stateless(old):
    labels, y, p = arrays.scores('accuracy_stateless', 10)
    module = twin('metrics/accuracy_stateless')
    model = identity((10,), metrics=[module.accuracy, module.accuracy_of_the_batch])
    right = p.argmax(1) == labels
    assert_allclose(old('metrics/accuracy_stateless', 'value'), right.mean(), atol=1e-6)
    for size in BATCHES:
        _, mean, of_batches = model.evaluate(p, y, size, verbose=0)
        assert_allclose(mean, right.mean(), atol=1e-6)
        assert_allclose(of_batches, np.mean([b.mean() for (b,) in split(size, right)]), atol=1e-6)
    assert abs(model.evaluate(p, y, 32, verbose=0)[2] - right.mean()) > 1e-3  # a last batch of one sample


def test_numpy_metric(old):
    _, y, p = arrays.scores('numpy_metric', 10)
    model = identity((10,), metrics=[twin('metrics/numpy_metric').reciprocal_rank])
    found = [model.evaluate(p, y, size, verbose=0)[1] for size in BATCHES]
    assert_allclose(found, old('metrics/numpy_metric', 'value'), atol=1e-6)
    rank = 1 + (p > (y * p).sum(1, keepdims=True)).sum(1)
    assert_allclose(found, (1 / rank).mean(), atol=1e-6)


def test_ignored_labels(old):
    module = twin('metrics/ignored_labels')
    labels, _, p = arrays.pixels('ignored_labels', module.VOID)
    y, logits = labels[..., np.newaxis].astype('float32'), np.log(p)
    model = module.compile_model(identity((5, 5, 3)), 'sgd')
    found = [model.evaluate(logits, y, size, verbose=0) for size in (1, 3, 7)]
    for n, name in enumerate(('accuracy_without_void', 'mean_iou_without_void'), 1):
        assert_allclose([f[n] for f in found], old('metrics/ignored_labels', name), atol=1e-6)
    kept = labels != module.VOID
    each = -np.log(np.take_along_axis(p, np.where(kept, labels, 0)[..., None], -1)[..., 0])
    assert_allclose(found[-1][1], (p.argmax(-1) == labels)[kept].mean(), atol=1e-6)
    assert_allclose(found[-1][0], each[kept].mean(), rtol=1e-5)

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=module.VOID)
    by_batch = [float(loss(a, b)) for a, b in split(3, y, logits)]
    assert_allclose(by_batch, old('metrics/ignored_labels', 'loss'), rtol=1e-5)
    assert_allclose(found[1][0], np.average(by_batch, weights=[3, 3, 1]), rtol=1e-5)
    assert abs(found[1][0] - found[2][0]) > 1e-4  # an epoch's loss weighs images, not labelled pixels
    void = np.full_like(y, module.VOID)
    assert float(loss(void, logits)) == old('metrics/ignored_labels', 'loss_of_void') == 0


def test_masked_sequences(old):
    module = twin('metrics/masked_sequences')
    x, labels, real = arrays.sequences('masked_sequences')
    model = with_weights(module.build_model(4, 32), arrays.lstm('masked_sequences', 4, 32, 3))
    module.compile_model(model)
    logits = model.predict(x, verbose=0)
    assert_allclose(logits[real], old('metrics/masked_sequences', 'logits')[real], atol=1e-5)
    right = logits.argmax(-1) == labels
    for n, size in enumerate((1, 4, 12)):
        loss, accuracy = model.evaluate(x, labels, size, verbose=0)
        assert_allclose(accuracy, old('metrics/masked_sequences', 'accuracy')[n], atol=1e-6)
        assert_allclose(accuracy, right[real].mean(), atol=1e-6)
    assert_allclose(loss, old('metrics/masked_sequences', 'loss'), rtol=1e-5)  # of one batch
    assert abs(model.evaluate(x, labels, 4, verbose=0)[0] - loss) > 1e-3


def test_masked_sequences_by_kerass_own_metric(old):
    """It was averaged over batches, and NaN where a batch is padding alone; now it is over real steps."""
    x, labels, real = arrays.sequences('masked_sequences')
    stack = [keras.Input((7, 4)), keras.layers.Masking(-1), keras.layers.Dense(3, activation='softmax')]
    model = with_weights(keras.Sequential(stack), network('masked', 4, 3))
    model.compile('sgd', 'categorical_crossentropy', weighted_metrics=['acc'])
    y = np.eye(3)[labels]
    right = (model.predict(x, verbose=0).argmax(-1) == labels)[real].mean()
    assert_allclose(model.evaluate(x[:8], y[:8], 3, verbose=0)[1], right, atol=1e-6)
    assert_allclose(model.evaluate(x, y, 4, verbose=0)[1], right, atol=1e-6)
    assert abs(old('metrics/masked_sequences', 'by_keras')[1] - right) > 1e-3
    assert np.isnan(old('metrics/masked_sequences', 'by_keras_with_padding_alone')).all()


def test_hard_sigmoid_of_keras_is_another_function():
    x = np.linspace(-4, 4, 9, dtype='float32')
    ours = np.array(twin('metrics/masked_sequences').hard_sigmoid(x))
    assert_allclose(ours, np.clip(0.2 * x + 0.5, 0, 1), atol=1e-6)
    assert_allclose(keras.activations.hard_sigmoid(x), np.clip(x / 6 + 0.5, 0, 1), atol=1e-6)


def test_epoch_callback(old, capsys):
    module = twin('metrics/epoch_callback')
    _, y, p = arrays.scores('epoch_callback', 4)
    x = floats(random('epoch_callback x'), N, 6)
    model = dense('epoch_callback', 6, 4)
    model.compile(keras.optimizers.SGD(1.0), 'categorical_crossentropy')
    fitting = {'batch_size': 32, 'epochs': 20, 'shuffle': False, 'verbose': 2}
    history = model.fit(x, y, callbacks=module.callbacks(x, y, 2), **fitting).history
    assert_allclose(history['val_ap'], old('metrics/epoch_callback', 'val_ap'), atol=1e-5)
    assert len(history['val_ap']) < 20  # stopped
    assert 'val_ap' in capsys.readouterr().out  # on Keras's own line
    kept = module.EpochScore(x, y)
    kept.set_model(model)
    logs = {}
    kept.on_epoch_end(0, logs)
    assert_allclose(logs['val_ap'], max(history['val_ap']), atol=1e-6)

    score, stop = module.callbacks(x, y, 2)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        model.fit(x, y, callbacks=[stop, score], batch_size=32, epochs=1, verbose=0)
    assert any('val_ap' in str(each.message) for each in said)  # in the other order it is not there to be watched


def test_best_epoch(old, tmp_path):
    """`auto` was less-is-better for any name that it did not know; now it is an error."""
    assert old('metrics/best_epoch', 'f1') and not old('metrics/best_epoch', 'acc')
    x, y = arrays.task('best_epoch', 60)

    def fit(callbacks, metric):
        model = dense('best_epoch', 6, 8, 3)
        model.compile(keras.optimizers.SGD(5.0), 'categorical_crossentropy', metrics=[metric])
        fitting = {'validation_data': (x, y), 'epochs': 8, 'shuffle': False, 'verbose': 0}
        return model, model.fit(x, y, callbacks=callbacks, **fitting).history

    file = str(tmp_path / 'best.keras')
    f1_score = keras.metrics.F1Score(average='macro', name='f1')
    _, history = fit(twin('metrics/best_epoch').best_epoch_callbacks('f1', file), f1_score)
    kept = keras.models.load_model(file).evaluate(x, y, verbose=0)[1]
    assert_allclose(kept, max(history['val_f1']), atol=1e-6)
    assert min(history['val_f1']) < kept - 0.01

    def agreement(y_true, y_pred):
        return keras.ops.cast(keras.ops.argmax(y_true, -1) == keras.ops.argmax(y_pred, -1), 'float32')

    with pytest.raises(ValueError, match="Pass `mode='max'`"):
        fit([keras.callbacks.EarlyStopping('val_agreement')], agreement)
