# ruff: noqa: E501 (tables of files, one a line)
"""What a folder asks for, in every way that projects of those years said it. Nothing is resolved here."""

import datetime
import json
import os
import subprocess

import look
import pytest
from packaging.requirements import Requirement
from project_error import Refused


def given(folder, **options):
    """Name to what the resolver is given for it."""
    return {a.name: a.given for a in look.look({'DIR': str(folder), **options}).requirements}


def refused(folder, **options):
    with pytest.raises(Refused) as caught:
        look.look({'DIR': str(folder), **options})
    assert '\n' not in str(caught.value)
    return str(caught.value)


TEXT = """\
Keras>=2.0.8  # Größe
pandas==0.23.4 \\
    --hash=sha256:0000000000000000000000000000000000000000000000000000000000000000
six; python_version < "3"
scikit-learn [alldeps] >=0.19
"""


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16', 'utf-16-le', 'latin-1'])
@pytest.mark.parametrize('ends', ['\n', '\r\n'])
def test_a_requirements_file_in_any_encoding(make, encoding, ends):
    folder = make({'requirements.txt': TEXT.replace('\n', ends).encode(encoding)})
    assert given(folder) == {
        'keras': 'Keras>=2.0.8',
        'pandas': 'pandas==0.23.4',
        'six': 'six; python_version < "3"',
        'scikit-learn': 'scikit-learn[alldeps]>=0.19',
    }


@pytest.mark.parametrize(
    'line, name, wants',
    [
        ('numpy @ file:///tmp/build/80754af9/numpy_1/work', 'numpy', 'numpy'),
        ('file:///home/me/wheels/plotter-1.0-py3-none-any.whl', 'plotter', 'plotter==1.0'),
        ('./dist/plotter-1.0.tar.gz', 'plotter', 'plotter==1.0'),
        ('git+https://github.com/a/keras-contrib.git', 'keras-contrib', 'keras-contrib @ git+https://github.com/a/keras-contrib.git'),
        ('git+https://github.com/a/b.git@v1#egg=c-1.0', 'c', 'c @ git+https://github.com/a/b.git@v1'),
        ('-e git+https://github.com/a/b.git@0f1#egg=b_c', 'b-c', 'b_c @ git+https://github.com/a/b.git@0f1'),
        ('-e git://github.com/a/b#egg=b', 'b', 'b @ git+https://github.com/a/b'),
        ('-e https://github.com/a/b.git@v2#egg=b', 'b', 'b @ git+https://github.com/a/b.git@v2'),
        ('git+git://github.com/a/b#egg=b&subdirectory=py', 'b', 'b @ git+https://github.com/a/b#subdirectory=py'),
        ('git+git@github.com:a/b.git', 'b', 'b @ git+ssh://git@github.com/a/b.git'),
        ('git@github.com:a/b.git@v1', 'b', 'b @ git+ssh://git@github.com/a/b.git@v1'),
        ('coco @ git+https://github.com/a/coco@main', 'coco', 'coco @ git+https://github.com/a/coco@main'),
        ('https://example.org/plotter-1.0-py3-none-any.whl', 'plotter', 'plotter @ https://example.org/plotter-1.0-py3-none-any.whl'),
        ('https://example.org/plotter-1.0.tar.gz', 'plotter', 'plotter @ https://example.org/plotter-1.0.tar.gz'),
        ('plotter==1.0 --install-option="--x"', 'plotter', 'plotter==1.0'),
        ('plotter=1.0=py36_0', 'plotter', 'plotter==1.0'),
    ],
)  # fmt: skip
def test_a_line_that_is_more_than_a_name_and_a_version(make, line, name, wants):
    found = given(make({'requirements.txt': f'keras\n{line}\n'}))
    assert found.pop('keras') == 'keras'
    assert list(found) == [name]
    assert Requirement(found[name]) == Requirement(wants)


@pytest.mark.parametrize('line', ['-e .', '--editable .', '-e .[gpu]', '-i https://example.org/simple', '--no-binary :all:', '', '# keras-nothing'])  # fmt: skip
def test_a_line_that_asks_for_nothing(make, line):
    assert given(make({'requirements.txt': f'keras\n{line}\n'})) == {'keras': 'keras'}


