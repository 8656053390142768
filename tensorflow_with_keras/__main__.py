"""python -m tensorflow_with_keras: what is here, and the way to run it."""

import argparse
import json
import os
import runpy
import signal
import sys

from . import __version__, doctor, explain, gpu, recipe


def about():
    import platform

    print(
        'TensorFlow with Keras %s: recipes for Keras 2 on TensorFlow 1, Python %s'
        % (__version__, platform.python_version())
    )
    versions = doctor.installed_packages()
    print('Stack: %s' % (doctor.stack_of(versions) or 'none; `doctor` says what is installed otherwise'))
    shown = [
        '%s %s' % (d, versions[d])
        for d in ('tensorflow', 'tensorflow-gpu', 'keras', 'numpy', 'scipy', 'scikit-learn', 'h5py', 'matplotlib')
        if d in versions
    ]
    print('Installed: %s' % (', '.join(shown) or 'none of the pinned packages'))


def list_recipes(recipes):
    width = max(map(len, recipes), default=0)
    for r in recipes.values():
        print('%-*s  %s' % (width, r.name, r.summary))


def run(recipes, name, options, check):
    if name not in recipes:
        print('error: there is no recipe %r; there are:' % name, file=sys.stderr)
        print('\n'.join('  ' + n for n in recipes), file=sys.stderr)
        return recipe.BAD_USAGE
    args = recipe.parser(name, recipes[name].docstring).parse_args(options)
    # the front door asks for the stack that it is about to make
    problem = recipe.stack_problem(recipes[name], os.environ.get('STACK') if check else doctor.stack_of())
    if problem:
        recipe.fail(problem, recipe.BAD_USAGE)
    recipe.open_out(args.out)
    if check:
        return say_checked(name, recipes[name].docstring, args, options)
    problem = doctor.system_problem() or doctor.cpu_problem()
    if problem:
        recipe.fail(problem)
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '1')  # without the hint to compile TensorFlow oneself
    os.environ['KERAS_BACKEND'] = 'tensorflow'  # whatever a keras.json says
    os.environ.setdefault('MPLBACKEND', 'Agg')  # pictures go to files
    sys.argv = [name] + options
    # Python looks first where it was started: in examples/distributed `import horovod` would be that recipe.
    sys.path.sort(key=lambda folder: folder in ('', os.getcwd()))
    # While TensorFlow is imported nothing is there to tidy up, and its imports swallow a KeyboardInterrupt.
    for signum, code in ((signal.SIGINT, recipe.INTERRUPTED), (signal.SIGTERM, recipe.TERMINATED)):
        signal.signal(signum, lambda *_, code=code: os._exit(code))
    try:
        runpy.run_path(recipes[name].path, run_name='__main__')
    except ModuleNotFoundError as e:
        if e.name != recipes[name].needs:
            raise
        recipe.fail(
            '%s needs %s, which `make run-example EXAMPLE=%s` adds to the environment' % (name, e.name.title(), name)
        )


def say_checked(name, docstring, args, options):
    """Prints, for scripts/front-door, the folders of a run and the options that were given, one of each on a line.

    out=FOLDER and data=FOLDER are absolute; option=WORD are the options again, with such folders in them.
    """
    data_dir = args.data_dir or os.environ.get('TFK_DATA_DIR') or os.path.expanduser('~/.keras/datasets')
    out, data_dir = os.path.realpath(args.out), os.path.realpath(data_dir)
    parser = recipe.parser(name, docstring)
    parser.set_defaults(**dict.fromkeys(vars(args)))
    given = vars(parser.parse_args(options))
    if given['data_dir']:
        given['data_dir'] = data_dir
    del given['out']
    given['out'] = out  # the last of them
    print('out=%s\ndata=%s' % (out, data_dir))
    for option, value in given.items():
        if value is not None:
            print('option=--%s\noption=%s' % (option.replace('_', '-'), value))
    return 0


def data(dataset, data_dir):
    from . import datasets

    try:
        found = datasets.load(dataset, data_dir)
    except datasets.DatasetError as e:
        recipe.fail(str(e))
    print(
        '%s: %d training and %d test images, content sha256 %s'
        % (found.name, len(found.x_train), len(found.x_test), found.sha256)
    )


def hand_out_gpu(engine, image):
    """Says why `engine` hands no GPU to containers; else prints the options by which it does, one word a line."""
    stack = os.environ.get('STACK', '')
    problem = gpu.early_problem(engine, stack)
    if image and not problem:
        options, answer, words = gpu.ask(engine, image)
        if answer and answer['count']:
            print('\n'.join(options))
            advice = gpu.advice(answer['capabilities'], stack)
            if advice:
                print(advice, file=sys.stderr)
        else:
            problem = gpu.problem(engine, answer, words, stack)
    return recipe.fail(problem) if problem else 0


