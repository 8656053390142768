"""All models are saved by one process and asked by one, and each target is run by as few: imports take the time."""

import json
import os
import pathlib
import resource
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / 'tests' / 'migrate'
QUICK = os.environ.get('MIGRATE_QUICK') == '1'
# each case, and what other tools were seen to do with it, out of the same models
HEAD, *OTHERS = [line.split('\t') for line in (HERE / 'cases.tsv').read_text().splitlines()]
NAMES = [name for name, *_ in OTHERS]
TABLE = 'docs/migrate_cases.md'
# of each target, after the old side has answered: environment, module, word
STEPS = {
    'onnx': [('new', 'new', 'onnx')],
    'savedmodel': [('tf', 'with_tf', 'savedmodel')],
    'keras3': [('new', 'new', 'build'), ('new', 'new', 'run')],
    'tf_keras': [('tf', 'with_tf', 'build'), ('tf', 'with_tf', 'run')],
}
RESULTS = {}  # target -> name -> proof or sentence
if QUICK:
    NAMES = [name for n, name in enumerate(NAMES) if n % 8 == 0 or 'mask' in name.lower() or name.startswith('nested')]


@pytest.fixture(autouse=True)
def fresh_graph():
    """Nothing here runs Keras in the tests' own process."""


def run(environment, *words, check=True, **keywords):
    """Runs a command of one of the three environments."""
    env = {**os.environ, 'PYTHONPATH': str(ROOT), 'TF_CPP_MIN_LOG_LEVEL': '2'}
    if environment == 'old':
        env['KERAS_BACKEND'] = 'tensorflow'
    elif environment == 'new':
        env['KERAS_BACKEND'] = 'jax'
    command = [str(ROOT / f'.venv-migrate-{environment}' / 'bin' / 'python'), '-W', 'ignore', *map(str, words)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, cwd=keywords.get('cwd', ROOT))
    assert not check or done.returncode == 0, done.stderr[-3000:]
    return done


def migrate(model, folder, limit=None, **options):
    """Exit code, last line on standard error and OUT of `make migrate`, which may write files of `limit` bytes."""
    env = {**os.environ, 'MODEL': str(model), 'OUT': str(folder / 'out'), **options}
    done = subprocess.run(
        [str(ROOT / 'scripts' / 'front-door'), 'migrate'],
        env=env,
        capture_output=True,
        text=True,
        preexec_fn=limit and (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))),
    )
    assert 'Traceback' not in done.stderr
    return done.returncode, done.stderr.strip().split('\n')[-1], folder / 'out'


class Models:
    """Saved models, and the answers of the old side. folder: where they lie. custom: the files of their own layers."""

    def __init__(self, folder, script, names, custom=(HERE / 'custom_old.py', HERE / 'custom_new.py')):
        self.folder = folder
        run('old', script, folder, *names)
        self.jobs = []
        for each in json.loads((folder / 'cases.json').read_text()):
            work = folder / each['file'][:-3]
            work.mkdir()
            self.jobs.append(
                {
                    'name': each['name'],
                    'model': str(folder / each['file']),
                    'work': str(work),
                    'targets': ['onnx', 'savedmodel'],
                    'custom': [[str(path), name] for path in custom for name in each['custom']],
                    'input_shape': [6],
                    'inputs': None,
                    'seed': 0,
                    'stock': False,
                }
            )
        self.ask(self.jobs, ('old', 'old'))

    def ask(self, jobs, *steps):
        """Runs steps on jobs; those that ended with a sentence take no part in later ones. Returns name -> sentence."""
        sentences = {}
        for environment, module, *word in steps:
            jobs = [job for job in jobs if job['name'] not in sentences]
            listed = self.folder / 'jobs.json'
            listed.write_text(json.dumps(jobs))
            run(environment, '-m', f'migrate.{module}', *word, listed)
            for job in jobs:
                error = pathlib.Path(job['work'], 'error.json')
                if error.exists():
                    sentences[job['name']] = json.loads(error.read_text())
                    error.unlink()
        self.failed = sentences
        return sentences

    def proofs(self, *steps, **changes):
        """Name -> proof, or the error with its sentence, after these steps."""
        jobs = [{**job, **changes} for job in self.jobs]
        found = self.ask(jobs, *steps, ('new', 'judge'))
        for job in jobs:
            if job['name'] not in found:
                found[job['name']] = json.loads(pathlib.Path(job['work'], 'proof.json').read_text())
        return found


@pytest.fixture(scope='session')
def models(tmp_path_factory):
    """Every case, saved and asked; one whose ONNX is refused is asked once more without it."""
    made = Models(tmp_path_factory.mktemp('models'), HERE / 'cases.py', NAMES)
    made.without_onnx = dict(made.failed)
    again = [{**job, 'targets': []} for job in made.jobs if job['name'] in made.without_onnx]
    if again:
        assert not made.ask(again, ('old', 'old'))
    return made


def pytest_addoption(parser):
    parser.addoption('--write-table', action='store_true', help=f'write {TABLE} out of what was measured')


def pytest_sessionfinish(session):
    if session.config.getoption('--write-table'):
        (ROOT / TABLE).write_text(table())


def outcome(found):
    """A cell of the table."""
    if found is None:
        return ''
    if 'sentence' in found:
        return 'refused'
    return f'{found["largest_absolute_difference"]:.0e}' if found['holds'] else 'DIFFERS'


def table():
    """Every case by target, and what other tools do with it."""
    targets = list(RESULTS)
    lines = [
        '# What moves, layer by layer',
        '',
        'Written by `.tools/bin/nox -s migrate -- --write-table`. For each small model the largest absolute difference',
        'from what Keras 2.2.4 answers, on wide random inputs with masked steps, in batches of two sizes. The last',
        'columns say what other ways were seen to do with such models: equal, a difference without any error, or an',
        'error. [migrate.md](migrate.md) has the commands.',
        '',
        '| case | ' + ' | '.join([*targets, *HEAD[1:]]) + ' |',
        '|---|' + '---|' * (len(targets) + len(HEAD) - 1),
    ]
    for name, *others in OTHERS:
        lines.append('| ' + ' | '.join([name, *(outcome(RESULTS[t].get(name)) for t in targets), *others]) + ' |')
    return '\n'.join(lines) + '\n'