@pytest.mark.parametrize('line', ['./libs/mine', '-e ../other', '???', 'C:\\wheels\\x', '==1.0', 'a b c'])
def test_what_cannot_be_had_is_left_out_and_says_so(make, line):
    project = look.look({'DIR': str(make({'requirements.txt': f'keras\n{line}\n'}))})
    assert [(a.text, a.given) for a in project.requirements[1:]] == [(line, '')]
    assert project.requirements[1].why.startswith('left out')


def test_other_files_of_requirements_and_constraints(make):
    folder = make(
        {
            'requirements.txt': '-r reqs/base.txt\n-c reqs/limits.txt\n-r missing.txt\n',
            'requirements-dev.txt': '-r requirements.txt\npytest\n',
            'reqs/base.txt': 'keras\n--requirement more.txt\n',
            'reqs/more.txt': '-r base.txt\nscipy\n',  # a circle
            'reqs/limits.txt': 'scipy<1.3\n',
        }
    )
    project = look.look({'DIR': str(folder)})
    assert {a.name for a in project.requirements} == {'keras', 'scipy', 'pytest'}
    assert set(project.constraints) == {'scipy<1.3'}
    assert any('missing.txt' in note for note in project.notes)


SETUP = """
import os, sys
from setuptools import setup
raise SystemExit('nobody may run this')
with open('version') as f: version = f.read()
NEEDS = ['keras>=2.1', 'scipy']
NEEDS += ['six']
extra = ['h5py']
if sys.platform == 'linux':
    NEEDS.append('plotter')
arguments = dict(setup_requires=['cython'], python_requires='>=3.5')
setup(name='x', version=version, install_requires=NEEDS + extra, extras_require={'gpu': ['tensorflow-gpu']},
      setup_requires=['cython>=0.28'], python_requires='>=3.5', **{'tests_require': ['x']})
"""


def test_what_lists_of_packages_name_and_no_project_needs(make):
    text = (
        'keras\npip==18.1\nsetuptools==40.6.2\nwheel==0.32\npkg-resources==0.0.0\nmkl-fft==1.0.6\nmkl_random==1.0.1\n'
    )
    project = look.look({'DIR': str(make({'requirements.txt': text, 'a.py': 'import setuptools, pkg_resources'}))})
    assert [a.name for a in project.requirements if a.given] == ['keras']
    assert all(a.why.startswith('left out: ') for a in project.requirements[1:])


def test_setup_py_is_read_and_never_run(make):
    project = look.look({'DIR': str(make({'setup.py': SETUP}))})
    assert {a.name for a in project.requirements} == {'keras', 'scipy', 'plotter', 'h5py', 'cython', 'six'}
    assert project.develop and project.python == '>=3.5'


def test_a_setup_py_of_python_2_is_no_end(make):
    project = look.look({'DIR': str(make({'setup.py': 'print "hi"\nsetup(install_requires=["keras"])'}))})
    assert any('setup.py' in note for note in project.notes)


