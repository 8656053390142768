"""python -m tensorflow_with_keras: what is here, and the way to run it."""

import argparse
import json
import os
import runpy
import signal
import sys

from . import __version__, doctor, recipe


def about():
    import platform

    print(
        'TensorFlow with Keras %s: recipes for Keras 2.2.4 on TensorFlow 1.9.0, Python %s'
        % (__version__, platform.python_version())
    )
    versions = doctor.installed_packages()
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
    recipe.open_out(args.out)
    if check:
        return 0
    problem = doctor.cpu_problem()
    if problem:
        recipe.fail(problem)
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '1')  # without the hint to compile TensorFlow oneself
    os.environ['KERAS_BACKEND'] = 'tensorflow'  # whatever a keras.json says
    os.environ.setdefault('MPLBACKEND', 'Agg')  # pictures go to files
    sys.argv = [name] + options
    # While TensorFlow is imported nothing is there to tidy up, and its imports swallow a KeyboardInterrupt.
    for signum, code in ((signal.SIGINT, recipe.INTERRUPTED), (signal.SIGTERM, recipe.TERMINATED)):
        signal.signal(signum, lambda signum, frame, code=code: os._exit(code))
    try:
        runpy.run_path(recipes[name].path, run_name='__main__')
    except ModuleNotFoundError as e:
        if e.name != 'horovod':
            raise
        recipe.fail('%s needs Horovod, which `make run-example EXAMPLE=%s` adds to the environment' % (name, name))


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


def examine(as_json, with_tensorflow, container):
    if container:
        problem = doctor.container_gpu_problem(container)
        return recipe.fail(problem) if problem else 0
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
    commands.add_parser('list', help='the recipes, one per line')
    r = commands.add_parser('run', add_help=False, help='train one: run TOPIC/NAME [OPTIONS], or run TOPIC/NAME --help')
    r.add_argument('--check', action='store_true', help='only look whether the options and the output folder are good')
    r.add_argument('name', nargs='?', default='')
    r.add_argument('options', nargs=argparse.REMAINDER)
    d = commands.add_parser('data', help='download a data set, unless it is on this machine')
    d.add_argument('dataset', choices=recipe.DATASETS)
    d.add_argument(
        '--data-dir', metavar='DIR', help="where it lies or shall lie (default: TFK_DATA_DIR, Keras's cache)"
    )
    o = commands.add_parser('doctor', help='what this machine can run, and why not; 0 only if training can run')
    o.add_argument('--json', action='store_true', help='for programs')
    o.add_argument('--no-tensorflow', action='store_true', help='without a training step on each device')
    o.add_argument('--container', metavar='ENGINE', help='only whether ENGINE can hand a GPU to a container')
    i = commands.add_parser(
        'inspect',
        help='who wrote a model file, what is in it, whether it loads here, and if not, the shortest way that does',
        epilog='Reads by h5py alone, names and shapes only, and runs nothing of the file. Exit codes: 0 it loads, as '
        'it is or mended in memory by the load of examples/export/h5_custom_objects.py; 1 it does not, and the report '
        'ends with the way; 2 a wrong argument or no model file; 3 the file is damaged or may not be read, or h5py '
        'is missing.',
    )
    i.add_argument('file', metavar='MODEL.h5')
    i.add_argument('--json', action='store_true', help='for programs')
    args = p.parse_args(argv)
    if args.command == 'inspect':
        return inspect(args.file, args.json)
    if args.command == 'doctor':
        return examine(args.json, not args.no_tensorflow, args.container)
    if args.command == 'data':
        return data(args.dataset, args.data_dir)
    recipes = recipe.find()
    if args.command == 'run':
        return run(recipes, args.name, args.options, args.check)
    if not args.command:
        about()
        p.print_help()
        print()
    list_recipes(recipes)


if __name__ == '__main__':
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(recipe.INTERRUPTED)
