"""Every check that a person or CI runs; `nox -l` lists them. Plain `nox` runs the session `default`."""

import concurrent.futures
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

import nox

nox.needs_version = '>=2024.4.15'
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = True
nox.options.sessions = ['default']

# Where this is set, each of the hundreds of processes below would compile TensorFlow and Keras anew: 4.5 s for 2.
os.environ.pop('PYTHONDONTWRITEBYTECODE', None)

ROOT = pathlib.Path(__file__).parent
FRONT_DOOR = str(ROOT / 'scripts' / 'front-door')
LOCKS = {
    'cpu': '3.6',
    'gpu': '3.6',
    'test': '3.6',
    'upstream': '3.6',
    'build': '3.6',
    'cuda': '3.6',
    'cuda10': '3.6',
    'distributed': '3.6',
    'distributed_build': '3.6',
    'mpi': '3.6',
    'notebook': '3.6',
    'pip': '3.6',
    'stand_in': '3.6',
    'libsndfile': '3.6',
    'uv': '3.9',
    'tools': '3.9',
    'python36': '3.9',
    'cluster': '3.9',
    'project': '3.9',
    'sdists': '3.9',
    'audit': '3.9',
    'bundle': '3.9',
    'gallery': '3.9',
    'migrate_old': '3.6',
    'migrate_new': '3.12',
    'migrate_tf': '3.12',
    'migrate_test': '3.12',
}
REFERENCE = 'tf1.9-keras2.2.4'  # requirements/*.txt; every other stack is a folder of requirements/stacks
STACKS = {path.name: f'stacks/{path.name}/' for path in sorted((ROOT / 'requirements' / 'stacks').iterdir())}
FOLDERS = {REFERENCE: '', **STACKS}
LOCKS.update(
    (f'{folder}{kind}', '3.6')
    for folder in STACKS.values()
    for kind in ('cpu', 'gpu', 'cuda')
    if (ROOT / 'requirements' / f'{folder}{kind}.in').exists()
)
CPU_STACKS = [name for name, folder in FOLDERS.items() if f'{folder}cpu' in LOCKS]
# execnet, by which pytest-xdist starts workers, writes its own path as ASCII
WORKERS = ['-n', '2', '--dist', 'loadfile'] if str(ROOT).isascii() else ['-n', '0']
EPOCH = '1546300800'  # SOURCE_DATE_EPOCH in the Dockerfiles


WITH_PYTHON36 = {'tests', 'mutants', 'upstream', 'horovod', 'project', 'rung'}  # sessions


def ask(command):
    answer = subprocess.run([FRONT_DOOR, command], capture_output=True, text=True)
    return answer.stdout.strip(), answer.stderr.strip()


def wants_python36(arguments):
    """Whether these arguments of nox run a session that has to find Python 3.6. `nox -l` only lists them."""
    named = set(re.findall(r'\w+', ' '.join(arguments)))
    return bool(WITH_PYTHON36 & named) and not {'-l', '--list', '--list-sessions'} & set(arguments)


PYTHON36 = ask('python36')[0] if wants_python36(sys.argv[1:]) else ''
# without it the session begins, and ends with the front door's sentence
LOCKED = {'python': PYTHON36, 'venv_backend': 'uv'} if PYTHON36 else {'venv_backend': 'none'}


@nox.session(venv_backend='none')
def default(session):
    """What plain `nox` runs: lint, tests, and image(cpu) where Docker or Podman answers."""
    names = ['lint', 'tests']
    if ask('engine')[0] in ('docker', 'podman'):
        names.append('image(cpu)')
    session.run(sys.executable, '-m', 'nox', '-s', *names, external=True)


def install_locked(session, *names):
    """Installs locks into the session's environment, every hash required."""
    session.install(
        '--require-hashes',
        '--no-deps',
        '--build-constraints',
        'requirements/build.txt',
        *(arg for name in names for arg in ('-r', f'requirements/{name}.txt')),
    )
    if any(name.split('/')[-1] == 'cpu' for name in names):
        shutil.copy(ROOT / 'docker' / 'dot', session.bin)