@pytest.mark.parametrize(
    'files, wants',
    [
        ({'setup.cfg': '[options]\ninstall_requires =\n  keras>=2\n  scipy\n'}, {'keras': '>=2', 'scipy': ''}),
        ({'pyproject.toml': '[project]\nname="x"\ndependencies = ["keras>=2", "scipy"]\n'}, {'keras': '>=2', 'scipy': ''}),
        (
            {'pyproject.toml': '[tool.poetry.dependencies]\npython = "^3.6"\nkeras = "^2.1.3"\nscipy = "~1.1"\nzero = "^0.2"\n'
                               'any = "*"\nold = {version = "1.0", optional = true}\n'},
            {'keras': '>=2.1.3,<3', 'scipy': '>=1.1,<1.2', 'zero': '>=0.2,<0.3', 'any': ''},
        ),
        ({'Pipfile': '[packages]\nkeras = ">=2"\nscipy = "*"\n[dev-packages]\nblack = "*"\n'}, {'keras': '>=2', 'scipy': ''}),
        (
            {'Pipfile': '[packages]\nother = "*"\n',
             'Pipfile.lock': json.dumps({'default': {'keras': {'version': '==2.2.0', 'hashes': ['sha256:0']}}})},
            {'keras': '==2.2.0'},
        ),
        (
            {'environment.yml': 'name: x\nchannels: [conda-forge]\ndependencies:\n- python=3.6\n- conda-forge::keras=2.2\n- mkl=2018\n'
                                '- zlib=1.2.11=ha838bed_2\n- scipy=1.1.0=py36hc49cb51_0\n- opencv\n- pip:\n  - plotter==1.0\n'},
            {'keras': '==2.2.*', 'scipy': '==1.1.0', 'opencv-python': '', 'plotter': '==1.0'},
        ),
        ({'requirements/base.txt': 'keras\nscipy'}, {'keras': '', 'scipy': ''}),
        ({'requirements.txt': 'keras', 'environment.yml': 'dependencies: [scipy]'}, {'keras': ''}),
        ({'a.py': 'import PIL.Image, skimage, os, cPickle, mine\nfrom sklearn import svm', 'mine/x.py': ''},
         {'keras': '', 'pillow': '', 'scikit-image': '', 'scikit-learn': ''}),
        ({'a.ipynb': json.dumps({'cells': [{'cell_type': 'code', 'source': ['!pip install x\n', '%matplotlib inline\n', 'import plotter']},
                                           {'cell_type': 'markdown', 'source': ['import nothing']}]})},
         {'keras': '', 'plotter': ''}),
        ({'a.py': 'import plotter\nprint "Python 2"\n'}, {'keras': '', 'plotter': ''}),
    ],
)  # fmt: skip
def test_each_kind_of_file(make, files, wants):
    found = {name: Requirement(text) for name, text in given(make(files)).items()}
    assert {name: r.specifier for name, r in found.items()} == {n: look.SpecifierSet(s) for n, s in wants.items()}


def test_broken_files_are_a_sentence(make):
    assert 'Pipfile.lock is no JSON' in refused(make({'Pipfile.lock': '{'}, name='a'))
    assert 'is no environment of conda' in refused(make({'environment.yml': '- [a'}, name='b'))
    assert 'is no environment of conda' in refused(make({'environment.yml': 'just text'}, name='c'))
    project = look.look({'DIR': str(make({'pyproject.toml': 'a = = b', 'setup.cfg': 'no section'}, name='d'))})
    assert len(project.notes) == 2


def test_folders_that_are_no_project(make, tmp_path):
    assert 'DIR=path' in refused('')
    assert f'there is no folder {tmp_path}/no such' in refused(tmp_path / 'no such')
    assert 'is a file' in refused(make({}) / 'train.py')
    assert 'no Python code' in refused(make({'train.py': None, 'readme.md': 'x'}, name='empty'))
    assert 'no Python code' in refused(
        make({'train.py': None, 'venv/pyvenv.cfg': '', 'venv/a.py': 'import keras'}, name='venv only')
    )
    assert 'names Keras or TensorFlow' in refused(make({'train.py': 'import os'}, name='other'))
    assert 'PyTorch' in refused(make({'train.py': 'import torch'}, name='torch'))
    assert given(make({'train.py': 'import os'}, name='with'), WITH='keras') == {'keras': 'keras'}


