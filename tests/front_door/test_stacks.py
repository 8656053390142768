"""STACK: other pairs of TensorFlow and Keras, as the front door takes them, and what their locks hold."""

import os
import re

import pytest
from files import find, read
from test_make import bin, call, checkout, plant_venv, program  # noqa: F401

from tensorflow_with_keras import doctor, recipe

STACKS = list(doctor.STACKS)
OTHERS = STACKS[1:]
OTHER, NVIDIA = 'tf1.15-keras2.3.1', 'tf1.15-nvidia-keras2.2.4'
LOCKS = sorted(path for path in find() if re.match(r'requirements/stacks/[^/]+/(cpu|gpu)\.txt$', path))


def locked(path):
    return dict(re.findall(r'^([a-z0-9-]+)==([^\s;]+)', read(path), re.M))


def asked(path):
    return dict(re.findall(r'^([a-z0-9-]+)==([^\s;]+)', read(path), re.M))


# --- the locks


def test_the_stacks_are_the_folders():
    assert {path.split('/')[2] for path in LOCKS} == set(OTHERS)
    assert doctor.REFERENCE == 'tf1.9-keras2.2.4'


@pytest.mark.parametrize('path', LOCKS)
def test_a_lock_has_the_references_pins_but_for_what_it_overrides(path):
    folder = os.path.dirname(path)
    overrides = (
        asked(folder + '/overrides.in') if os.path.exists(os.path.join(recipe.ROOT, folder, 'overrides.in')) else {}
    )
    pins = dict(asked('requirements/base.in'), **overrides)
    found = locked(path)
    assert {name: found[name] for name in pins} == pins
    # and beside it the locks of the tests, of Keras's suite and of what these import can be installed
    for name in ('test', 'upstream'):
        other = locked('requirements/%s.txt' % name)
        assert {p: v for p, v in other.items() if p in found} == {p: found[p] for p in other if p in found}


@pytest.mark.parametrize('path', LOCKS)
def test_its_folder_is_named_after_its_tensorflow_and_keras(path):
    found = locked(path)
    tensorflow = next(found[build] for build in doctor.BUILDS if build in found)
    name = path.split('/')[2]
    assert name.replace('-nvidia', '') == 'tf%s-keras%s' % (tensorflow.rpartition('.')[0], found['keras'])
    # in an environment of this lock doctor names this stack, and finds no drift
    if 'nvidia' in name:
        found['nvidia-tensorflow'] = found.pop('tensorflow') + '+nv22.9'
    assert doctor.stack_of(found) == name
    assert [p['name'] for p in doctor.packages(found) if p['breaks']] == []


def test_of_no_stack_are_another_keras_and_an_empty_environment():
    reference = locked('requirements/cpu.txt')
    assert doctor.stack_of(reference) == doctor.REFERENCE
    assert doctor.stack_of(dict(reference, keras='2.1.6')) is None
    assert doctor.stack_of({}) is None
    # PyPI's build in the place of NVIDIA's is PyPI's
    assert doctor.stack_of(locked('requirements/stacks/%s/gpu.txt' % NVIDIA)) == 'tf1.15-keras2.2.4'


# --- the front door


@pytest.mark.parametrize('target', ['run-example', 'list', 'shell', 'doctor', 'test', 'build-cpu', 'build-gpu'])
@pytest.mark.parametrize('name', ['tf1.14-keras2.2.4', '../stacks/' + OTHER, 'stacks', '.'])
def test_an_unknown_stack_names_the_known_ones_before_anything_is_made(call, checkout, target, name):  # noqa: F811
    before = sorted(os.listdir(str(checkout)))
    code, out, err = call('make', target, 'STACK=' + name, cwd=str(checkout))
    said = [line for line in err.splitlines() if line.startswith('error: ')]
    assert code == 2 and len(said) == 1
    there = re.match(r"error: there is no stack '(.*)'; there are: (.*)\.$", said[0])
    assert there.group(1) == name and set(there.group(2).split(', ')) == set(STACKS)
    assert sorted(os.listdir(str(checkout))) == before


@pytest.mark.parametrize('name', ['', doctor.REFERENCE])
def test_without_a_name_it_is_the_reference(call, checkout, name):  # noqa: F811
    plant_venv(checkout)
    assert call('scripts/front-door', 'venv', STACK=name, cwd=str(checkout)) == (0, '', '')
    assert call('scripts/front-door', 'session', STACK=name, cwd=str(checkout))[1] == 'tests\n'


def plant(checkout, stack):  # noqa: F811
    """An environment of this stack, whose Python only says that it is the one."""
    folder = checkout / ('.venv-' + stack)
    program(folder, 'x', '')
    program(folder / 'bin', 'python', 'echo %s "$@"\n' % stack)
    lock = (checkout / 'requirements' / 'stacks' / stack / 'cpu.txt').read_text()
    (folder / 'lock.stamp').write_text('%s\n%s%s' % (checkout, lock, (checkout / 'docker' / 'dot').read_text()))


