"""Models whose own answers move, by rounding or by chance; and what of TensorFlow a new file can and cannot hold."""

import json

import pytest
from conftest import STEPS, Models, migrate, run

CASES = r"""
import json, sys
import keras, numpy as np, tensorflow as tf
from keras import layers as L
from tensorflow.python.framework import function

folder = sys.argv[1]
np.random.seed(3)


def chaos(x):  # each step doubles a difference, so that 40 make all of one in the last digit
    from keras import backend as K
    x = K.sigmoid(x)
    for _ in range(40):
        x = 4 * x * (1 - x)
    return x


def chaos_in_a_loop(x):
    import tensorflow as tf
    x = tf.minimum(tf.abs(x), 0.7)  # so that nothing before the loop rounds
    return tf.while_loop(lambda n, x: n < 40, lambda n, x: (n + 1, 4 * x * (1 - x)), (0, x))[1]


def chaos_unless_small(x):
    import tensorflow as tf
    return tf.sin(1e6 * x)


def chaos_where_large(x):
    import tensorflow as tf
    return tf.sin(tf.exp(5 * x))


def chance(x):
    from keras import backend as K
    return x + K.random_normal(K.shape(x))


def swish(x):
    import tensorflow as tf
    return tf.nn.swish(x)


def swish_in_a_loop(x):
    import tensorflow as tf
    return tf.map_fn(tf.nn.swish, x)


def python(x):
    import tensorflow as tf
    y = tf.py_func(lambda a: 2 * a, [x], tf.float32)
    y.set_shape(x.shape)
    return y


def inverse(x):
    import tensorflow as tf
    return tf.matrix_inverse(x)


def inverse_in_a_loop(x):
    import tensorflow as tf
    return tf.map_fn(lambda a: tf.matrix_inverse(a), x)


@function.Defun(tf.float32, func_name='inner_function')
def inner(x):
    return 3 * tf.nn.swish(x)


@function.Defun(tf.float32, func_name='outer_function')
def outer(x):
    return inner(x) + 1


def functions_in_functions(x):
    y = outer(x)
    y.set_shape(x.shape)
    return y


def net(function, *shape):
    layers = [L.Dense(shape[-1], name='first'), L.Lambda(function, name='own'), L.Dense(3, name='last')]
    x = y = L.Input(shape)
    for layer in layers[function in (chaos_in_a_loop, chaos_unless_small) :]:
        y = layer(y)
    return keras.Model(x, y)


functions = chaos, chaos_in_a_loop, chaos_unless_small, chaos_where_large, chance, swish, swish_in_a_loop, python
cases = {f.__name__: net(f, 4) for f in functions}
cases.update({f.__name__: net(f, 4, 4) for f in (inverse, inverse_in_a_loop)})
x = L.Input((4,))
y = L.Dense(3, name='plain')(x)
cases['two outputs'] = keras.Model(x, [y, L.Lambda(chaos, name='own')(y)])
y = L.Lambda(lambda x: 100 * x, name='before')(L.Lambda(chaos, name='own')(x))
cases['softmax'] = keras.Model(x, L.Activation('softmax', name='top')(y))
if len(sys.argv) > 2:  # its Lambda finds the function by its name
    cases = {'functions in functions': net(functions_in_functions, 4)}
listed = []
for n, (name, model) in enumerate(cases.items()):
    model.save(folder + '/%03d.h5' % n)
    listed.append({'name': name, 'file': '%03d.h5' % n, 'custom': ['outer'] if len(sys.argv) > 2 else []})
json.dump(listed, open(folder + '/cases.json', 'w'))
np.save(folder + '/small.npy', np.random.RandomState(0).normal(0, 1e-7, (6, 4)))
np.save(folder + '/large.npy', np.random.RandomState(0).normal(0, 1, (6, 4)))
"""


@pytest.fixture(scope='module')
def asked(tmp_path_factory):
    """The models, saved and asked; what ONNX refuses is asked once more for the SavedModel."""
    folder = tmp_path_factory.mktemp('rounding')
    (folder / 'save.py').write_text(CASES)
    made = Models(folder, folder / 'save.py', [], custom=())
    made.refused = dict(made.failed)
    return made


@pytest.fixture(scope='module', params=['savedmodel', 'onnx'])
def proofs(asked, request):
    return asked.proofs(*STEPS[request.param])


def test_no_layer_is_blamed_where_rounding_decides(proofs):
    for name in ('chaos', 'chaos_unless_small', 'softmax'):
        proof = proofs[name]
        assert not proof['holds'] and proof['decides'] == 'rounding' and proof['first_layer_that_parts'] is None, proof
        assert proof['batches'][0].startswith('random, standard deviation 2 ')
        assert min(row['rounding'] for row in proof['outputs']) > 1e-5
        assert max(row['chance'] for row in proof['outputs']) == 0


