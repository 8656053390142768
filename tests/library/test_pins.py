"""What of Keras 2.2.4 and TensorFlow 1.9 leans on a pinned package and no test of theirs, or recipe's test, runs.

docs/proofs.md, "What was looked at", says which package is proved where.
"""

import csv
import glob
import http.server
import json
import os
import struct
import threading
import urllib.parse
import warnings

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import backend as K
from keras.preprocessing import image
from PIL import Image

RNG = np.random.RandomState(0)


def small_model():
    model = keras.models.Sequential(
        [
            keras.layers.Conv2D(2, 3, input_shape=(6, 6, 1), name='conv'),
            keras.layers.Flatten(),
            keras.layers.Dense(3, activation='softmax', name='features'),
        ]
    )
    model.compile('sgd', 'categorical_crossentropy', metrics=['accuracy'])
    return model


def small_data(count=32):
    return RNG.uniform(size=(count, 6, 6, 1)), np.eye(3)[RNG.randint(3, size=count)]


# Pillow, through ImageDataGenerator.flow_from_directory

FILTERS = {  # half the width of the filter and the filter, as the textbooks on resampling have them
    'box': (0.5, lambda x: np.where((x > -0.5) & (x <= 0.5), 1.0, 0.0)),
    'bilinear': (1, lambda x: np.maximum(1 - np.abs(x), 0)),
    'hamming': (1, lambda x: np.where(np.abs(x) < 1, np.sinc(x) * (0.54 + 0.46 * np.cos(np.pi * x)), 0)),
    'lanczos': (3, lambda x: np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)),
    'bicubic': (
        2,
        lambda x: np.select(
            [np.abs(x) < 1, np.abs(x) < 2],
            [1.5 * np.abs(x) ** 3 - 2.5 * x**2 + 1, -0.5 * (np.abs(x) ** 3 - 5 * x**2 + 8 * np.abs(x) - 4)],
            0,
        ),
    ),
}


def resampling_matrix(old, new, interpolation):
    """(new, old): how much of each old pixel is in each new one; a filter is as wide as the larger pixel."""
    if interpolation == 'nearest':
        return np.eye(old)[((np.arange(new) + 0.5) * old / new).astype(int)]
    _, function = FILTERS[interpolation]
    scale = max(old / new, 1)
    centres = (np.arange(new)[:, np.newaxis] + 0.5) * old / new
    weights = function((np.arange(old) + 0.5 - centres) / scale)
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize('interpolation', ['nearest'] + sorted(FILTERS))
@pytest.mark.parametrize('size', [(4, 6), (16, 10)])
def test_every_interpolation_of_flow_from_directory(tmp_path, interpolation, size):
    pixels = RNG.randint(60, 190, size=(8, 9)).astype('uint8')
    (tmp_path / 'class').mkdir()
    Image.fromarray(pixels).save(str(tmp_path / 'class' / 'one.png'))
    flow = image.ImageDataGenerator().flow_from_directory(
        str(tmp_path), size, 'grayscale', class_mode=None, batch_size=1, interpolation=interpolation
    )
    rows, columns = (resampling_matrix(pixels.shape[i], size[i], interpolation) for i in (0, 1))
    wanted = rows @ pixels @ columns.T
    assert np.ptp(wanted) > 20
    np.testing.assert_allclose(next(flow)[0, ..., 0], wanted, atol=1.1)  # Pillow rounds after each direction


def ppm_reader(content):
    """Pixels of a binary PPM, the one format that is read here without Pillow."""
    magic, width, height, _ = content.split(maxsplit=4)[:4]
    assert magic == b'P6'
    return np.frombuffer(content[-int(width) * int(height) * 3 :], 'uint8').reshape(int(height), int(width), 3)


