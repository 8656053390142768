import os
import zlib

import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K


@pytest.fixture
def shards(module, digits, tmp_path):
    return module.write(str(tmp_path), digits.x_train, digits.y_train)


def everything(dataset):
    get_next, samples = dataset.make_one_shot_iterator().get_next(), []
    while True:
        try:
            samples.append(K.get_session().run(get_next))
        except tf.errors.OutOfRangeError:
            return samples


def cut(shard, size):
    with open(shard, 'r+b') as f:
        f.truncate(size)


def test_arrays_in_arrays_out(module, digits, shards):
    module.check(shards)
    assert len(shards) == 4 and all(open(shard, 'rb').read(2) == b'\x1f\x8b' for shard in shards)  # gzip's magic number
    assert sum(map(os.path.getsize, shards)) < digits.x_train.nbytes / 2
    samples = everything(module.read(shards, digits.x_train.shape[1:]))
    # the shards take turns in reading as they did in writing, so even the order is that of the arrays
    np.testing.assert_array_equal(np.array([x for x, _ in samples]), digits.x_train)
    np.testing.assert_array_equal(np.array([y for _, y in samples]), np.eye(10)[digits.y_train])


def test_it_learns(module, digits):
    found = module.run(digits, epochs=5, verbose=0)
    assert found['shards'] == 4 and found['test_accuracy'] > 0.7  # chance is 0.1


def within_a_record(shard):
    """A size near the half of the file's at which its content ends within a record: all 359 are equally long."""
    with open(shard, 'rb') as f:
        packed = f.read()
    record = len(zlib.decompress(packed, 31)) // 359
    sizes = range(len(packed) // 2, len(packed))
    return next(n for n in sizes if len(zlib.decompressobj(31).decompress(packed[:n])) % record)


def test_a_shard_cut_within_a_record_is_named_only_by_the_check(module, digits, shards):
    cut(shards[2], within_a_record(shards[2]))
    with pytest.raises(ValueError) as named:
        module.check(shards)
    assert shards[2] in str(named.value) and ' of 359: ' in str(named.value)
    assert isinstance(named.value.__cause__, tf.errors.DataLossError)
    with pytest.raises(tf.errors.DataLossError) as unnamed:
        everything(module.read(shards, digits.x_train.shape[1:]))
    assert 'truncated record' in unnamed.value.message and 'tfrecord' not in unnamed.value.message.split('\n')[0]


@pytest.mark.parametrize('size', [0, 100])  # nothing, and less than the first block of the gzip stream
def test_a_shard_cut_short_is_silence_without_the_check(module, digits, shards, size):
    cut(shards[1], size)
    with pytest.raises(ValueError) as named:
        module.check(shards)
    assert '%s holds 0 of its 359 records' % shards[1] in str(named.value)
    assert len(everything(module.read(shards, digits.x_train.shape[1:]))) == 1437 - 359


def test_without_the_compression_nothing_can_be_read(module, digits, shards, monkeypatch):
    dataset = tf.data.TFRecordDataset
    monkeypatch.setattr(module.tf.data, 'TFRecordDataset', lambda file, compression_type: dataset(file))
    with pytest.raises(tf.errors.DataLossError, match='corrupted record at 0'):
        everything(module.read(shards, digits.x_train.shape[1:]))


def test_the_recipe_checks_before_it_trains(module, digits, monkeypatch):
    write = module.write

    def damaged(*args):
        shards = write(*args)
        cut(shards[3], 100)
        return shards

    monkeypatch.setattr(module, 'write', damaged)
    with pytest.raises(ValueError, match='train-3-of-4-records-359.tfrecord.gz holds 0'):
        module.run(digits, epochs=1, verbose=0)
