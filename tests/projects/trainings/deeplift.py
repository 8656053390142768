"""deeplift: a motif in DNA, found by a convolution; the contributions lie on it and add up to the output."""

import numpy as np
from deeplift.conversion import kerasapi_conversion
from from_seed import main
from keras import layers, models

MOTIF, LENGTH = [2, 0, 3, 0, 0, 1], 40


def made(n):
    bases = np.random.randint(4, size=(n, LENGTH))
    has, at = np.arange(n) % 2, np.random.randint(LENGTH - len(MOTIF), size=n)
    for row in np.flatnonzero(has):
        bases[row, at[row] : at[row] + len(MOTIF)] = MOTIF
    return np.eye(4)[bases], has, at


def train():
    (x, y, _), (x_test, y_test, at) = made(3000), made(200)
    model = models.Sequential(
        [
            layers.Conv1D(16, 6, activation='relu', input_shape=(LENGTH, 4)),
            layers.Flatten(),
            layers.Dense(1),
            layers.Activation('sigmoid'),
        ]
    )
    model.compile('adam', 'binary_crossentropy', ['accuracy'])
    model.fit(x, y, epochs=40, verbose=0)
    accuracy = model.evaluate(x_test, y_test, verbose=0)[1]
    model.save('model.h5')
    explained = kerasapi_conversion.convert_model_from_saved_files('model.h5', verbose=False)
    contributions = explained.get_target_contribs_func(find_scores_layer_idx=0, target_layer_idx=-2)
    has = np.flatnonzero(y_test)
    background = np.full_like(x_test[:1], 0.25)
    scores = np.array(
        contributions(
            task_idx=0,
            input_data_list=[x_test[has]],
            input_references_list=[np.repeat(background, len(has), 0)],
            batch_size=50,
            progress_update=None,
        )
    )
    logits = models.Model(model.inputs, model.layers[-2].output)
    np.testing.assert_allclose(
        scores.sum((1, 2)), (logits.predict(x_test[has]) - logits.predict(background))[:, 0], rtol=1e-3, atol=1e-3
    )
    best = [np.convolve(s, np.ones(len(MOTIF)), 'valid').argmax() for s in scores.sum(-1)]
    return min(accuracy, np.mean(np.abs(best - at[has]) <= 1))


main(train, least=0.8)