def need_python36(session):
    if not PYTHON36:
        why = ask('python36')[1] or f'start it by its name: nox -s {session.name}.'
        session.error(why + ' In a container the same tests run by `nox -s "image(cpu)"`.')


def engine(session, kind):
    """Name of a container engine that answers. Sets up what is missing, or ends the session with a sentence."""
    set_up = str(ROOT / 'scripts' / 'test-engine' / 'set-up')
    lines = session.run(set_up, kind, external=True, silent=True, stderr=None)
    session.env['KIND'] = kind
    session.env.update(line.split('=', 1) for line in lines.splitlines())
    return session.env['ENGINE']


CHROMIUM = 'chromium|chromium-browser|google-chrome|google-chrome-stable'


def from_debian(session, packages, *programs):
    """Installs Debian's packages as root where a program (`A|B`: any of these) is missing, or says which to install."""
    missing = [each for each in programs if not any(map(shutil.which, each.split('|')))]
    if not missing:
        return
    if os.getuid() or not shutil.which('apt-get'):
        session.error(f'not here: {", ".join(missing)}. Of Debian these are the packages {", ".join(packages)}.')
    session.log(f"installing {', '.join(packages)} from Debian's packages")
    for command in (['update'], ['install', '-y', '--no-install-recommends', *packages]):
        environment = {'DEBIAN_FRONTEND': 'noninteractive'}
        session.run('apt-get', '-qq', *command, external=True, silent=True, env=environment)


@nox.session(venv_backend='uv')
def lint(session):
    """Style; whether what is generated is up to date; what starts clusters and hosted checks, by its schemas."""
    install_locked(session, 'tools', 'cluster', 'sdists', 'audit')
    kinds = {'python': [], 'sh': []}  # of the scripts without Python's ending, by their first line
    folders = ('.binder', '.ci', 'benchmarks', 'deploy', 'docker', 'scripts')
    files = (p for folder in folders for p in (ROOT / folder).rglob('*') if p.is_file())
    for path in (p for p in files if p.suffix in ('', '.sh', '.sbatch') and p.name != 'Dockerfile'):
        first = path.read_text().split('\n', 1)[0]
        kinds['python' if 'python' in first else 'sh'].append(str(path.relative_to(ROOT)))
    session.run('ruff', 'check', '.', *kinds['python'])
    session.run('ruff', 'format', '--check', '.', *kinds['python'])
    session.run('shellcheck', '-x', *kinds['sh'])
    session.run('python', 'scripts/generate.py', '--check')
    session.run('python', 'scripts/compatibility_page.py', '--check')
    workflows = [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob('.github/workflows/*.yml'))]
    session.run('check-jsonschema', '--builtin-schema', 'vendor.github-workflows', *workflows)
    schema = 'tests/checks/devcontainer_schema/devContainer.base.schema.json'
    session.run('check-jsonschema', '--schemafile', schema, '.devcontainer/devcontainer.json')
    session.run('python', '-m', 'pytest', '-q', 'tests/cluster/test_files.py', 'tests/checks', 'tests/generated')


def for_stacks(stacks, *arguments, **settings):
    """Decorator: a session for each of these stacks, SESSION(STACK), its function called with the stack's name.

    The reference stack's is SESSION alone. `arguments` stand before the stack: SESSION(ARGUMENT, STACK).
    """

    def decorate(function):
        for stack in stacks:
            inside = ', '.join([*arguments, *([stack] if stack != REFERENCE else [])])

            def session_of(session, stack=stack):
                return function(session, *arguments, stack)

            session_of.__doc__ = function.__doc__ if stack == REFERENCE else f'The same on {stack}.'
            nox.session(name=function.__name__ + (f'({inside})' if inside else ''), **settings)(session_of)
        return function

    return decorate


