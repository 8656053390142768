"""Finding, running and recording recipes; and what bad input gets."""

import json
import os
import re
import resource
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tensorflow_with_keras import __main__, datasets, doctor, recipe
from tensorflow_with_keras.recipe import ROOT

KAPPA = 'metrics/cohens_kappa'
PINS = doctor.pins(doctor.stack_of())


def environment():
    return dict(os.environ, PYTHONPATH=os.pathsep.join([ROOT] + sys.path))


def command(*args):
    return [sys.executable, '-m', 'tensorflow_with_keras'] + list(args)


def call(*args, **kwargs):
    """Exit code, standard output, standard error of a command line."""
    done = subprocess.run(
        command(*args),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        **kwargs,
    )
    return done.returncode, done.stdout, done.stderr


def one_sentence(err):
    lines = [line for line in err.splitlines() if line != 'Using TensorFlow backend.']
    return len(lines) == 1 and 'Traceback' not in err


def files(folder):
    return sorted(name for _, _, names in os.walk(str(folder)) for name in names)


def test_importing_the_package_loads_neither_tensorflow_nor_numpy():
    code = 'import sys, tensorflow_with_keras.__main__; print({"tensorflow", "keras", "numpy"} & set(sys.modules))'
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, stdout=subprocess.PIPE, universal_newlines=True)
    assert done.stdout.strip() == 'set()'


def test_a_reader_who_has_seen_enough_of_the_list_gets_no_traceback():
    pipes = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE}
    with subprocess.Popen(command('list'), cwd=ROOT, env=environment(), **pipes) as listing:
        listing.stdout.close()
        assert listing.stderr.read() == b''
    assert listing.returncode == 0


def test_it_says_which_stack_is_installed():
    code, out, _ = call()
    assert code == 0
    assert 'Stack: %s\n' % doctor.stack_of() in out


def test_the_list_has_one_recipe_a_line_name_first():
    code, out, err = call('list')
    assert (code, err) == (0, '')
    names = [line.split()[0] for line in out.splitlines()]
    assert names == list(recipe.find()) and KAPPA in names
    assert all(len(line.split(None, 1)[1]) > 20 for line in out.splitlines())


def test_data_set_names_are_the_same_in_both_places():
    assert recipe.DATASETS == datasets.NAMES


def test_without_a_command_it_says_what_is_here():
    code, out, err = call()
    assert (code, err) == (0, '')
    assert re.search('tensorflow(-gpu)? %s, keras %s' % (tf.__version__, PINS['keras']), out) and KAPPA in out


def test_help_of_a_recipe_is_its_docstring():
    code, out, err = call('run', KAPPA, '--help')
    assert (code, err) == (0, '')
    assert 'The line that matters' in out and '--data-dir' in out


def test_a_run_and_its_record(tmp_path):
    code, out, err = call(
        'run', KAPPA, '--epochs', '1', '--threads', '1', '--seed', '3', '--verbose', '0', '--out', str(tmp_path)
    )
    assert code == 0 and err == 'Using TensorFlow backend.\n'
    folder = tmp_path / 'metrics-cohens_kappa'
    assert files(tmp_path) == ['result.json']
    record = json.loads((folder / 'result.json').read_text())
    assert set(record) == {
        'recipe',
        'metrics',
        'versions',
        'dataset',
        'seed',
        'threads',
        'command',
        'seconds',
        'interrupted',
    }
    assert (
        record['recipe'] == KAPPA and record['seed'] == 3 and record['threads'] == 1 and record['interrupted'] is False
    )
    assert all(isinstance(v, (int, float, str)) for v in record['metrics'].values())
    assert (record['versions']['tensorflow'], record['versions']['keras']) == (tf.__version__, PINS['keras'])
    assert record['dataset'] == {'name': 'digits', 'sha256': datasets.load('digits').sha256}
    assert record['seconds'] > 0
    assert record['command'] == (
        'python -m tensorflow_with_keras run metrics/cohens_kappa --epochs 1 --threads 1 --seed 3 '
        '--verbose 0 --out %s' % tmp_path
    )
    assert 'test_kappa' in out and str(folder / 'result.json') in out


def test_a_recipe_file_runs_by_itself(tmp_path):
    done = subprocess.run(
        [sys.executable, 'examples/metrics/cohens_kappa.py', '--epochs', '1', '--verbose', '0', '--out', str(tmp_path)],
        cwd=ROOT,
        env=environment(),
    )
    assert done.returncode == 0 and files(tmp_path) == ['result.json']


