"""`make tensorboard` as a person meets it: in a browser, and on bad input."""

import base64
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

import pytest
from chromium import browser  # noqa: F401, a fixture

ROOT = pathlib.Path(__file__).parent.parent.parent
RUNS = ROOT / 'runs'


def environment(**more):
    kept = {k: v for k, v in os.environ.items() if k not in ('MAKEFLAGS', 'MAKELEVEL', 'PORT', 'LOGDIR', 'EXAMPLE')}
    return {**kept, 'ENGINE': 'local', **more}


def make(cwd=ROOT, **options):
    done = subprocess.run(
        ['make', 'tensorboard'], cwd=cwd, env=environment(**options), capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stderr.splitlines()[0]


@pytest.fixture(scope='module')
def recipes(tmp_path_factory):
    """The folder of results of the two recipes that write something for TensorBoard."""
    out = tmp_path_factory.mktemp('runs')
    for name in ('tensorboard_summaries', 'embedding_projector'):
        command = ['-m', 'tensorflow_with_keras', 'run', f'observe/{name}', '--verbose', '0', '--out', str(out)]
        subprocess.run([str(ROOT / '.venv' / 'bin' / 'python'), *command], cwd=ROOT, check=True)
    return out


@pytest.fixture
def empty(tmp_path):
    """A checkout without results; nothing that is refused there may make more of it than a file for the lock."""
    copy = tmp_path / 'a checkout'
    copy.mkdir()
    for name in ('Makefile', 'scripts', 'requirements', 'examples', 'docker', 'tensorflow_with_keras'):
        (copy / name).symlink_to(ROOT / name)
    return copy


@contextlib.contextmanager
def started(folder, **options):
    """The process of `make tensorboard` on a folder, and its address, once that answers."""
    command = ['make', 'tensorboard']
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(LOGDIR=str(folder), **options),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # what runs in the background ignores it
    )
    try:
        for line in process.stderr:
            found = re.search(r'TensorBoard on (.*) is at (http://127\.0\.0\.1:\d+)$', line)
            if found:
                break
        assert found[1] == str(folder)
        end = time.time() + 60
        while not answers(found[2]):
            assert time.time() < end and process.poll() is None
            time.sleep(0.2)
        yield process, found[2]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.stderr.close()
        process.wait()


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return str(s.getsockname()[1])


def answers(address):
    try:
        with urllib.request.urlopen(address, timeout=20) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.fixture
def page(browser):  # noqa: F811
    """A page of a context of its own, and in `complaints` what it says of errors."""
    context = browser.new_context(viewport={'width': 1300, 'height': 1000})
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.complaints = []
    page.on('pageerror', lambda error: page.complaints.append(str(error)))
    page.on('console', lambda said: page.complaints.append(said.text) if said.type == 'error' else None)
    yield page
    context.close()


EVERYTHING = """() => {
  // what a person can read on the page, in the shadows of its elements too
  const texts = [];
  const walk = node => {
    if (node.nodeType === 3 && node.parentElement && node.parentElement.offsetParent) texts.push(node.data);
    if (node.shadowRoot) walk(node.shadowRoot);
    node.childNodes.forEach(walk);
  };
  walk(document.body);
  return texts.join(' ').replace(/\\s+/g, ' ');
}"""


def wait_for(page, words):
    page.wait_for_function(f'words => ({EVERYTHING})().includes(words)', arg=words, polling=500)


def test_without_a_log_it_says_which_recipes_write_one(empty):
    code, said = make(cwd=empty)
    assert code == 2 and said.startswith('error: there is nothing for TensorBoard in runs yet.')
    writers = [
        p for p in (ROOT / 'examples').rglob('*.py') if re.search(r'FileWriter\(|ProjectorConfig\(', p.read_text())
    ]
    assert sorted(re.findall(r'observe/\w+(?=[, ])', said)) == sorted(f'observe/{p.stem}' for p in writers)
    assert not (empty / '.venv').exists()


def test_a_run_without_a_log_or_one_that_has_not_ended_is_none(empty):
    for folder in ('metrics-roc_auc', '.unfinished-1/work'):
        (empty / 'runs' / folder).mkdir(parents=True)
    (empty / 'runs' / 'metrics-roc_auc' / 'result.json').write_text('{}')
    (empty / 'runs' / '.unfinished-1' / 'work' / 'a.tfevents').write_text('')
    assert make(cwd=empty)[0] == 2


@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        ({'LOGDIR': '/no where'}, 'there is no folder /no where: LOGDIR= names one with the logs of a run.'),
        ({'LOGDIR': str(ROOT / 'docs')}, f'there is nothing for TensorBoard in {ROOT / "docs"}: no *tfevents* file'),
        ({'LOGDIR': '.', 'PORT': '1e3'}, "PORT='1e3' is no number from 1 to 65535."),
    ],
)
def test_wrong_input_is_one_sentence(options, sentence, recipes):
    if 'PORT' in options:
        options = {**options, 'LOGDIR': str(recipes)}
    code, said = make(**options)
    assert code == 2 and said.startswith(f'error: {sentence}')