@for_stacks(CPU_STACKS, **LOCKED)
def tests(session, stack):
    """Library, recipes and front door in the locked environment, on two workers."""
    need_python36(session)
    # what tests the front door, pages and files is the same on every stack
    where = [] if stack == REFERENCE or session.posargs else ['tests/library', 'tests/recipes', 'tests/rungs']
    if not where and (not session.posargs or 'front_door' in ' '.join(session.posargs)):
        from_debian(session, ['curl'], 'curl')  # docker/fetch
    install_locked(session, f'{FOLDERS[stack]}cpu', 'test')
    pytest = ['python', '-m', 'pytest', '-q', *WORKERS, *results(f'tests-{stack}')]
    session.run(*pytest, *where, *session.posargs)


RUNG = ['library/test_streaming_property.py']
RUNG += [
    f'recipes/{topic}/test_{name}.py'
    for topic, names in {
        'data': 'tfrecords',
        'export': 'checkpoint savedmodel',
        'interop': 'model_on_tensors',
        'layers': 'custom_layer',
        'losses': 'backend_loss',
        'metrics': 'cohens_kappa epoch_callback roc_auc',
        'observe': 'tensorboard_summaries',
        'sessions': 'own_session',
        'training': 'tf_training_loop',
    }.items()
    for name in names.split()
]


@for_stacks([stack for stack in CPU_STACKS if stack != REFERENCE], **LOCKED)
def rung(session, stack):
    """What each change asks of another stack: what doctor says, StreamingMetric's property test, a dozen recipes."""
    need_python36(session)
    install_locked(session, f'{FOLDERS[stack]}cpu', 'test')
    report = session.run('python', '-m', 'tensorflow_with_keras', 'doctor', '--no-tensorflow', silent=True)
    if f'Stack       {stack}\n' not in report:
        session.error(f'doctor does not take this environment for {stack}:\n{report}')
    files = [f'tests/{name}' for name in RUNG]
    session.run('python', '-m', 'pytest', '-q', *WORKERS, *files, *session.posargs)


@nox.session(venv_backend='none')
def matrix(session):
    """Runs tests of every stack for CPUs, horovod, and upstream of the other stacks; results go to runs/matrix."""
    folder = ROOT / 'runs' / 'matrix'
    folder.mkdir(parents=True, exist_ok=True)
    failed = []
    others = [f'{what}({stack})' for stack in CPU_STACKS[1:] for what in ('tests', 'upstream')]
    for name in ['tests', 'horovod', *others]:
        command = [sys.executable, '-m', 'nox', '-s', name, '--', *session.posargs]
        environment = {**os.environ, 'RESULTS': str(folder)}
        if subprocess.run(command, env=environment).returncode:
            failed.append(name)
    if failed:
        session.error(f'failed: {", ".join(failed)}; {folder.relative_to(ROOT)} has the results')


def results(name):
    """Options of pytest that write what it found to a file in the folder RESULTS, where there is one."""
    folder = os.environ.get('RESULTS')
    return [f'--junitxml={pathlib.Path(folder).absolute() / name}.xml'] if folder else []


@nox.session(venv_backend='uv')
def project(session):
    """`make project`: what it finds, resolves and refuses, on a registry of tiny packages; and a few real packages."""
    need_python36(session)
    install_locked(session, 'tools', 'project')
    tests = ['tests/project', '--ignore', 'tests/project/test_container.py']  # that is part of image(cpu)
    session.run('python', '-m', 'pytest', '-q', *tests, *session.posargs, env={'PYTHON36': PYTHON36})


@nox.session(venv_backend='uv')
def notebooks(session):
    """Recipes as notebooks against the command line, and the Jupyter of `make notebook`; `-- quick` takes five."""
    install_locked(session, 'tools')
    quick = 'quick' in session.posargs
    # all of them includes the one that needs Horovod
    example = 'metrics/cohens_kappa' if quick else 'distributed/horovod'
    session.run(FRONT_DOOR, 'notebook-venv', external=True, env={'ENGINE': 'local', 'EXAMPLE': example})
    arguments = [each for each in session.posargs if each != 'quick']
    tests = [] if any(each.startswith('tests/') for each in arguments) else ['tests/notebook']
    session.run('python', '-m', 'pytest', '-q', *tests, *arguments, env={'NOTEBOOKS_QUICK': '1' if quick else ''})


