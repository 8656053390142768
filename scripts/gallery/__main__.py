"""`make gallery`: a static site of all recipes, with the numbers that they reach on this machine.

    python scripts/gallery [--python .venv/bin/python] [--out runs/gallery] [--only TOPIC/NAME …]

Runs each recipe on the digits, draws what one rather sees, writes a page for each recipe and each page of docs/, and
has Sphinx make the site of them: OUT/site/index.html. What has not changed since the last time is not run again.
A recipe that fails is said, on its page too, and costs no other; the exit code is then 1.

Python 3.9 or newer runs this, with requirements/gallery.txt; the recipes run in the environment of TensorFlow 1.9.
"""

import argparse
import collections
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from scripts.gallery import pages  # noqa: E402
from tensorflow_with_keras import recipe  # noqa: E402

PLOTS = ROOT / 'scripts' / 'gallery' / 'plots.py'
LONGEST = 600  # seconds that a recipe may take
STAMP, PLOT_STAMP = 'inputs.txt', 'plot_inputs.txt'

# What is known of a recipe's run: `record` is its result.json as a dict, `plot` the gallery's own picture as a dict
# with `file` and `alt`; either is None where there is none, and `why` then says why, in a sentence.
Outcome = collections.namedtuple('Outcome', 'folder record plot why failed', defaults=(None, None, '', False))


class Problem(Exception):
    """One sentence for whoever called this."""


def digest(*paths):
    """SHA-256 over the contents of these files, and over their paths."""
    whole = hashlib.sha256()
    for path in paths:
        whole.update(f'{path.relative_to(ROOT)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n'.encode())
    return whole.hexdigest()


class Runs:
    """Recipes run in an environment of TensorFlow 1.9, each into a folder of its own that its stamp completes."""

    def __init__(self, python, out):
        self.python, self.results, self.logs = python, out / 'results', out / 'logs'
        for folder in (self.results, self.logs):
            folder.mkdir(parents=True, exist_ok=True)
        here = [PLOTS, '--list']
        # one thread, so that the same commit gives the same numbers
        self.environment = {**os.environ, 'TF_CPP_MIN_LOG_LEVEL': '1', 'MPLBACKEND': 'Agg', 'PYTHONPATH': str(ROOT)}
        self.plotted = set(self.ask(here).split())
        self.modules = set(self.ask(['-c', 'import pkgutil; print(*(m.name for m in pkgutil.iter_modules()))']).split())

    def ask(self, arguments):
        """What this Python prints."""
        try:
            done = subprocess.run(
                [self.python, *arguments], capture_output=True, text=True, cwd=ROOT, env=self.environment
            )
        except OSError as e:
            raise Problem(
                f'{self.python} does not start ({e.strerror}): `scripts/front-door venv` makes .venv'
            ) from None
        if done.returncode:
            raise Problem(f'{self.python} is no environment to run recipes in: {last_line(done.stderr)}')
        return done.stdout

    def folder(self, one):
        return self.results / one.name.replace('/', '-')

    def stamps(self, one):
        """What the numbers depend on, and what the picture does in addition."""
        locks = ['cpu.txt', 'distributed.txt'] if one.needs else ['cpu.txt']
        inputs = [pathlib.Path(one.path), *sorted((ROOT / 'tensorflow_with_keras').glob('*.py'))]
        inputs += [ROOT / 'requirements' / name for name in locks]
        return digest(*inputs), digest(*inputs, PLOTS, ROOT / 'benchmarks' / 'scaling.py')

    def recorded(self, one):
        """What an earlier run has left, as an `Outcome`; None where there is nothing whole of this very recipe."""
        folder, (stamp, plot_stamp) = self.folder(one), self.stamps(one)
        record = read_json(folder / 'result.json') if read(folder / STAMP) == stamp else None
        if record is None:
            return None
        plot = read_json(folder / 'plot.json') if read(folder / PLOT_STAMP) == plot_stamp else None
        return Outcome(folder, record, plot)

    def is_whole(self, one):
        found = self.recorded(one)
        return found is not None and (found.plot is not None or one.name not in self.plotted)

    def run(self, one):
        """Runs a recipe, and draws its picture; what is there already and still right stays as it is."""
        folder, (stamp, plot_stamp) = self.folder(one), self.stamps(one)
        if one.needs and one.needs not in self.modules:
            return Outcome(folder, why=f'It needs {one.needs.title()}, which the environment of this gallery has not.')
        if self.recorded(one) is None:
            shutil.rmtree(folder, ignore_errors=True)
            options = ['--threads', '1', '--verbose', '0', '--out', str(self.results)]
            problem = self.call(one, ['-m', 'tensorflow_with_keras', 'run', one.name, *options], 'run')
            if problem is None and read_json(folder / 'result.json') is None:
                problem = 'it left no result.json'
            if problem:
                return Outcome(folder, why=f'It failed when this gallery was made: {problem}.', failed=True)
            (folder / STAMP).write_text(stamp)
        if one.name in self.plotted and not self.is_whole(one):
            problem = self.call(one, [PLOTS, one.name, folder], 'plot')
            if problem:
                found = self.recorded(one)
                return found._replace(why=f'Its picture could not be drawn: {problem}.', failed=True)
            (folder / PLOT_STAMP).write_text(plot_stamp)
        return self.recorded(one)

    def call(self, one, arguments, what):
        """Runs this in the environment, its output into a log. None, or what went wrong."""
        log = self.logs / f'{one.name.replace("/", "-")}.{what}.txt'
        with open(log, 'w') as f:
            process = subprocess.Popen(
                [self.python, *arguments], cwd=ROOT, env=self.environment, stdout=f, stderr=subprocess.STDOUT
            )
            try:
                code = process.wait(LONGEST)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                return f'it did not end within {LONGEST} s'
        return f'exit code {code}, {last_line(log.read_text(errors="replace"))}' if code else None


