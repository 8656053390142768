import keras
import numpy as np
import pytest
import tensorflow as tf

VOID = 255


@pytest.fixture
def module(module, monkeypatch):
    """The recipe, which keeps the masks that it makes, the test set's last."""
    masks = module.masks

    def keep(*args):
        module.test_masks = masks(*args)
        return module.test_masks

    monkeypatch.setattr(module, 'masks', keep)
    return module


def true_and_predicted(module, digits):
    return module.test_masks[..., 0], module.model.predict(digits.x_test).argmax(-1)


def mean_iou(true, predicted):
    each = [((true == c) & (predicted == c)).sum() / ((true == c) | (predicted == c)).sum() for c in range(3)]
    return np.mean(each)


def test_the_numbers_are_those_of_the_labelled_pixels(module, digits):
    found = module.run(digits, epochs=3, verbose=0)
    true, predicted = true_and_predicted(module, digits)
    labelled = true != VOID
    assert found['share_without_label'] == pytest.approx(1 - labelled.mean()) and 0.19 < 1 - labelled.mean() < 0.21
    assert found['test_accuracy'] == pytest.approx((true == predicted)[labelled].mean(), abs=1e-6)
    assert found['test_mean_iou'] == pytest.approx(mean_iou(true[labelled], predicted[labelled]), abs=1e-6)
    # with void taken for background both are others
    background = np.where(labelled, true, 0)
    assert abs((background == predicted).mean() - found['test_accuracy']) > 0.02
    assert abs(mean_iou(background, predicted) - found['test_mean_iou']) > 0.02


def test_the_loss_is_the_mean_over_the_labelled_pixels(module):
    random = np.random.RandomState(3)
    logits = random.randn(2, 4, 4, 3).astype('float32')
    labels = random.choice([0, 1, 2, VOID], (2, 4, 4, 1))
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    kept = labels[..., 0] != VOID
    expected = -np.log(probabilities[kept, labels[..., 0][kept]]).mean()
    with tf.Session() as session:
        loss = module.loss_without_void(tf.constant(labels, tf.float32), tf.constant(logits))
        assert session.run(loss) == pytest.approx(expected, rel=1e-5)


def test_a_batch_of_void_alone_counts_nothing(module):
    target = tf.placeholder(tf.float32, [None, None, None, 1])
    model = module.build_model((4, 4, 1))
    metric = module.StreamingMetric(module.mean_iou_without_void, sparse_labels=True)
    model.compile('sgd', module.loss_without_void, [metric], target_tensors=[target])
    x, y = np.random.rand(2, 4, 4, 1), np.random.randint(0, 3, (2, 4, 4, 1))
    options = {} if keras.__version__ < '2.3' else {'reset_metrics': False}
    before = model.test_on_batch(x, y, **options)[1]
    loss, after = model.test_on_batch(x, np.full((2, 4, 4, 1), VOID), **options)
    assert loss == 0 and after == before


def test_255_as_a_class_is_an_error(digits):
    model = keras.models.Sequential([keras.layers.Conv2D(3, 1, activation='softmax', input_shape=(8, 8, 1))])
    model.compile('sgd', 'sparse_categorical_crossentropy')
    with pytest.raises(tf.errors.InvalidArgumentError, match='Received a label value of 255'):
        model.train_on_batch(digits.x_train[:2], np.full((2, 8, 8, 1), VOID))
