"""Accuracy of each class, their mean while training, and the confusion matrix as a picture.

When: classes differ in number or difficulty, and you want to know which are confused. Here the
training set has few eights, so a good accuracy in training hides a poor class.

The line that matters: `metrics=['acc', StreamingMetric(mean_accuracy)]`.

Without it: the update op of tf.metrics.mean_per_class_accuracy is not the mean but the vector of
all classes' accuracies, over everything since the start. Given to Keras as a metric, the mean of
this vector is averaged over the batches: a number that looks right and is not. And TensorFlow
counts a class that has no samples as 0, where scikit-learn leaves it out.

Reaches: test mean accuracy 0.80 after 8 epochs, 3 s on 2 cores, 0.22 GB.

Checked: the mean against scikit-learn's balanced_accuracy_score of the same predictions, each
class against its recall_score, and the matrix in the picture against its confusion_matrix.

Sources: tf.metrics.mean_per_class_accuracy and tf.confusion_matrix, TensorFlow 1.9.
"""

import os

import keras
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras import layers
from matplotlib import pyplot as plt

from tensorflow_with_keras import recipe
from tensorflow_with_keras.streaming import StreamingMetric

CLASSES = 10
RARE = 8
KEEP = 15  # of the rare class, one training sample in fifteen is kept


def mean_accuracy(y_true, y_pred):
    true = tf.argmax(y_true, 1)
    predicted = tf.argmax(y_pred, 1)
    return tf.metrics.mean_per_class_accuracy(true, predicted, CLASSES)


def build_model(shape):
    hidden = layers.Dense(64, activation='relu')
    output = layers.Dense(CLASSES, activation='softmax')
    return keras.models.Sequential([layers.Flatten(input_shape=shape), hidden, output])


def draw(matrix, file):
    share = matrix / matrix.sum(1, keepdims=True)  # of each true class
    figure, axes = plt.subplots(figsize=(6, 5.5))
    axes.imshow(share, cmap='Blues', vmin=0, vmax=1)
    for true, predicted in np.argwhere(matrix):
        color = 'white' if share[true, predicted] > 0.5 else 'black'
        axes.text(predicted, true, matrix[true, predicted], ha='center', va='center', color=color)
    axes.set(title='Test images (darker: larger share of the row)', xlabel='predicted class', ylabel='true class')
    axes.set(xticks=range(CLASSES), yticks=range(CLASSES))
    figure.savefig(file, dpi=100, bbox_inches='tight')
    plt.close(figure)


def run(data, epochs=8, batch_size=32, out='.', **fit):
    rare = data.y_train == RARE
    kept = ~rare | (np.cumsum(rare) % KEEP == 0)
    y_train = keras.utils.to_categorical(data.y_train[kept], CLASSES)
    y_test = keras.utils.to_categorical(data.y_test, CLASSES)

    model = build_model(data.x_train.shape[1:])
    model.compile(
        loss='categorical_crossentropy',
        optimizer='adam',
        metrics=['acc', StreamingMetric(mean_accuracy)],  # <- the line that matters
    )
    validation_data = (data.x_test, y_test)
    history = model.fit(
        data.x_train[kept], y_train, batch_size=batch_size, epochs=epochs, validation_data=validation_data, **fit
    ).history

    predicted = model.predict(data.x_test).argmax(1)
    matrix = K.get_session().run(tf.confusion_matrix(data.y_test, predicted, CLASSES))
    draw(matrix, os.path.join(out, 'confusion.png'))
    results = {
        'epochs': epochs,
        'train_accuracy': history['acc'][-1],
        'train_mean_accuracy': history['mean_accuracy'][-1],
        'test_accuracy': history['val_acc'][-1],
        'test_mean_accuracy': history['val_mean_accuracy'][-1],
        'picture': 'confusion.png',
    }
    for c in range(CLASSES):
        results[f'accuracy_of_{c}'] = matrix[c, c] / matrix[c].sum()
    return results


if __name__ == '__main__':
    recipe.main(run)
