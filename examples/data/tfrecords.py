"""Compressed TFRecord shards: written, and trained from with every record accounted for.

When: the data does not fit into memory, or shall be read the same way by many machines: shards of
some hundred MB that tf.data reads in parallel, here small ones.

The line that matters: `check(shards)`, which reads every shard once and compares its number of
records with the one in its name.

Without it: a shard that was cut short, by a full disk or a broken copy, ends the training with
"truncated record at …", in which no file is named; or, cut between two records or within the
first block of a gzip stream, it just ends early and the network trains on fewer samples, in
silence. It also goes wrong if the reader is not told of the compression: DataLossError.

Checked: the arrays that come out, against those that went in, bit for bit; and shards that were
cut in several places.

Sources: tf.python_io.TFRecordWriter, tf.data.TFRecordDataset, tf.parse_single_example, TensorFlow 1.9.
"""

import os
import tempfile

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from tensorflow_with_keras import recipe

CLASSES, SHARDS = 10, 4
GZIP = tf.python_io.TFRecordOptions(tf.python_io.TFRecordCompressionType.GZIP)


def write(folder, x, y):
    shards = []
    for i in range(SHARDS):
        part = range(i, len(x), SHARDS)
        shards.append(os.path.join(folder, 'train-%d-of-%d-records-%d.tfrecord.gz' % (i, SHARDS, len(part))))
        with tf.python_io.TFRecordWriter(shards[-1], GZIP) as writer:
            for j in part:
                image = tf.train.Feature(bytes_list=tf.train.BytesList(value=[x[j].tobytes()]))
                label = tf.train.Feature(int64_list=tf.train.Int64List(value=[y[j]]))
                sample = tf.train.Example(features=tf.train.Features(feature={'image': image, 'label': label}))
                writer.write(sample.SerializeToString())
    return shards


def check(shards):
    for shard in shards:
        expected, count = int(shard.split('-')[-1].split('.')[0]), 0
        try:
            for _ in tf.python_io.tf_record_iterator(shard, GZIP):
                count += 1
        except tf.errors.DataLossError as e:
            raise ValueError('%s is damaged after record %d of %d: %s' % (shard, count, expected, e.message)) from e
        if count != expected:
            raise ValueError('%s holds %d of its %d records' % (shard, count, expected))


def read(shards, shape):
    def parse(record):
        features = {'image': tf.FixedLenFeature([], tf.string), 'label': tf.FixedLenFeature([], tf.int64)}
        sample = tf.parse_single_example(record, features)
        return tf.reshape(tf.decode_raw(sample['image'], tf.float32), shape), tf.one_hot(sample['label'], CLASSES)

    files = tf.data.Dataset.from_tensor_slices(shards)
    records = files.interleave(lambda f: tf.data.TFRecordDataset(f, compression_type='GZIP'), cycle_length=SHARDS)
    return records.map(parse)


def run(data, epochs=12, batch_size=64, verbose=2, callbacks=()):
    shape = data.x_train.shape[1:]
    network = keras.models.Sequential([layers.Flatten(input_shape=shape), layers.Dense(CLASSES, activation='softmax')])
    with tempfile.TemporaryDirectory() as folder:
        shards = write(folder, data.x_train, data.y_train)
        check(shards)
        dataset = read(shards, shape).shuffle(len(data.x_train), seed=1).batch(batch_size).repeat()
        images, labels = dataset.make_one_shot_iterator().get_next()
        inputs = layers.Input(tensor=images)
        model = keras.models.Model(inputs, network(inputs))
        model.compile(tf.train.AdamOptimizer(0.01), 'categorical_crossentropy', target_tensors=[labels])
        steps = int(np.ceil(len(data.x_train) / batch_size))
        model.fit(epochs=epochs, steps_per_epoch=steps, verbose=verbose, callbacks=list(callbacks))
    accuracy = np.mean(network.predict(data.x_test).argmax(1) == data.y_test)
    print('Read from %d shards; %.1f %% of the test set are right.' % (SHARDS, 100 * accuracy))
    return {'epochs': epochs, 'shards': SHARDS, 'test_accuracy': accuracy}


if __name__ == '__main__':
    recipe.main(run)