@nox.session(venv_backend='uv')
def tensorboard(session):
    """`make tensorboard` in a headless Chromium, the embedding projector included; and bad input."""
    from_debian(session, ['chromium'], CHROMIUM)
    install_locked(session, 'gallery')
    session.run(FRONT_DOOR, 'venv', external=True, env={'ENGINE': 'local'})
    tests = [] if any(each.startswith('tests/') for each in session.posargs) else ['tests/tensorboard']
    session.run('python', '-m', 'pytest', '-q', *tests, *session.posargs)


@nox.session(**LOCKED)
def mutants(session):
    """Which small faults in library and recipes no test notices; `-- --help` says what can be chosen. Takes long."""
    need_python36(session)
    install_locked(session, 'cpu', 'test')
    script = ['scripts/mutants.py', '--python', str(pathlib.Path(session.bin) / 'python')]
    session.run(sys.executable, *script, *session.posargs, external=True)


PASSED = ROOT / 'tests' / 'upstream' / 'passed.txt'


def upstream_inputs(stack):
    """SHA-256 of what the result of `upstream` depends on, but for Python and the session: locks, tests/upstream."""
    locks = [f'{FOLDERS[stack]}cpu', 'test', 'upstream', 'build']
    paths = [ROOT / 'requirements' / f'{name}.txt' for name in locks]
    paths += [ROOT / 'docker' / 'dot', *sorted((ROOT / 'tests' / 'upstream').glob('*.*'))]
    found = hashlib.sha256()
    for path in paths:
        if path != PASSED:
            found.update(f'{path.relative_to(ROOT)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n'.encode())
    return found.hexdigest()


@for_stacks(CPU_STACKS, **LOCKED)
def upstream(session, stack):
    """Keras's own test suite and example scripts, out of its hash-pinned sdist, in the locked environment.

    A whole run that passes is noted in tests/upstream/passed.txt. `-- unless-passed` runs nothing where it passed with
    the same locks and the same files of tests/upstream. Whoever changes this session runs it whole.
    """
    inputs = upstream_inputs(stack)
    passed = dict(line.split()[:2] for line in PASSED.read_text().splitlines())
    if session.posargs == ['unless-passed'] and passed.get(stack) == inputs:
        session.log(f'it passed with these very locks and files ({PASSED.relative_to(ROOT)}), and is not run again')
        return
    arguments = [each for each in session.posargs if each != 'unless-passed']
    need_python36(session)
    install_locked(session, f'{FOLDERS[stack]}cpu', 'test', 'upstream')
    work = pathlib.Path(session.create_tmp()).absolute()
    lock = (ROOT / f'requirements/{FOLDERS[stack]}cpu.txt').read_text()
    pin = re.search(r'^keras==(\S+) .*?(?=^\S)', lock, re.M | re.S)
    suite = work / f'Keras-{pin[1]}'
    shutil.rmtree(suite, ignore_errors=True)
    (work / 'keras.txt').write_text(pin[0])
    session.run(
        'python',
        '-m',
        'pip',
        '-q',
        '--disable-pip-version-check',
        'download',
        '--no-deps',
        '--no-binary',
        ':all:',
        '--no-build-isolation',
        '--require-hashes',
        '-r',
        str(work / 'keras.txt'),
        '-d',
        str(work),
    )
    with tarfile.open(f'{suite}.tar.gz') as sdist:
        sdist.extractall(work)
    ours = ROOT / 'tests/upstream'
    pytest = ['python', '-m', 'pytest', '-c', str(ours / 'pytest.ini'), *WORKERS[:2], '-p', 'served', '-p', 'left_out']
    for folder in ('home', 'served'):
        shutil.rmtree(work / folder, ignore_errors=True)
        (work / folder).mkdir()
    environment = {
        'HOME': str(work / 'home'),
        'KERAS_BACKEND': 'tensorflow',
        'KERAS_SOURCE': str(suite),
        'MPLBACKEND': 'Agg',
        'PYTHONPATH': str(ours),
        'SERVED_FILES': str(work / 'served'),
        'STACK': stack,
        'TF_CPP_MIN_LOG_LEVEL': '1',
    }
    codes = [0, 5] if arguments else [0]  # 5: a choice of tests that leaves none in one of the two parts
    parts = {'suite': ['--rootdir', '.', 'tests'], 'examples': ['--noconftest', str(ours)]}
    for name, part in parts.items():
        written = results(f'upstream-{stack}-{name}')
        with session.chdir(suite):
            session.run(*pytest, *part, *written, *arguments, env=environment, success_codes=codes)
    if not arguments:
        PASSED.write_text(''.join(f'{name} {each}\n' for name, each in sorted({**passed, stack: inputs}.items())))


