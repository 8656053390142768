"""Small made files in the layout of those that Keras downloads, and a server on this machine that has them.

`serve(folder)` sends every http and https address that urllib opens in this process, and so `keras.utils.get_file`, to
that server. It makes a file when it is first asked for. Any other address is a 404 that names it.

The numbers of samples are the published ones wherever Keras's loaders or tests count on them; the contents are made up.
`get_file` checks a hash only of a file that it finds on the disk. That check stays: a made file does not match, and
`get_file` fetches it once more.
"""

import gzip
import http.server
import io
import itertools
import json
import os
import pickle
import random
import shutil
import subprocess
import sys
import tarfile
import threading
import urllib.request

import numpy as np


def images(count, shape, classes, seed=0):
    """Grey or colour images, one pattern a class, and their classes: uint8 (count, *shape), uint8 (count,)."""
    rng = np.random.RandomState(seed)
    patterns = (rng.uniform(size=(classes,) + shape) > 0.7).astype('uint8') * 160
    some = rng.randint(classes, size=1000)
    noisy = patterns[some] + rng.randint(90, size=(1000,) + shape).astype('uint8')
    picked = np.arange(count) % 1000
    return noisy[picked], some[picked].astype('uint8')


def sequences(count, vocabulary, seed=0):
    """Lists of word ranks, most of them low, of 5 to 100 words; no list is empty."""
    rng = np.random.RandomState(seed)
    lengths = rng.randint(5, 101, size=count)
    ranks = np.minimum(rng.zipf(1.2, size=lengths.sum()), vocabulary)
    made = np.empty(count, dtype=object)
    for i, end in enumerate(np.cumsum(lengths)):
        made[i] = ranks[end - lengths[i] : end].tolist()
    return made


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def mnist_npz():
    (x_train, y_train), (x_test, y_test) = images(60000, (28, 28), 10), images(10000, (28, 28), 10)
    return npz(x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


def imdb_npz():
    x_train, x_test = sequences(25000, 88000), sequences(25000, 88000, seed=1)
    y = np.arange(25000) % 2
    return npz(x_train=x_train, y_train=y, x_test=x_test, y_test=y)


def reuters_npz():
    return npz(x=sequences(11228, 30000), y=np.arange(11228) % 46)


def boston_npz():
    x = np.random.RandomState(0).uniform(size=(506, 13))
    return npz(x=x, y=x.sum(axis=1))


def word_index():
    return json.dumps({f'word{i}': i for i in range(1, 30001)}).encode()


def class_index():
    return json.dumps({str(i): [f'n{i:08}', f'class_{i}'] for i in range(1000)}).encode()


def idx(array):
    """The IDX format of MNIST, gzipped: two zero bytes, 8 for uint8, how many dimensions, each as big-endian uint32."""
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, '>u4').tobytes()
    return gzip.compress(header + array.tobytes(), 1)


def archive(files):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode='w:gz', compresslevel=1) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


class Python2Pickler(pickle._Pickler):
    """Writes bytes as Python 2 wrote its strings: the published batches come from there."""

    def save_string(self, value):
        self.write(pickle.BINSTRING + len(value).to_bytes(4, 'little') + value)
        self.memoize(value)

    dispatch = {**pickle._Pickler.dispatch, bytes: save_string}


def cifar_batch(count, **labels):
    file = io.BytesIO()
    batch = {name.encode(): (np.arange(count) % classes).tolist() for name, classes in labels.items()}
    batch[b'data'] = images(count, (3072,), 10)[0]
    Python2Pickler(file, protocol=2).dump(batch)
    return file.getvalue()


def cifar10():
    names = [f'data_batch_{n}' for n in range(1, 6)] + ['test_batch']
    return archive({f'cifar-10-batches-py/{name}': cifar_batch(10000, labels=10) for name in names})


def cifar100():
    counts = {'train': 50000, 'test': 10000}
    labels = {'fine_labels': 100, 'coarse_labels': 20}
    return archive({f'cifar-100-python/{name}': cifar_batch(count, **labels) for name, count in counts.items()})


def babi():
    """Stories of two sentences and a question, as `qa1` and `qa2` of the bAbI tasks have them."""
    rng = random.Random(0)
    lines = []
    for _ in range(200):
        who, where, what = (
            rng.choice(['Mary', 'John']),
            rng.choice(['hall', 'garden', 'kitchen']),
            rng.choice(['milk', 'ball']),
        )
        lines += [f'1 {who} got the {what} there.', f'2 {who} moved to the {where}.']
        lines.append(rng.choice([f'3 Where is {who}? \t{where}\t2', f'3 Where is the {what}? \t{where}\t1 2']))
    story = '\n'.join(lines).encode()
    tasks = [
        f'tasks_1-20_v1-2/{language}/{task}_{part}.txt'
        for language in ('en', 'en-10k')
        for task in ('qa1_single-supporting-fact', 'qa2_two-supporting-facts')
        for part in ('train', 'test')
    ]
    return archive({task: story for task in tasks})