@pytest.mark.parametrize(
    'args, expected',
    [
        ((KAPPA, '--dataset', 'cifar10'), "invalid choice: 'cifar10' (choose from 'digits', 'mnist', 'fashion_mnist')"),
        ((KAPPA, '--epochs', '0'), "'0' is not a whole number from 1 up"),
        ((KAPPA, '--epochs', 'abc'), "'abc' is not a whole number from 1 up"),
        ((KAPPA, '--epochs', '1.5'), "'1.5' is not a whole number from 1 up"),
        ((KAPPA, '--batch-size', '-3'), "'-3' is not a whole number from 1 up"),
        ((KAPPA, '--threads', '0'), "'0' is not a whole number from 1 up"),
        ((KAPPA, '--seed', '-1'), "'-1' is not a whole number from 0 to 4294967295"),
        ((KAPPA, '--seed', '4294967296'), "'4294967296' is not a whole number from 0 to 4294967295"),
        ((KAPPA, '--verbose', '3'), 'invalid choice: 3'),
        ((KAPPA, '--epoch-size', '3'), 'unrecognized arguments'),
        ((KAPPA, '--epochs'), 'expected one argument'),
    ],
)
@pytest.mark.parametrize('check', [False, True])
def test_wrong_arguments_are_one_sentence_and_2(args, expected, check, tmp_path):
    code, out, err = call('run', *(['--check'] if check else []) + list(args) + ['--out', str(tmp_path / 'runs')])
    assert code == 2 and expected in err and one_sentence(err) and out == ''
    assert not (tmp_path / 'runs').exists()


@pytest.mark.parametrize(
    'args', [(), ('--epochs', '1'), ('--batch-size', '1'), ('--seed', '0'), ('--seed', '4294967295')]
)
def test_good_arguments_are_0_and_said_again(args, tmp_path):
    code, out, err = call('run', '--check', KAPPA, '--out', str(tmp_path / 'runs'), *args)
    assert (code, err) == (0, '') and files(tmp_path) == []
    assert [line[7:] for line in out.splitlines()[2:]] == [*args, '--out', str(tmp_path / 'runs')]


@pytest.mark.parametrize(
    'args, variable, data, options',
    [
        ([], None, '~/.keras/datasets', []),
        ([], 'else where', 'else where', []),  # the container gets it as TFK_DATA_DIR
        (['--data-dir', 'a b'], 'else where', 'a b', ['--data-dir', '@a b']),
        (['--data-di=a/../b', '--ep', '3'], None, 'b', ['--data-dir', '@b', '--epochs', '3']),
        (['--verbose', '2'], None, '~/.keras/datasets', ['--verbose', '2']),  # a default, but of this terminal only
        (['--seed=1', '--seed=2'], None, '~/.keras/datasets', ['--seed', '2']),
    ],
)
def test_check_says_the_folders_whole_and_the_options_as_a_container_wants_them(
    args, variable, data, options, tmp_path, monkeypatch, capsys
):
    (tmp_path / 'link').symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    if variable:
        monkeypatch.setenv('TFK_DATA_DIR', variable)
    assert __main__.main(['run', '--check', KAPPA, '--out', 'link/my runs'] + args) == 0
    data = data.replace('~', 'home')
    options = [word.replace('@', '%s/' % tmp_path) for word in options] + ['--out', '%s/my runs' % tmp_path]
    assert capsys.readouterr().out.splitlines() == (
        ['out=%s/my runs' % tmp_path, 'data=%s/%s' % (tmp_path, data)] + ['option=' + word for word in options]
    )


def test_what_a_recipe_needs_is_the_first_word_of_its_paragraph(tmp_path, monkeypatch):
    (tmp_path / 'topic').mkdir()
    for name, docstring in (
        ('bare', 'A pattern.'),
        ('one', 'A pattern.\n\nWhen: now.\n\nNeeds: Horovod, which is built.\n'),
        ('another', 'A pattern.\n\nNeeds: xgboost'),
        ('text', 'A pattern.\n\nWhat it Needs: nothing.'),
    ):
        (tmp_path / 'topic' / (name + '.py')).write_text('"""%s"""\n' % docstring)
    (tmp_path / 'topic' / 'empty.py').write_text('')
    monkeypatch.setattr(recipe, 'EXAMPLES', str(tmp_path))
    needs = {name: r.needs for name, r in recipe.find().items()}
    assert needs == {
        'topic/bare': '',
        'topic/one': 'horovod',
        'topic/another': 'xgboost',
        'topic/text': '',
        'topic/empty': '',
    }


