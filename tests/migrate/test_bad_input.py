"""What a user can get wrong: one sentence, exit code 2 or 3, nothing left behind."""

import json
import os
import subprocess

import pytest
from conftest import HERE, ROOT, migrate, run

MAKE = """
import sys, h5py, keras, numpy as np
from keras import layers as L
folder = sys.argv[1]
model = keras.Sequential([L.Dense(4, input_shape=(6,)), L.Lambda(lambda x: x * 2, name='twice')])
model.save(folder + '/lambda.h5')
model = keras.Sequential([L.Dense(300, input_shape=(600,)), L.Dense(300)])
model.save(folder + '/good.h5')
model.save_weights(folder + '/weights.h5')
keras.Sequential([L.InputLayer((6,)), L.Dense(4)]).save(folder + '/shapeless.h5')
data = open(folder + '/good.h5', 'rb').read()
open(folder + '/half.h5', 'wb').write(data[:len(data) // 2])
for name, version in (('tf', b'2.1.6-tf'), ('later', b'2.3.1')):
    open(folder + '/%s.h5' % name, 'wb').write(data)
    with h5py.File(folder + '/%s.h5' % name, 'a') as file:
        file.attrs['keras_version'] = version
sys.path.insert(0, sys.argv[2])
from custom_old import Scaled
keras.Sequential([Scaled(2.0, input_shape=(6,))]).save(folder + '/custom.h5')
source = '''
from keras.layers import Layer
class Forgetful(Layer):
    def __init__(self, by, **kwargs):
        super().__init__(**kwargs)
'''
open(folder + '/forgetful.py', 'w').write(source)
exec(source)
keras.Sequential([Forgetful(2.0, input_shape=(6,))]).save(folder + '/forgetful.h5')
class Dense(L.Dense):  # a name of Keras's own, as BatchNormalization in keras-resnet
    def get_config(self):
        return dict(super().get_config(), freeze=True)
keras.Sequential([Dense(2, input_shape=(6,))]).save(folder + '/namesake.h5')
picky = L.Input((4,), dtype='int32')
def pick(rows):
    from keras import backend as K
    return K.gather(K.constant([[1., 2.], [3., 5.], [8., 1.]]), K.cast(rows, 'int32'))
rows = L.Lambda(pick)(picky)
keras.Model(picky, L.Dense(3)(L.Flatten()(rows))).save(folder + '/picky.h5')
np.save(folder + '/right.npy', np.array([[0, 1, 2, 1], [2, 2, 0, 1], [1, 0, 0, 2]]))
np.save(folder + '/wrong.npy', np.full((3, 4), 7))
open(folder + '/text.h5', 'w').write('no HDF5')
open(folder + '/broken.py', 'w').write('import nothing_of_that_name\\nScaled = 1\\n')
"""


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp('bäd files')
    run('old', '-c', MAKE, folder, HERE)
    return folder


def outcome(files, tmp_path, model, to='onnx', **options):
    """Exit code and last line on standard error; checks that a run that fails leaves nothing."""
    code, last, _ = migrate(files / model, tmp_path, TO=to, **options)
    if code != 0:
        assert not list(tmp_path.iterdir()), list(tmp_path.iterdir())
    return code, last


@pytest.mark.parametrize(
    'model, options, code, words',
    [
        ('none.h5', {}, 2, 'there is no file'),
        ('text.h5', {}, 2, 'no HDF5 file'),
        ('half.h5', {}, 3, 'half.h5'),
        ('weights.h5', {}, 3, 'weights and no architecture'),
        ('tf.h5', {}, 3, 'tf.keras'),
        ('later.h5', {}, 3, 'Keras 2.3 on TensorFlow 1.15'),
        ('good.h5', {'to': 'tflite'}, 2, 'onnx, savedmodel, tf_keras, keras3'),
        ('good.h5', {'to': ''}, 2, 'TO='),
        ('good.h5', {'CUSTOM': 'layers'}, 2, 'layers.py:Name'),
        ('good.h5', {'CUSTOM': 'none.py:Name'}, 2, 'no such file'),
        ('good.h5', {'INPUTS': 'none.npy'}, 2, 'no such file'),
        ('good.h5', {'INPUT_SHAPE': 'a,b'}, 2, 'is no shape'),
        ('good.h5', {'STOCK': '1'}, 2, 'TO=keras3'),
        ('good.h5', {'OUT': '{files}/text.h5/out'}, 2, 'text.h5, which is a file'),
    ],
)
def test_what_shows_before_anything_is_run(files, tmp_path, model, options, code, words):
    options = {key: value.format(files=files) for key, value in options.items()}
    got, sentence = outcome(files, tmp_path, model, **options)
    assert got == code and words in sentence and sentence.startswith('error: ')