def test_a_port_that_is_taken_is_one_sentence(recipes):
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        s.listen()
        code, said = make(LOGDIR=str(recipes), PORT=str(s.getsockname()[1]))
    assert code == 2 and 'of this machine is taken' in said


def test_the_newest_run_with_a_log_is_shown(recipes, empty):
    (empty / '.venv').mkdir()
    (empty / '.venv' / 'lock.stamp').write_text(
        f'{empty}\n' + (ROOT / 'requirements' / 'cpu.txt').read_text() + (ROOT / 'docker' / 'dot').read_text()
    )
    (empty / '.venv' / 'bin').mkdir()
    (empty / '.venv' / 'bin' / 'python').symlink_to('/bin/true')
    shutil.copytree(recipes, empty / 'runs')
    for name, seconds in (('observe-embedding_projector', 100), ('observe-tensorboard_summaries', 200)):
        for path in (empty / 'runs' / name).iterdir():
            os.utime(path, (seconds, seconds))
    command = ['make', 'tensorboard']
    for expected in ('observe-tensorboard_summaries', 'observe-embedding_projector'):
        done = subprocess.run(command, cwd=empty, env=environment(), capture_output=True, text=True)
        assert done.returncode == 0 and f'TensorBoard on {empty / "runs" / expected} is at' in done.stderr
        os.utime(empty / 'runs' / 'observe-embedding_projector' / 'projector_config.pbtxt', (300, 300))


def test_ctrl_c_ends_it_and_leaves_nothing(recipes, tmp_path):
    folder = tmp_path / 'with a blank, a comma: and a colon'
    shutil.copytree(recipes / 'observe-tensorboard_summaries', folder)
    with started(folder) as (process, address):
        with urllib.request.urlopen(f'{address}/data/plugin/scalars/tags', timeout=20) as answer:
            assert b'epoch/loss' in answer.read()
        lines = pathlib.Path('/proc/net/tcp').read_text() + pathlib.Path('/proc/net/tcp6').read_text()
        port = f'{int(address.rsplit(":", 1)[1]):04X}'
        assert re.findall(rf' (\w+):{port} \w+:\w+ 0A ', lines) == ['0100007F']
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=20)
        assert 'Traceback' not in process.stderr.read() and not answers(address)


def test_the_scalars_of_every_epoch_show(recipes, page):
    with started(recipes / 'observe-tensorboard_summaries') as (_, address):
        page.goto(f'{address}/#scalars')
        wait_for(page, 'val_acc')
        text = page.evaluate(EVERYTHING)
        for tag in ('loss', 'acc', 'val_loss', 'val_acc'):
            assert re.search(rf'\b(epoch/)?{tag}\b', text), tag
        # a curve of four epochs for each of the four
        curves = 'svg .scatterPlot, vz-line-chart, vz-line-chart2'
        page.wait_for_function('curves => document.querySelectorAll(curves).length >= 4', arg=curves, polling=500)
        for tab, words in (('histograms', 'kernels/conv'), ('images', 'first_filter')):
            page.goto(f'{address}/#{tab}')
            wait_for(page, words)
        assert page.complaints == []


DARK = """async png => {
  // how many pixels of the plot are dark grey: the strokes of digits are, and coloured points are not
  const box = document.querySelector('#scatter').getBoundingClientRect();
  const image = new Image();
  image.src = 'data:image/png;base64,' + png;
  await image.decode();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [image.width, image.height];
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(box.left, box.top + 60, box.width - 60, box.height - 60).data;
  let count = 0;
  for (let i = 0; i < pixels.length; i += 4) {
    const three = pixels.slice(i, i + 3);
    if (Math.max(...three) < 110 && Math.max(...three) - Math.min(...three) < 12) count++;
  }
  return count;
}"""


def test_the_projector_shows_a_picture_and_a_label_for_every_point(recipes, page, tmp_path):
    folder = recipes / 'observe-embedding_projector'
    bare = tmp_path / 'without pictures'
    shutil.copytree(folder, bare)
    config = bare / 'projector_config.pbtxt'
    config.write_text(re.sub(r'\s*sprite \{.*?\n  \}', '', config.read_text(), flags=re.S))
    rows = [line.split('\t') for line in (folder / 'metadata.tsv').read_text().splitlines()]
    seen = {}
    for each in (folder, bare):
        with started(each, PORT=free_port()) as (_, address):  # another address, which no cache knows
            page.goto(f'{address}/#projector')
            wait_for(page, f'Points: {len(rows) - 1} Dimension: 16')
            labels = page.evaluate('document.querySelector("vz-projector").dataSet.points.map(p => p.metadata)')
            assert [[str(label[name]) for name in rows[0]] for label in labels] == rows[1:]
            time.sleep(3)  # until it is drawn
            seen[each] = page.evaluate(DARK, base64.b64encode(page.screenshot()).decode())
            # a person clicks a point
            page.evaluate('document.querySelector("vz-projector").notifySelectionChanged([7])')
            wait_for(page, f'digit {rows[8][0]} predicted {rows[8][1]}')
            assert page.complaints == []
    assert seen[folder] > 1000 and seen[bare] < seen[folder] / 10, seen