WITHOUT = """
import sys
from tensorflow_with_keras import __main__
missing = sys.argv[1]

class Without:
    def find_spec(name, path=None, target=None):
        if name == missing:
            raise ModuleNotFoundError('No module named %r' % name, name=name)

sys.meta_path.insert(0, Without)
__main__.main(['run', *sys.argv[2:]])
"""


of_the_reference = pytest.mark.not_on(
    'tf1.12-keras2.2.4',
    'tf1.15-keras2.2.4',
    'tf1.15-keras2.3.1',
    reason='distributed/horovod is for the reference alone',
)


@pytest.mark.parametrize(
    'name, module, code',
    [pytest.param('distributed/horovod', 'horovod', 3, marks=of_the_reference), (KAPPA, 'sklearn', 1)],
)
def test_only_a_missing_horovod_is_told_how_to_be_had(name, module, code, tmp_path):
    done = subprocess.run(
        [sys.executable, '-c', WITHOUT, module, name, '--out', str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    assert done.returncode == code
    if code == 3:
        assert one_sentence(done.stderr)
        assert done.stderr.splitlines()[-1].startswith('error: distributed/horovod needs Horovod, which `make run')
    else:
        assert done.stderr.endswith("ModuleNotFoundError: No module named 'sklearn'\n")


@pytest.mark.parametrize('name', ['metrics/nothing', '', '../Makefile', 'cohens_kappa'])
def test_an_unknown_recipe_gets_the_list_and_2(name):
    code, out, err = call('run', name)
    assert code == 2 and 'there is no recipe' in err and all('  ' + n in err.splitlines() for n in recipe.find())


@pytest.mark.parametrize('check', [False, True])
def test_an_unwritable_out_is_one_sentence_and_3(check, tmp_path):
    (tmp_path / 'file').write_text('')
    for folder in str(tmp_path / 'file' / 'runs'), '/proc':  # cannot be made; is there but takes no file
        code, out, err = call('run', *(['--check'] if check else []) + [KAPPA, '--out', folder])
        assert code == 3 and 'cannot write to' in err and 'name another folder with --out' in err and one_sentence(err)


def small_files_only():
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))  # every write past 100 bytes fails, as on a full disk


def test_a_disk_that_takes_no_more_is_one_sentence_and_3(tmp_path):
    args = ('run', KAPPA, '--epochs', '1', '--verbose', '0', '--out', str(tmp_path))
    code, out, err = call(*args, preexec_fn=small_files_only)
    assert code == 3 and one_sentence(err) and 'make room, or name another folder with --out' in err
    assert os.listdir(str(tmp_path)) == []
    folder = tmp_path / 'metrics-cohens_kappa'
    folder.mkdir()
    (folder / 'result.json').write_text('of an earlier run')
    assert call(*args, preexec_fn=small_files_only)[0] == 3
    assert files(tmp_path) == ['result.json'] and (folder / 'result.json').read_text() == 'of an earlier run'


RECIPE = '''"""A recipe for the tests."""
import os, signal, time
from tensorflow_with_keras import recipe

def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)

def ctrl_c_that_is_swallowed():
    class Destroyed:
        __del__ = lambda self: ctrl_c()
    Destroyed()

def train(data, **fit):
    import keras
    model = keras.models.Sequential([keras.layers.Flatten(input_shape=data.x_train.shape[1:])])
    model.compile('sgd', 'mse')
    model.fit(data.x_train, data.x_train.reshape(len(data.x_train), -1), epochs=100000, **fit)

def run(data, out, epochs=1, **fit):
    with open(os.path.join(out, 'picture.png'), 'w') as f:
        f.write('first half')
        f.flush()
        os.makedirs(os.path.join(out, 'folder'))
        open(os.path.join(out, 'folder', 'inside'), 'w').close()
        %s
    return {'picture': 'picture.png', 'samples': len(data.x_test), 'nothing': float('nan')}

recipe.main(run)
'''


