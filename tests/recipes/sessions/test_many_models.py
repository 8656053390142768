import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K
from sklearn.metrics import accuracy_score
from sklearn.model_selection import StratifiedKFold


@pytest.fixture
def module(module, monkeypatch):
    """The recipe, which asks every model for its predictions while its graph is there."""
    module.predicted, module.graphs = [], []
    evaluate = keras.models.Sequential.evaluate

    def predict_too(model, x, *args, **kwargs):
        module.predicted.append(model.predict(x).argmax(1))
        module.graphs.append(weakref.ref(tf.get_default_graph()))
        return evaluate(model, x, *args, **kwargs)

    monkeypatch.setattr(keras.models.Sequential, 'evaluate', predict_too)
    return module


def test_the_folds_are_scikit_learns_and_the_graph_does_not_grow(module, digits):
    found = module.run(digits, epochs=2, verbose=0)
    folds = StratifiedKFold(5, True, 1).split(digits.x_train, digits.y_train)
    each = [accuracy_score(digits.y_train[held_out], p) for (_, held_out), p in zip(folds, module.predicted)]
    assert len(module.predicted) == 5
    assert found['mean_accuracy'] == pytest.approx(np.mean(each), abs=1e-6) and np.mean(each) > 0.6
    assert found['deviation_of_the_folds'] == pytest.approx(np.std(each), abs=1e-6)
    assert found['operations_after_the_first_fold'] == found['operations_after_the_last_fold'] > 100


def test_without_the_line_the_graph_grows_with_every_model(module, digits, monkeypatch):
    monkeypatch.setattr(K, 'clear_session', lambda: None)
    found = module.run(digits, epochs=1, verbose=0)
    assert found['operations_after_the_last_fold'] > 4.5 * found['operations_after_the_first_fold']
    assert len({id(graph()) for graph in module.graphs}) == 1


def test_graphs_of_models_before_are_freed(module, digits):
    module.run(digits, epochs=1, verbose=0)
    del module.model, module.built[:]
    gc.collect()
    left = [graph for graph in module.graphs[:-1] if graph() is not None]
    assert left == []