def test_what_rounds_in_a_loop_moves_too_and_a_model_that_answers_the_same_all_the_same_holds(proofs):
    proof = proofs['chaos_in_a_loop']  # of products and differences alone, which every machine rounds alike
    assert min(row['rounding'] for row in proof['outputs']) > 1e-2
    assert proof['holds'] and proof['decides'] is None


def test_smaller_inputs_are_taken_where_they_decide(proofs):
    proof = proofs['chaos_where_large']
    assert proof['holds'] and proof['decides'] is None and proof['largest_relative_difference'] < 1e-5
    assert 'Rounding decides' in proof['notes'][0] and 'times smaller' in proof['notes'][0]
    assert 'standard deviation 2 ' not in proof['batches'][0]
    assert max(row['rounding'] for row in proof['outputs']) <= 1e-5 / 4


def test_an_output_that_rounding_does_not_reach_is_judged_as_ever(asked):
    proof = asked.proofs(*STEPS['onnx'])['two outputs']
    assert proof['decides'] == 'rounding'
    plain = [row for row in proof['outputs'] if row['output'] == 'plain']
    assert len(plain) == 2 and max(row['relative'] for row in plain) < 1e-5
    (job,) = [job for job in asked.jobs if job['name'] == 'two outputs']
    file = f'{job["work"]}/model.onnx'
    right = open(file, 'rb').read()
    try:
        run('new', '-c', WRONG, file)
        proof = asked.proofs(*STEPS['onnx'])['two outputs']
    finally:
        open(file, 'wb').write(right)
    assert not proof['holds'] and proof['decides'] is None and proof['first_layer_that_parts'] == 'plain'


WRONG = """
import sys, onnx
model = onnx.load(sys.argv[1])
(kernel,) = [w for w in model.graph.initializer if list(w.dims) == [4, 3]]
kernel.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(kernel)[::-1].copy(), kernel.name))
onnx.save(model, sys.argv[1])
"""


def test_random_numbers_are_told_apart_from_rounding(asked):
    proof = asked.proofs(*STEPS['onnx'])['chance']
    assert not proof['holds'] and proof['decides'] == 'chance' and proof['first_layer_that_parts'] is None
    assert proof['batches'][0].startswith('random, standard deviation 2 ')  # smaller ones would help nothing
    assert min(row['chance'] for row in proof['outputs']) > 1e-2


@pytest.mark.parametrize('name', ['swish', 'swish_in_a_loop'])
def test_functions_of_tensorflow_move(proofs, name):
    assert proofs[name]['holds'], proofs[name]
    assert proofs[name]['largest_relative_difference'] < 1e-6 * 5


def test_functions_that_call_functions_move_to_onnx(tmp_path):
    (tmp_path / 'save.py').write_text(CASES)
    (tmp_path / 'own.py').write_text(CASES.split('functions = chaos')[0].replace('sys.argv[1]', "''"))
    models = Models(tmp_path, tmp_path / 'save.py', ['functions'], custom=(tmp_path / 'own.py',))
    assert 'calls another, inner_function, which' in models.failed['functions in functions']['sentence']
    for job in models.jobs:
        job['targets'] = ['onnx']
    assert not models.ask(models.jobs, ('old', 'old'))
    proof = models.proofs(*STEPS['onnx'])['functions in functions']
    assert proof['holds'] and proof['largest_relative_difference'] < 1e-5, proof


def test_what_onnx_cannot_hold_is_a_sentence(asked):
    assert set(asked.refused) == {'python', 'inverse', 'inverse_in_a_loop'}
    for name, words in {
        'python': 'own/PyFunc calls a function of Python (tf.py_func), which neither ONNX nor a SavedModel can hold',
        'inverse': "ONNX has no counterpart of TensorFlow's operation MatrixInverse, as own/MatrixInverse has it",
        'inverse_in_a_loop': "ONNX has no counterpart of TensorFlow's operation MatrixInverse",
    }.items():
        assert words in asked.refused[name]['sentence'] and asked.refused[name]['code'] == 3