@pytest.mark.parametrize(
    'then, code, left',
    [
        ('pass', 0, ['inside', 'picture.png', 'result.json']),
        ('raise OSError(28, "No space left on device")', 3, []),
        ('ctrl_c()', 130, ['result.json']),
        ('try: ctrl_c()\n        finally: [].pop()', 130, ['result.json']),
        ('try: ctrl_c()\n        except BaseException: pass\n        assert False', 130, ['result.json']),
        ('ctrl_c_that_is_swallowed(); train(data, **fit)', 130, ['result.json']),
        ('try: raise RuntimeError("a mistake")\n        finally: [].pop()', 1, []),
    ],
)
def test_files_reach_the_folder_only_from_a_run_that_ended_well(then, code, left, tmp_path):
    (tmp_path / 'topic').mkdir()
    (tmp_path / 'topic' / 'name.py').write_text(RECIPE % then)
    for _ in range(2):  # the second time over what the first has left
        done = subprocess.run(
            [sys.executable, str(tmp_path / 'topic' / 'name.py'), '--out', str(tmp_path / 'runs')],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    assert done.returncode == code
    assert files(tmp_path / 'runs') == left
    if code == 0:
        metrics = json.loads((tmp_path / 'runs' / 'topic-name' / 'result.json').read_text())['metrics']
        assert metrics == {'picture': 'picture.png', 'samples': 360, 'nothing': None}


LAUNCHED = '''"""A recipe of several processes, of which this is one."""
import numpy as np
import tensorflow as tf
from keras import backend as K
from tensorflow_with_keras import recipe

class Launcher:
    join, index, chief = (lambda self: True), (lambda self: %d), (lambda self: %r)

def run(out='', resume=''):
    drawn = K.get_session().run(tf.random_uniform([], seed=1))
    print('drawn', repr(np.random.rand()), repr(float(drawn)), bool(out and resume))
    return {}

recipe.main(run, Launcher())
'''


@pytest.mark.parametrize(
    'seed, index, chief, expected', [(5, 0, True, 5), (5, 3, False, 8), (5, 3, True, 8), (2**32 - 1, 2, False, 1)]
)
def test_each_of_several_processes_has_its_own_seed_and_the_chief_alone_records(seed, index, chief, expected, tmp_path):
    (tmp_path / 'topic').mkdir()
    (tmp_path / 'topic' / 'name.py').write_text(LAUNCHED % (index, chief))
    done = subprocess.run(
        [sys.executable, 'topic/name.py', '--seed', str(seed), '--threads', '1'],
        cwd=str(tmp_path),
        env=environment(),
        stdout=subprocess.PIPE,
        universal_newlines=True,
    )
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(expected)
        drawn = np.random.RandomState(expected).rand(), float(session.run(tf.random_uniform([], seed=1)))
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == 'drawn %r %r %s' % (*drawn, chief)
    assert files(tmp_path / 'runs') == (['result.json'] if chief else [])
    if chief:  # what it records is what the command said
        assert json.loads((tmp_path / 'runs' / 'topic-name' / 'result.json').read_text())['seed'] == seed


RESUMED = '''"""A recipe of several processes that is interrupted in its first run."""
import os, signal, time
from tensorflow_with_keras import recipe

class Launcher:
    join = chief = lambda self: True
    index = lambda self: 0

def run(out, resume, epochs=1):
    print(os.path.relpath(out), os.path.relpath(resume), os.listdir(resume), sep=' | ')
    if 'saved' not in os.listdir(resume):
        open(os.path.join(resume, 'saved'), 'w').close()
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
    return {'epochs': epochs}

recipe.main(run, Launcher())
'''


def test_the_same_command_and_no_other_goes_on_from_what_was_saved(tmp_path):
    (tmp_path / 'topic').mkdir()
    (tmp_path / 'topic' / 'name.py').write_text(RESUMED)

    def run(*options):
        done = subprocess.run(
            [sys.executable, 'topic/name.py', *options],
            cwd=str(tmp_path),
            env=environment(),
            stdout=subprocess.PIPE,
            universal_newlines=True,
        )
        out, resume, listed = done.stdout.splitlines()[0].split(' | ')
        assert out.startswith('runs' + os.sep) and resume.startswith('runs' + os.sep)  # the disk of the results
        return done.returncode, 'saved' in listed

    assert run() == (130, False) and files(tmp_path / 'runs') == ['saved']
    assert run('--epochs', '2') == (130, False) and files(tmp_path / 'runs') == ['saved', 'saved']
    assert run() == (0, True) and files(tmp_path / 'runs') == ['result.json', 'saved']
    assert run('--epochs', '2') == (0, True) and files(tmp_path / 'runs') == ['result.json']


def test_a_damaged_mnist_is_one_sentence_and_3(tmp_path):
    np.savez(str(tmp_path / 'mnist.npz'), x_train=np.zeros((2, 28, 28), np.uint8))
    code, out, err = call(
        'run', KAPPA, '--dataset', 'mnist', '--data-dir', str(tmp_path), '--out', str(tmp_path / 'runs')
    )
    assert code == 3 and 'mnist.npz is damaged or is not mnist' in err and one_sentence(err)
    assert files(tmp_path / 'runs') == []


def test_the_data_command():
    code, out, err = call('data', 'digits')
    assert (code, err) == (0, '') and '1437 training and 360 test images' in out
    assert call('data', 'cifar10')[0] == 2
    assert call('data', 'mnist', '--data-dir', '/nowhere')[0] == 3


@pytest.mark.parametrize('epochs', [0, 1])
def test_ctrl_c_in_training_records_whole_epochs_only(epochs, tmp_path):
    process = subprocess.Popen(
        command('run', KAPPA, '--epochs', '5000', '--verbose', '2', '--out', str(tmp_path)),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        env=dict(environment(), PYTHONUNBUFFERED='1'),
    )
    for line in process.stdout:
        if line.startswith('Epoch %d/' % (epochs + 1)):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, 'Using TensorFlow backend.\n') and 'interrupted after' in out
    record = json.loads((tmp_path / 'metrics-cohens_kappa' / 'result.json').read_text())
    whole = record['metrics']['epochs']
    assert record['interrupted'] is True and epochs <= whole < 5000
    assert ('val_cohens_kappa' in record['metrics']) == (whole > 0)