@nox.session(venv_backend='uv')
def projects(session):
    """Real projects of 2018 and 2019 by `make project`, with their own tests; `-- NAME …` chooses."""
    install_locked(session, 'tools', 'sdists')
    work = pathlib.Path(session.create_tmp()).absolute()
    session.run('python', 'scripts/projects.py', '--work', str(work), *session.posargs)


@nox.session(**LOCKED)
def horovod(session):
    """The tests of distributed/horovod under horovodrun and under mpirun: Horovod built for Gloo and MPI, here."""
    need_python36(session)
    install_locked(session, 'cpu', 'test', 'mpi')
    home = session.virtualenv.location
    wanted = (ROOT / 'requirements' / 'distributed.txt').read_text()
    built = pathlib.Path(home) / 'distributed.txt'
    if not built.exists() or built.read_text() != wanted:
        session.log('building Horovod, which takes a minute or two')
        build = [str(ROOT / 'docker' / 'build_horovod'), 'requirements', home, 'mpi']
        uv = shutil.which('uv', path=os.path.dirname(sys.executable) + os.pathsep + os.environ['PATH'])
        session.run(*build, external=True, env={'INSTALL': f'{uv} pip install --python {home}/bin/python'})
        built.write_text(wanted)
    tests = ['tests/recipes/distributed/test_horovod.py', *results(f'horovod-{REFERENCE}')]
    session.run('python', '-m', 'pytest', '-q', *tests, *session.posargs)


KINDS = [nox.param('cpu', id='cpu'), nox.param('gpu', id='gpu')]
SANDBOX = ['--rm', '--network=none', *(ROOT / 'docker' / 'sandbox.txt').read_text().split()]


def image(session, kind, stack):
    """Builds the image, tests started containers, also of a project, and library and recipes inside; needs no GPU.

    TEST names those that run inside (files and folders; a blank between them), by default all.
    """
    install_locked(session, 'tools')
    session.env['STACK'] = stack
    if (
        (ROOT / f'requirements/{FOLDERS[stack]}cuda.in').exists()
        and stack != REFERENCE
        and 'TENSORFLOW_WHEEL' not in os.environ
    ):
        session.warn("TensorFlow from PyPI takes the place of NVIDIA's wheel; TENSORFLOW_WHEEL= (empty) tests that one")
        session.env['TENSORFLOW_WHEEL'] = 'pypi'
    name = engine(session, kind)
    session.run(FRONT_DOOR, 'build', external=True)
    image = f'tensorflow-with-keras:{kind}' + (f'-{stack}' if stack != REFERENCE else '')
    environment = {'ENGINE': name, 'IMAGE': image}
    own = [kind] if stack == REFERENCE or kind == 'cpu' else []  # test_gpu is about CUDA 9.0
    tests = [f'tests/images/test_{name}.py' for name in ('both', *own)]
    codes = [0, 5] if session.posargs else [0]  # 5: a choice of tests that leaves none in one of the two runs
    pytest = ['python', '-m', 'pytest', '-q', *session.posargs]
    session.run(*pytest, *tests, env=environment, success_codes=codes)
    if (kind, stack) == ('cpu', REFERENCE):  # a run of its own, since both folders have a conftest.py
        session.run(*pytest, 'tests/project/test_container.py', env=environment, success_codes=codes)
    session.run(FRONT_DOOR, 'build', 'test', f'{image}-test', external=True)
    inside = os.environ.get('TEST', 'tests/library tests/recipes').split()
    command = ['python', '-m', 'pytest', '-q', '-p', 'no:cacheprovider', '-n', '2', *inside]
    session.run(name, 'run', *SANDBOX, f'{image}-test', *command, external=True)