@pytest.mark.parametrize('mode', ['rgb', 'rgba', 'grayscale'])
def test_every_file_type_of_flow_from_directory(tmp_path, mode):
    smooth = np.add.outer(np.arange(8) * 9, np.arange(8) * 12)[..., np.newaxis] + [0, 40, 80]
    pixels = smooth.astype('uint8')
    folder = tmp_path / 'class'
    folder.mkdir()
    types = ['png', 'bmp', 'ppm', 'tif', 'tiff', 'jpg', 'jpeg']
    for ending in types:
        Image.fromarray(pixels).save(str(folder / f'file.{ending}'), quality=95)
    (folder / 'file.txt').write_text('not an image')
    np.testing.assert_array_equal(ppm_reader((folder / 'file.ppm').read_bytes()), pixels)
    flow = image.ImageDataGenerator().flow_from_directory(
        str(tmp_path), (8, 8), mode, class_mode='binary', batch_size=len(types), shuffle=False
    )
    got, classes = next(flow)
    assert [os.path.basename(name) for name in flow.filenames] == sorted(f'file.{ending}' for ending in types)
    assert classes.tolist() == [0] * len(types)
    grey = pixels @ [0.299, 0.587, 0.114]  # ITU-R 601-2 luma
    opaque = np.concatenate([pixels, np.full((8, 8, 1), 255)], axis=-1)
    wanted = {'rgb': pixels, 'rgba': opaque, 'grayscale': grey[..., np.newaxis]}[mode]
    for name, picture in zip(flow.filenames, got):
        lossy, rounded = name.endswith(('jpg', 'jpeg')), mode == 'grayscale'
        np.testing.assert_allclose(picture, wanted, atol=8 if lossy else rounded, err_msg=name)


# SciPy, through ImageDataGenerator


# 'wrap' is left out: SciPy before 1.6 repeats with a period of one pixel less than the image has
@pytest.mark.parametrize('fill, padding', [('constant', 'constant'), ('nearest', 'edge'), ('reflect', 'symmetric')])
def test_a_shift_fills_what_comes_free_as_numpy_pads(fill, padding):
    x = RNG.uniform(size=(7, 7, 3))
    got = image.ImageDataGenerator(fill_mode=fill, cval=0).apply_transform(x, {'tx': 2, 'ty': -1})
    padded = np.pad(x, ((0, 2), (1, 0), (0, 0)), padding)
    np.testing.assert_allclose(got, padded[2:, :7], rtol=1e-6)


def test_turns_zooms_and_flips_are_the_ones_asked_for():
    """Keras-Preprocessing turns and zooms around the pixel after the middle one: (5, 5) of 9 rows and columns."""
    x = RNG.uniform(size=(9, 9, 2))
    apply = image.ImageDataGenerator(fill_mode='constant').apply_transform
    np.testing.assert_allclose(apply(x, {'theta': 90})[:, 2:], np.rot90(x, -1)[:, :-2], atol=1e-6)
    np.testing.assert_allclose(apply(x, {'theta': 180})[2:, 2:], x[::-1, ::-1][:-2, :-2], atol=1e-6)
    np.testing.assert_allclose(apply(x, {'zx': 2, 'zy': 2})[3:7, 3:7], x[1:8:2, 1:8:2], atol=1e-6)
    np.testing.assert_allclose(apply(x, {'flip_horizontal': True, 'flip_vertical': True}), x[::-1, ::-1])


def test_whitened_images_are_uncorrelated():
    x = RNG.normal(size=(400, 4, 4, 1)) @ np.eye(1)
    x[..., 1:, :] += 0.8 * x[..., :-1, :]  # neighbours that go together
    generator = image.ImageDataGenerator(featurewise_center=True, zca_whitening=True, zca_epsilon=1e-9)
    generator.fit(x)
    white = next(generator.flow(x, batch_size=400, shuffle=False)).reshape(400, 16)
    before = np.cov(x.reshape(400, 16).T, bias=True)
    assert abs(before - np.diag(np.diag(before))).max() > 0.5
    np.testing.assert_allclose(white.T @ white / 400, np.eye(16), atol=1e-3)


# requests, through RemoteMonitor