@pytest.mark.parametrize(
    'model, options, code, words',
    [
        ('shapeless.h5', {}, 3, 'INPUT_SHAPE'),
        ('custom.h5', {}, 2, 'Unknown layer: Scaled'),
        ('custom.h5', {'CUSTOM': '{files}/broken.py:Scaled'}, 2, 'nothing_of_that_name'),
        (
            'forgetful.h5',
            {'CUSTOM': '{files}/forgetful.py:Forgetful'},
            2,
            "'by'): give one that has defaults",
        ),
        ('namesake.h5', {}, 2, "'freeze')): if the class is your own, name the file and the class in CUSTOM="),
        ('lambda.h5', {'to': 'keras3'}, 2, 'twice'),
        ('good.h5', {'INPUTS': '{files}/text.h5'}, 2, 'cannot be read'),
        ('picky.h5', {}, 3, 'give it INPUTS'),
        ('picky.h5', {'INPUTS': '{files}/wrong.npy'}, 2, 'INPUTS: the model does not take them'),
        ('good.h5', {'limit': 100_000}, 3, 'the disk is full'),
    ],
)
def test_what_shows_when_the_model_is_read(files, tmp_path, model, options, code, words):
    options = {key: value.format(files=files) if isinstance(value, str) else value for key, value in options.items()}
    got, sentence = outcome(files, tmp_path, model, **options)
    assert got == code and words in sentence and sentence.startswith('error: ')


@pytest.mark.parametrize('to', ['onnx', 'keras3'])
@pytest.mark.parametrize('size', ['8k', '40k', '200k', '1m', '3m', '30m'])
def test_a_disk_that_is_full_at_any_moment_is_one_sentence(files, tmp_path, size, to):
    script = (
        'mount -t tmpfs -o "size=$1" none "$2"; code=0; scripts/front-door migrate || code=$?; '
        'ls -A "$2"; ls -A "$OUT" 2>/dev/null || true; exit $code'
    )
    root = [] if os.getuid() == 0 else ['--user', '--map-root-user']
    env = {**os.environ, 'MODEL': str(files / 'good.h5'), 'TO': to, 'OUT': str(tmp_path / 'out')}
    command = ['unshare', *root, '--mount', 'sh', '-euc', script, 'sh', size, tmp_path]
    done = subprocess.run(command, env=env, capture_output=True, text=True, cwd=ROOT)
    assert 'Traceback' not in done.stderr
    if size == '30m':
        assert done.returncode == 0 and 'proof.json' in done.stdout
    elif done.returncode != 0 or size == '8k':
        assert done.returncode == 3 and done.stdout == ''
        assert done.stderr.strip().split('\n')[-1].startswith('error: the disk is full')


def test_that_a_folder_with_other_things_is_left_alone(files, tmp_path):
    out = tmp_path / 'out'
    out.mkdir()
    (out / 'mine.txt').write_text('mine')
    env = {**os.environ, 'MODEL': str(files / 'good.h5'), 'TO': 'onnx', 'OUT': str(out)}
    done = subprocess.run([str(ROOT / 'scripts' / 'front-door'), 'migrate'], env=env, capture_output=True, text=True)
    assert done.returncode == 2 and 'other things' in done.stderr
    assert (out / 'mine.txt').read_text() == 'mine'


def test_a_model_that_takes_no_random_numbers_is_judged_by_what_its_user_gives(files, tmp_path):
    code, _ = outcome(files, tmp_path, 'picky.h5', INPUTS=str(files / 'right.npy'))
    assert code == 0
    proof = json.loads((tmp_path / 'out' / 'proof.json').read_text())
    assert proof['batches'] == ['your own data, batch of 3', 'your own data, batch of 2']
    assert 'so your own were judged alone' in proof['notes'][0]


def test_a_whole_run_and_its_program(files, tmp_path):
    """load.py runs with nothing of this repository, and a second run replaces the first."""
    for to in ('onnx', 'keras3'):
        code, _ = outcome(files, tmp_path, 'good.h5', to=to)
        assert code == 0
    out = tmp_path / 'out'
    made = {path.name for path in out.iterdir()}
    assert made == {'model.keras', 'proof.json', 'proof.md', 'load.py', 'keras2_layers.py'}
    env = {key: value for key, value in os.environ.items() if key not in ('PYTHONPATH', 'KERAS_BACKEND')}
    python = ROOT / '.venv-migrate-new' / 'bin' / 'python'
    done = subprocess.run([python, out / 'load.py'], cwd='/', env=env, capture_output=True, text=True)
    assert done.returncode == 0 and '(1, 300)' in done.stdout, done.stderr
