import numpy as np
import pytest
from keras import backend as K
from scipy.special import rel_entr


def values_and_gradient(loss, y_true, y_pred):
    t, p = K.placeholder(y_true.shape), K.placeholder(y_pred.shape)
    value = loss(t, p)
    return K.get_session().run([value, K.gradients(K.sum(value), p)[0]], {t: y_true, p: y_pred})


def float64_kl(p, q):
    return rel_entr(p, q).sum(-1)


@pytest.fixture
def some():
    """Targets, one-hot and soft, and predictions with a step by which to move them."""
    rng = np.random.RandomState(1)
    y_true = np.concatenate([np.eye(10)[rng.randint(10, size=5)], rng.dirichlet(np.ones(10), 5)])
    return y_true, rng.dirichlet(np.ones(10), 10)


def test_loss_and_gradient(module, some):
    y_true, y_pred = some
    values, gradient = values_and_gradient(module.kl_divergence, y_true, y_pred)
    assert values.shape == (10,)
    np.testing.assert_allclose(values, float64_kl(y_true, y_pred), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(values[:5], -np.log(y_pred[y_true.astype(int) == 1][:5]), rtol=1e-5)  # of one-hot
    numeric = np.empty_like(y_pred)
    for i, j in np.ndindex(*y_pred.shape):
        step = np.zeros_like(y_pred)
        step[i, j] = 1e-5 * y_pred[i, j]
        up, down = (float64_kl(y_true, y_pred + s).sum() for s in (step, -step))
        numeric[i, j] = (up - down) / (2 * step[i, j])
    np.testing.assert_allclose(gradient, numeric, rtol=1e-4, atol=1e-5)


def test_it_is_finite_at_the_ends(module):
    values, gradient = values_and_gradient(module.kl_divergence, np.eye(2), np.eye(2)[::-1])  # surely wrong
    np.testing.assert_allclose(values, -np.log(1e-7), rtol=1e-5)
    assert np.isfinite(gradient).all()
    with np.errstate(divide='ignore', invalid='ignore'):
        posts, _ = values_and_gradient(module.posts_loss, np.eye(2), np.eye(2)[::-1])
    assert not np.isfinite(posts)


def test_the_recipe(module, digits):
    found = module.run(digits, epochs=8, verbose=0)
    predicted = module.built[-1].predict(digits.x_test).astype(np.float64)
    own = -np.log(predicted[np.arange(360), digits.y_test]).mean()
    assert found['test_loss'] == pytest.approx(own, rel=1e-5)
    assert found['kl_divergence_accuracy'] == pytest.approx((predicted.argmax(1) == digits.y_test).mean(), abs=1e-6)
    assert found['kl_divergence_accuracy'] > 0.8 and found['kl_divergence_finite']
    assert found['posts_loss_accuracy'] < 0.3 and not found['posts_loss_finite']  # chance is 0.1


def test_without_the_line_that_matters_it_is_nan(module, digits, monkeypatch):
    class RecipeBackend:  # what the recipe, and only the recipe, takes for keras.backend
        epsilon = staticmethod(K.epsilon)
        sum = staticmethod(K.sum)
        log = staticmethod(K.log)

        @staticmethod
        def clip(x, low, high):
            targets = x.op.type == 'Placeholder'  # the predictions are a softmax
            return x if targets else K.clip(x, low, high)

    monkeypatch.setattr(module, 'K', RecipeBackend)
    assert np.isnan(module.run(digits, epochs=1, verbose=0)['test_loss'])


def test_the_targets_are_no_part_of_the_posts_gradient(module, some):
    posts_loss = module.posts_loss
    y_true, y_pred = np.random.RandomState(2).dirichlet(np.ones(10), 10), some[1]  # no zeros
    gradients = [values_and_gradient(posts_loss, t, y_pred)[1] for t in (y_true, y_true[::-1])]
    np.testing.assert_array_equal(*gradients)
    np.testing.assert_allclose(gradients[0], -1 / y_pred, rtol=1e-5)
