"""scripts/generate.py, on copies of what it reads. Runs with the tools of the host, by `nox -s lint`."""

import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from tensorflow_with_keras import recipe

ROOT = pathlib.Path(recipe.ROOT)
READS = [
    'docker',
    'docs',
    'examples',
    'requirements',
    'scripts',
    'tests/projects',
    'tensorflow_with_keras',
    'README.md',
    'pyproject.toml',
]
GENERATED = ['Dockerfile', 'Dockerfile.cpu', 'Dockerfile.project', 'README.md', 'docs/images.md', 'docs/pins.md']
GENERATED += ['docs/stacks.md', 'docker/stacks/tf1.15-keras2.3.1/Dockerfile.cpu', 'docs/projects.md']
GENERATED += ['Dockerfile.migrate', 'docs/symptoms.md', 'pyproject.toml', 'tensorflow_with_keras/doctor.py']


@pytest.fixture
def checkout(tmp_path):
    for name in [*READS, 'Dockerfile', 'Dockerfile.cpu', 'Dockerfile.migrate', 'Dockerfile.project']:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns('__pycache__'))
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def generate(checkout, *arguments):
    """Exit code, standard output and standard error."""
    command = [sys.executable, str(checkout / 'scripts' / 'generate.py'), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def edit(checkout, name, old, new):
    text = (checkout / name).read_text()
    assert text.count(old) >= 1, old
    (checkout / name).write_text(text.replace(old, new))


def contents(checkout):
    return {name: (checkout / name).read_text() for name in GENERATED}


STALE = [
    ('Dockerfile', 'AS runtime\n', 'AS other\n'),
    ('Dockerfile.cpu', 'keras="', 'keras="9'),
    ('Dockerfile.project', '@sha256:f', '@sha256:e'),
    ('Dockerfile.migrate', '@sha256:f', '@sha256:e'),
    ('README.md', '| recipe | what it shows |', '| recipe | what |'),
    ('README.md', '| Python | TensorFlow | Keras |', '| Python | Keras | TensorFlow |'),
    ('README.md', ' 41 of its 42 example scripts pass; and ', ' 41 of its 42 example scripts pass; and 1'),
    ('docs/images.md', '@sha256:2', '@sha256:3'),
    ('docs/images.md', '`requirements/gpu.txt`', '`requirements/cpu.txt`'),
    ('docs/pins.md', '| h5py | 2', '| h5py | 3'),
    ('docs/projects.md', '| keras-rl 0.4.2 |', '| keras-rl 0.4.1 |'),
    ('docs/stacks.md', '| 2.3.1 |', '| 2.3.0 |'),
    ('docker/stacks/tf1.15-keras2.3.1/Dockerfile.cpu', 'keras="', 'keras="9'),
    ('docs/symptoms.md', '| message | cause |', '| cause | message |'),
    ('pyproject.toml', '"h5py==2', '"h5py==3'),
    ('tensorflow_with_keras/doctor.py', "    'h5py': '2", "    'h5py': '3"),
]


@pytest.mark.parametrize('name, old, new', STALE)
def test_what_is_out_of_date_is_named_by_check_and_written_without(checkout, name, old, new):
    good = contents(checkout)
    assert generate(checkout, '--check') == (0, '', '')
    edit(checkout, name, old, new)
    bad = contents(checkout)
    code, out, err = generate(checkout, '--check')
    assert (code, out) == (1, '') and contents(checkout) == bad
    assert err == f'error: not up to date: {name}. `make generate` writes what is generated anew.\n'
    assert generate(checkout) == (0, f'generate: wrote {name}\n', '')
    assert contents(checkout) == good


def test_every_generated_file_has_such_a_case():
    assert {name for name, _, _ in STALE} == set(GENERATED)


NOT_OF_THE_REFERENCE = (
    'Dockerfile.migrate',
    'Dockerfile.project',
    'docs/images.md',
    'docs/projects.md',
    'docs/stacks.md',
    'docs/symptoms.md',
    'pyproject.toml',
)
NOT_OF_THE_REFERENCE += ('docker/stacks/tf1.15-keras2.3.1/Dockerfile.cpu',)


def test_a_new_version_in_the_locks_gets_everywhere(checkout):
    for lock in ('cpu', 'gpu'):
        text = (checkout / 'requirements' / f'{lock}.txt').read_text()
        (checkout / 'requirements' / f'{lock}.txt').write_text(re.sub(r'^h5py==\S+', 'h5py==7.8.9', text, flags=re.M))
    generate(checkout)
    assert [name for name, text in contents(checkout).items() if '7.8.9' in text] == [
        name for name in GENERATED if name not in NOT_OF_THE_REFERENCE
    ]
    assert "'h5py': '7.8.9'," in (checkout / 'tensorflow_with_keras/doctor.py').read_text()
    assert '| h5py | 7.8.9 | 3.1.0 |' in (checkout / 'docs/pins.md').read_text()  # the other columns are left alone


def test_what_stands_outside_of_the_markers_is_left_alone(checkout):
    edit(checkout, 'docs/pins.md', '## Data', '## h5py\n\n| h5py | any |\n\n## Data')
    edit(checkout, 'tensorflow_with_keras/doctor.py', 'STEP = ', "OTHER = {'h5py': '1.0'}\nSTEP = ")
    assert generate(checkout) == (0, '', '')


ANOTHER = """
[python."3.7"]
version = "3.7.16"
runtime_base = "python:3.7-slim@sha256:aaaa"
builder_base = "python:3.7@sha256:bbbb"

[image."cpu-1.15"]
dockerfile = "Dockerfile.cpu-1.15"
title = "CPU, TensorFlow 1.15"
python = "3.7"
packages = "cpu_1.15"
tests = "test_1.15"
"""


def test_another_image_is_a_dozen_lines(checkout):
    assert len(ANOTHER.strip().splitlines()) <= 12
    lock = (checkout / 'requirements/cpu.txt').read_text()
    lock = re.sub(
        r'^tensorflow==\S+', 'tensorflow==1.15.5', re.sub(r'^keras==\S+', 'keras==2.3.1', lock, flags=re.M), flags=re.M
    )
    (checkout / 'requirements/cpu_1.15.txt').write_text(lock)
    shutil.copy(checkout / 'requirements/test.txt', checkout / 'requirements/test_1.15.txt')
    others = contents(checkout)
    with open(checkout / 'docker/images.toml', 'a') as f:
        f.write(ANOTHER)
    assert generate(checkout)[:2] == (0, 'generate: wrote Dockerfile.cpu-1.15\ngenerate: wrote docs/images.md\n')
    made = (checkout / 'Dockerfile.cpu-1.15').read_text()
    stages = re.findall(r'^FROM .* AS (\w+)$', made, re.M)
    assert stages == ['runtime_base', 'builder_base', 'site', 'project', 'common', 'tests', 'test', 'runtime']
    assert set(re.findall(r'python3\.\d', made)) == {'python3.7'}
    assert set(re.findall(r'requirements/([\w.]+)\.txt', made)) == {'cpu_1.15', 'test_1.15'}
    assert re.findall(r'^ARG \w+_BASE=(.*)$', made, re.M) == ['python:3.7-slim@sha256:aaaa', 'python:3.7@sha256:bbbb']
    assert ' tensorflow="1.15.5" keras="2.3.1" ' in made and 'Keras 2.3.1 on TensorFlow 1.15.5, pinned' in made
    assert not re.search(r'horovod|cuda|[{%]{2}|%}', made, re.I)
    del others['docs/images.md']
    assert others.items() <= contents(checkout).items()


PROBLEMS = [
    ('docker/images.toml', '"tf1.12-keras2.2.4" = ', '"tf1.13-keras2.2.4" = ', 'tf1.12-keras2.2.4 is not both in'),
    ('docker/images.toml', '{ cuda = "9.0" }', '{ cudda = "9.0" }', 'stack.tf1.12-keras2.2.4 has an unknown cudda'),
    ('docker/images.toml', 'title = "CPU"', 'title = CPU', 'docker/images.toml is no TOML'),
    ('docker/images.toml', 'title = "CPU"\n', '', 'image.cpu lacks title'),
    ('docker/images.toml', 'title = "CPU"', 'title = "CPU"\ncudda = "9.0"', 'image.cpu has an unknown cudda'),
    ('docker/images.toml', 'python = "3.6"', 'python = "3.7"', 'image.gpu wants Python 3.7, which has no base images'),
    ('docker/images.toml', 'packages = "cpu"', 'packages = "cpus"', 'there is no requirements/cpus.txt'),
    ('docker/images.toml', 'tests = "test"', 'tests = "tests"', 'there is no requirements/tests.txt'),
    ('docker/images.toml', '"distributed"', '"cpu"', 'there is no requirements/cpu_build.txt'),
    ('docker/images.toml', '"Dockerfile.cpu"', '"Dockerfile"', 'image.cpu has the Dockerfile of another image'),
    ('docker/images.toml', '"Dockerfile.cpu"', '"Dockerfile.x"', 'Dockerfile.cpu belongs to no image'),
    ('docker/images.toml', 'builder_base', 'build_base', 'python.3.6 lacks builder_base'),
    ('docker/Dockerfile.template', '{{ packages }}', '{{ package }}', "'package' is undefined"),
    ('docker/Dockerfile.template', '{% endif %}', '', 'endif'),
    ('requirements/cpu.txt', 'scipy==', 'sciypy==', "no attribute 'scipy'"),
    ('requirements/cpu.txt', 'gast==', 'ghast==', 'no lock has gast'),
    ('README.md', '<!-- end of pins -->\n', '', 'README.md: the block "pins" with its two markers is there 0 times'),
    ('README.md', 'scripts pass; and', 'scripts pass, and', 'how many recipes there are'),
    ('docs/pins.md', '| h5py |', '| h6py |', 'no lock has h6py'),
    ('scripts/topics.py', "'data': ", "'date': ", 'no heading for the recipes of the topic data'),
]


@pytest.mark.parametrize('name, old, new, sentence', PROBLEMS)
def test_what_cannot_be_is_one_sentence_and_nothing_is_written(checkout, name, old, new, sentence):
    edit(checkout, name, old, new)
    before = contents(checkout)
    code, out, err = generate(checkout)
    assert (code, out) == (1, '') and re.fullmatch(r'error: [^\n]*\.\n', err) and sentence in err, err
    assert contents(checkout) == before


def test_other_arguments_are_refused(checkout):
    code, _, err = generate(checkout, '--chek')
    assert code == 1 and '--check' in err