def test_every_stack_has_an_environment_of_its_own_that_only_its_own_lock_remakes(call, checkout, bin):  # noqa: F811
    plant_venv(checkout)
    for stack in ('tf1.12-keras2.2.4', OTHER):
        plant(checkout, stack)
    with open(str(checkout / 'requirements' / 'stacks' / OTHER / 'cpu.txt'), 'a') as f:
        f.write('# changed\n')
    program(bin, 'python3.6', 'exit 1\n')
    for stack in ('', 'tf1.12-keras2.2.4'):
        assert call('scripts/front-door', 'venv', STACK=stack, cwd=str(checkout)) == (0, '', '')
    code, out, err = call('scripts/front-door', 'venv', STACK=OTHER, PYTHON36='none', cwd=str(checkout))
    assert code == 2 and 'no Python 3.6' in err  # it would be made anew
    code, out, err = call('make', 'run-example', 'STACK=tf1.12-keras2.2.4', 'EPOCHS=2', cwd=str(checkout))
    assert (code, out) == (0, 'tf1.12-keras2.2.4 -m tensorflow_with_keras run metrics/cohens_kappa --epochs 2\n')
    code, out, err = call('make', 'doctor', 'STACK=tf1.12-keras2.2.4', cwd=str(checkout))
    assert (code, out) == (0, 'tf1.12-keras2.2.4 -m tensorflow_with_keras doctor\n')


@pytest.mark.parametrize('kind, dockerfile', [('cpu', 'Dockerfile.cpu'), ('gpu', 'Dockerfile')])
def test_an_image_has_the_stack_in_its_tag_and_comes_of_its_dockerfile(call, checkout, bin, tmp_path, kind, dockerfile):  # noqa: F811
    log = tmp_path / 'log'
    program(bin, 'podman', 'case "$1" in build) printf "%%s\\n" "$@" >> %s;; image) exit 1;; esac\n' % log)
    code, out, err = call('make', 'build-' + kind, 'STACK=' + OTHER, cwd=str(checkout))
    tag = 'tensorflow-with-keras:%s-%s' % (kind, OTHER)
    assert code == 0 and out == tag + '\n'
    arguments = log.read_text().splitlines()
    assert arguments[arguments.index('-f') + 1] == 'docker/stacks/%s/%s' % (OTHER, dockerfile)
    assert arguments[arguments.index('-t') + 1] == tag


def test_an_image_is_built_again_when_its_own_lock_changes_and_not_for_anothers(call, checkout, bin, tmp_path):  # noqa: F811
    log = tmp_path / 'log'
    program(bin, 'podman', 'case "$1" in build) printf "%%s\\n" "$@" > %s;; image) exit 1;; esac\n' % log)

    def inputs(stack):
        call('make', 'build-cpu', 'STACK=' + stack, cwd=str(checkout))
        return re.search('^INPUTS=(.*)$', log.read_text(), re.M).group(1)

    before = {stack: inputs(stack) for stack in (doctor.REFERENCE, 'tf1.12-keras2.2.4', OTHER)}
    assert len(set(before.values())) == 3
    for name in ('requirements/stacks/%s/cpu.txt', 'docker/stacks/%s/Dockerfile.cpu'):
        with open(str(checkout / (name % OTHER)), 'a') as f:
            f.write('# changed\n')
        after = {stack: inputs(stack) for stack in before}
        assert [stack for stack in before if before[stack] != after[stack]] == [OTHER]
        before = after


def test_what_is_for_gpus_alone_says_so(call, checkout, bin):  # noqa: F811
    code, out, err = call('make', 'run-example', 'STACK=' + NVIDIA, 'ENGINE=local', cwd=str(checkout))
    assert code == 2 and 'is for GPUs alone: use GPU=1' in err
    program(bin, 'podman', '[ "$1" = info ]\n')
    for target in ('run-example', 'build-cpu', 'test'):
        code, out, err = call('make', target, 'STACK=' + NVIDIA, 'ENGINE=podman', cwd=str(checkout))
        if target != 'test':  # which makes the tools first
            assert code == 2 and 'is for GPUs alone' in err
    assert not (checkout / ('.venv-' + NVIDIA)).exists()


# --- recipes that are not for every stack

FOR_ONE = (
    '"""A recipe.\n\nStacks: tf1.9-keras2.2.4, tf1.12-keras2.2.4; the converter has another\nname in 1.15.\n\nMore.\n'
)


