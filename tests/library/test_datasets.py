"""Data sets: found, checked, downloaded; and every way in which that goes wrong."""

import gzip
import hashlib
import http.server
import os
import threading

import numpy as np
import pytest

from tensorflow_with_keras import datasets

random = np.random.RandomState(0)
ARRAYS = {
    'x_train': random.randint(0, 256, (30, 28, 28)).astype(np.uint8),
    'y_train': np.arange(30, dtype=np.uint8) % 10,
    'x_test': random.randint(0, 256, (20, 28, 28)).astype(np.uint8),
    'y_test': np.arange(20, dtype=np.uint8) % 10,
}


def idx(array):
    """Raw IDX as its definition says: two zero bytes, type 8, dimensions, big-endian sizes, data."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, '>u4').tobytes() + array.tobytes()


IDX = {part: idx(ARRAYS[key]) for part, key in zip(datasets.PARTS, datasets.ARRAYS)}


@pytest.fixture(autouse=True)
def small_mnist(monkeypatch, tmp_path):
    """A data set of this shape but of 50 images, so that tests need neither the real one nor a network."""
    for name in ('mnist', 'fashion_mnist'):
        monkeypatch.setitem(
            datasets.CONTENT, name, tuple(hashlib.sha256(IDX[part]).hexdigest() for part in datasets.PARTS)
        )
    monkeypatch.setattr(datasets, 'SYSTEM', str(tmp_path / 'no system folder'))
    monkeypatch.setattr(datasets, 'SOURCES', {})


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'data').mkdir()
    return tmp_path / 'data'


def check(data):
    np.testing.assert_array_equal(np.round(data.x_train[..., 0] * 255), ARRAYS['x_train'])
    np.testing.assert_array_equal(data.y_test, ARRAYS['y_test'])
    assert data.x_test.shape == (20, 28, 28, 1) and data.x_test.dtype == np.float32 and data.y_train.dtype == np.int64
    assert 0 <= data.x_train.min() and data.x_train.max() == 1
    assert data.sha256 == hashlib.sha256(b''.join(IDX[part] for part in datasets.PARTS)).hexdigest()


def test_digits_are_scikit_learns_and_need_no_file():
    from sklearn.datasets import load_digits

    data, bunch = datasets.load('digits'), load_digits()
    np.testing.assert_array_equal(np.concatenate([data.x_train, data.x_test])[..., 0] * 16, bunch.images)
    np.testing.assert_array_equal(np.concatenate([data.y_train, data.y_test]), bunch.target)
    assert len(data.x_test) == 360 and len(data.sha256) == 64


@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
def test_npz_of_any_bytes_with_the_right_content(folder, save):
    save(str(folder / 'mnist.npz'), **ARRAYS)
    check(datasets.load('mnist', str(folder)))


@pytest.mark.parametrize('sub', ['', 'mnist'])
@pytest.mark.parametrize('packed', [False, True])
def test_idx_files_plain_or_gzipped(folder, sub, packed):
    (folder / sub).mkdir(exist_ok=True)
    for part, content in IDX.items():
        (folder / sub / (part + ('.gz' if packed else ''))).write_bytes(gzip.compress(content) if packed else content)
    check(datasets.load('mnist', str(folder)))


def test_the_order_of_places(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(datasets, 'SYSTEM', str(tmp_path / 'system'))
    system = tmp_path / 'system' / 'fashion-mnist'
    system.mkdir(parents=True)
    for part, content in IDX.items():
        (system / (part + '.gz')).write_bytes(gzip.compress(content))
    check(datasets.load('fashion_mnist'))
    os.makedirs(datasets.keras_cache())
    broken = os.path.join(datasets.keras_cache(), 'fashion_mnist.npz')
    np.savez(broken, **dict(ARRAYS, y_train=ARRAYS['y_test']))
    check(datasets.load('fashion_mnist'))  # the damaged one is passed over, and left alone
    assert os.path.exists(broken)
    np.savez(str(folder / 'fashion_mnist.npz'), **ARRAYS)
    monkeypatch.setenv('TFK_DATA_DIR', str(folder))
    os.unlink(str(system / (datasets.PARTS[0] + '.gz')))
    check(datasets.load('fashion_mnist'))


def damage(folder, how):
    path = folder / 'mnist.npz'
    np.savez(str(path), **ARRAYS)
    content = path.read_bytes()
    if how == 'cut off':
        path.write_bytes(content[: len(content) // 2])
    elif how == 'one byte':
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    elif how == 'other images':
        np.savez(str(path), **dict(ARRAYS, x_test=ARRAYS['x_test'][::-1]))
    elif how == 'array missing':
        np.savez(str(path), x_train=ARRAYS['x_train'])
    elif how == 'pickle':
        np.savez(str(path), **dict(ARRAYS, y_test=np.array([{}], object)))
    elif how == 'no npz':
        path.write_bytes(b'<html>404</html>')
    elif how == 'empty':
        path.write_bytes(b'')
    return path


@pytest.mark.parametrize('how', ['cut off', 'one byte', 'other images', 'array missing', 'pickle', 'no npz', 'empty'])
def test_a_damaged_file_that_the_user_named_is_one_sentence_and_stays(folder, how):
    path = damage(folder, how)
    before = path.read_bytes()
    with pytest.raises(datasets.DatasetError, match='mnist.npz is damaged or is not mnist') as e:
        datasets.load('mnist', str(folder))
    assert '\n' not in str(e.value)
    assert path.read_bytes() == before


def test_a_damaged_idx_file(folder):
    for part, content in IDX.items():
        (folder / (part + '.gz')).write_bytes(gzip.compress(content)[:-20])
    with pytest.raises(datasets.DatasetError, match='is damaged or is not mnist'):
        datasets.load('mnist', str(folder))


def test_no_such_folder_and_no_such_data_set(tmp_path):
    with pytest.raises(datasets.DatasetError, match='There is no folder .*nowhere'):
        datasets.load('mnist', str(tmp_path / 'nowhere'))
    with pytest.raises(ValueError, match='digits, mnist, fashion_mnist'):
        datasets.load('cifar10')


# --- downloads, from a server of our own


class Server(
    http.server.ThreadingHTTPServer if hasattr(http.server, 'ThreadingHTTPServer') else http.server.HTTPServer
):
    """Answers /mnist.npz with what is next in `answers`; the last one stays."""

    def __init__(self, content):
        super().__init__(('127.0.0.1', 0), Handler)
        self.content, self.answers, self.requests = content, ['good'], 0


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.requests += 1
        answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        if answer == 'missing':
            return self.send_error(404)
        body = server.content
        if answer == 'altered':
            body = body[:-30] + b'!' + body[-29:]
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if answer == 'cut off' else body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(folder, monkeypatch):
    np.savez(str(folder / 'source.npz'), **ARRAYS)
    content = (folder / 'source.npz').read_bytes()
    (folder / 'source.npz').unlink()
    server = Server(content)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = 'http://127.0.0.1:%d/mnist.npz' % server.server_port
    monkeypatch.setitem(
        datasets.SOURCES, 'mnist', {'mnist.npz': (address, 'sha256:' + hashlib.sha256(content).hexdigest())}
    )
    monkeypatch.setattr('time.sleep', lambda seconds: None)  # pooch waits between its tries
    for name in ('http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'):
        monkeypatch.delenv(name, raising=False)
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_downloaded_once_into_the_folder_with_a_progress_bar(server, folder, capfd):
    check(datasets.load('mnist', str(folder)))
    check(datasets.load('mnist', str(folder)))
    assert server.requests == 1
    assert os.listdir(str(folder)) == ['mnist.npz']
    err = capfd.readouterr().err
    assert 'Downloading mnist to %s' % folder in err and '100%' in err


def test_downloaded_into_keras_cache_by_default(server):
    check(datasets.load('mnist'))
    assert os.listdir(datasets.keras_cache()) == ['mnist.npz']


@pytest.mark.parametrize('how', ['cut off', 'altered', 'missing'])
def test_a_bad_answer_is_tried_again(server, folder, how):
    server.answers = [how, 'good']
    check(datasets.load('mnist', str(folder)))
    assert server.requests == 2


@pytest.mark.parametrize('how', ['cut off', 'altered', 'missing'])
def test_only_bad_answers_leave_nothing_behind(server, folder, how):
    server.answers = [how]
    with pytest.raises(datasets.DatasetError, match='could not be downloaded to .*or put mnist.npz') as e:
        datasets.load('mnist', str(folder))
    assert '\n' not in str(e.value) and os.listdir(str(folder)) == [] and server.requests == 3


def test_a_damaged_file_in_keras_cache_is_replaced_only_by_a_good_one(server, capfd):
    os.makedirs(datasets.keras_cache())
    path = os.path.join(datasets.keras_cache(), 'mnist.npz')
    with open(path, 'wb') as f:
        f.write(server.content[:1000])
    server.answers = ['altered']
    with pytest.raises(datasets.DatasetError):
        datasets.load('mnist')
    assert os.path.getsize(path) == 1000
    server.answers = ['good']
    check(datasets.load('mnist'))
    assert 'it is left unused' in capfd.readouterr().err
    with open(path, 'rb') as f:
        assert f.read() == server.content


def test_offline_and_absent(server, folder):
    server.shutdown()
    server.server_close()
    with pytest.raises(datasets.DatasetError) as e:
        datasets.load('mnist', str(folder))
    assert str(e.value) == (
        'mnist is not on this machine and could not be downloaded to %s (no answer): run `make data DATASET=mnist` '
        'where there is a network, or put mnist.npz or the four IDX files into that folder or one named with '
        '--data-dir.' % folder
    )


def test_a_cache_that_cannot_be_made(server, monkeypatch):
    monkeypatch.setenv('HOME', '/proc')  # where root cannot create a folder either
    with pytest.raises(datasets.DatasetError, match='could not be downloaded to /proc'):
        datasets.load('mnist')
