"""What a recipe is: found as a file, described by its docstring, run from the command line, its result recorded.

A recipe is examples/TOPIC/NAME.py. Its docstring begins with one line that names the pattern; its function
`run(data, epochs=…, batch_size=…, **fit)` trains and returns a flat dict of numbers and of names of files that it
wrote. `run` takes what it needs of: data (a `datasets.Dataset`), epochs, batch_size, out (an empty folder for its
files, which reach OUT/TOPIC-NAME only when the run has ended well), resume (a folder that the same command finds again
after a run that was broken off, for checkpoints), and `**fit`, to hand to `model.fit`: verbose (Keras's 0, 1 or 2) and
callbacks (a list; one that keeps the logs of whole epochs for a run that is interrupted). A recipe with callbacks of
its own, or that needs `verbose` elsewhere, names these.
"""

import argparse
import ast
import collections
import hashlib
import importlib.util
import inspect
import json
import logging
import math
import os
import re
import shlex
import shutil
import signal
import sys
import tempfile
import threading
import time

BAD_USAGE, FAILED, INTERRUPTED, TERMINATED = 2, 3, 130, 143
DATASETS = ('digits', 'mnist', 'fashion_mnist')  # datasets.NAMES, which cannot be asked where NumPy is absent
VERSIONS = ('h5py', 'Keras', 'numpy', 'scikit-learn', 'scipy')
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # of the checkout, or of the image's copy of it
EXAMPLES = os.path.join(ROOT, 'examples')


def _is_news(message):
    """Whether a message of TensorFlow's is none of the dozens by which 1.12 and later say what 2.0 will not have."""
    later = not getattr(sys.modules.get('tensorflow'), '__version__', '1.9.').startswith('1.9.')
    return not (later and re.search('is deprecated|contrib module will not be included', message.getMessage()))


logging.getLogger('tensorflow').addFilter(_is_news)  # here, since a recipe's first lines may use TensorFlow already

Recipe = collections.namedtuple('Recipe', 'name path summary docstring needs stacks')


def find():
    """All recipes, as an ordered dict from `topic/name` to `Recipe`. Reads the files, imports none.

    A recipe's `needs` is what it imports beside the pinned packages, in lower case as Python imports it: the first word
    of the docstring's paragraph `Needs: `; '' where there is none. Its `stacks` are the names in the paragraph
    `Stacks: NAME, NAME; why`, as a tuple; () where there is none, and the recipe is for every stack.
    """
    recipes = collections.OrderedDict()
    for topic in sorted(os.listdir(EXAMPLES)):
        folder = os.path.join(EXAMPLES, topic)
        for file in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            if file.endswith('.py'):
                path = os.path.join(folder, file)
                with open(path, encoding='utf-8') as f:
                    docstring = ast.get_docstring(ast.parse(f.read())) or ''
                name = '%s/%s' % (topic, file[:-3])
                needs = re.search(r'^Needs: (\w+)', docstring, re.M)
                summary = docstring.split('\n', 1)[0]
                stacks = re.search(r'^Stacks: ([^;\n]+);', docstring, re.M)
                stacks = tuple(stacks.group(1).split(', ')) if stacks else ()
                recipes[name] = Recipe(name, path, summary, docstring, needs.group(1).lower() if needs else '', stacks)
    return recipes


def stack_problem(one, stack):
    """One sentence that says why a `Recipe` is not for the stack of this name; None where it is, or `stack` is None."""
    if stack is None or not one.stacks or stack in one.stacks:
        return None
    why = re.search(r'^Stacks: [^;]+;\s+(.*?)\.?\s*(?:\n\n|\Z)', one.docstring, re.M | re.S).group(1)
    return '%s is for %s, and not for %s: %s.' % (one.name, ', '.join(one.stacks), stack, ' '.join(why.split()))


Reached = collections.namedtuple('Reached', 'metric value epochs seconds cores gigabytes')


def reaches(docstring):
    """What a recipe's docstring says under `Reaches:`, as `Reached`; None where it has no such paragraph."""
    found = re.search(
        r'^Reaches: ([\w ]+) (\S+) after (\d+) epochs, (\d+) s on (\d+) cores, (\S+) GB\.$', docstring, re.M
    )
    if not found:
        return None
    metric, *numbers = found.groups()
    return Reached(metric.replace(' ', '_'), *map(float, numbers))


