import os

import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K
from sklearn.neighbors import KNeighborsClassifier


def by_hand(labels, embeddings, margin=1.0):
    """Over all pairs (anchor, positive): the nearest negative farther than the positive, or else the farthest."""
    distances = ((embeddings[:, None] - embeddings[None]) ** 2).sum(-1)
    losses = []
    for a, p in np.ndindex(*distances.shape):
        if a != p and labels[a] == labels[p]:
            negatives = distances[a][labels != labels[a]]
            farther = negatives[negatives > distances[a, p]]
            negative = farther.min() if len(farther) else negatives.max()
            losses.append(max(0.0, margin + distances[a, p] - negative))
    return np.mean(losses)


def value(loss, labels, embeddings):
    """As Keras calls it: labels as floats of shape (batch, 1)."""
    t, e = K.placeholder((None, 1)), K.placeholder((None, embeddings.shape[1]))
    return K.get_session().run(loss(t, e), {t: labels[:, np.newaxis], e: embeddings})


@pytest.mark.parametrize('spread', [0.1, 1.0, 10.0])
def test_the_loss_by_hand(module, spread):
    rng = np.random.RandomState(0)
    labels = rng.randint(4, size=20)
    embeddings = np.eye(8)[labels] + spread * rng.randn(20, 8)  # spread: classes apart to none at all
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    found = value(module.triplet_loss, labels, embeddings)
    assert found == pytest.approx(by_hand(labels, embeddings), rel=1e-4, abs=1e-6)


def test_the_recipe(module, digits, tmp_path):
    found = module.run(digits, epochs=5, verbose=0, out=str(tmp_path))
    known, asked = module.model.predict(digits.x_train), module.model.predict(digits.x_test)
    np.testing.assert_allclose(np.linalg.norm(asked, axis=1), 1, rtol=1e-5)
    classifier = KNeighborsClassifier(1, algorithm='brute').fit(known, digits.y_train)
    # two training samples may be equally near, to float32: then either will do
    assert found['nearest_neighbour_accuracy'] == pytest.approx(
        classifier.score(asked, digits.y_test), abs=1.5 / len(asked)
    )
    assert found['nearest_neighbour_accuracy'] > 0.85  # chance is 0.1
    assert os.path.getsize(str(tmp_path / found['picture'])) > 10000


def test_it_embeds_classes_that_it_never_saw(module, digits, tmp_path):
    seen = digits.y_train < 6
    module.run(
        digits._replace(x_train=digits.x_train[seen], y_train=digits.y_train[seen]),
        epochs=5,
        verbose=0,
        out=str(tmp_path),
    )
    new = digits.y_test >= 6
    embeddings, labels = module.model.predict(digits.x_test[new]), digits.y_test[new]
    half = len(labels) // 2
    classifier = KNeighborsClassifier(1).fit(embeddings[:half], labels[:half])
    assert classifier.score(embeddings[half:], labels[half:]) > 0.6  # chance is 0.25


def test_without_the_line_that_matters_it_fails(module, digits, monkeypatch, tmp_path):
    monkeypatch.setattr(module, 'triplet_loss', tf.contrib.losses.metric_learning.triplet_semihard_loss)
    with pytest.raises(AssertionError):
        module.run(digits, epochs=1, verbose=0, out=str(tmp_path))


def test_a_batch_without_a_pair_turns_the_weights_into_nan(module, digits):
    model = module.build_model(digits.x_train.shape[1:])
    model.compile(loss=module.triplet_loss, optimizer='adam')
    n = 33  # one sample more than a batch
    model.fit(digits.x_train[:n], digits.y_train[:n], batch_size=32, verbose=0)
    assert all(np.isnan(w).all() for w in model.get_weights())
