"""`python -m migrate --to TARGET MODEL`: runs the sides in turn, each in its environment, and writes the proof."""

import argparse
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

from tensorflow_with_keras.file_kinds import NoModel, open_hdf5

from . import page
from .common import FULL, NO_SPACE, Refused, read_json, write_json
from .judge import finite, judge
from .rebuild import layers_text

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGETS = {  # target -> what is made, and the steps that make and run it: (environment, module, step)
    'onnx': ('model.onnx', [('new', 'new', 'onnx')]),
    'savedmodel': ('saved_model', [('tf', 'with_tf', 'savedmodel')]),
    'tf_keras': ('model.h5', [('tf', 'with_tf', 'build'), ('tf', 'with_tf', 'run')]),
    'keras3': ('model.keras', [('new', 'new', 'build'), ('new', 'new', 'run')]),
}
SAYS = {
    'onnx': 'Running model.onnx by onnxruntime',
    'savedmodel': 'Running the SavedModel by a current TensorFlow',
    'build': 'Building the new model, layer by layer',
    'run': 'Running the new file in a fresh process',
}
ABOUT = """
Moves a model file of Keras 2.2 to a current framework, runs both on the same inputs, and writes a proof beside the
new model. Ends with 0 only if the new model answers the same, with 1 if it does not.
"""
IN_THE_IMAGE = """
In a container, on a file of the folder that you are in:

  docker run --rm --network none -v "$PWD:/work" -w /work --user "$(id -u):$(id -g)" \\
    tensorflow-with-keras:migrate migrate model.h5 --to onnx
"""


def say(text):
    print(text, file=sys.stderr, flush=True)


# --- what the user gave


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise Refused(f'{message}; `migrate --help` names all options', 2)