@pytest.fixture
def for_one(checkout):  # noqa: F811
    (checkout / 'examples' / 'metrics' / 'for_one.py').write_text(FOR_ONE + '"""\nprint("it ran")\n')
    return 'EXAMPLE=metrics/for_one'


def test_a_recipe_that_is_not_for_a_stack_says_why_before_anything_is_made(call, checkout, bin, for_one):  # noqa: F811
    code, out, err = call('make', 'run-example', for_one, 'STACK=' + OTHER, 'ENGINE=local', cwd=str(checkout))
    assert code == 2 and err.splitlines()[0] == (
        'error: metrics/for_one is for tf1.9-keras2.2.4, tf1.12-keras2.2.4, and not for %s: the converter has another '
        'name in 1.15.' % OTHER
    )
    program(bin, 'python3', 'exit 1\n')  # a host without Python
    code, out, err = call('make', 'run-example', for_one, 'STACK=' + OTHER, 'ENGINE=local', cwd=str(checkout))
    assert code == 2 and 'error: metrics/for_one is for tf1.9-keras2.2.4, tf1.12-keras2.2.4 alone' in err
    assert not (checkout / ('.venv-' + OTHER)).exists()
    plant(checkout, 'tf1.12-keras2.2.4')
    code, out, err = call('make', 'run-example', for_one, 'STACK=tf1.12-keras2.2.4', 'ENGINE=local', cwd=str(checkout))
    assert code == 0


def test_the_list_is_of_the_recipes_for_the_stack(call, checkout, for_one):  # noqa: F811
    assert '\nmetrics/for_one ' in call('make', 'list', cwd=str(checkout))[1]
    listed = call('make', 'list', 'STACK=' + OTHER, cwd=str(checkout))[1]
    assert '\nmetrics/for_one ' not in listed and '\nmetrics/cohens_kappa ' in listed


def test_inspect_claims_nothing_of_another_keras(call, checkout):  # noqa: F811
    code, out, err = call('make', 'inspect', 'MODEL=x.h5', 'STACK=' + OTHER, cwd=str(checkout))
    assert (code, out) == (2, '') and 'error: inspect says whether Keras 2.2.4 loads a file, and not what ' in err


def test_what_a_recipe_says_of_stacks_are_stacks():
    for one in recipe.find().values():
        assert ('\nStacks: ' in one.docstring) == bool(one.stacks), one.name
        assert set(one.stacks) < set(STACKS), one.name
        for stack in set(STACKS) - set(one.stacks) if one.stacks else ():
            assert re.match(r'.* and not for \S+: \S.{10,}[^.]\.$', recipe.stack_problem(one, stack)), one.name
        assert recipe.stack_problem(one, None) is None


# --- NVIDIA's wheel

SUM = '0123456789abcdef' * 4


@pytest.fixture
def build(call, checkout, bin, tmp_path):  # noqa: F811
    """Builds a GPU image by an engine that got a wheel with this sum: exit code, standard error, the targets built."""

    def build(stack, sum=SUM, **env):
        log = tmp_path / 'log'
        log.write_text('')
        script = 'case "$1" in build) printf "%%s\\n" "$@" >> %s;; image) exit 1;; run) echo "%s";; esac\n' % (log, sum)
        program(bin, 'podman', script)
        code, out, err = call('make', 'build-gpu', 'STACK=' + stack, cwd=str(checkout), **env)
        return code, err, re.findall('(?<=--target\n).*', log.read_text())

    return build


def test_the_sum_of_nvidias_wheel_is_written_down_once_and_required_from_then_on(checkout, build):  # noqa: F811
    pins = checkout / 'docker' / 'nvidia.pins'
    if ' unknown ' not in pins.read_text():  # somebody has committed it
        pins.write_text(re.sub('^(file wheel [^ ]*) [0-9a-f]{64} ', r'\1 unknown ', pins.read_text(), flags=re.M))
    before = pins.read_text()
    for stack, env in ((NVIDIA, {'TENSORFLOW_WHEEL': 'pypi'}), (OTHER, {}), (doctor.REFERENCE, {})):
        code, err, targets = build(stack, **env)
        assert code == 0 and targets == ['runtime'] and pins.read_text() == before
    for no_sum in ('no sum', '', 'x' * 64):
        code, err, targets = build(NVIDIA, no_sum)
        assert code == 2 and targets == ['wheel'] and pins.read_text() == before
    code, err, targets = build(NVIDIA)
    assert code == 0 and targets == ['wheel', 'runtime']
    assert pins.read_text() == before.replace(' unknown ', ' %s ' % SUM)
    assert SUM in err and 'trusted as it came' in err and 'docker/nvidia.pins' in err
    code, err, targets = build(NVIDIA, 'f' * 64)
    assert code == 0 and targets == ['runtime'] and SUM in pins.read_text()
