import itertools

import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K


def text_of(path, blank):
    """What an alignment reads as: repetitions taken together, then the blanks taken out."""
    return [symbol for symbol, _ in itertools.groupby(path) if symbol != blank]


def brute_force(scores, text):
    """-log of the probability of all paths that read as `text`. scores: (time, classes + 1)."""
    scores = scores.astype(np.float64)
    probability = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    time, classes = probability.shape
    paths = (p for p in itertools.product(range(classes), repeat=time) if text_of(p, classes - 1) == text)
    return -np.log(sum(probability[np.arange(time), list(path)].prod() for path in paths))


def values(loss, y_true, scores):
    t, s = K.placeholder((None, None)), K.placeholder((None,) + scores.shape[1:])
    return K.get_session().run(loss(t, s), {t: y_true, s: scores})


def test_the_loss_is_the_sum_over_alignments(module):
    scores = 2 * np.random.RandomState(0).randn(5, 6, 4)  # five lines, six steps, three symbols and the blank
    y_true = np.array([[0, 1, 2], [2, 2, -1], [1, -1, -1], [0, 0, 0], [2, 1, -1]])
    found = values(module.ctc, y_true, scores)
    expected = [brute_force(s, [v for v in line if v >= 0]) for s, line in zip(scores, y_true)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_decoding(module):
    scores = np.random.RandomState(1).randn(40, 9, 11)
    read = K.get_session().run(module.decode(K.constant(scores)))
    for line, best in zip(read, scores.argmax(2)):
        assert list(line[line >= 0]) == text_of(best, 10)


def test_it_reads_most_lines(module, digits):
    found = module.run(digits, epochs=8, verbose=0)
    x, y = module.lines(digits.x_test, digits.y_test, 300, seed=2)
    assert x.shape == (300, 8, 24, 1)
    best = module.model.predict(x).argmax(2)
    texts = [[v for v in line if v >= 0] for line in y]
    assert {len(t) for t in texts} == {1, 2, 3}
    assert found['test_lines_right'] == pytest.approx(np.mean([text_of(b, 10) == t for b, t in zip(best, texts)]))
    assert found['test_lines_right'] > 0.5  # to guess each digit of a line: 0.04


def test_padding_must_be_left_out(module):

    def padded(y_true, y_pred):  # every column a symbol
        labels = tf.cast(y_true, tf.int32)
        everywhere = tf.where(tf.equal(labels, labels))
        sparse = tf.SparseTensor(everywhere, tf.gather_nd(labels, everywhere), tf.shape(labels, out_type=tf.int64))
        return tf.nn.ctc_loss(sparse, y_pred, module.lengths_of(y_pred), time_major=False)

    scores = np.random.RandomState(2).randn(1, 6, 4)
    with pytest.raises(tf.errors.InvalidArgumentError):
        values(padded, np.array([[1, -1, -1]]), scores)
    found = values(padded, np.array([[1, 0, 0]]), scores)  # padded with 0: the loss of another text
    assert found == pytest.approx(brute_force(scores[0], [1, 0, 0]), rel=1e-5)
    assert abs(found - brute_force(scores[0], [1])) > 0.1


def test_padded_with_0_it_learns_to_read_zeros(module, digits, monkeypatch):
    lines = module.lines

    def padded(*args, **kwargs):
        x, y = lines(*args, **kwargs)
        return x, np.maximum(y, 0)

    monkeypatch.setattr(module, 'lines', padded)
    module.run(digits, epochs=8, verbose=0)
    x, y = lines(digits.x_test, digits.y_test, 300, seed=2)
    read = [text_of(best, 10) for best in module.model.predict(x[y[:, 1] < 0]).argmax(2)]  # of lines of one digit
    assert np.mean([text[1:] == [0, 0] for text in read]) > 0.7


def test_a_softmax_before_it_is_one_too_many(module):
    scores = 2 * np.random.RandomState(3).randn(1, 6, 4)
    probability = np.exp(scores) / np.exp(scores).sum(2, keepdims=True)
    found = values(module.ctc, np.array([[0, 1, 2]]), probability)
    assert abs(found - brute_force(scores[0], [0, 1, 2])) > 0.1
