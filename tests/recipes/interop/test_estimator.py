import numpy as np
import pytest
import tensorflow as tf


def numpy_logits(weights, x):
    """The network at inference in float64, straight from its equations."""
    kernel, bias, gamma, beta, mean, variance, dense, dense_bias = (w.astype(np.float64) for w in weights)
    n = x.shape[1] - 2
    patches = np.stack([x[:, i : i + n, j : j + n, 0] for i in range(3) for j in range(3)], -1).astype(np.float64)
    hidden = np.maximum(patches @ kernel.reshape(9, -1) + bias, 0)
    normal = (hidden - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    return normal.reshape(len(x), -1) @ dense + dense_bias


def test_the_estimator_keras_and_the_equations_agree(module, digits):
    found = module.run(digits, epochs=3)  # in Keras 2.3 a moving mean begins at 0, and after two it has come to 0.09
    assert found['steps'] == 3 * 45 and found['classes_that_differ'] == 0
    classes = numpy_logits(module.model.get_weights(), digits.x_test).argmax(1)
    accuracy = np.mean(classes == digits.y_test)
    assert found['test_accuracy'] == pytest.approx(accuracy, abs=1e-6)
    assert found['keras_accuracy'] == pytest.approx(accuracy, abs=1e-6)
    assert accuracy > 0.6  # chance is 0.1
    assert found['largest_moving_mean'] > 0.1


def test_its_sessions_have_the_one_thread_that_gives_the_same_bits(module, digits, monkeypatch):
    estimators, init = [], tf.estimator.Estimator.__init__
    monkeypatch.setattr(
        tf.estimator.Estimator, '__init__', lambda self, *args, **kw: estimators.append(self) or init(self, *args, **kw)
    )
    module.run(digits, epochs=1)
    assert [e.config.session_config.intra_op_parallelism_threads for e in estimators] == [1]


@pytest.mark.parametrize('fixed', [True, False])
def test_without_the_line_that_matters_training_never_drops(module, digits, monkeypatch, fixed):
    if not fixed:
        monkeypatch.setattr(module.K, 'set_learning_phase', lambda phase: None)
    answers = {}
    for mode in ('train', 'infer'):
        with tf.Graph().as_default(), tf.Session() as session:
            tf.train.create_global_step()
            features = {'image': tf.constant(digits.x_train[:50])}
            spec = module.model_fn(features, tf.constant(digits.y_train[:50]), mode)
            session.run(tf.global_variables_initializer())
            answers[mode] = [session.run(spec.predictions['probabilities']) for _ in range(2)]
    assert np.array_equal(*answers['infer'])
    assert np.array_equal(*answers['train']) == (not fixed)


def test_without_the_updates_the_averages_stay_where_they_began(module, digits, monkeypatch):
    build = module.build_model

    def build_model(shape):
        model = build(shape)
        model.get_updates_for = lambda inputs: []
        return model

    monkeypatch.setattr(module, 'build_model', build_model)
    assert module.run(digits, epochs=1)['largest_moving_mean'] == 0


def test_model_to_estimator_refuses_a_model_of_keras(module, tmp_path):
    model = module.build_model((8, 8, 1))
    model.compile('sgd', 'sparse_categorical_crossentropy')
    with pytest.raises(ValueError, match='Expected `model` argument to be a `Model` instance'):
        tf.keras.estimator.model_to_estimator(model, model_dir=str(tmp_path))
