"""docker/dot: what Keras's plot_model and a person get from it."""

import os
import shutil
import subprocess
import sys

import pytest
from PIL import Image

from tensorflow_with_keras.recipe import ROOT

GRAPH = 'digraph { a [shape=record, label="input: InputLayer|{(None, 8)|(None, 3)}"]; a -> b }'
BEGINS = {'png': b'\x89PNG', 'svg': b'<?xml', 'pdf': b'%PDF', 'ps': b'%!PS', 'eps': b'%!PS', 'jpg': b'\xff\xd8'}


@pytest.fixture
def dot(tmp_path):
    """docker/dot beside graphviz-pure, as an environment has it, in a folder with a blank."""
    folder = tmp_path / 'an environment'
    folder.mkdir()
    shutil.copy(os.path.join(ROOT, 'docker', 'dot'), str(folder))
    os.symlink(os.path.join(os.path.dirname(sys.executable), 'graphviz-pure'), str(folder / 'graphviz-pure'))

    def run(*args, **kwargs):
        command = [sys.executable, str(folder / 'dot')] + list(args)
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)

    return run


@pytest.mark.parametrize('kind', sorted(BEGINS))
def test_each_format_by_file_and_by_pipe(dot, tmp_path, kind):
    source, target = tmp_path / 'the graph.dot', tmp_path / 'the picture'
    source.write_text(GRAPH)
    piped = dot('-T' + kind, input=GRAPH.encode())
    assert piped.returncode == 0 and piped.stdout.startswith(BEGINS[kind]), piped.stderr
    for target_as_written in (['-o', str(target)], ['-o' + str(target)]):
        done = dot('-T' + kind, str(source), *target_as_written)
        assert (done.returncode, done.stdout) == (0, b''), done.stderr
        assert target.read_bytes().startswith(BEGINS[kind])
        target.unlink()


def test_postscript_of_an_empty_graph_which_keras_asks_for_first(dot):
    assert dot('-Tps', input=b'digraph G {}').returncode == 0


def test_the_picture_in_a_postscript_file_is_the_png(dot, tmp_path):
    for kind in ('png', 'eps'):
        dot('-T' + kind, '-Gdpi=192', '-o', str(tmp_path / kind), input=GRAPH.encode())
    sizes = [Image.open(str(tmp_path / kind)).size for kind in ('png', 'eps')]
    assert sizes[0] == sizes[1] and min(sizes[0]) > 100


def test_it_finds_its_packages_without_pythonpath_as_pydot_calls_it(tmp_path):
    """As in the images: a Python without the packages, which lie beside the program's folder."""
    prefix = tmp_path / 'opt'
    (prefix / 'bin').mkdir(parents=True)
    shutil.copy(os.path.join(ROOT, 'docker', 'dot'), str(prefix / 'bin'))
    os.symlink(os.path.join(os.path.dirname(sys.executable), 'graphviz-pure'), str(prefix / 'bin' / 'graphviz-pure'))
    library = prefix / 'lib' / ('python%d.%d' % sys.version_info[:2])
    library.mkdir(parents=True)
    (library / 'site-packages').symlink_to(os.path.dirname(os.path.dirname(Image.__file__)))
    bare = ['-S', '-E', str(prefix / 'bin' / 'dot'), '-Tps']
    done = subprocess.run([sys.executable] + bare, input=GRAPH.encode(), stdout=subprocess.PIPE, env={})
    assert done.returncode == 0 and done.stdout.startswith(b'%!PS')


@pytest.mark.parametrize('kind', ['png', 'pdf'])
def test_a_graph_with_an_error_fails_and_says_where(dot, kind):
    done = dot('-T' + kind, input=b'digraph { a -> ')
    assert done.returncode != 0 and b'syntax error in line 1' in done.stderr


def test_the_name_chooses_the_layout_as_graphvizs_own_names_do(dot, tmp_path):
    folder = tmp_path / 'an environment'
    (folder / 'circo').symlink_to('dot')
    command = [sys.executable, str(folder / 'circo'), '-Tplain']
    circo = subprocess.run(command, input=b'digraph { a -> b -> c -> a }', stdout=subprocess.PIPE).stdout
    assert circo and circo != dot('-Tplain', input=b'digraph { a -> b -> c -> a }').stdout


def test_plot_model_draws_every_format(tmp_path):
    program = """
import sys, keras
model = keras.models.Sequential([keras.layers.Dense(3, input_shape=(8,)), keras.layers.Dense(2)])
for kind in ('png', 'svg', 'pdf', 'jpg'):
    keras.utils.plot_model(model, to_file='model.' + kind, show_shapes=True)
"""
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ['PATH']
    subprocess.run([sys.executable, '-c', program], cwd=str(tmp_path), env=dict(os.environ, PATH=path), check=True)
    for kind in ('png', 'svg', 'pdf', 'jpg'):
        assert (tmp_path / ('model.' + kind)).read_bytes().startswith(BEGINS[kind])