def load(name):
    """Imports the recipe `topic/name` as a module, in the graph and session that are current."""
    spec = importlib.util.spec_from_file_location(name.replace('/', '_'), find()[name].path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with an argument, and exits with 2."""

    def error(self, message):
        self.exit(BAD_USAGE, '%s: %s\n' % (self.prog, message))


def _count(text):
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError('%r is not a whole number from 1 up' % text)
    return number


def _seed(text):
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not 0 <= number < 2**32:  # what NumPy takes
        raise argparse.ArgumentTypeError('%r is not a whole number from 0 to 4294967295' % text)
    return number


def parser(name, description=None):
    """The command line that every recipe has."""
    p = Parser(prog=name, description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--dataset', choices=DATASETS, default='digits', help='what to train on (default: digits)')
    p.add_argument(
        '--data-dir',
        metavar='DIR',
        help="folder of mnist or fashion_mnist (default: TFK_DATA_DIR, Keras's cache, /usr/share/datasets, a download)",
    )
    p.add_argument('--epochs', type=_count, metavar='N', help='number of epochs (default: as the recipe has it)')
    p.add_argument('--batch-size', type=_count, metavar='N', help='samples in a batch (default: as the recipe has it)')
    p.add_argument(
        '--seed', type=_seed, default=0, metavar='N', help='seed of Python, NumPy and TensorFlow (default: 0)'
    )
    p.add_argument(
        '--threads',
        type=_count,
        metavar='N',
        help='threads of TensorFlow (default: one for each core); with 1 a recipe of one process gives the same bits '
        'each time',
    )
    p.add_argument('--out', default='runs', metavar='DIR', help='folder for results (default: runs)')
    p.add_argument(
        '--verbose',
        type=int,
        choices=(0, 1, 2),
        default=1 if sys.stdout.isatty() else 2,
        help='what Keras prints: 0 nothing, 1 a bar, 2 a line for each epoch (default: 1 on a terminal, else 2)',
    )
    return p


def open_out(folder):
    """Creates `folder` and proves that it can be written to. Exits with one sentence where it cannot."""
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as e:
        fail('cannot write to %s (%s): name another folder with --out' % (folder, e.strerror))


def fail(sentence, code=FAILED):
    """Ends with one sentence on standard error."""
    print('error: ' + sentence, file=sys.stderr)
    sys.exit(code)


def main(run, launcher=None):
    """Runs a recipe from the command line and records its result in OUT/TOPIC-NAME/result.json.

    In a cell of a notebook it takes its defaults, or the options that a cell has put into sys.argv[1:], and returns
    when done.

    # Arguments
        run: the recipe's function (see this module's docstring).
        launcher: of a recipe of several processes, `cluster.ParameterServer` or `cluster.Horovod`. Starts them, or
            knows which of them this is; the chief alone has `out` and `resume`, and records the result.

    # Exits
        0 when done, 2 on wrong arguments, 3 when something outside the recipe is wrong (data, folder, disk),
        130 when interrupted, 143 when terminated. Messages go to standard error, one sentence each.
    """
    from . import notebook

    if notebook.is_cell(run):
        notebook.main(run, launcher)
        return
    file = os.path.abspath(run.__code__.co_filename)
    name = '%s/%s' % (os.path.basename(os.path.dirname(file)), os.path.splitext(os.path.basename(file))[0])
    record_run(run, launcher, name, sys.argv[1:])


def record_run(run, launcher, name, options):
    """What `main` does, and exits with, for a recipe of this name and these options (a list of str)."""
    args = parser(name, run.__globals__['__doc__']).parse_args(options)
    open_out(args.out)
    command = ['-m', __package__, 'run', name] + options
    data, interrupt = _begin(args, launcher, command)
    log = _epoch_log(interrupt)
    offered = {'data': data, 'epochs': args.epochs, 'batch_size': args.batch_size}
    fit = {'verbose': args.verbose, 'callbacks': [log]}
    if launcher and not launcher.chief():
        call(run, offered, fit)
        sys.exit(0)
    # of the options that decide what is trained: a run with others may not go on from there
    options = repr((name, data.sha256, args.epochs, args.batch_size, args.seed))
    resume = os.path.join(args.out, '.resume-' + hashlib.sha256(options.encode()).hexdigest()[:8])
    folder = os.path.join(args.out, name.replace('/', '-'))
    try:
        if launcher:
            os.makedirs(resume, exist_ok=True)
        # Nothing that a broken-off run has written may look like a result, or take a good one's place.
        with tempfile.TemporaryDirectory(dir=resume if launcher else args.out, prefix='.unfinished-') as unfinished:
            begin, interrupted = time.time(), False
            work = os.path.join(unfinished, 'work')
            os.mkdir(work)
            try:
                metrics = call(run, dict(offered, out=work, resume=resume), fit)
            except BaseException:
                if not interrupt.came:
                    raise
                if launcher:  # the same command goes on from what is saved
                    sys.exit(INTERRUPTED)
                interrupted, metrics = True, dict(log.logs, epochs=log.epochs)
            record = {
                'recipe': name,
                'metrics': {key: _plain(value) for key, value in metrics.items()},
                'versions': _versions(),
                'dataset': {'name': data.name, 'sha256': data.sha256},
                'seed': args.seed,
                'threads': args.threads,
                'command': ' '.join(shlex.quote(a) for a in ['python'] + command),
                'seconds': round(time.time() - begin, 3),
                'interrupted': interrupted,
            }
            _publish(record, [] if interrupted else os.listdir(work), unfinished, folder)
        if launcher:
            shutil.rmtree(resume)
    except OSError as e:
        fail('%s could not write to %s (%s): make room, or name another folder with --out' % (name, args.out, e))
    _print(record, os.path.join(folder, 'result.json'))
    sys.exit(INTERRUPTED if interrupted else 0)


def call(run, offered, fit):
    """Calls a recipe's `run` with what it names of `offered` and of `fit`; the rest of `fit` goes to its `**fit`."""
    named = inspect.signature(run).parameters
    wanted = {k: v for k, v in offered.items() if k in named and v is not None}
    return run(**dict({k: v for k, v in fit.items() if takes(run, k)}, **wanted))