def prose():
    rng = random.Random(0)
    words = 'the will of man is a bridge and no end which he who thinks must cross alone at noon'.split()
    return '\n'.join(' '.join(rng.choice(words) for _ in range(12)).capitalize() + '.' for _ in range(60)).encode()


def word_lists():
    """Enough words of at most four letters, and pairs of words, for examples/image_ocr.py."""
    words = [''.join(letters) for letters in itertools.product('abcdefilorst', repeat=4)]
    pairs = [f'{a} {b}' for a, b in zip(words, reversed(words))]
    return archive({f'wordlist_{k}_clean.txt': '\n'.join(v).encode() for k, v in (('mono', words), ('bi', pairs))})


def pictures():
    """Writes a picture and a mask of two colours into this folder, for the examples that take image files."""
    from PIL import Image

    across, down = np.meshgrid(np.arange(160), np.arange(160))
    Image.fromarray(np.stack([across, down, (across * down) % 160], axis=-1).astype('uint8')).save('picture.png')
    mask = np.where(np.hypot(across - 32, down - 32)[:64, :64, np.newaxis] < 20, (255, 0, 0), (0, 0, 255))
    Image.fromarray(mask.astype('uint8')).save('mask.png')


def sentence_pairs():
    """Writes fra-eng/fra.txt into this folder: English, a tab, French."""
    os.makedirs('fra-eng')
    verbs = [('Go', 'Va'), ('Run', 'Cours'), ('Stop', 'Arrête'), ('Help', 'Aide'), ('Come in', 'Entre donc')]
    with open('fra-eng/fra.txt', 'w', encoding='utf-8') as file:
        for english, french in verbs * 20:
            file.write(f'{english}!\t{french}\u202f!\n')


def news_and_vectors():
    """Writes 20_newsgroup/GROUP/NUMBER and glove.6B/glove.6B.100d.txt into this folder."""
    rng = np.random.RandomState(0)
    words = [f'word{i}' for i in range(300)]
    for group in ('alt.atheism', 'comp.graphics', 'rec.autos', 'sci.space'):
        os.makedirs(f'20_newsgroup/{group}')
        for number in range(1, 41):
            with open(f'20_newsgroup/{group}/{number}', 'w', encoding='latin-1') as file:
                file.write(f'Subject: {group}\n\n' + ' '.join(rng.choice(words, size=80)))
    os.makedirs('glove.6B')
    with open('glove.6B/glove.6B.100d.txt', 'w') as file:
        for word in words[:250]:
            file.write(word + ' ' + ' '.join(f'{number:.5f}' for number in rng.normal(size=100)) + '\n')


def weights(model, top=True):
    """A maker of a weights file, in a process of its own: this one may hold a graph that somebody uses."""

    def make():
        code = f'import served_files; served_files.write_weights({model!r}, {top!r})'
        environment = dict(os.environ, PYTHONPATH=os.path.dirname(os.path.abspath(__file__)), CUDA_VISIBLE_DEVICES='')
        child = subprocess.run([sys.executable, '-c', code], stdout=subprocess.PIPE, env=environment, check=True)
        with open(child.stdout.decode().strip(), 'rb') as file:
            content = file.read()
        os.remove(file.name)
        return content

    return make


def write_weights(model, top):
    """Writes the layout of `save_weights`, numbers that keep activations finite, and prints the file's name."""
    import tempfile

    import h5py
    import keras
    import tensorflow as tf

    rng = np.random.RandomState(0)
    keras.backend.moving_average_update = lambda *_: tf.no_op()  # takes most of the time, and only training wants it
    layers = getattr(keras.applications, model)(weights=None, include_top=top).layers
    handle, path = tempfile.mkstemp('.h5')
    os.close(handle)
    with h5py.File(path, 'w') as file:
        file.attrs['layer_names'] = [layer.name.encode() for layer in layers]
        file.attrs['backend'] = b'tensorflow'
        file.attrs['keras_version'] = keras.__version__.encode()
        for layer in layers:
            group = file.create_group(layer.name)
            group.attrs['weight_names'] = [w.name.encode() for w in layer.weights]
            for weight in layer.weights:
                shape = keras.backend.int_shape(weight)
                if len(shape) > 1:  # a kernel
                    fan_in = np.prod(shape[:-1])
                    value = rng.uniform(-1, 1, size=shape).astype('float32') * np.float32(np.sqrt(6 / fan_in))
                else:  # a bias, or what batch normalisation has: its variance must be positive
                    value = (
                        rng.uniform(0.5, 1, size=shape) if 'variance' in weight.name or 'gamma' in weight.name else 0.1
                    )
                group.create_dataset(weight.name, data=np.broadcast_to(value, shape), dtype='float32')
    print(path)


