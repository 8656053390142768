import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K
from matplotlib import image
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, recall_score


@pytest.fixture
def module(module, monkeypatch):
    """The recipe, which keeps the matrix it draws, and a record of every batch."""
    mean_accuracy, draw = module.mean_accuracy, module.draw
    module.batches = []

    def recorded(y_true, y_pred):
        record = tf.py_func(lambda t, p: module.batches.append((t.argmax(1), p.argmax(1))), [y_true, y_pred], [])
        with tf.control_dependencies([record]):
            return mean_accuracy(tf.identity(y_true), tf.identity(y_pred))

    def keep(matrix, file):
        module.matrix = matrix
        draw(matrix, file)

    recorded.__name__ = 'mean_accuracy'
    monkeypatch.setattr(module, 'mean_accuracy', recorded)
    monkeypatch.setattr(module, 'draw', keep)
    return module


def test_the_numbers_are_scikit_learns(module, digits, tmp_path):
    found = module.run(digits, epochs=6, batch_size=32, verbose=0, out=str(tmp_path))
    predicted = module.model.predict(digits.x_test).argmax(1)
    assert found['test_mean_accuracy'] == pytest.approx(balanced_accuracy_score(digits.y_test, predicted), abs=1e-6)
    assert found['test_accuracy'] == pytest.approx(accuracy_score(digits.y_test, predicted), abs=1e-6)
    each = recall_score(digits.y_test, predicted, average=None)
    assert [found['accuracy_of_%d' % c] for c in range(10)] == pytest.approx(each, abs=1e-9)
    np.testing.assert_array_equal(module.matrix, confusion_matrix(digits.y_test, predicted))

    validation = -(-360 // 32)
    training = -(-1305 // 32)  # 141 eights but one in fifteen are gone
    truth, predicted = map(np.concatenate, zip(*module.batches[-validation - training : -validation]))
    assert len(truth) == 1305 and (truth == 8).sum() == 9
    assert found['train_mean_accuracy'] == pytest.approx(balanced_accuracy_score(truth, predicted), abs=1e-6)
    assert found['train_accuracy'] > found['train_mean_accuracy'] + 0.05  # what accuracy hides
    assert found['accuracy_of_8'] < 0.2 and found['test_mean_accuracy'] > 0.6  # chance is 0.1


def test_the_picture_shows_the_matrix(module, tmp_path):
    matrix = np.full((10, 10), 0) + 30 * np.eye(10, dtype=int)
    matrix[8] = 0
    matrix[8, 3] = 33  # every eight taken for a three
    module.draw(matrix, str(tmp_path / 'confusion.png'))
    pixels = image.imread(str(tmp_path / 'confusion.png'))[..., :3]
    dark_blue = (pixels[..., 0] < 0.1) & (pixels[..., 2] > 0.35)
    rows, columns = np.nonzero(dark_blue)
    # ten dark squares in a raster: nine on the diagonal, one in the row of the eights and the column of the threes
    row, column = (
        np.minimum((v - v.min()) * size // (v.max() - v.min() + 1), size - 1) for v, size in ((rows, 10), (columns, 10))
    )
    squares, count = np.unique(10 * row + column, return_counts=True)
    assert set(squares[count > 100]) == {11 * c for c in range(10) if c != 8} | {83}


def test_the_update_op_is_wrong(module, digits, monkeypatch, tmp_path):
    def update_op(metric_fn):
        def mean_accuracy(y_true, y_pred):
            result = metric_fn(y_true, y_pred)[1]
            assert result.shape.as_list() == [10]
            K.get_session().run(tf.local_variables_initializer())
            return result

        return mean_accuracy

    monkeypatch.setattr(module, 'StreamingMetric', update_op)
    found = module.run(digits, epochs=6, batch_size=32, verbose=0, out=str(tmp_path))
    predicted = module.model.predict(digits.x_test).argmax(1)
    assert abs(found['test_mean_accuracy'] - balanced_accuracy_score(digits.y_test, predicted)) > 0.02


@pytest.mark.filterwarnings('ignore:y_pred contains classes not in y_true')
def test_a_class_without_samples_counts_as_nought(module):
    metric_fn = module.mean_accuracy
    truth, predicted = np.arange(9), np.array([0, 1, 2, 3, 4, 5, 6, 7, 7])  # no nines, and the eight is missed
    value, update_op = metric_fn(*(tf.constant(keras.utils.to_categorical(y, 10)) for y in (truth, predicted)))
    K.get_session().run(tf.local_variables_initializer())
    K.get_session().run(update_op)
    assert K.get_session().run(value) == pytest.approx(8 / 10, abs=1e-6)
    assert balanced_accuracy_score(truth, predicted) == pytest.approx(8 / 9)
