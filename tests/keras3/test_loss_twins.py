"""Losses in Keras 3 against those of the recipes, and against formulas in float64; what differs, differing."""

import itertools

import arrays
import keras
import numpy as np
import pytest
from arrays import N, floats, network, random, split
from numpy.testing import assert_allclose
from scipy import special
from sides import gradient_of, identity, twin, with_weights

LOGITS = np.linspace(-100, 100, 82).astype('float32')[:, np.newaxis]
LABELS = np.array([[0], [1]] * 41, 'float32')


@pytest.mark.parametrize('gamma', [0, 2, 5])
def test_focal(old, gamma):
    focal = twin('losses/focal').focal(float(gamma))
    was, was_gradient = (old('losses/focal', f'{key}_{gamma}')[:, 0] for key in ('value', 'gradient'))
    found = np.array(focal(LABELS, LOGITS))
    assert_allclose(found, was, rtol=1e-5, atol=1e-30)
    z = (LOGITS * (2 * LABELS - 1)).astype(float)[:, 0]
    weight = np.where(LABELS[:, 0] == 1, 0.25, 0.75)
    assert_allclose(found, weight * np.exp(-gamma * np.logaddexp(0, z)) * np.logaddexp(0, -z), rtol=1e-4, atol=1e-30)
    gradient = gradient_of(lambda x: focal(LABELS, x), LOGITS)[:, 0]
    assert_allclose(gradient, was_gradient, rtol=1e-4, atol=1e-7)


def test_focal_of_keras_itself_has_hardly_a_gradient_where_it_is_surely_wrong():
    ours = twin('losses/focal').focal()
    theirs = keras.losses.BinaryFocalCrossentropy(True, from_logits=True, reduction=None)
    near = np.abs(LOGITS[:, 0]) < 10
    assert_allclose(np.array(theirs(LABELS, LOGITS))[near], np.array(ours(LABELS, LOGITS))[near], rtol=1e-3, atol=1e-6)
    sure = np.array([[-20.0], [-100.0]], 'float32')  # and wrong
    wrong = np.ones_like(sure)
    assert np.abs(gradient_of(lambda x: theirs(wrong, x), sure)).max() < 1e-6
    assert_allclose(gradient_of(lambda x: ours(wrong, x), sure), -0.25, rtol=1e-5)
    assert_allclose(theirs(wrong, sure), [-0.25 * np.log(1e-7)] * 2, rtol=1e-2)  # and no more, however wrong
    assert_allclose(ours(wrong, sure), [5, 25], rtol=1e-5)


def test_backend_loss(old):
    _, y, p = arrays.scores('backend_loss', 10)
    p[0] = np.eye(10)[(y[0].argmax() + 1) % 10]  # sure and wrong
    soft = (y + 0.1) / 2
    loss = twin('losses/backend_loss').kl_divergence
    clipped = np.clip(p.astype(float), 1e-7, 1)
    for key, target in {'one_hot': y, 'soft': soft}.items():
        assert_allclose(loss(target, p), old('losses/backend_loss', key), rtol=1e-5, atol=1e-5)
        assert_allclose(loss(target, p), special.rel_entr(target.astype(float), clipped).sum(1), rtol=1e-5, atol=1e-5)
        theirs = keras.losses.kl_divergence(target, p)
        assert_allclose(theirs, loss(target, p), atol=2e-5)
    assert np.abs(np.array(keras.losses.kl_divergence(y, p) - loss(y, p))).max() > 1e-6  # 2e-6 for each class
    assert not np.isfinite(old('losses/backend_loss', 'posts'))
    assert_allclose(gradient_of(lambda q: loss(soft, q), p)[1:], old('losses/backend_loss', 'gradient')[1:], rtol=1e-4)


def test_huber(old):
    r = random('huber')
    y, p, weights = 3 * floats(r, N, 1), floats(r, N, 1), arrays.weights()
    each = special.huber(1, (y - p).astype(float))[:, 0]
    assert_allclose(keras.losses.huber(y, p), each, rtol=1e-5, atol=1e-6)
    assert_allclose(keras.losses.huber(y, p), old('losses/huber', 'value')[:, 0], rtol=1e-5, atol=1e-6)
    model = identity((1,), twin('losses/huber').huber())
    for n, size in enumerate((32, N)):
        found = model.evaluate(p, y, size, verbose=0, sample_weight=weights)
        assert_allclose(found, (weights * each).mean(), rtol=1e-5)  # by the number of samples
        by_batch = [(w * e).sum() / (w > 0).sum() for w, e in split(size, weights, each)]
        sizes = [len(w) for (w,) in split(size, weights)]
        was = old('losses/huber', 'weighted')[n]
        assert_allclose(was, np.average(by_batch, weights=sizes), rtol=1e-5)  # of those that count
        assert abs(was - found) > 0.1
    by_weights = keras.losses.Huber(reduction='mean_with_sample_weight')(y, p, weights)
    assert_allclose(by_weights, np.average(each, weights=weights), rtol=1e-5)