@pytest.mark.parametrize(
    'files, is_two',
    [
        ({'requirements.txt': 'tensorflow>=2.0\n'}, True),
        ({'requirements.txt': 'tensorflow-gpu==2.3.1\n'}, True),
        ({'requirements.txt': 'keras>=2.4\n'}, True),
        ({'requirements.txt': 'Keras==3.0.0\n'}, True),
        ({'train.py': 'import tensorflow as tf\n@tf.function\ndef f(x): return x\n'}, True),
        ({'requirements.txt': 'tensorflow>=2.0.0rc0\n'}, True),
        ({'requirements.txt': 'tensorflow~=2.1\n'}, True),
        ({'requirements.txt': 'tensorflow>=1.8\n'}, False),
        ({'requirements.txt': 'tensorflow==1.8\n'}, False),
        ({'requirements.txt': 'tensorflow==1.10.*\n'}, False),
        ({'requirements.txt': 'tensorflow<1.0\n'}, False),
        ({'requirements.txt': 'tensorflow>1.12,<1.14\n'}, False),
        ({'requirements.txt': 'keras~=2.1.6\n'}, False),
        ({'requirements.txt': 'keras==2.0.9\n'}, False),
        ({'requirements.txt': 'keras>=2.2,<2.4\n'}, False),
        ({'train.py': 'import keras\nimport tensorflow as tf\ntf.compat.v1.x\n'}, False),
        ({'train.py': 'import tensorflow as tf\nif hasattr(tf, "function"): tf.function(f)\ntf.Session()\n'}, False),
    ],
)
def test_tensorflow_2_is_told_so(make, files, is_two):
    folder = make(files)
    if is_two:
        assert 'TensorFlow 2' in refused(folder)
    else:
        look.look({'DIR': str(folder)})


def test_the_date_is_that_of_the_option_else_the_commit_else_the_newest_file(make, tmp_path):
    folder = make({'old.py': '', 'results.csv': ''}, day='2018-03-04')
    os.utime(folder / 'results.csv')  # of today: made by a run
    project = look.look({'DIR': str(folder)})
    assert (project.date, project.date_from) == ('2018-03-04', 'its newest file, old.py')
    os.utime(folder / 'old.py')  # all of it was copied today
    assert 'its newest file, old.py; DATE=2018-11-30 or the like' in look.look({'DIR': str(folder)}).date_from
    assert look.look({'DIR': str(folder), 'DATE': '2017-12-24'}).date == '2017-12-24'
    environment = dict(os.environ, GIT_COMMITTER_DATE='2018-01-02T12:00:00Z', GIT_CONFIG_GLOBAL='/dev/null')
    identity = ['-c', 'user.name=x', '-c', 'user.email=x@example.org']
    for command in (['init', '-q'], ['add', '.'], [*identity, 'commit', '-q', '-m', 'x']):
        subprocess.run(['git', *command], cwd=folder, env=environment, check=True)
    project = look.look({'DIR': str(folder)})
    assert (project.date, project.date_from) == ('2018-01-02', 'its newest commit')
    assert '2018-13-01 is no date' in refused(folder, DATE='2018-13-01')
    tomorrow = datetime.date.today() + datetime.timedelta(2)
    assert 'still to come' in refused(folder, DATE=tomorrow.isoformat())


def test_with_replaces_and_without_leaves_out(make):
    folder = make({'requirements.txt': 'keras\nscipy==1.0\nplotter\n', 'requirements-dev.txt': 'pytest\nsphinx\n'})
    project = look.look(
        {'DIR': str(folder), 'WITH': 'scipy==1.1.0 h5py>=2', 'WITHOUT': 'Plotter, requirements-dev.txt .'}
    )
    found = {a.name: a.given for a in project.requirements}
    assert found == {
        'keras': 'keras',
        'plotter': '',
        'pytest': '',
        'sphinx': '',
        'scipy': 'scipy==1.1.0',
        'h5py': 'h5py>=2',
    }
    assert 'WITH=??? is no requirement' in refused(folder, WITH='???')


def test_a_project_keeps_a_folder_of_its_own_whatever_its_name(make):
    one, other = (look.look({'DIR': str(make({}, name=name))}) for name in ('mein Projekt ü', 'mein_Projekt__'))
    assert one.state != other.state and one.state.name.isascii() and ' ' not in one.state.name
    assert look.look({'DIR': str(one.directory), 'GPU': '1'}).state != one.state


def test_every_correction_has_a_reason_and_a_source():
    data = look.corrections()
    for kind in ('exempt', 'metadata', 'build', 'build_constraint'):
        assert all(e['reason'] and e['source'].startswith('https://') for e in data[kind]), kind
    assert all(e['sentence'] and e['source'].startswith('https://') for e in data['different'])
    kinds = [e['name'] for e in data['different']]
    assert set(kinds) == {'tensorflow', 'keras'} and kinds == sorted(kinds, reverse=True)