def arguments(argv):
    parser = Parser(
        prog='migrate',
        description=ABOUT,
        epilog=IN_THE_IMAGE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('model', help='a file that model.save of Keras 2.2 or older wrote; it is only read')
    parser.add_argument('--to', required=True, choices=TARGETS, help='what to make of it')
    parser.add_argument('--out', help='the folder to write; by default runs/migrate-NAME-TARGET, from where you are')
    parser.add_argument('--inputs', help='your own data to judge by: an .npy, or an .npz with an array for each input')
    parser.add_argument('--custom', default='', help='your own layers and functions, as in layers.py:Attention,Crf')
    parser.add_argument(
        '--input-shape', help='the shape without the batch, as in 28,28,1, of a Sequential whose file has none'
    )
    parser.add_argument('--stock', action='store_true', help='for keras3: only layers that Keras 3 has itself')
    args = parser.parse_args(argv)
    args.custom = custom_entries(args.custom)
    args.shape = None
    if args.input_shape:
        try:
            args.shape = [
                None if s.strip() == 'None' else int(s) for s in args.input_shape.strip('()[] ').rstrip(',').split(',')
            ]
        except ValueError:
            raise Refused(
                f'INPUT_SHAPE={args.input_shape} is no shape: give it without the batch, as in INPUT_SHAPE=28,28,1', 2
            ) from None
    if args.stock and args.to != 'keras3':
        raise Refused(f'STOCK=1 is for TO=keras3: {args.to} has nothing that is not stock', 2)
    if args.inputs and not os.path.isfile(args.inputs):
        raise Refused(f'INPUTS names {args.inputs}, and there is no such file', 2)
    return args


def custom_entries(text):
    """'a.py:X,Y,b.py:Z' as pairs of an absolute path and a name."""
    entries, path = [], None
    for word in filter(None, (word.strip() for word in text.split(','))):
        if '.py:' in word:
            path, word = word.rsplit(':', 1)
        if path is None or not word.isidentifier():
            raise Refused(f'CUSTOM={text} is not of the form layers.py:Name,Name,more.py:Name', 2)
        if not os.path.isfile(path):
            raise Refused(f'CUSTOM names {path}, and there is no such file', 2)
        entries.append((os.path.abspath(path), word))
    return entries


def check_model(path):
    """Refuses what is no whole model file of Keras 2.2; opens nothing else of it."""
    try:
        with open_hdf5(path) as file:
            attributes = {name: _text(file.attrs[name]) for name in ('keras_version', 'backend') if name in file.attrs}
            if 'model_config' not in file.attrs or 'model_weights' not in file:
                raise Refused(
                    f'{path} holds weights and no architecture: build the model in code with Keras 2.2.4, '
                    "load_weights and model.save('whole.h5'), and migrate that"
                )
    except NoModel as error:
        raise Refused(str(error), error.code) from None
    except (OSError, KeyError, RuntimeError) as error:
        raise Refused(f'{path} is damaged inside ({error}): copy it again, or take an older one') from None
    version = attributes.get('keras_version', '1')
    numbers = tuple(int(n) for n in re.findall(r'\d+', version)[:2])
    if '-tf' in version or numbers >= (2, 4):
        raise Refused(
            f'{path} was written by tf.keras ({version}): tf-keras, or the TensorFlow that wrote it, reads it directly'
        )
    if numbers >= (2, 3):
        raise Refused(f'{path} was written by Keras {version}: the stack that reads it is Keras 2.3 on TensorFlow 1.15')
    if attributes.get('backend', 'tensorflow') != 'tensorflow':
        raise Refused(
            f'{path} was written by Keras on {attributes["backend"]}, whose convolutions are turned round: load '
            'it with Keras 2.2.4, save it anew, and migrate that'
        )


def _text(value):
    return value.decode('utf-8', 'replace') if isinstance(value, bytes) else str(value)


def out_folder(args):
    out = pathlib.Path(args.out or f'runs/migrate-{pathlib.Path(args.model).stem}-{args.to}').absolute()
    if out.exists() and not out.is_dir():
        raise Refused(f'OUT={out} is a file: name a folder', 2)
    for parent in out.parents:
        if parent.is_file():
            raise Refused(f'OUT={out} lies below {parent}, which is a file: name another folder', 2)
    if out.is_dir() and any(out.iterdir()) and not (out / 'proof.json').exists():
        raise Refused(f'OUT={out} is a folder with other things in it: name a new one', 2)
    return out


# --- the sides


def python(environment):
    return str(ROOT / f'.venv-migrate-{environment}' / 'bin' / 'python')


def step(environment, module, *words, jobs):
    """Runs one side. Raises Refused with its sentence where a job has one. Only for a single job."""
    command = [python(environment), '-W', 'ignore', '-m', f'migrate.{module}', *words, str(jobs)]
    variables = {
        'TF_CPP_MIN_LOG_LEVEL': '2',
        'TF_ENABLE_ONEDNN_OPTS': '0',
        'PYTHONPATH': str(ROOT),
    }
    if environment == 'old':
        variables['KERAS_BACKEND'] = 'tensorflow'
    try:
        done = subprocess.run(
            command, env={**os.environ, **variables}, cwd=jobs.parent, capture_output=True, text=True, errors='replace'
        )
    except FileNotFoundError:
        raise Refused(f'{command[0]} is not there: `make migrate` makes it') from None
    error = jobs.parent / 'error.json'
    if error.exists():
        try:
            found = read_json(error)
        except ValueError:  # not even that had room
            raise Refused(NO_SPACE) from None
        sentence = found['sentence']
        if found.get('unexpected'):
            sentence = f'the step {" ".join((module, *words))} failed: {sentence}'
        raise Refused(sentence, found['code'])
    if done.returncode:
        if done.returncode == -signal.SIGSEGV or FULL.search(done.stderr):  # HDF5 ends so when a disk is full
            raise Refused(NO_SPACE)
        if done.returncode == -signal.SIGKILL:
            raise Refused('the machine ran out of memory: close other programs, or take a larger machine')
        last = ([line for line in done.stderr.strip().split('\n') if line.strip()] or ['no message'])[-1]
        raise Refused(f'the step {" ".join((module, *words))} ended with {done.returncode}: {last}')


def sha256(path):
    """Of a file; of a folder's files, in the order of their names."""
    digest = hashlib.sha256()
    for each in sorted(p for p in path.rglob('*') if p.is_file()) if path.is_dir() else [path]:
        digest.update(each.read_bytes())
    return digest.hexdigest()


def migrate(args, out):
    """Makes everything in a folder beside OUT, which takes its place only when it is whole. Returns the proof."""
    whole = out.with_name(f'.{out.name}.partial-{os.getpid()}')
    work = whole / 'work'
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        work.mkdir(parents=True)
        jobs = work / 'jobs.json'
        job = {
            'model': os.path.abspath(args.model),
            'work': str(work),
            'targets': [args.to],
            'custom': args.custom,
            'input_shape': args.shape,
            'inputs': args.inputs and os.path.abspath(args.inputs),
            'stock': args.stock,
            'seed': 0,
        }
        write_json([job], jobs)
        say('Reading the model beside TensorFlow 1.9, and asking it')
        step('old', 'old', jobs=jobs)
        made, steps = TARGETS[args.to]
        for environment, module, word in steps:
            say(SAYS[word])
            step(environment, module, word, jobs=jobs)
        proof = judge(str(work))
        description = read_json(work, 'description.json')
        shutil.move(str(work / made), str(whole / made))
        if args.to in ('keras3', 'tf_keras') and not args.stock:
            text = layers_text('tf_keras' if args.to == 'tf_keras' else 'keras')
            (whole / 'keras2_layers.py').write_text(text, encoding='utf-8')
        newest = {name: path for path, name in args.custom}
        if args.to in ('keras3', 'tf_keras'):
            for path in dict.fromkeys(newest.values()):
                shutil.copy(path, whole)
        proof['files'] = {os.path.basename(args.model): sha256(pathlib.Path(args.model)), made: sha256(whole / made)}
        write_json(finite(proof), whole, 'proof.json')
        (whole / 'proof.md').write_text(page.proof(proof, description), encoding='utf-8')
        (whole / 'load.py').write_text(page.loader(args, description, newest), encoding='utf-8')
        shutil.rmtree(work)
        if out.exists():
            shutil.rmtree(out)
        whole.rename(out)
        return proof
    except OSError as error:
        if FULL.search(str(error)):
            raise Refused(NO_SPACE) from None
        raise Refused(f'cannot write to {out.parent}: {error.strerror or error}; name another folder in OUT') from None
    finally:
        shutil.rmtree(whole, ignore_errors=True)


def main(argv=None):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        args = arguments(argv)
        check_model(args.model)
        out = out_folder(args)
        proof = migrate(args, out)
    except Refused as error:
        say(f'error: {error}')
        return error.code
    except KeyboardInterrupt:
        say('error: stopped')
        return 130
    for note in proof['notes']:
        print(note)
    print(out)
    if not proof['holds']:
        parts = proof['first_layer_that_parts']
        where = f'the first layer that parts is {parts}' if parts else 'no single layer that can be compared parts'
        where = page.DECIDES.get(proof['decides'], where)
        say(f'error: the new model is NOT proven to answer the same: {where}; {out / "proof.md"} has the numbers')
        return 1
    difference = proof['largest_relative_difference']
    print(f'The new model answers the same: largest difference {difference:.1e} of the largest answer.')
    return 0


if __name__ == '__main__':
    sys.exit(main())