def test_weighted_cross_entropy(old):
    loss = twin('losses/weighted_cross_entropy').weighted_cross_entropy(9.0)
    found = np.array(loss(LABELS, LOGITS))
    assert_allclose(found, old('losses/weighted_cross_entropy', 'value')[:, 0], rtol=1e-5, atol=1e-6)
    x, y = LOGITS.astype(float)[:, 0], LABELS[:, 0]
    assert_allclose(found, 9 * y * np.logaddexp(0, -x) + (1 - y) * np.logaddexp(0, x), rtol=1e-5, atol=1e-6)
    gradient = gradient_of(lambda x: loss(LABELS, x), LOGITS)
    assert_allclose(gradient, old('losses/weighted_cross_entropy', 'gradient'), atol=1e-5)
    metric = keras.metrics.BinaryAccuracy(threshold=0)
    metric.update_state(LABELS, LOGITS)
    assert_allclose(metric.result(), ((x > 0) == (y == 1)).mean())


def all_alignments(labels, logits, blank):
    """Minus the logarithm of the sum over all alignments that read as the labels."""
    log_p = logits - special.logsumexp(logits, axis=1, keepdims=True)
    total = []
    for path in itertools.product(range(logits.shape[1]), repeat=len(logits)):
        read = [c for c, before in zip(path, (None, *path)) if c != before and c != blank]
        if read == list(labels):
            total.append(sum(log_p[t, c] for t, c in enumerate(path)))
    return -special.logsumexp(total)


def test_ctc(old):
    module = twin('losses/ctc')
    y, logits = arrays.lines('ctc')
    assert_allclose(module.ctc(y, logits), old('losses/ctc', 'value'), rtol=1e-5)
    assert_allclose(gradient_of(lambda x: module.ctc(y, x), logits), old('losses/ctc', 'gradient'), atol=1e-5)
    read, was = module.decode(logits), old('losses/ctc', 'decoded')
    width = was.shape[1]
    assert (read[:, :width] == was).all() and (read[:, width:] == -1).all()

    r = random('ctc by brute force')
    y, logits = np.array([[1, 1], [0, -1], [-1, -1]]), floats(r, 3, 4, 3)  # with a text of no symbol
    found = [all_alignments(labels[labels >= 0], x.astype(float), 2) for labels, x in zip(y, logits)]
    assert_allclose(module.ctc(y, logits), found, rtol=1e-5)


def test_ctc_of_keras_has_its_blank_first():
    y, logits = arrays.lines('ctc')
    ours = np.array(twin('losses/ctc').ctc(y, logits))
    moved = keras.losses.CTC(reduction=None)(y + 1, np.roll(logits, 1, -1))
    assert_allclose(moved, ours, rtol=1e-5)
    assert (np.abs(np.array(keras.losses.CTC(reduction=None)(y + 1, logits)) - ours) > 0.1).any()


def test_crf(old):
    r = random('crf')
    scores, tags, transitions = floats(r, 9, 6, 4), r.randint(0, 4, (9, 6, 1)), floats(r, 4, 4)
    field = twin('losses/crf').ConditionalRandomField()
    field.build((None, 6, 4))
    field.set_weights([transitions])
    assert_allclose(field.loss(tags, scores), old('losses/crf', 'value'), rtol=1e-5)
    gradient = gradient_of(lambda x: field.loss(tags, x), scores)
    assert_allclose(gradient, old('losses/crf', 'gradient'), atol=1e-5)
    decoded = np.array(field.decode(scores))
    assert (decoded == old('losses/crf', 'decoded')).all()
    paths = np.array(list(itertools.product(range(4), repeat=6)))
    pairs = transitions[paths[:, :-1], paths[:, 1:]].sum(1)
    each = scores[:, np.arange(6), paths].sum(2) + pairs  # (samples, paths)
    assert (paths[each.argmax(1)] == decoded).all()
    of_tags = each[:, [(paths == t).all(1).argmax() for t in tags[..., 0]]].diagonal()
    assert_allclose(field.loss(tags, scores), special.logsumexp(each, axis=1) - of_tags, rtol=1e-5)

    # a step of gradient descent: the transitions are trained, too
    model = keras.Sequential([keras.Input((6, 4)), field])
    model.compile(keras.optimizers.SGD(1.0), field.loss)
    model.train_on_batch(scores, tags)
    moved = transitions - field.get_weights()[0]
    assert_allclose(9 * moved, old('losses/crf', 'of_transitions'), atol=1e-4)


