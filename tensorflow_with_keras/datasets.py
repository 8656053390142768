"""The recipes' data: offline first, and never a byte that was not checked."""

import collections
import gzip
import hashlib
import os
import struct
import sys
import zipfile
import zlib

import numpy as np

Dataset = collections.namedtuple('Dataset', 'name sha256 x_train y_train x_test y_test')
Dataset.__doc__ = """Images and labels, split.

name: str. sha256: of the content, whatever file it came from.
x_train, x_test: float32 (samples, height, width, 1) in [0, 1].
y_train, y_test: int64 (samples,), the class from 0 to 9.
"""

PARTS = ('train-images-idx3-ubyte', 'train-labels-idx1-ubyte', 't10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte')
ARRAYS = ('x_train', 'y_train', 'x_test', 'y_test')  # in an .npz, in the order of PARTS

# SHA-256 of each part as a raw IDX file, which arrays from any container can be written as.
CONTENT = {
    'mnist': (
        'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
        '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
        '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
        'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
    ),
    'fashion_mnist': (
        'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
        'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
        '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
        '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
    ),
}

# Where a download comes from: file -> (address, checksum of that file as its makers publish it).
_TF = 'https://storage.googleapis.com/tensorflow/tf-keras-datasets/'
SOURCES = {
    'mnist': {
        'mnist.npz': (_TF + 'mnist.npz', 'sha256:731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1')
    },
    'fashion_mnist': {
        'fashion-mnist/%s.gz' % part: (_TF + part + '.gz', 'md5:' + md5)
        for part, md5 in zip(
            PARTS,
            (
                '8d4fb7e6c68d591d4c3dfef9ec88bf0d',
                '25c81989df183df01b3e8a0aad5dffbe',
                'bef4ecab320f06d8554ea6380940ec79',
                'bb300cfdad3c16e7a12a480ee83cd310',
            ),
        )
    },
}
SYSTEM = '/usr/share/datasets'  # Debian's dataset-fashion-mnist installs here

NAMES = ('digits', 'mnist', 'fashion_mnist')


class DatasetError(Exception):
    """The data is absent or damaged; the message is one sentence that says what to do."""


def keras_cache():
    """Where Keras 2.2.4 keeps its data sets."""
    return os.path.join(os.path.expanduser('~'), '.keras', 'datasets')


def load(name, data_dir=None):
    """A data set from this machine, or downloaded where it is not there.

    # Arguments
        name: one of `NAMES`. `digits` is scikit-learn's, 8 by 8 pixels, and always there.
        data_dir: folder with `mnist.npz`, `fashion_mnist.npz`, or the four IDX files (also
            gzipped, also in a subfolder of the data set's name); by default `TFK_DATA_DIR`.
            Looked into first, then Keras's cache, then /usr/share/datasets.

    # Returns
        A `Dataset`.

    # Raises
        DatasetError: not found and not to be downloaded, or its content is not the published one.
        ValueError: no such data set.
    """
    if name not in NAMES:
        raise ValueError('There is no data set %r; there are: %s.' % (name, ', '.join(NAMES)))
    if name == 'digits':
        return _digits()
    data_dir = data_dir or os.environ.get('TFK_DATA_DIR') or None
    if data_dir and not os.path.isdir(data_dir):
        raise DatasetError('There is no folder %s for the data: create it, or name another with --data-dir.' % data_dir)

    damaged = ''
    for folder in filter(None, (data_dir, keras_cache(), SYSTEM)):
        for candidate in _candidates(name, folder):
            try:
                return _dataset(name, _read(candidate))
            except (OSError, EOFError, ValueError, KeyError, struct.error, zipfile.BadZipFile, zlib.error) as e:
                problem = '%s is damaged or is not %s (%s)' % (candidate[0], name, e)
            if folder == data_dir:  # the user named it, so say so rather than train on something else
                raise DatasetError(problem + ': replace it, or leave --data-dir out to have it downloaded.')
            damaged += problem + '; '
    if damaged:
        print(damaged + 'it is left unused.', file=sys.stderr)
    return _dataset(name, _download(name, data_dir or keras_cache()))


def _digits():
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images, labels = bunch.images.astype(np.uint8), bunch.target.astype(np.uint8)
    sha256 = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
    x, y = (images / 16.0).astype(np.float32)[..., np.newaxis], labels.astype(np.int64)
    # The last fifth was written by other people than the first four, so it is the honest test set.
    n = 1437
    return Dataset('digits', sha256, x[:n], y[:n], x[n:], y[n:])


def _candidates(name, folder):
    """Lists of files in `folder` that could hold the data set: one .npz, or the four IDX files."""
    found = []
    npz = os.path.join(folder, name + '.npz')
    if os.path.exists(npz):
        found.append([npz])
    for sub in (name, name.replace('_', '-'), ''):
        for ending in ('', '.gz'):
            parts = [os.path.join(folder, sub, part + ending) for part in PARTS]
            if all(os.path.exists(part) for part in parts):
                found.append(parts)
    return found


def _read(files):
    """Four uint8 arrays out of an .npz or four IDX files."""
    if files[0].endswith('.npz'):
        with np.load(files[0], allow_pickle=False) as arrays:  # a pickle runs what its writer put there
            return [arrays[key] for key in ARRAYS]
    return [_read_idx(file) for file in files]


def _read_idx(file):
    with (gzip.open if file.endswith('.gz') else open)(file, 'rb') as f:
        data = f.read()
    ndim = struct.unpack('>HBB', data[:4])[2]
    shape = struct.unpack('>%dI' % ndim, data[4 : 4 + 4 * ndim])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * ndim).reshape(shape)


def _idx_bytes(array):
    return struct.pack('>HBB%dI' % array.ndim, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def _dataset(name, arrays):
    parts = [_idx_bytes(array) for array in arrays]
    for part, data, expected in zip(PARTS, parts, CONTENT[name]):
        if hashlib.sha256(data).hexdigest() != expected:
            raise ValueError('the content of %s is not the published one' % part)
    x_train, y_train, x_test, y_test = arrays
    sha256 = hashlib.sha256(b''.join(parts)).hexdigest()
    x_train, x_test = ((x / np.float32(255)).astype(np.float32)[..., np.newaxis] for x in (x_train, x_test))
    return Dataset(name, sha256, x_train, y_train.astype(np.int64), x_test, y_test.astype(np.int64))


def _download(name, folder):
    """Fetches the files into `folder`, each only once it is whole and right; returns the arrays."""
    import pooch
    import requests

    source = SOURCES[name]
    fetcher = pooch.create(
        folder,
        base_url='',
        retry_if_failed=2,
        urls={f: url for f, (url, _) in source.items()},
        registry={f: checksum for f, (_, checksum) in source.items()},
    )
    downloader = pooch.HTTPDownloader(progressbar=True, timeout=30)
    pooch.get_logger().setLevel('WARNING')
    print('Downloading %s to %s' % (name, folder), file=sys.stderr)
    try:
        return _read([fetcher.fetch(file, downloader=downloader) for file in source])
    except (OSError, ValueError, requests.RequestException) as e:
        wanted = ' or '.join((name + '.npz', 'the four IDX files'))
        reason = 'no answer' if isinstance(e, requests.ConnectionError) else str(e).splitlines()[0]
        raise DatasetError(
            '%s is not on this machine and could not be downloaded to %s (%s): run `make data DATASET=%s` where there '
            'is a network, or put %s into that folder or one named with --data-dir.'
            % (name, folder, reason, name, wanted)
        ) from e
