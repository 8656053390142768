import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import cohen_kappa_score, f1_score


@pytest.mark.parametrize('batch_size', [7, 32, 360])
def test_the_numbers_are_scikit_learns(module, digits, batch_size):
    found = module.run(digits, epochs=4, batch_size=batch_size, verbose=0)
    predicted = module.model.predict(digits.x_test).argmax(1)
    assert found['test_macro_f1'] == pytest.approx(f1_score(digits.y_test, predicted, average='macro'), abs=1e-6)
    assert found['test_f1_of_eights'] == pytest.approx(f1_score(digits.y_test == 8, predicted == 8), abs=1e-6)
    kappa = cohen_kappa_score(digits.y_test, predicted, weights='quadratic')
    assert found['test_quadratic_kappa'] == pytest.approx(kappa, abs=1e-5)


@pytest.mark.filterwarnings('ignore::sklearn.exceptions.UndefinedMetricWarning')
def test_the_mean_of_the_batches_is_another_number(module, digits):
    found = module.run(digits, epochs=4, batch_size=32, verbose=0)
    predicted = module.model.predict(digits.x_test).argmax(1)
    cuts = range(0, 360, 32)
    each = [f1_score(digits.y_test[i : i + 32] == 8, predicted[i : i + 32] == 8) for i in cuts]
    sizes = [32] * 11 + [8] if keras.__version__ < '2.3' else None  # Keras 2.3 takes a short batch for a whole one
    mean = np.average(each, weights=sizes)
    assert found['mean_of_the_batches_f1'] == pytest.approx(mean, abs=1e-6)
    assert abs(mean - found['test_f1_of_eights']) > 0.02


def test_with_one_update_alone_it_is_zero(module, digits, monkeypatch):
    f1_of_eights = module.f1_of_eights

    def with_one_update(y_true, y_pred):
        with monkeypatch.context() as patched:
            patched.setattr(tf, 'group', lambda first, second: first)
            return f1_of_eights(y_true, y_pred)

    monkeypatch.setattr(module, 'f1_of_eights', with_one_update)
    with_one_update.__name__ = 'f1_of_eights'
    found = module.run(digits, epochs=4, verbose=0)
    assert found['test_f1_of_eights'] == 0 and found['test_macro_f1'] > 0.7


@pytest.mark.filterwarnings('ignore::sklearn.exceptions.UndefinedMetricWarning')
@pytest.mark.parametrize('metric', ['macro_f1', 'quadratic_kappa'])
def test_against_scikit_learn_on_random_classes(module, metric):
    """Classes that are missing, too, on one side or on both."""
    random = np.random.RandomState(1)
    for size in (1, 2, 5, 100):
        true, predicted = random.randint(0, 10, (2, size))
        with tf.Graph().as_default(), tf.Session() as session:
            value, update = getattr(module, metric)(*(tf.constant(np.eye(10)[c]) for c in (true, predicted)))
            session.run(tf.local_variables_initializer())
            session.run(update)
            got = session.run(value)
        if metric == 'macro_f1':
            expected = f1_score(true, predicted, average='macro', labels=range(10))
        else:
            expected = cohen_kappa_score(true, predicted, weights='quadratic', labels=range(10))
        assert np.isnan(expected) or got == pytest.approx(expected, abs=1e-5)