@pytest.mark.parametrize(
    'name, options, code, words',
    [
        (
            'chaos',
            {},
            1,
            'NOT proven to answer the same: rounding decides what the old one answers to these inputs;',
        ),
        ('chance', {}, 1, 'NOT proven to answer the same: the old one draws random numbers'),
        ('chaos_unless_small', {'INPUTS': 'small.npy'}, 0, ''),
        ('chaos_unless_small', {'INPUTS': 'large.npy'}, 1, 'rounding decides'),
        ('python', {'TO': 'savedmodel'}, 3, 'calls a function of Python'),
        ('inverse', {'TO': 'savedmodel'}, 0, ''),
    ],
)
def test_what_a_person_sees(asked, tmp_path, name, options, code, words):
    (job,) = [job for job in asked.jobs if job['name'] == name]
    if 'INPUTS' in options:
        options = {'INPUTS': str(asked.folder / options['INPUTS'])}
    got, last, out = migrate(job['model'], tmp_path, **{'TO': 'onnx', **options})
    assert got == code and words in last, (got, last)
    if code == 3:
        return
    page, proof = (out / 'proof.md').read_text(), json.loads((out / 'proof.json').read_text())
    assert ('rounding of the old model' in page) and (code == 0) is proof['holds']
    if code == 1:
        assert words.split(': ')[-1].split(';')[0] in page.replace('Rounding', 'rounding').replace('The old', 'the old')
    if 'INPUTS' in options:
        assert proof['batches'] == ['your own data, batch of 6', 'your own data, batch of 3']
        assert 'so your own were judged alone' in proof['notes'][0]


CANNOT_COPY = """
import sys
from migrate import common, old

def shaken(session):
    raise ValueError('a graph that cannot be copied')

old.shaken = shaken
common.run_jobs(sys.argv[1], old.work)
"""


def test_where_rounding_is_not_known_all_else_is_judged(asked, tmp_path):
    jobs = []
    for name in ('swish', 'chaos', 'chance'):
        (job,) = [job for job in asked.jobs if job['name'] == name]
        jobs.append({**job, 'work': str(tmp_path / name), 'targets': ['onnx']})
        (tmp_path / name).mkdir()
    (tmp_path / 'jobs.json').write_text(json.dumps(jobs))
    run('old', '-c', CANNOT_COPY, tmp_path / 'jobs.json')
    assert not asked.ask(jobs, *STEPS['onnx'], ('new', 'judge'))
    found = {job['name']: json.loads((tmp_path / job['name'] / 'proof.json').read_text()) for job in jobs}
    assert {row['rounding'] for proof in found.values() for row in proof['outputs']} == {None}
    assert found['swish']['holds'] and found['chance']['decides'] == 'chance'
    assert found['chaos']['decides'] is None and found['chaos']['first_layer_that_parts'] == 'own'


SHAKEN = """
import numpy as np, tensorflow as tf
from migrate import old

random = np.random.RandomState(0)
for dtype in ('float16', 'float32', 'float64'):
    for shape in ((), (0,), (1,), (3, 0, 2), (20000,)):
        array = (random.normal(0, 1, shape) * 10 ** random.uniform(-3, 3, shape)).astype(dtype)
        whole = random.randint(-1000, 1000, shape).astype(dtype)
        with tf.Graph().as_default(), tf.Session() as session:
            tf.set_random_seed(0)
            shaken = old.shake(tf.placeholder(dtype, None))
            given = shaken.graph.get_tensor_by_name('Placeholder:0')
            moved, still = session.run(shaken, {given: array}), session.run(shaken, {given: whole})
        assert moved.dtype == dtype and moved.shape == shape and np.array_equal(still, whole)
        # at most one number of the type further: twice the spacing, just above a power of two
        assert (np.abs(moved.astype('float64') - array) <= 2 * np.spacing(np.abs(array)).astype('float64')).all()
        if array.size > 1:
            assert min((moved > array).mean(), (moved < array).mean(), (moved == array).mean()) > 0.1
"""


def test_a_shaken_number_is_one_beside_it_and_whole_ones_stay():
    run('old', '-c', SHAKEN)


def test_what_moves_is_about_what_is_rounded(tmp_path):
    """Against the same network in NumPy's float64, whose own rounding is nothing beside float32's."""
    run('old', '-c', AGAINST_NUMPY, tmp_path)


AGAINST_NUMPY = """
import keras, numpy as np
from keras import layers as L
from migrate import old

random = np.random.RandomState(0)
for deep in (1, 4, 12):
    keras.backend.clear_session()
    model = keras.Sequential([L.Dense(64, activation='tanh', input_shape=(64,)) for _ in range(deep)])
    model.set_weights([random.normal(0, 0.3, w.shape) for w in model.get_weights()])
    x = random.normal(0, 2, (32, 64)).astype('float32')
    right, weights = x.astype('float64'), [w.astype('float64') for w in model.get_weights()]
    for kernel, bias in zip(weights[::2], weights[1::2]):
        right = np.tanh(right @ kernel + bias)
    rounded = np.abs(model.predict_on_batch(x) - right).max() / np.abs(right).max()
    found = old.own_moves(model, old.shaken(keras.backend.get_session()), [('', [x])])
    assert list(found) == ['0/0', '0/0/before'] and found['0/0']['chance'] == 0
    assert rounded / 10 < found['0/0']['rounding'] < rounded * 10, (deep, rounded, found)
"""