def takes(run, name):
    """Whether a recipe's `run` takes the argument `name`, in its `**fit` or by name."""
    parameters = inspect.signature(run).parameters
    return name in parameters or any(p.kind == p.VAR_KEYWORD for p in parameters.values())


def _begin(args, launcher, command):
    """Loads the data, starts or joins the other processes, seeds, opens the session. Returns data and interrupt."""
    from . import datasets, session

    interrupt = _Interrupt()  # from here on there is something to record
    try:
        data = datasets.load(args.dataset, args.data_dir)
    except datasets.DatasetError as e:
        fail(str(e))
    seed = args.seed
    if launcher:
        if not launcher.join():
            sys.exit(launcher.launch([sys.executable] + command))
        _end_at_sigterm()
        seed = (seed + launcher.index()) % 2**32
    session.start(seed, args.threads)
    return data, interrupt


def _publish(record, files, unfinished, folder):
    """Moves the record and the files of unfinished/work to the folder of results, the record last."""
    with open(os.path.join(unfinished, 'result.json'), 'w') as f:
        json.dump(record, f, indent=2, allow_nan=False)
        f.write('\n')
    os.makedirs(folder, exist_ok=True)
    for name in files:
        target = os.path.join(folder, name)
        if os.path.isdir(target):
            shutil.rmtree(target)
        os.replace(os.path.join(unfinished, 'work', name), target)
    os.replace(os.path.join(unfinished, 'result.json'), os.path.join(folder, 'result.json'))


def _print(record, path):
    metrics = record['metrics']
    width = max(map(len, metrics), default=0)
    for key, value in metrics.items():
        print('%-*s  %s' % (width, key, '%.6g' % value if isinstance(value, float) else value))
    interrupted = 'interrupted after %d whole epochs, ' % metrics['epochs'] if record['interrupted'] else ''
    print(interrupted + path)


class _Interrupt:
    """Remembers Ctrl-C, whose KeyboardInterrupt may come out as another error or not at all.

    Compiled code (NumPy's, HDF5's), destructors and TensorFlow's clean-up each make of it what they like.
    """

    def __init__(self):
        self.came = False
        signal.signal(signal.SIGINT, self)

    def __call__(self, *_):
        self.came = True
        raise KeyboardInterrupt

    def check(self):
        """Ends training where the KeyboardInterrupt was swallowed."""
        if self.came:
            raise KeyboardInterrupt


def _end_at_sigterm():
    """Ends this process at once at SIGTERM, by which launchers and clusters end one.

    Python's own handlers wait until TensorFlow returns, which a server never does, and the first process of a container
    has no other. Nothing is lost: checkpoints are saved whole.
    """
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.set_wakeup_fd(write)  # gets the number of every signal, whatever the threads do

    def wait():
        while ord(os.read(read, 1)) != signal.SIGTERM:
            pass
        os._exit(TERMINATED)

    threading.Thread(target=wait, daemon=True).start()


def _epoch_log(interrupt):
    from keras.callbacks import Callback

    class EpochLog(Callback):
        epochs, logs = 0, {}

        def on_batch_begin(self, *_):
            interrupt.check()

        def on_epoch_end(self, epoch, logs=None):
            self.epochs, self.logs = epoch + 1, dict(logs or {})

        # tf.keras of TensorFlow 1.15 calls these; the Callback of Keras 2.2 has none of them
        on_train_batch_begin = on_batch_begin
        on_train_batch_end = Callback.on_batch_end
        on_test_begin = on_test_end = on_predict_begin = on_predict_end = Callback.on_train_begin
        on_test_batch_begin = on_test_batch_end = on_predict_batch_begin = on_predict_batch_end = Callback.on_batch_end

    return EpochLog()


def _plain(value):
    if isinstance(value, str):
        return value
    value = value.item() if hasattr(value, 'item') else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None  # JSON has no NaN
    return int(value)


def _versions():
    import importlib_metadata
    import tensorflow as tf

    from . import __version__

    versions = {name.lower(): importlib_metadata.version(name) for name in VERSIONS}
    return dict(
        versions, python='%d.%d.%d' % sys.version_info[:3], tensorflow=tf.__version__, tensorflow_with_keras=__version__
    )