def read(path):
    """Text of a file; '' where there is none that can be read."""
    try:
        return path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError):
        return ''


def read_json(path):
    """The dict in a file; None where there is none, or half of one."""
    try:
        found = json.loads(read(path))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].rstrip('.') if lines else 'no message'


def run_all(runs, recipes, jobs):
    """Name to `Outcome` of these recipes. Says how far it is."""
    outcomes = {}
    due = [one for one in recipes if not runs.is_whole(one)]
    for one in recipes:
        if one not in due:
            outcomes[one.name] = runs.recorded(one)
    if len(due) < len(recipes):
        say(f'{len(recipes) - len(due)} of {len(recipes)} recipes are as they were: not run again')
    begin = {}

    def timed(one):
        begin[one.name] = time.monotonic()
        return runs.run(one)

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(timed, one): one for one in due}
        try:
            for n, future in enumerate(concurrent.futures.as_completed(futures), 1):
                one = futures[future]
                outcomes[one.name] = outcome = future.result()
                took = time.monotonic() - begin[one.name]
                say(f'{n} of {len(due)}  {one.name}  {took:.1f} s{"  " + outcome.why if outcome.why else ""}')
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
    return outcomes


def build(out):
    """Has Sphinx make OUT/site of OUT/source. A warning is an error: a link that leads nowhere is one."""
    say('making the site')
    made, log = out / 'site.new', out / 'logs' / 'sphinx.txt'
    shutil.rmtree(made, ignore_errors=True)
    options = ['-b', 'html', '-q', '--no-color', '-W', '--keep-going', '-j', 'auto', '-d', str(out / 'doctrees')]
    done = subprocess.run(
        [sys.executable, '-m', 'sphinx', *options, str(out / 'source'), str(made)], capture_output=True, text=True
    )
    log.write_text(done.stdout + done.stderr)
    if done.returncode:
        shutil.rmtree(made, ignore_errors=True)
        said = (done.stderr or done.stdout).replace(str(out / 'source') + os.sep, '')
        raise Problem(f'Sphinx made no site; the one that was there stays as it is. It says:\n{said.strip()}\n')
    shutil.rmtree(out / 'site', ignore_errors=True)
    made.rename(out / 'site')


def prepare(out):
    """Makes the folder. What is in it is replaced, so it has to be a gallery's."""
    out.mkdir(parents=True, exist_ok=True)
    mark = out / 'made_by_gallery.txt'
    if not mark.exists():
        if any(out.iterdir()):
            raise Problem(f'{out} has other files in it, which a gallery would replace: name another folder with --out')
        mark.write_text('`make gallery` made this folder, and replaces what is in it.\n', encoding='utf-8')


def say(sentence):
    print(f'gallery: {sentence}', file=sys.stderr, flush=True)


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog='scripts/gallery', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--python',
        default=str(ROOT / '.venv' / 'bin' / 'python'),
        metavar='FILE',
        help='the Python that has TensorFlow 1.9 (default: that of .venv)',
    )
    parser.add_argument(
        '--out', type=pathlib.Path, default=ROOT / 'runs' / 'gallery', metavar='DIR', help='default: runs/gallery'
    )
    parser.add_argument(
        '--only',
        nargs='*',
        metavar='NAME',
        help='recipes to run, as metrics/roc_auc; the others have the numbers of earlier runs, or none (default: all)',
    )
    parser.add_argument(
        '--jobs', type=int, default=os.cpu_count(), metavar='N', help='recipes at a time (default: one for each core)'
    )
    args = parser.parse_args(arguments)
    unknown = sorted(set(args.only or ()) - set(recipe.find()))
    if unknown:
        parser.error(f'there is no recipe {", ".join(unknown)}; `make list` has them all')
    if args.jobs < 1:
        parser.error('--jobs is a number from 1 up')
    return args


def main(arguments):
    args = parse(arguments)
    out = args.out.absolute()
    try:
        prepare(out)
        recipes = recipe.find()
        runs = Runs(args.python, out)
        chosen = [one for one in recipes.values() if args.only is None or one.name in args.only]
        outcomes = run_all(runs, chosen, args.jobs)
        for one in recipes.values():
            if one.name not in outcomes:
                found = runs.recorded(one) if runs.is_whole(one) else None
                outcomes[one.name] = found or Outcome(runs.folder(one), why='It was not run for this gallery.')
        pages.write(ROOT, out / 'source', recipes, outcomes)
        build(out)
    except KeyboardInterrupt:
        say('interrupted; what has been run is kept, and not run again the next time')
        return 130
    except (Problem, pages.Problem) as e:
        print(f'error: {e}.', file=sys.stderr)
        return 2
    except OSError as e:
        print(f'error: cannot write to {out} ({e.strerror}): name another folder with --out.', file=sys.stderr)
        return 3
    say(f'{os.path.relpath(out / "site" / "index.html")}')
    failed = {name: outcome.why for name, outcome in outcomes.items() if outcome.failed}
    for name, why in failed.items():
        print(f'error: {name}: {why} {os.path.relpath(runs.logs)} has what it said.', file=sys.stderr)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
