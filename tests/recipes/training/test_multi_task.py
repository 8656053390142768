import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K
from sklearn.metrics import cohen_kappa_score, mean_absolute_error


def losses(module, digits):
    """NumPy's cross-entropy and squared error of the model on the test set."""
    digit, ink = module.model.predict(digits.x_test)
    cross_entropy = -np.log(digit[np.arange(360), digits.y_test]).mean()
    squared_error = ((ink[:, 0] - 3 * digits.x_test.mean((1, 2, 3))) ** 2).mean()
    return cross_entropy, squared_error


def test_each_output_has_its_own_metric(module, digits):
    found = module.run(digits, epochs=4, verbose=0)
    digit, ink = module.model.predict(digits.x_test)
    assert found['test_kappa_of_digit'] == pytest.approx(cohen_kappa_score(digits.y_test, digit.argmax(1)), abs=1e-6)
    error = mean_absolute_error(3 * digits.x_test.mean((1, 2, 3)), ink[:, 0])
    assert found['test_error_of_ink'] == pytest.approx(error, abs=1e-6)
    assert found['last_weight_of_digit'] == 1
    assert found['test_kappa_of_digit'] > 0.7 and found['test_error_of_ink'] < 0.2


@pytest.mark.parametrize('value', [0.0, 0.25, 1.0])
def test_the_total_is_the_weighted_sum_at_once(module, digits, value):
    module.run(digits, epochs=1, verbose=0)
    (weight,) = {v for w in module.model.loss_weights for v in variables_of(w)}
    K.set_value(weight, value)
    total = module.model.evaluate(digits.x_test, module.targets(digits.x_test, digits.y_test), verbose=0)[0]
    cross_entropy, squared_error = losses(module, digits)
    assert total == pytest.approx(value * cross_entropy + (1 - value) * squared_error, rel=1e-4)


def variables_of(tensor):
    """The variables that a tensor is made of."""
    by_op = {v.op: v for v in tf.global_variables()}
    found, todo = set(), [getattr(tensor, 'op', tensor)]
    while todo:
        op = todo.pop()
        found |= {by_op[op]} if op in by_op else set()
        todo += [i.op for i in op.inputs]
    return found


def test_the_first_epoch_trains_the_ink_alone(module, digits):
    """With the weight 0 nothing of the other output moves."""
    seen = []

    def keep(epoch, logs):
        seen.append((module.model.get_layer('digit').get_weights(), module.model.get_layer('ink').get_weights()))

    watch = keras.callbacks.LambdaCallback(on_epoch_begin=keep, on_epoch_end=keep)
    module.run(digits, epochs=2, callbacks=[watch], verbose=0)
    (digit_before, ink_before), (digit_after, ink_after) = seen[:2]
    assert all(np.array_equal(a, b) for a, b in zip(digit_before, digit_after))
    assert not np.array_equal(ink_before[0], ink_after[0])


def test_a_plain_number_stays_what_it_was(module, digits):
    model = module.build_model((8, 8, 1))
    model.compile('sgd', ['categorical_crossentropy', 'mse'], loss_weights=[0.5, 0.5])
    y = module.targets(digits.x_test, digits.y_test)
    before = model.evaluate(digits.x_test, y, verbose=0)
    model.loss_weights = [0.0, 0.0]
    assert model.evaluate(digits.x_test, y, verbose=0) == before and before[0] > 0.1