for kind in ('cpu', 'gpu'):
    for_stacks([s for s, folder in FOLDERS.items() if f'{folder}{kind}' in LOCKS], kind, venv_backend='uv')(image)


@nox.session(venv_backend='uv')
def bundle(session):
    """The archives of `make bundle`, without a network; a published image; a Slurm; Apptainer, unless `-- quick`."""
    install_locked(session, 'tools', 'cluster')
    name = engine(session, 'cpu')
    slurm = ['slurmctld', 'slurmd', 'slurm-client']
    programs = ['ch-run', 'skopeo', 'umoci', 'sbatch', 'docker-registry']
    from_debian(session, ['charliecloud', 'skopeo', 'umoci', 'docker-registry', *slurm], *programs)
    arguments = [each for each in session.posargs if each != 'quick']
    if 'quick' in session.posargs:
        again = 'test_bundle_of_environment.py::test_made_again_with_nothing_in_uvs_cache_it_has_the_same_bytes'
        arguments += ['--ignore', 'tests/bundle/test_apptainer.py', '--deselect', f'tests/bundle/{again}']
    else:
        from_debian(session, ['mmdebstrap'], 'apptainer|mmdebstrap')
    session.run(FRONT_DOOR, 'venv', external=True, env={'ENGINE': 'local', 'EXAMPLE': 'distributed/horovod'})
    folder = pathlib.Path(session.create_tmp()).absolute() / 'a bundle'
    shutil.rmtree(folder, ignore_errors=True)
    for chosen in ('local', name):
        session.run(FRONT_DOOR, 'bundle', external=True, env={'OUT': str(folder), 'ENGINE': chosen})
    environment = {'ENGINE': name, 'IMAGE': 'tensorflow-with-keras:cpu', 'BUNDLE': str(folder)}
    environment['TMPDIR'] = tempfile.gettempdir()  # not in the checkout, which some of these tests hide
    session.run('python', '-m', 'pytest', '-q', 'tests/bundle', *arguments, env=environment)
    shutil.rmtree(folder)


@nox.session(venv_backend='uv')
def cluster(session):
    """Several containers that train together, one of them killed; Horovod's image, with its tests inside."""
    install_locked(session, 'tools', 'cluster')
    name = engine(session, 'cpu')
    if name == 'docker' and subprocess.run(['docker', 'compose', 'version'], capture_output=True).returncode:
        session.error(
            "this Docker has no `docker compose`: install the package docker-compose-plugin (of Docker's own archive), "
            'docker-compose-v2 (of Ubuntu) or docker-compose 2 (of Debian 13), or use ENGINE=podman.'
        )
    session.run(FRONT_DOOR, 'build', external=True)
    session.run(FRONT_DOOR, 'build', external=True, env={'EXAMPLE': 'distributed/horovod'})
    image = 'tensorflow-with-keras:cpu'
    pytest, environment = ['python', '-m', 'pytest', '-q'], {'ENGINE': name, 'IMAGE': image}
    tests = [f'tests/cluster/test_{what}.py' for what in ('compose', 'kubernetes')]
    session.run(*pytest, *tests, *session.posargs, env=environment)
    environment['IMAGE'] = f'{image}-distributed'
    session.run(*pytest, 'tests/images/test_distributed.py', *session.posargs, env=environment)
    test_image = f'{image}-distributed-test'
    session.run(FRONT_DOOR, 'build', 'distributed_test', test_image, external=True)
    inside = [*pytest, '-p', 'no:cacheprovider', 'tests/recipes/distributed/test_horovod.py']
    session.run(name, 'run', *SANDBOX, test_image, *inside, external=True)


