import numpy as np
from keras import backend as K


def test_the_first_node_is_the_planted_one_and_the_cure_has_none(module, digits, tmp_path):
    session = K.get_session()
    found = module.run(digits, epochs=3, verbose=0, out=str(tmp_path))
    nodes = (tmp_path / found['report']).read_text().split()
    assert nodes[0] == 'standardize/by_spread'
    assert 'dense_1/BiasAdd' in nodes and len(nodes) == found['nan_nodes'] > 10
    assert not [n for n in nodes if n.startswith('flatten') or 'moments' in n]  # what comes before is sound
    assert found['nan_nodes_cured'] == 0
    assert found['test_accuracy'] > 0.4  # chance is 0.1
    assert K.get_session() is session


def test_the_dumped_tensor_has_numpys_nans(module, digits, monkeypatch):
    has_nan, tensors = module.has_nan, []

    def recorded(datum, tensor):
        if datum.node_name == 'standardize/by_spread':
            tensors.append(tensor)
        return has_nan(datum, tensor)

    monkeypatch.setattr(module, 'has_nan', recorded)
    x, y = digits.x_train[:32], digits.y_train[:32]
    module.debug_one_step(x.shape[1:], 0.0, x, y)
    flat = x.reshape(32, -1).astype(np.float64)
    with np.errstate(invalid='ignore'):
        expected = (flat - flat.mean(axis=0)) / flat.std(axis=0)
    assert np.isnan(expected).any()
    np.testing.assert_array_equal(np.isnan(tensors[0]), np.isnan(expected))


def test_without_the_line_that_matters_there_is_a_nan_and_no_word_on_its_origin(module, digits):
    model = module.build_model(digits.x_train.shape[1:], 0.0)
    loss, _ = model.train_on_batch(digits.x_train[:32], digits.y_train[:32])
    assert np.isnan(loss) and any(np.isnan(w).any() for w in model.get_weights())
