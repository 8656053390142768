import keras
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score


class Predictions(keras.callbacks.Callback):
    """scikit-learn's kappa of the test set after every epoch."""

    def __init__(self, digits):
        super().__init__()
        self.digits, self.kappas, self.rates = digits, [], []

    def on_epoch_end(self, epoch, logs=None):
        predicted = self.model.predict(self.digits.x_test).argmax(1)
        self.kappas.append(cohen_kappa_score(self.digits.y_test, predicted))


@pytest.fixture
def trained(module, digits, tmp_path):
    record = Predictions(digits)
    found = module.run(digits, epochs=40, callbacks=[record], out=str(tmp_path), verbose=0)
    return found, np.array(record.kappas)


def test_the_kept_file_is_the_best_epochs(trained, tmp_path):
    found, kappas = trained
    assert found['test_kappa'] == pytest.approx(kappas.max(), abs=1e-6)
    assert kappas[found['best_epoch'] - 1] == pytest.approx(kappas.max(), abs=1e-6)
    assert kappas.max() > 0.85 and (tmp_path / found['file']).exists()


def test_training_stops_five_epochs_after_the_best_and_the_rate_has_fallen(trained):
    found, kappas = trained
    assert found['epochs'] == len(kappas) == found['best_epoch'] + 5 < 40
    assert found['last_rate'] < 0.05


def test_by_auto_the_worst_epoch_is_kept(trained):
    found, kappas = trained
    assert found['test_kappa_by_auto'] == pytest.approx(kappas.min(), abs=1e-6)
    assert kappas[found['worst_epoch'] - 1] == pytest.approx(kappas.min(), abs=1e-6)
    assert kappas.max() - kappas.min() > 0.02


@pytest.mark.parametrize('callback', ['ModelCheckpoint', 'EarlyStopping', 'ReduceLROnPlateau'])
@pytest.mark.parametrize('name, takes_more_for_better', [('acc', True), ('val_cohens_kappa', False), ('val_f1', False)])
def test_what_auto_makes_of_a_name(callback, name, takes_more_for_better, tmp_path):
    arguments = {'filepath': str(tmp_path / 'm.h5')} if callback == 'ModelCheckpoint' else {}
    made = getattr(keras.callbacks, callback)(monitor=name, **arguments)
    made.set_model(keras.models.Sequential([keras.layers.Dense(1, input_shape=(1,))]))
    made.on_train_begin()
    better = made.monitor_op(2, 1) if callback != 'EarlyStopping' else made.monitor_op(2 - made.min_delta, 1)
    assert bool(better) == takes_more_for_better


def test_evaluate_within_an_epoch_spoils_it(module, digits):
    labels = keras.utils.to_categorical(digits.y_train)
    model = module.build_model((8, 8, 1))
    model.compile(keras.optimizers.SGD(0.0), 'mse', [module.StreamingMetric(module.cohens_kappa)])
    kappa = cohen_kappa_score(digits.y_train, model.predict(digits.x_train).argmax(1))

    def train(**more):
        return model.fit(digits.x_train, labels, shuffle=False, verbose=0, **more).history['cohens_kappa'][0]

    assert train() == pytest.approx(kappa, abs=1e-6)
    spoil = keras.callbacks.LambdaCallback(
        on_batch_end=lambda batch, logs: model.evaluate(digits.x_test[:32], np.eye(10)[digits.y_test[:32]], verbose=0)
    )
    assert abs(train(callbacks=[spoil]) - kappa) > 0.01
