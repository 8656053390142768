import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K


def load(folder):
    session = tf.Session(graph=tf.Graph())
    return session, tf.saved_model.loader.load(session, ['serve'], folder).signature_def['serving_default']


def test_the_other_process_answers_as_predict_does(module, digits):
    found = module.run(digits, epochs=2, verbose=0)
    predicted = module.model.predict(digits.x_test).argmax(1)
    assert found['largest_difference'] < 1e-6
    assert found['test_accuracy'] == np.mean(predicted == digits.y_test) > 0.6  # chance is 0.1
    assert (
        found['random_ops_served'] == 0 and found['nodes_served'] < len(module.model.input.graph.get_operations()) / 2
    )
    module.model.fit(digits.x_train, digits.y_train, verbose=0)  # the trained model goes on with its own graph


@pytest.mark.parametrize('fixed', [True, False])
def test_without_the_line_that_matters_dropout_is_served_too(module, digits, tmp_path, monkeypatch, fixed):
    model = module.build_model(digits.x_train.shape[1:])
    model.compile('adam', 'sparse_categorical_crossentropy')
    model._make_train_function()
    assert 'Adam/iterations:0' in [v.name for v in tf.global_variables()]
    if not fixed:
        monkeypatch.setattr(K, 'set_learning_phase', lambda value: None)
    module.export(model, str(tmp_path / 'saved'))
    session, signature = load(str(tmp_path / 'saved'))
    assert list(signature.inputs) == ['image'] and list(signature.outputs) == ['probabilities']
    with session.graph.as_default():
        names = {v.name for v in tf.global_variables()}
    assert names >= {w.name for w in model.weights} and not any('Adam' in n or 'training' in n for n in names)
    ops = [op.name for op in session.graph.get_operations()]
    assert ('keras_learning_phase' in str(ops), any('random_uniform' in op for op in ops if 'dropout' in op)) == (
        not fixed,
        not fixed,
    )
    answer, feed = signature.outputs['probabilities'].name, {signature.inputs['image'].name: digits.x_test[:50]}
    np.testing.assert_allclose(session.run(answer, feed), model.predict(digits.x_test[:50]), atol=1e-6)
    if not fixed:
        phase = next(op for op in ops if op.endswith('keras_learning_phase')) + ':0'
        first, second = (session.run(answer, dict(feed, **{phase: True})) for _ in range(2))
        assert np.abs(first - second).max() > 0.01


def test_a_session_that_is_not_keras_s_has_no_weights_to_save(module, digits, tmp_path):
    model = module.build_model(digits.x_train.shape[1:])
    assert isinstance(model, keras.models.Sequential)
    with pytest.raises(tf.errors.FailedPreconditionError), tf.Session() as other:
        tf.saved_model.simple_save(other, str(tmp_path / 'saved'), {'i': model.input}, {'o': model.output})