@pytest.fixture
def listener():
    """A server on this machine, and what was sent to it: (path, headers, body)."""
    heard = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers['Content-Length']))
            heard.append((self.path, self.headers, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server, heard
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize('as_json', [False, True])
def test_remote_monitor_sends_what_fit_measured(listener, as_json, monkeypatch):
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    server, heard = listener
    root = f'http://127.0.0.1:{server.server_port}'
    monitor = keras.callbacks.RemoteMonitor(root, '/epoch/', headers={'X-Run': 'seven'}, send_as_json=as_json)
    history = small_model().fit(*small_data(), epochs=2, verbose=0, callbacks=[monitor]).history
    assert [path for path, _, _ in heard] == ['/epoch/'] * 2
    for epoch, (_, headers, body) in enumerate(heard):
        assert headers['X-Run'] == 'seven'
        if as_json:
            assert headers['Content-Type'] == 'application/json'
        else:
            [body] = urllib.parse.parse_qs(body.decode())['data']
        wanted = {name: pytest.approx(values[epoch]) for name, values in history.items()}
        assert json.loads(body) == dict(wanted, epoch=epoch)


def test_remote_monitor_that_nobody_hears_warns_and_training_goes_on(monkeypatch):
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    free = http.server.HTTPServer(('127.0.0.1', 0), None)
    free.server_close()  # its port is refused now
    monitor = keras.callbacks.RemoteMonitor(f'http://127.0.0.1:{free.server_port}')
    with pytest.warns(UserWarning, match='could not reach RemoteMonitor'):
        history = small_model().fit(*small_data(), epochs=1, verbose=0, callbacks=[monitor]).history
    assert len(history['loss']) == 1


# protobuf and TensorFlow's event files, through the TensorBoard callback


def test_tensorboard_writes_every_thing_that_can_be_asked_of_it(tmp_path):
    x, y = small_data()
    model = small_model()
    callback = keras.callbacks.TensorBoard(
        str(tmp_path),
        histogram_freq=1,
        batch_size=32,
        write_graph=True,
        write_grads=True,
        write_images=True,
        embeddings_freq=1,
        embeddings_layer_names=['features'],
        embeddings_metadata='metadata.tsv',
        embeddings_data=x,
    )
    history = model.fit(x, y, epochs=2, verbose=0, validation_data=(x, y), callbacks=[callback]).history
    kernel = model.get_layer('conv').kernel
    [gradient] = K.get_session().run(
        K.gradients(model.total_loss, kernel),
        {model.inputs[0]: x, model.targets[0]: y, model.sample_weights[0]: np.ones(len(x))},
    )
    kernel = K.get_value(kernel).astype('float64')
    [path] = glob.glob(str(tmp_path / 'events.out.tfevents.*'))
    written, graph = {}, tf.GraphDef()
    for event in tf.train.summary_iterator(path):
        graph.MergeFromString(event.graph_def)
        written.update(((value.tag, event.step), value) for value in event.summary.value)
    assert {node.name for node in graph.node} >= {'conv/kernel', 'features/kernel'}
    for name, values in history.items():
        assert [written[name, epoch].simple_value for epoch in (0, 1)] == pytest.approx(values)
    for tag, array in (('conv/kernel_0', kernel), ('conv/kernel_0_grad', gradient.astype('float64'))):
        histogram = written[tag, 1].histo
        assert histogram.num == 18
        assert (histogram.min, histogram.max) == pytest.approx((array.min(), array.max()), rel=1e-4)
        assert histogram.sum == pytest.approx(array.sum(), rel=1e-3, abs=1e-6)
    assert written['features_out', 1].histo.num == 32 * 3
    pictures = [
        value.image for (tag, step), value in written.items() if tag.startswith('features/kernel') and step == 1
    ]
    [picture] = [image for image in pictures if image.encoded_image_string]
    assert picture.encoded_image_string[:8] == b'\x89PNG\r\n\x1a\n'
    assert struct.unpack('>II', picture.encoded_image_string[16:24]) == (picture.width, picture.height) == (32, 3)
    embedding = tf.train.load_variable(str(tmp_path / 'keras_embedding.ckpt-1'), 'features_embedding')
    np.testing.assert_allclose(embedding, model.predict(x), rtol=1e-5)
    config = (tmp_path / 'projector_config.pbtxt').read_text()
    assert 'tensor_name: "features_embedding:0"' in config and 'metadata_path: "metadata.tsv"' in config


def test_tensorboard_by_batches(tmp_path):
    callback = keras.callbacks.TensorBoard(str(tmp_path), write_graph=False, update_freq='batch')
    small_model().fit(*small_data(), batch_size=8, epochs=1, verbose=0, callbacks=[callback])
    [path] = glob.glob(str(tmp_path / 'events.out.tfevents.*'))
    events = list(tf.train.summary_iterator(path))
    assert not any(event.graph_def for event in events)
    steps = [event.step for event in events for value in event.summary.value if value.tag == 'loss']
    assert steps == [8, 16, 24, 32, 32]  # samples seen; the last again, for the epoch


def test_tensorboard_turns_markdown_into_html():
    from tensorboard import plugin_util

    html = plugin_util.markdown_to_safe_html('**bold**\n\n|a|b|\n|-|-|\n|1|2|\n\n<script>x</script>')
    assert '<strong>bold</strong>' in html and '<td>1</td>' in html and '<script>' not in html


# six, through CSVLogger; PyYAML; h5py


def test_csv_logger_writes_the_history(tmp_path):
    path = str(tmp_path / 'log.csv')
    logger = keras.callbacks.CSVLogger(path, separator=';')
    history = small_model().fit(*small_data(), epochs=3, verbose=0, callbacks=[logger]).history
    with open(path, newline='') as file:
        rows = list(csv.DictReader(file, delimiter=';'))
    assert [row['epoch'] for row in rows] == ['0', '1', '2']
    for name, values in history.items():
        assert [float(row[name]) for row in rows] == pytest.approx(values)


def test_a_model_goes_through_yaml_with_numpy_values_in_it():
    model = keras.models.Sequential([keras.layers.Dense(np.int64(3), input_shape=(4,), name='dense')])
    model.add(keras.layers.Dropout(np.float64(0.25)))
    text = model.to_yaml()
    assert 'numpy' in text  # what a newer PyYAML refuses to load
    again = keras.models.model_from_yaml(text)
    assert again.get_config() == model.get_config()
    again.set_weights(model.get_weights())
    x = RNG.normal(size=(5, 4))
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_hdf5_holds_a_model_in_memory_and_names_that_do_not_fit_one_attribute():
    layers = [keras.layers.Dense(1, input_shape=(1,))]
    layers += [keras.layers.Dense(1, name=f'layer_{i}_' + 'x' * 14000) for i in range(5)]  # 70 kB of names: over 64
    model = keras.models.Sequential(layers)
    with h5py.File('nowhere.h5', driver='core', backing_store=False) as file:
        model.save(file)
        names = [name for i in (0, 1) for name in file['model_weights'].attrs[f'layer_names{i}']]
        assert [name.decode() for name in names] == [layer.name for layer in model.layers]
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # it was not compiled
            again = keras.models.load_model(file)
    assert not os.path.exists('nowhere.h5')
    x = RNG.normal(size=(3, 1))
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


# gast and astor, through tf.contrib.autograph


def collatz(n):
    steps = 0
    while n > 1:
        if n % 2 > 0:
            n = 3 * n + 1
        else:
            n = n // 2
        steps = steps + 1
    return steps


def test_autograph_makes_a_graph_of_loops_and_branches():
    from tensorflow.contrib import autograph

    start = tf.placeholder(tf.int32, shape=())
    steps = autograph.to_graph(collatz)(start)
    assert {'LoopCond', 'Merge'} <= {operation.type for operation in tf.get_default_graph().get_operations()}
    with tf.Session() as session:
        assert [int(session.run(steps, {start: n})) for n in (1, 6, 7, 27)] == [0, 8, 16, 111]  # OEIS A006577
