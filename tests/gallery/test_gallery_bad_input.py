"""`python scripts/gallery` where something is wrong: nothing is lost, what is wrong is said, and the exit code says so.

The gallery of a small copy of the repository: three recipes, no pages but those that every gallery links to, and in the
place of TensorFlow's Python a script that writes what a recipe would.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from bs4 import BeautifulSoup
from chromium import find_browser
from conftest import ROOT

RECIPES = ['data/tfrecords', 'metrics/roc_auc', 'training/saliency']
PYTHON = f"""#!{sys.executable}
import json, os, pathlib, sys, time
root = pathlib.Path(__file__).parent
if sys.argv[1] == '-c':
    print('keras tensorflow')
elif sys.argv[2] == '--list':
    print('metrics/roc_auc')
elif sys.argv[1] == '-m':
    name = sys.argv[4]
    with open(root / 'ran', 'a') as f:
        f.write(name + '\\n')
    if name == os.environ.get('WAITS'):
        time.sleep(60)
    if name == os.environ.get('FAILS'):
        sys.exit('Traceback …\\nValueError: no such `axis`')
    folder = pathlib.Path(sys.argv[sys.argv.index('--out') + 1]) / name.replace('/', '-')
    folder.mkdir()
    metrics = {{'epochs': 2, 'test_accuracy': 0.4375, 'test_auc': float(os.environ.get('AUC', 0.75))}}
    versions = {{'tensorflow': '1.9.0', 'keras': '2.2.4'}}
    record = dict(metrics=metrics, versions=versions, dataset={{'name': 'digits'}}, seed=0)
    (folder / 'result.json').write_text(json.dumps(record))
else:
    if name_of_plot := os.environ.get('PLOT_FAILS'):
        sys.exit(name_of_plot)
    folder = pathlib.Path(sys.argv[3])
    (folder / 'plot.svg').write_text('<svg xmlns="http://www.w3.org/2000/svg" width="4" height="3"/>')
    (folder / 'plot.json').write_text('{{"file": "plot.svg", "alt": "A curve that rises."}}')