TEXTS = 's3.amazonaws.com/text-datasets/'
FASHION = 'fashion-mnist.s3-website.eu-central-1.amazonaws.com/'
MNIST = 'storage.googleapis.com/cvdf-datasets/mnist/'  # TensorFlow's own reader
MODELS = 'github.com/fchollet/deep-learning-models/releases/download/'
APPLICATIONS = 'github.com/keras-team/keras-applications/releases/download/'
DENSENET = APPLICATIONS + 'densenet/'
KERNELS = '_weights_tf_dim_ordering_tf_kernels'

FILES = {  # an address without its scheme: what makes the file's bytes
    's3.amazonaws.com/img-datasets/mnist.npz': mnist_npz,
    's3.amazonaws.com/keras-datasets/boston_housing.npz': boston_npz,
    TEXTS + 'imdb.npz': imdb_npz,
    TEXTS + 'imdb_word_index.json': word_index,
    TEXTS + 'reuters.npz': reuters_npz,
    TEXTS + 'reuters_word_index.json': word_index,
    TEXTS + 'babi_tasks_1-20_v1-2.tar.gz': babi,
    TEXTS + 'nietzsche.txt': prose,
    'www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz': cifar10,
    'www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz': cifar100,
    'www.mythic-ai.com/datasets/wordlists.tgz': word_lists,
    's3.amazonaws.com/deep-learning-models/image-models/imagenet_class_index.json': class_index,
    'storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json': class_index,
    MODELS + f'v0.2/resnet50{KERNELS}.h5': weights('ResNet50'),
    MODELS + f'v0.1/vgg16{KERNELS}.h5': weights('VGG16'),
    MODELS + f'v0.1/vgg16{KERNELS}_notop.h5': weights('VGG16', top=False),
    MODELS + f'v0.1/vgg19{KERNELS}.h5': weights('VGG19'),
    MODELS + f'v0.1/vgg19{KERNELS}_notop.h5': weights('VGG19', top=False),
    MODELS + f'v0.4/xception{KERNELS}.h5': weights('Xception'),
    MODELS + f'v0.5/inception_v3{KERNELS}.h5': weights('InceptionV3'),
    MODELS + f'v0.5/inception_v3{KERNELS}_notop.h5': weights('InceptionV3', top=False),
    MODELS + f'v0.7/inception_resnet_v2{KERNELS}.h5': weights('InceptionResNetV2'),
    MODELS + 'v0.6/mobilenet_1_0_224_tf.h5': weights('MobileNet'),
    f'github.com/JonathanCMitchell/mobilenet_v2_keras/releases/download/v1.1/mobilenet_v2{KERNELS}_1.0_224.h5': weights(
        'MobileNetV2'
    ),
    DENSENET + f'densenet121{KERNELS}.h5': weights('DenseNet121'),
    DENSENET + f'densenet169{KERNELS}.h5': weights('DenseNet169'),
    DENSENET + f'densenet201{KERNELS}.h5': weights('DenseNet201'),
    'github.com/titu1994/Keras-NASNet/releases/download/v1.2/NASNet-mobile.h5': weights('NASNetMobile'),
}
for model in ('ResNet101', 'ResNet152', 'ResNet50V2', 'ResNet101V2', 'ResNet152V2'):
    FILES[f'{APPLICATIONS}resnet/{model.lower()}{KERNELS}.h5'] = weights(model)
for part, count in (('train', 60000), ('t10k', 10000)):
    for kind, which in (('images-idx3', 0), ('labels-idx1', 1)):
        for site, fewer in ((FASHION, 1), (MNIST, 10)):
            FILES[f'{site}{part}-{kind}-ubyte.gz'] = lambda n=count // fewer, w=which: idx(images(n, (28, 28), 10)[w])


def made(folder, address):
    """The path of the file of an address, made if need be; another process may make it at the same time."""
    path = os.path.join(folder, address.replace('/', '+'))
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        half = f'{path}.{os.getpid()}'
        with open(half, 'wb') as file:
            file.write(FILES[address]())
        os.replace(half, path)
    return path


def serve(folder):
    """Starts the server in a thread of this process, with its files in `folder`, and sends urllib there."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            address = self.path[1:]
            if address not in FILES:
                return self.send_error(404, f'no made file has the address {address}')
            with open(made(folder, address), 'rb') as file:
                self.send_response(200)
                self.send_header('Content-Length', str(os.path.getsize(file.name)))
                self.end_headers()
                shutil.copyfileobj(file, self.wfile, 1 << 20)

        def log_message(self, *args):
            pass

    server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here = 'http://127.0.0.1:%d/' % server.server_port

    class ToHere(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
        def http_open(self, request):
            instead = urllib.request.Request(here + request.full_url.split('://')[1])
            instead.timeout = request.timeout
            return super().http_open(instead)

        https_open = http_open

    urllib.request.install_opener(urllib.request.build_opener(ToHere, urllib.request.ProxyHandler({})))
