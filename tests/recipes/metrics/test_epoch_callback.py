import keras
import numpy as np
import pytest
from sklearn.metrics import average_precision_score

N = 1149  # four fifths of 1437 for training


class Record(keras.callbacks.Callback):
    """What the model predicts for the validation set, and its weights, after every epoch."""

    def __init__(self, digits):
        super().__init__()
        self.x, self.y = digits.x_train[N:], np.eye(10)[digits.y_train[N:]]
        self.scores, self.weights = [], []

    def on_epoch_end(self, epoch, logs=None):
        stops = self.model.stop_training
        columns = self.model.predict(self.x).T
        self.model.stop_training = stops  # Keras 2.3's predict sets it back, and EarlyStopping came before
        self.scores.append(np.mean([average_precision_score(y, p) for y, p in zip(self.y.T, columns)]))
        self.weights.append(self.model.get_weights())


def scripted(module, monkeypatch, scores):
    """Lets the callback find these scores, so that it is known when training has to stop."""
    scores = iter(scores)
    monkeypatch.setattr(module, 'average_precision_score', lambda y, p, average: next(scores))


def score_last(module, monkeypatch):
    build_model = module.build_model

    def build(shape):
        model = build_model(shape)
        fit = model.fit
        model.fit = lambda *args, **options: fit(
            *args, **dict(options, callbacks=options['callbacks'][1:] + options['callbacks'][:1])
        )
        return model

    monkeypatch.setattr(module, 'build_model', build)


def test_the_scores_are_scikit_learns_and_the_best_weights_are_kept(module, digits, capsys):
    record = Record(digits)
    found = module.run(digits, epochs=40, verbose=0, callbacks=[record])
    history = module.model.history.history
    assert history['val_ap'] == pytest.approx(record.scores, abs=1e-9)
    best = int(np.argmax(record.scores))
    assert found['epochs'] == len(record.scores) == best + 3 < 40  # patience of two epochs
    assert (found['best_val_ap'], found['last_val_ap']) == pytest.approx(
        (record.scores[best], record.scores[-1]), abs=1e-9
    )
    for kept, then in zip(module.model.get_weights(), record.weights[best]):
        np.testing.assert_array_equal(kept, then)
    columns = zip(np.eye(10)[digits.y_test].T, module.model.predict(digits.x_test).T)
    assert found['test_ap'] == pytest.approx(np.mean([average_precision_score(y, p) for y, p in columns]), abs=1e-9)
    assert found['test_ap'] > 0.8  # guessing gives about 0.1


def test_a_score_that_falls_stops_it(module, digits, monkeypatch):
    scripted(module, monkeypatch, [0.1, 0.5, 0.4, 0.3, 0.9])  # the last is for the test set
    record = Record(digits)
    found = module.run(digits, epochs=6, verbose=0, callbacks=[record])
    assert found == {'epochs': 4, 'best_val_ap': 0.5, 'last_val_ap': 0.3, 'test_ap': 0.9}
    for kept, then in zip(module.model.get_weights(), record.weights[1]):
        np.testing.assert_array_equal(kept, then)


def test_behind_them_in_the_list_it_is_not_seen(module, digits, monkeypatch):
    scripted(module, monkeypatch, [0.1, 0.5, 0.4, 0.3, 0.2, 0.1])
    score_last(module, monkeypatch)
    with pytest.warns(RuntimeWarning) as warned, pytest.raises(OSError, match='best.h5'):
        module.run(digits, epochs=6, verbose=0)  # no weights were kept, so there are none to load
    sentences = {str(w.message) for w in warned}
    assert any('Early stopping conditioned on metric `val_ap` which is not available' in s for s in sentences)
    assert 'Can save best model only with val_ap available, skipping.' in sentences
    assert module.model.history.history['val_ap'] == [0.1, 0.5, 0.4, 0.3, 0.2, 0.1]  # all six epochs, and shown