def examine(as_json, with_tensorflow):
    report = doctor.examine(with_tensorflow)
    print(json.dumps(report, indent=2) if as_json else doctor.text(report))
    return recipe.FAILED if report['problems'] else 0


def inspect(path, as_json):
    from . import model_file

    try:
        report = model_file.examine_apart(path)
    except model_file.NoModel as e:
        recipe.fail(str(e), e.code)
    print(json.dumps(report, indent=2) if as_json else model_file.text(report))
    return model_file.LOADS_NOT if report['loads'] == 'no' else model_file.LOADS


def main(argv):
    p = recipe.Parser(
        prog='python -m tensorflow_with_keras',
        description='Recipes for TensorFlow 1.9 functions in Keras 2.2.4 models.',
    )
    commands = p.add_subparsers(dest='command', metavar='COMMAND')
    commands.add_parser('list', help='list the recipes, one per line')
    r = commands.add_parser(
        'run', add_help=False, help='train a recipe: run TOPIC/NAME [OPTIONS]; for its options run TOPIC/NAME --help'
    )
    r.add_argument(
        '--check',
        action='store_true',
        help='check the options and the output folder, print what scripts/front-door reads, and train nothing',
    )
    r.add_argument('name', nargs='?', default='')
    r.add_argument('options', nargs=argparse.REMAINDER)
    d = commands.add_parser('data', help='download a data set, unless it is on this machine')
    d.add_argument('dataset', choices=recipe.DATASETS, help='which one; digits comes with the package')
    d.add_argument(
        '--data-dir', metavar='DIR', help="folder of the data set (default: TFK_DATA_DIR, then Keras's cache)"
    )
    o = commands.add_parser(
        'doctor', help='say what this machine can run, and why not; exit code 0 if training can run'
    )
    o.add_argument('--json', action='store_true', help='print the report as JSON')
    o.add_argument('--no-tensorflow', action='store_true', help='leave out the training step on each device')
    o.add_argument(
        '--container', metavar='ENGINE', help='check only what speaks against docker or podman giving a container a GPU'
    )
    o.add_argument('--image', help='with --container: start one of it, and print the options that give it a GPU')
    i = commands.add_parser(
        'inspect',
        help='say who wrote a model file, what is in it, whether it loads here, and if not, how it can be loaded',
        epilog='Reads names and shapes with h5py, and runs nothing of the file. Exit codes: 0: the file loads as it '
        'is, or with the `load` of examples/export/h5_custom_objects.py, which mends it in memory; 1: it does not '
        'load, and the report ends with a way that does; 2: an argument is wrong, or the file is no model; 3: the '
        'file is damaged or cannot be read, or h5py is missing.',
    )
    i.add_argument('file', metavar='MODEL.h5')
    i.add_argument('--json', action='store_true', help='print the report as JSON')
    commands.add_parser(
        'explain',
        help='what the error message on standard input means, and what to do',
        epilog='As in: python train.py 2>&1 | python -m tensorflow_with_keras explain. Answers with the rows of '
        'docs/symptoms.md that match the traceback or log, the last exception first. Exit codes: 0 it knows the '
        'message; 1 it does not ("unknown"); 2 nothing came on standard input.',
    )
    args = p.parse_args(argv)
    if args.command == 'explain':
        return explain.main()
    if args.command == 'inspect':
        return inspect(args.file, args.json)
    if args.command == 'doctor':
        if args.container:
            return hand_out_gpu(args.container, args.image)
        return examine(args.json, not args.no_tensorflow)
    if args.command == 'data':
        return data(args.dataset, args.data_dir)
    recipes = recipe.find()
    if args.command == 'list' and os.environ.get('STACK'):
        recipes = {n: r for n, r in recipes.items() if not recipe.stack_problem(r, os.environ['STACK'])}
    if args.command == 'run':
        return run(recipes, args.name, args.options, args.check)
    if not args.command:
        about()
        p.print_help()
        print()
    list_recipes(recipes)


if __name__ == '__main__':
    judges = sys.argv[1:2] in (['run'], ['doctor'], ['inspect'])  # the exit code is part of the answer
    try:
        try:
            code = main(sys.argv[1:])
        except SystemExit as end:
            code = end.code
        sys.stdout.flush()  # here, where it can still be told that nobody reads
        sys.exit(code)
    except KeyboardInterrupt:
        sys.exit(recipe.INTERRUPTED)
    except BrokenPipeError:  # as in `make list | head`; Python would say so once more when it flushes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(recipe.FAILED if judges else 0)  # who only reads has read enough