def test_ctrl_c_while_tensorflow_loads(tmp_path):
    process = subprocess.Popen(
        command('run', KAPPA, '--out', str(tmp_path)),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        env=environment(),
    )
    loading = False
    while not loading:  # the middle of the import: its library is mapped
        with open('/proc/%d/maps' % process.pid) as maps:
            loading = '_pywrap_tensorflow_internal' in maps.read()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and 'Traceback' not in err and files(tmp_path) == []


def test_a_processor_without_avx_ends_a_run_before_tensorflow_loads(tmp_path):
    old = tmp_path / 'old'
    old.write_text('processor\t: 0\nmodel name\t: Nehalem\nflags\t\t: fpu sse sse2 ssse3 sse4_1 sse4_2\n')
    code = (
        'import sys; from tensorflow_with_keras import __main__, doctor\n'
        'doctor.cpu_problem.__defaults__ = (%r,)\n'
        'try: __main__.main(["run", %r, "--out", %r])\n'
        'finally: print([m for m in ("tensorflow", "keras") if m in sys.modules])' % (str(old), KAPPA, str(tmp_path))
    )
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True
    )
    assert (
        done.returncode == 3 and one_sentence(done.stderr) and 'no AVX' in done.stderr and done.stdout.strip() == '[]'
    )


def test_numbers_that_json_does_not_know():
    assert [recipe._plain(v) for v in (np.float32(0.5), np.int64(3), True, 'a.png', float('nan'), np.inf)] == [
        0.5,
        3,
        1,
        'a.png',
        None,
        None,
    ]


def test_a_training_whose_reader_is_gone_has_failed(tmp_path):
    read, write = os.pipe()
    os.close(read)
    train = command('run', KAPPA, '--epochs', '1', '--out', str(tmp_path))
    done = subprocess.run(train, stdout=write, stderr=subprocess.PIPE, universal_newlines=True, env=environment())
    os.close(write)
    assert done.returncode == recipe.FAILED and 'Traceback' not in done.stderr


@pytest.mark.parametrize(
    'arguments, code',
    [(['list'], 0), (['doctor', '--no-tensorflow', '--json'], recipe.FAILED), (['inspect', 'MODEL'], recipe.FAILED)],
)
def test_an_answer_that_nobody_reads_is_no_verdict(arguments, code, tmp_path):
    model = str(tmp_path / 'model.h5')
    keras.models.Sequential([keras.layers.Dense(1, input_shape=(1,))]).save(model)
    read, write = os.pipe()
    os.close(read)
    ask = command(*[model if each == 'MODEL' else each for each in arguments])
    done = subprocess.run(ask, stdout=write, stderr=subprocess.PIPE, universal_newlines=True, env=environment())
    os.close(write)
    assert done.returncode == code and 'Traceback' not in done.stderr


def test_a_file_where_it_is_started_takes_no_packages_place(tmp_path):
    """As examples/distributed/horovod.py did with Horovod's for who stood in that folder."""
    (tmp_path / 'keras.py').write_text('')
    train = command('run', KAPPA, '--epochs', '1', '--verbose', '0', '--out', 'here')
    done = subprocess.run(train, cwd=str(tmp_path), stderr=subprocess.PIPE, env=environment(), universal_newlines=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'here' / 'metrics-cohens_kappa' / 'result.json').exists()