def triplets(labels, x, margin=1.0):
    d = ((x[:, None] - x) ** 2).sum(2)
    losses = []
    for a, p in itertools.permutations(range(len(x)), 2):
        if labels[a] == labels[p]:
            unlike = d[a][labels != labels[a]]
            farther = unlike[unlike > d[a, p]]
            losses.append(max(margin + d[a, p] - (farther.min() if farther.size else unlike.max()), 0))
    return np.mean(losses)


def test_triplet_semihard(old):
    r = random('triplet_semihard')
    embedded = floats(r, 24, 5)
    embedded /= np.linalg.norm(embedded, axis=1, keepdims=True)
    labels = r.randint(0, 4, (24, 1)).astype('float32')
    loss = twin('losses/triplet_semihard').triplet_loss
    assert_allclose(loss(labels, embedded), old('losses/triplet_semihard', 'value'), rtol=1e-5)
    assert_allclose(loss(labels, embedded), triplets(labels[:, 0], embedded.astype(float)), rtol=1e-5)
    gradient = gradient_of(lambda x: loss(labels, x), embedded)
    assert_allclose(gradient, old('losses/triplet_semihard', 'gradient'), atol=1e-5)
    alone = np.arange(3, dtype='float32').reshape(3, 1)
    assert np.isnan(old('losses/triplet_semihard', 'without_a_pair')) and float(loss(alone, embedded[:3])) == 0
    assert np.isfinite(gradient_of(lambda x: loss(alone, x), embedded[:3])).all()


def test_extra_inputs(old):
    r = random('extra_inputs')
    x, y, confidence = floats(r, N, 6, 1), np.eye(3, dtype='float32')[r.randint(0, 3, N)], r.rand(N, 1)
    model, predictor = twin('losses/extra_inputs').build_models((6, 1), 3)
    with_weights(model, network('extra_inputs', 6, 3))
    model.compile(keras.optimizers.SGD(0.5))
    # Keras reports the mean of all batches so far
    model.reset_metrics()
    losses = []
    for a, b, c in split(32, x, y, confidence):
        model.reset_metrics()
        losses.append(model.train_on_batch([a, c, b]))
    assert_allclose(losses, old('losses/extra_inputs', 'losses'), rtol=1e-5)
    for n, weight in enumerate(predictor.get_weights()):
        assert_allclose(weight, old('losses/extra_inputs', f'weight_{n}'), atol=1e-6)


def test_extra_inputs_as_before_are_refused():
    model, _ = twin('losses/extra_inputs').build_models((6, 1), 3)
    with pytest.raises(NotImplementedError):
        model.add_loss(keras.ops.mean(model.inputs[1]))
    symbol = model.inputs[1]
    model.compile('sgd', lambda y_true, y_pred: symbol[:, 0] * keras.losses.categorical_crossentropy(y_true, y_pred))
    with pytest.raises(ValueError, match='abstractification'):
        model.train_on_batch([np.ones((2, 6, 1)), np.ones((2, 1)), np.eye(3)[:2]], np.eye(3)[:2])


def test_variational(old):
    module = twin('losses/variational')
    r = random('variational')
    parameters, y, logits = floats(r, 9, 2 * module.CODE), r.rand(9, 64).astype('float32'), 3 * floats(r, 9, 64)
    assert_allclose(module.divergence(parameters), old('losses/variational', 'divergence'), rtol=1e-5)
    assert_allclose(module.reconstruction(y, logits), old('losses/variational', 'reconstruction'), rtol=1e-5)
    mean, log_deviation = np.split(parameters.astype(float), 2, axis=1)
    variance = np.exp(2 * log_deviation)
    assert_allclose(module.divergence(parameters), (variance + mean**2 - 1 - np.log(variance)).sum(1) / 2, rtol=1e-5)

    sample = module.Sample()
    drawn = np.array([sample(np.zeros((500, 16), 'float32')) for _ in range(2)])
    assert abs(drawn.mean()) < 0.06 and abs(drawn.std() - 1) < 0.06 and not (drawn[0] == drawn[1]).any()
    assert_allclose(sample.losses, [0, 0][: len(sample.losses)], atol=1e-6)  # at the prior itself
    model = module.build_model(64)
    model.compile('sgd', module.reconstruction)
    y = y[:, :64]
    total = model.evaluate(y, y, verbose=0)
    hidden = keras.Model(model.inputs, model.get_layer('parameters').output).predict(y, verbose=0)
    assert total > float(np.mean(module.divergence(hidden)))  # the divergence is part of the loss, all of it
