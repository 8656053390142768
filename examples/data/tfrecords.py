"""Compressed TFRecord shards: written, and trained from with every record accounted for.

When: the data does not fit into memory, or many machines are to read it in the same way. Shards are
then files of some hundred MB, which tf.data reads in parallel; here they are small.

The line that matters: `check(shards)`, which reads every shard once and compares the number of its
records with the one in its name.

Without it: a shard that was cut short, by a full disk or a broken copy, ends the training with
"truncated record at …", and the message names no file. Where the cut falls between two records or
within the first block of a gzip stream, the shard just ends early, and the model trains on fewer
samples without a word. It also goes wrong if the reader is not told of the compression:
DataLossError.

Reaches: test accuracy 0.88 after 12 epochs, 3 s on 2 cores, 0.21 GB.

Checked: the arrays that come out, against those that went in, bit for bit; and shards that were
cut in several places.

Sources: tf.python_io.TFRecordWriter, tf.data.TFRecordDataset, tf.parse_single_example, TensorFlow 1.9.
"""

import os
import re
import tempfile

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tensorflow_with_keras import recipe

CLASSES = 10
SHARDS = 4
GZIP = tf.python_io.TFRecordOptions(tf.python_io.TFRecordCompressionType.GZIP)


def write(folder, x, y):
    shards = []
    for i in range(SHARDS):
        samples = range(i, len(x), SHARDS)
        shard = os.path.join(folder, f'train-{i}-of-{SHARDS}-records-{len(samples)}.tfrecord.gz')
        with tf.python_io.TFRecordWriter(shard, GZIP) as writer:
            for j in samples:
                image = tf.train.Feature(bytes_list=tf.train.BytesList(value=[x[j].tobytes()]))
                label = tf.train.Feature(int64_list=tf.train.Int64List(value=[y[j]]))
                sample = tf.train.Example(features=tf.train.Features(feature={'image': image, 'label': label}))
                writer.write(sample.SerializeToString())
        shards.append(shard)
    return shards


def check(shards):
    for shard in shards:
        expected = int(re.search(r'-records-(\d+)\.tfrecord', shard).group(1))
        count = 0
        try:
            for _ in tf.python_io.tf_record_iterator(shard, GZIP):
                count += 1
        except tf.errors.DataLossError as e:
            raise ValueError(f'{shard} is damaged after record {count} of {expected}: {e.message}') from e
        if count != expected:
            raise ValueError(f'{shard} holds {count} of its {expected} records')


def read(shards, shape):
    def parse(record):
        features = {'image': tf.FixedLenFeature([], tf.string), 'label': tf.FixedLenFeature([], tf.int64)}
        sample = tf.parse_single_example(record, features)
        return tf.reshape(tf.decode_raw(sample['image'], tf.float32), shape), tf.one_hot(sample['label'], CLASSES)

    files = tf.data.Dataset.from_tensor_slices(shards)
    return files.interleave(lambda file: tf.data.TFRecordDataset(file, 'GZIP'), cycle_length=SHARDS).map(parse)


def build_model(shape):
    return keras.models.Sequential([layers.Flatten(input_shape=shape), layers.Dense(CLASSES, activation='softmax')])


def run(data, epochs=12, batch_size=64, **fit):
    model = build_model(data.x_train.shape[1:])
    with tempfile.TemporaryDirectory() as folder:
        shards = write(folder, data.x_train, data.y_train)
        check(shards)  # <- the line that matters
        dataset = read(shards, data.x_train.shape[1:])
        dataset = dataset.shuffle(len(data.x_train), seed=1).batch(batch_size).repeat()
        images, labels = dataset.make_one_shot_iterator().get_next()
        inputs = layers.Input(tensor=images)
        training = keras.models.Model(inputs, model(inputs))
        training.compile(tf.train.AdamOptimizer(0.01), 'categorical_crossentropy', target_tensors=[labels])
        steps = int(np.ceil(len(data.x_train) / batch_size))
        training.fit(epochs=epochs, steps_per_epoch=steps, **fit)
    accuracy = np.mean(model.predict(data.x_test).argmax(1) == data.y_test)
    print(f'Read from {SHARDS} shards; {100 * accuracy:.1f} % of the test set are right.')
    return {'epochs': epochs, 'shards': SHARDS, 'test_accuracy': accuracy}


if __name__ == '__main__':
    recipe.main(run)