@nox.session(venv_backend='uv')
def migrate(session):
    """Model files moved to newer frameworks: every layer by every target, wrong migrations; `-- quick` takes fewer."""
    install_locked(session, 'tools', 'sdists')
    for name in ('old', 'new', 'tf'):
        session.run(FRONT_DOOR, 'migrate-venv', name, external=True)
    arguments = [each for each in session.posargs if each != 'quick']
    # what is imported a hundred times is compiled once, whatever the surroundings say
    env = {'ENGINE': 'local', 'PYTHONDONTWRITEBYTECODE': '', 'MIGRATE_QUICK': '1' if 'quick' in session.posargs else ''}
    tests = ['tests/migrate', '--ignore', 'tests/migrate/test_migrate_container.py']  # that is image(migrate)
    if any(each.startswith('tests/') for each in arguments):
        tests = []
    session.run('python', '-m', 'pytest', '-q', '--timeout', '1800', *tests, *arguments, env=env)


def image_migrate(session):
    """Builds the image of `make migrate`, and moves models in containers, without network."""
    install_locked(session, 'tools')
    name = engine(session, 'migrate')
    session.run(FRONT_DOOR, 'build', external=True)
    tests = ['tests/migrate/test_migrate_container.py', *session.posargs]
    session.run('python', '-m', 'pytest', '-q', '--timeout', '1800', *tests, env={'ENGINE': name})


nox.session(name='image(migrate)', venv_backend='uv')(image_migrate)


@nox.session(venv_backend='none')
def keras3(session):
    """The recipes' patterns in Keras 3 (docs/keras3) against the recipes, on the same arrays and weights."""
    for name in ('old', 'test'):
        session.run(FRONT_DOOR, 'migrate-venv', name, external=True)
    tests = [] if any(each.startswith('tests/') for each in session.posargs) else ['tests/keras3']
    python = str(ROOT / '.venv-migrate-test' / 'bin' / 'python')
    session.run(python, '-m', 'pytest', '-q', *tests, *session.posargs, external=True)


# of each kind one: a plot, a picture of the recipe's own, a number alone, files
GALLERY_QUICK = ['data/tfrecords', 'losses/ctc', 'metrics/cohens_kappa', 'metrics/roc_auc']
GALLERY_QUICK += ['observe/timeline_profile', 'training/saliency']


@nox.session(venv_backend='uv')
def gallery(session):
    """Every recipe run, and the site of them tested in a browser; `-- quick` runs six, `-- build` tests nothing."""
    install_locked(session, 'gallery')
    session.run(FRONT_DOOR, 'venv', external=True, env={'ENGINE': 'local', 'STACK': REFERENCE})
    only = ['--only', *GALLERY_QUICK] if 'quick' in session.posargs else []
    session.run('python', 'scripts/gallery', *only)
    if 'build' not in session.posargs:
        from_debian(session, ['chromium'], CHROMIUM)
        arguments = [each for each in session.posargs if each != 'quick']
        tests = [] if any(each.startswith('tests/') for each in arguments) else ['tests/gallery']
        session.run('python', '-m', 'pytest', '-q', *tests, *arguments)


@nox.session(venv_backend='none')
def gpu(session):
    """The recipes' tests on a real GPU, its results against the CPU's; fails where there is no GPU."""
    name = engine(session, 'gpu')
    session.run('python3', '-m', 'tensorflow_with_keras', 'doctor', '--container', name, external=True)
    test_image = 'tensorflow-with-keras:gpu-test'
    session.run(FRONT_DOOR, 'build', 'test', test_image, external=True)
    ask = ['python3', '-m', 'tensorflow_with_keras', 'doctor', '--container', name, '--image', test_image]
    devices = session.run(*ask, external=True, silent=True, stderr=None).splitlines()
    tests = ['tests/gpu', 'tests/recipes', *session.posargs]
    pytest = ['python', '-m', 'pytest', '-q', '-p', 'no:cacheprovider', '--timeout', '3600']
    session.run(name, 'run', *SANDBOX, *devices, test_image, *pytest, *tests, external=True)