"""


class Copy:
    """The small copy, in `root`."""

    def __init__(self, root):
        self.root, self.out = root, root / 'runs' / 'gallery'
        for folder in ('scripts/gallery', 'tensorflow_with_keras', 'requirements'):
            shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns('__pycache__'))
        files = ['scripts/topics.py', 'benchmarks/scaling.py']
        for name in RECIPES:
            files += [f'examples/{name}.py', f'tests/recipes/{name.replace("/", "/test_")}.py']
        for path in files:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, root / path)
        for path in ('README.md', 'docs/README.md', 'docs/compatibility.md', 'docs/keras3/README.md'):
            self.write(path, f'# The page {path}\n')
        groups = {row['group'] for row in json.loads((ROOT / 'tensorflow_with_keras/symptoms.json').read_text())}
        self.write('docs/symptoms.md', '# By the message\n\n' + ''.join(f'## {group}\n\n' for group in sorted(groups)))
        self.write('python', PYTHON)
        (root / 'python').chmod(0o755)

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding='utf-8')

    def command(self, *arguments):
        python = [] if '--python' in arguments else ['--python', str(self.root / 'python')]
        return [sys.executable, 'scripts/gallery', *python, *arguments]

    def gallery(self, *arguments, **environment):
        """Exit code, and what is said."""
        env = {**os.environ, **environment}
        done = subprocess.run(self.command(*arguments), cwd=self.root, env=env, capture_output=True, text=True)
        assert 'Traceback (most' not in done.stderr, done.stderr
        return done.returncode, done.stderr

    def ran(self):
        """The recipes that were run since this was asked the last time."""
        log = self.root / 'ran'
        names = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return sorted(names)

    def page(self, name):
        text = (self.out / 'site' / f'{name}.html').read_text()
        return ' '.join(BeautifulSoup(text, 'html.parser').find('article').get_text().split())


@pytest.fixture(scope='module')
def built(tmp_path_factory):
    """A copy whose gallery is made."""
    copy = Copy(tmp_path_factory.mktemp('gallery'))
    code, said = copy.gallery()
    assert code == 0, said
    assert copy.ran() == RECIPES
    return copy


@pytest.fixture
def copy(built, tmp_path):
    """A copy of its own, with the results and the site of the built one."""
    shutil.copytree(built.root, tmp_path / 'copy')
    copy = Copy.__new__(Copy)
    copy.root, copy.out = tmp_path / 'copy', tmp_path / 'copy' / 'runs' / 'gallery'
    return copy


def test_progress_is_said_and_nothing_is_run_twice(copy):
    code, said = copy.gallery()
    assert code == 0 and copy.ran() == []
    assert '3 of 3 recipes are as they were' in said
    assert '0.75' in copy.page('examples/metrics/roc_auc')


def test_what_has_changed_is_run_again_and_says_how_far_it_is(copy):
    with open(copy.root / 'examples/metrics/roc_auc.py', 'a') as f:
        f.write('\n')
    code, said = copy.gallery(AUC='0.5')
    assert code == 0 and copy.ran() == ['metrics/roc_auc']
    assert '2 of 3 recipes are as they were' in said and '1 of 1  metrics/roc_auc' in said
    assert '0.5' in copy.page('examples/metrics/roc_auc')
    with open(copy.root / 'requirements/cpu.txt', 'a') as f:
        f.write('\n')
    assert copy.gallery()[0] == 0 and copy.ran() == RECIPES


def test_a_recipe_that_fails_costs_no_other(copy):
    for path in copy.out.glob('results/*/inputs.txt'):
        path.unlink()
    code, said = copy.gallery(FAILS='metrics/roc_auc')
    assert code == 1
    assert said.count('ValueError: no such `axis`') == 2  # while it runs, and at the end
    assert copy.ran() == RECIPES
    assert 'It failed when this gallery was made: exit code 1, ValueError' in copy.page('examples/metrics/roc_auc')
    assert '0.4375' in copy.page('examples/training/saliency')
    assert copy.gallery()[0] == 0 and copy.ran() == ['metrics/roc_auc']


def test_a_picture_that_cannot_be_drawn_costs_no_numbers(copy):
    (copy.out / 'results/metrics-roc_auc/plot_inputs.txt').unlink()
    code, said = copy.gallery(PLOT_FAILS='the numbers differ')
    assert code == 1 and 'Its picture could not be drawn: exit code 1, the numbers differ.' in said
    assert '0.75' in copy.page('examples/metrics/roc_auc')


def test_results_that_are_half_written_are_made_anew(copy):
    halves = [('result.json', '{"metrics": {'), ('result.json', '[]'), ('inputs.txt', '')]
    for name, (file, half) in zip(RECIPES, halves):
        (copy.out / 'results' / name.replace('/', '-') / file).write_text(half)
    assert copy.gallery()[0] == 0 and copy.ran() == RECIPES


def test_a_picture_that_is_gone_is_said(copy):
    (copy.out / 'results/metrics-roc_auc/plot.svg').unlink()
    code, said = copy.gallery()
    assert code == 2 and 'a picture of metrics/roc_auc is not there' in said and 'remove' in said


def test_broken_links_of_a_page_are_said_and_the_site_stays(copy):
    links = ['[there](nowhere.md)', '[there](symptoms.md#nowhere)', '![that](nowhere.png)']
    copy.write('docs/compatibility.md', '# Compatibility\n\n' + '\n\n'.join(links) + '\n')
    before = copy.page('docs/compatibility')
    code, said = copy.gallery()
    assert code == 2
    for line in (3, 5, 7):
        assert re.search(rf'^docs/compatibility.md:{line}: WARNING: .*nowhere', said, re.M)
    assert copy.page('docs/compatibility') == before


def test_a_topic_without_a_heading_is_said(copy):
    shutil.copytree(copy.root / 'examples/data', copy.root / 'examples/dates')
    shutil.copytree(copy.root / 'tests/recipes/data', copy.root / 'tests/recipes/dates')
    code, said = copy.gallery('--only')
    assert code == 2 and 'scripts/topics.py has no heading for the recipes of the topic dates' in said


def test_what_is_not_run_says_so(tmp_path):
    copy = Copy(tmp_path)
    code, said = copy.gallery('--only', 'data/tfrecords')
    assert code == 0 and copy.ran() == ['data/tfrecords']
    assert 'It was not run for this gallery.' in copy.page('examples/metrics/roc_auc')


def test_an_interrupt_keeps_what_is_done(tmp_path):
    copy = Copy(tmp_path)
    environment = {**os.environ, 'WAITS': 'training/saliency'}
    process = subprocess.Popen(
        copy.command('--jobs', '1'),
        cwd=copy.root,
        env=environment,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # what runs in the background ignores it
    )
    for _ in range(300):
        if (copy.root / 'ran').exists() and 'saliency' in (copy.root / 'ran').read_text():
            break
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=30)[1].decode()
    assert process.returncode == 130 and 'interrupted' in said and 'Traceback' not in said
    assert copy.ran() == RECIPES
    assert copy.gallery()[0] == 0 and copy.ran() == ['training/saliency']


@pytest.mark.parametrize(
    'arguments, code, words',
    [
        (['--only', 'metrics/roc'], 2, 'there is no recipe metrics/roc'),
        (['--jobs', '0'], 2, '--jobs is a number from 1 up'),
        (['--python', '/no/python'], 2, 'does not start'),
        (['--python', sys.executable, '--only'], 2, 'no environment to run recipes in'),
        (['--out', 'docs'], 2, 'has other files in it'),
        (['--out', 'README.md/x'], 3, 'name another folder with --out'),
    ],
)
def test_wrong_options_are_a_sentence(built, arguments, code, words):
    ended, said = built.gallery(*arguments)
    assert ended == code and words in said


def test_without_a_browser_there_is_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv('PATH', str(tmp_path))
    monkeypatch.delenv('CHROMIUM', raising=False)
    with pytest.raises(pytest.fail.Exception, match='no Chromium here: `apt-get install chromium`'):
        find_browser()
    monkeypatch.setenv('CHROMIUM', 'chrome-of-mine')
    with pytest.raises(pytest.fail.Exception, match='CHROMIUM=chrome-of-mine is no program'):
        find_browser()


def test_help_says_what_it_does():
    done = subprocess.run([sys.executable, ROOT / 'scripts/gallery', '--help'], capture_output=True, text=True)
    assert done.returncode == 0 and 'runs/gallery' in done.stdout