@nox.session(venv_backend='none')
@nox.parametrize('kind', KINDS)
def reproduce(session, kind):
    """Builds the image, with Horovod, twice without cache: one image, or the first file that differs."""
    name = engine(session, kind)
    work = pathlib.Path(session.create_tmp())
    # Podman sets all times to the epoch, which gives one image ID. Docker cannot without a builder of another kind:
    # 20.10 knows no such option, 28 ignores `rewrite-timestamp` or refuses it. There those times are left out.
    build, compare = (['--timestamp', EPOCH], []) if name == 'podman' else ([], ['--times-up-to', EPOCH])
    archives = []
    for n in ('1', '2'):
        tag = f'tensorflow-with-keras-reproduce:{kind}-{n}'
        session.run(FRONT_DOOR, 'build', 'distributed', tag, '--no-cache', *build, external=True)
        archives.append(work / f'{n}.tar')
        archives[-1].unlink(missing_ok=True)
        session.run(name, 'save', '-o', str(archives[-1]), tag, external=True, silent=True)
    try:
        session.run('python3', 'docker/compare_images.py', *compare, *map(str, archives), external=True)
    finally:
        for archive in archives:
            archive.unlink()


@nox.session(venv_backend='uv')
def audit(session):
    """Known vulnerabilities of what the locks install, by pip-audit; wants a network, or ADVISORIES=folder."""
    if sys.version_info < (3, 10):
        session.error('pip-audit wants Python 3.10 or newer: run nox by one.')
    install_locked(session, 'tools', 'audit')
    session.run('python', 'scripts/audit.py', *session.posargs)
    if '--write' in session.posargs:
        session.run('python', 'scripts/generate.py')


@nox.session(venv_backend='uv')
def lock(session):
    """Remakes requirements/*.txt out of the .in files (`-- --upgrade`: newer versions); `-- --check` only compares."""
    install_locked(session, 'uv')
    check, args = '--check' in session.posargs, [a for a in session.posargs if a != '--check']
    work = pathlib.Path(session.create_tmp())

    def remake(name):
        """Whether the lock was another one than its .in gives."""
        python = LOCKS[name]
        locked = ROOT / 'requirements' / f'{name}.txt'
        made = work / f'{name.replace("/", "-")}.txt'
        begin = locked if locked.exists() or '/' not in name else locked.parent.parent.parent / 'cpu.txt'
        if begin.exists():
            shutil.copy(begin, made)  # uv keeps what it finds there, as far as the .in allows
        platform = ['--universal'] if python == '3.9' else ['--python-platform', 'x86_64-manylinux_2_28']
        if name in ('cuda', 'cuda10', 'libsndfile'):
            platform.append('--no-deps')  # only the libraries in them are wanted
        overrides = (ROOT / 'requirements' / name).parent / 'overrides.in'
        if overrides.exists():
            platform += ['--overrides', str(overrides.relative_to(ROOT))]
        if name == 'migrate_old':
            platform.append('--overrides=requirements/base.in')  # onnx asks for a NumPy that is not the pinned one
        if name == 'migrate_tf':
            platform.append('--no-emit-package=tensorflow')  # tensorflow-cpu is the same without CUDA
        session.run(
            'uv',
            'pip',
            'compile',
            '-q',
            '--generate-hashes',
            '--no-header',
            '--no-config',
            '--annotation-style',
            'line',
            '--python-version',
            python,
            *platform,
            *args,
            f'requirements/{name}.in',
            '-o',
            str(made),
            env={'HOROVOD_WITHOUT_PYTORCH': '1'},  # else its setup.py asks for cffi, too
        )
        stale = not locked.exists() or made.read_bytes() != locked.read_bytes()
        if stale and not check:
            shutil.copy(made, locked)
        return stale

    # one is made after another, since a lock may read those before it; to compare them is mostly to wait for answers
    with concurrent.futures.ThreadPoolExecutor(4 if check else 1) as pool:
        stale = [name for name, each in zip(LOCKS, pool.map(remake, LOCKS)) if each]
    if check and stale:
        session.error(f'the lock is stale for: {", ".join(stale)}; `nox -s lock` remakes it')
    session.log(f'remade: {", ".join(stale)}' if stale else 'every .txt agrees with its .in')
