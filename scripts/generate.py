"""Writes every place that repeats what another file says; `--check` only compares. `make generate` runs it.

- a Dockerfile for each image of docker/images.toml, out of docker/Dockerfile.template; Dockerfile.project and .migrate
- between markers in pages and sources: versions, out of requirements/*.txt and docker/images.toml
- constraints.txt and constraints_gpu.txt beside the locks of each stack, for `pip install -c`
- docs/symptoms.md, out of tensorflow_with_keras/symptoms.json; docs/projects.md, out of tests/projects
- docs/vulnerabilities.md, out of scripts/vulnerabilities.json, which `nox -s audit -- --write` makes
- the README's tables of recipes, one for each topic, out of the recipes' docstrings; and how many there are
"""

import ast
import itertools
import json
import pathlib
import re
import sys

import jinja2
import tomli

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts import projects_page, symptoms_page, vulnerabilities_page  # noqa: E402
from scripts.topics import TOPICS  # noqa: E402
from tensorflow_with_keras import __version__, doctor, explain, recipe  # noqa: E402

# The keys of each table of docker/images.toml: those that it must have, those that it may have.
KEYS = {
    'python': ({'version', 'runtime_base', 'builder_base'}, set()),
    'copied': ({'base'}, set()),
    'image': ({'dockerfile', 'title', 'python', 'packages', 'tests'}, {'horovod', 'cuda'}),
    'stack': (set(), {'cuda', 'wheel'}),
}
DOCKERFILE = {'cpu': 'Dockerfile.cpu', 'gpu': 'Dockerfile'}
README_PINS = ['TensorFlow', 'Keras', 'NumPy', 'SciPy', 'scikit-learn', 'h5py', 'PyYAML', 'gast']


class Problem(Exception):
    """One sentence for whoever edited what is read here."""


def read(name):
    """Text of a file of this repository."""
    try:
        return (ROOT / name).read_text(encoding='utf-8')
    except FileNotFoundError:
        raise Problem(f'there is no {name}') from None


def locked(*names):
    """Package to version: what these locks hold together."""
    found = {}
    for name in names:
        found.update(re.findall(r'^([a-z0-9-]+)==([^\s;]+)', read(f'requirements/{name}.txt'), re.M))
    return found


def version(package, versions):
    """A package's locked version, however its name is written."""
    try:
        return versions[package.lower()]
    except KeyError:
        raise Problem(f'no lock has {package}') from None


def load_settings():
    """docker/images.toml, as a dict whose tables have the keys that they should."""
    try:
        found = tomli.loads(read('docker/images.toml'))
    except tomli.TOMLDecodeError as e:
        raise Problem(f'docker/images.toml is no TOML: {e}') from None
    for kind, (required, optional) in KEYS.items():
        for name, entry in found[kind].items():
            for what, keys in (('lacks', required - set(entry)), ('has an unknown', set(entry) - required - optional)):
                if keys:
                    raise Problem(f'docker/images.toml: {kind}.{name} {what} {", ".join(sorted(keys))}')
    for name, image in found['image'].items():
        if image['python'] not in found['python']:
            raise Problem(f'docker/images.toml: image.{name} wants Python {image["python"]}, which has no base images')
    return found


# --- stacks


def reference():
    """Name of the reference stack, which has its locks in requirements/ itself."""
    versions = locked('cpu')
    return f'tf{versions["tensorflow"].rpartition(".")[0]}-keras{versions["keras"]}'


def stack_locks(settings):
    """Stack to kind to the name of its lock, the reference stack first."""
    folders = {path.name for path in (ROOT / 'requirements' / 'stacks').iterdir()}
    for name in sorted(folders ^ set(settings['stack'])):
        raise Problem(f'{name} is not both in docker/images.toml, a stack, and a folder of requirements/stacks')
    found = {reference(): {'cpu': 'cpu', 'gpu': 'gpu'}}
    for name in settings['stack']:
        kinds = [kind for kind in DOCKERFILE if (ROOT / f'requirements/stacks/{name}/{kind}.in').exists()]
        found[name] = {kind: f'stacks/{name}/{kind}' for kind in kinds}
        if not kinds:
            raise Problem(f'requirements/stacks/{name} has neither cpu.in nor gpu.in')
    return found


def images(settings):
    """Name to settings of every image: those that have a table, and those of the stacks."""
    found = dict(settings['image'])
    for stack, locks in list(stack_locks(settings).items())[1:]:
        for kind, lock in locks.items():
            like = {key: value for key, value in found[kind].items() if key not in ('horovod', 'cuda')}
            own = {'dockerfile': f'docker/stacks/{stack}/{DOCKERFILE[kind]}', 'title': f'{like["title"]}, {stack}'}
            cuda = settings['stack'][stack] if kind == 'gpu' else {}
            found[f'{kind}-{stack}'] = {**like, **own, **cuda, 'packages': lock}
    return found


# --- Dockerfiles


def dockerfiles(settings):
    """Name of each Dockerfile to its text."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(ROOT / 'docker')),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    template = environment.get_template('Dockerfile.template')
    made = {}
    for name, image in images(settings).items():
        image = {'wheel': False, **dict.fromkeys(KEYS['image'][1]), **image}
        if image['dockerfile'] in made:
            raise Problem(f'docker/images.toml: image.{name} has the Dockerfile of another image')
        horovod = [image['horovod']] if image['horovod'] else []
        for lock in [image['tests'], *(f'{name}_build' for name in horovod)]:
            read(f'requirements/{lock}.txt')  # it has to be there
        versions = locked(*horovod, image['packages'])
        bases = settings['python'][image['python']]
        made[image['dockerfile']] = template.render(
            image,
            lock=image['packages'].rpartition('/')[2],
            stack=image['packages'].split('/')[-2] if '/' in image['packages'] else reference(),
            pins='nvidia.pins' if image.get('wheel') else f'cuda-{image["cuda"]}.pins',
            linked=image['cuda'] == '9.0',  # later builds open the libraries once they look for a GPU
            runtime_base=bases['runtime_base'],
            builder_base=bases['builder_base'],
            versions=versions,
            tensorflow='tensorflow-gpu' if 'tensorflow-gpu' in versions else 'tensorflow',
            allocator=' \\\n    '.join(re.findall('^[A-Z].*', read('docker/allocator.env'), re.M)),
            project_version=__version__,
        )
    bases = settings['python'][settings['image']['cpu']['python']]
    template = environment.get_template('Dockerfile.project.template')
    made['Dockerfile.project'] = template.render(
        python=settings['image']['cpu']['python'], builder_base=bases['builder_base']
    )
    template = environment.get_template('Dockerfile.migrate.template')
    made['Dockerfile.migrate'] = template.render(
        bases,
        python312_base=settings['copied']['3.12']['base'],
        old_side=locked('migrate_old'),
        new_side=locked('migrate_new'),
        project_version=__version__,
    )
    for path in [*ROOT.glob('Dockerfile*'), *ROOT.glob('docker/stacks/*/Dockerfile*')]:
        if str(path.relative_to(ROOT)) not in made:
            raise Problem(
                f'{path.relative_to(ROOT)} belongs to no image of docker/images.toml: delete it, or add the image'
            )
    return made


def constraints(kind):
    """What `pip install -c` keeps: the core of a lock without hashes, which pip takes; and no second TensorFlow."""
    try:
        data = tomli.loads(read('scripts/project/corrections.toml'))
    except tomli.TOMLDecodeError as e:
        raise Problem(f'scripts/project/corrections.toml is no TOML: {e}') from None
    versions = locked(kind)
    lines = [
        '# generated by `make generate`, out of requirements/%s.txt: for `pip install -c`, which refuses hashes there'
        % kind
    ]
    lines += [f'{name}=={versions[name]}' for name in data['core'] if name in versions]
    lines += [
        f'{name}<0  # would be put over the build that is there'
        for name in data['tensorflow_builds']
        if name not in versions
    ]
    return '\n'.join(lines) + '\n'


# --- what stands between markers: each function makes a block, given the block that stands there now


def table(heads, rows):
    """A table of Markdown."""
    lines = ['| ' + ' | '.join(cells) + ' |' for cells in [heads, *rows]]
    return '\n'.join([lines[0], '|---' * len(heads) + '|', *lines[1:], ''])


def recipe_tables(_old, _settings):
    """What each recipe shows, topic by topic."""
    made = '\n'
    for topic, recipes in itertools.groupby(recipe.find().values(), lambda r: r.name.split('/')[0]):
        if topic not in TOPICS:
            raise Problem(f'scripts/topics.py has no heading for the recipes of the topic {topic}')
        rows = [[f'[{r.name}](examples/{r.name}.py)', r.summary, reached(r)] for r in recipes]
        made += f'### {TOPICS[topic]}\n\n' + table(['recipe', 'what it shows', 'reaches'], rows) + '\n'
    return made


def reached(r):
    """What a recipe says that it reaches, in short."""
    found = recipe.reaches(r.docstring)
    return f'{found.metric.replace("_", " ")} {found.value:g}, {found.seconds:g} s' if found else ''


def readme_pins(_old, settings):
    """The packages that matter most, as the CPU image and the local environment have them."""
    versions = locked('cpu')
    python = settings['python'][settings['image']['cpu']['python']]['version']
    return table(['Python', *README_PINS], [[python, *(version(name, versions) for name in README_PINS)]])


def doctor_pins(old, _settings):
    """The packages that the dict names, with the versions of the CPU image and the local environment."""
    versions = locked('cpu')
    return re.sub(r"'([a-z0-9-]+)': '[^']*'", lambda m: f"'{m[1]}': '{version(m[1], versions)}'", old)


def doctor_stacks(_old, settings):
    """What each stack has otherwise than the dict PINS says, by its locks."""
    names = {*doctor.PINS, *doctor.BUILDS}
    reference_pins = locked('cpu')
    made = ['STACKS = {']
    for stack, locks in stack_locks(settings).items():
        versions = locked(*locks.values())
        if settings['stack'].get(stack, {}).get('wheel'):
            versions['nvidia-tensorflow'] = versions.pop('tensorflow')
        differ = {n: versions[n] for n in sorted(names) if n in versions and versions[n] != reference_pins.get(n)}
        made += [f"    '{stack}': {{", *(f"        '{n}': '{v}'," for n, v in differ.items()), '    },']
    made += ['}', 'CUDA = {  # of its GPU build']
    made += [f"    '{stack}': '{cuda_of(stack, settings)}'," for stack in stack_locks(settings)]
    return '\n'.join([*made, '}', ''])


def cuda_of(stack, settings):
    """Version of CUDA that the stack's GPU build wants."""
    return settings['stack'].get(stack, settings['image']['gpu']).get('cuda', 'none')


def stack_table(_old, settings):
    """What each stack is."""
    rows = []
    for stack, locks in stack_locks(settings).items():
        tensorflow = {}
        for kind, lock in locks.items():
            versions = locked(lock)
            tensorflow[kind] = next((versions[build] for build in doctor.BUILDS if build in versions), None)
        if settings['stack'].get(stack, {}).get('wheel'):
            tensorflow['gpu'] = f"NVIDIA's {tensorflow['gpu']}"
        rows.append(
            [
                f'`{stack}`',
                tensorflow.get('cpu', 'none'),
                tensorflow.get('gpu', 'none'),
                versions['keras'],
                cuda_of(stack, settings),
            ]
        )
    return table(['stack', 'TensorFlow for CPUs', 'for GPUs', 'Keras', 'CUDA'], rows)


def dependencies(_old, _settings):
    """What requirements/base.in and cpu.in ask for, for an install by pip."""
    asked = re.findall(r'^[a-z][^\s;]*$', read('requirements/base.in') + read('requirements/cpu.in'), re.M)
    return ''.join(f'    "{requirement}; python_version == \'3.6\'",\n' for requirement in asked)


def pinned_column(old, _settings):
    """The table with its second column, `pinned`, filled for the package in the first one."""
    versions = locked('distributed', 'cpu')
    heads, rule, *rows = old.splitlines()
    filled = []
    for row in rows:
        package = row.split('|')[1].strip()
        filled.append(re.sub(r'^(\| [^|]+ \|)[^|]*', rf'\g<1> {version(package, versions)} ', row))
    return '\n'.join([heads, rule, *filled, ''])


def image_table(_old, settings):
    """What each image has."""
    rows = []
    for name, image in settings['image'].items():
        locks = [f'`requirements/{image[lock]}.txt`' if lock in image else 'none' for lock in ('packages', 'horovod')]
        rows.append([name, f'`{image["dockerfile"]}`', image['python'], *locks, image.get('cuda', 'none')])
    return table(['image', 'file', 'Python', 'packages', 'Horovod', 'CUDA'], rows)


def base_table(_old, settings):
    """The base images of each Python."""
    rows = []
    for python in settings['python'].values():
        for argument, what in (('runtime_base', 'Python {}'), ('builder_base', 'Python {}, binutils, g++ and make')):
            rows.append([f'`{argument.upper()}`', f'`{python[argument]}`', what.format(python['version'])])
    for name, python in settings['copied'].items():
        rows.append([f'`PYTHON{name.replace(".", "")}_BASE`', f'`{python["base"]}`', f'Python {name}'])
    return table(['argument of the Dockerfile', 'image', 'what it has'], rows)


BLOCKS = {
    'README.md': {'recipes': recipe_tables, 'pins': readme_pins},
    'docs/pins.md': {'pins': pinned_column},
    'docs/stacks.md': {'stacks': stack_table},
    'docs/images.md': {'images': image_table, 'base images': base_table},
    'pyproject.toml': {'dependencies': dependencies},
    'tensorflow_with_keras/doctor.py': {'pins': doctor_pins, 'stacks': doctor_stacks},
}


def replace_once(pattern, replacement, text, what):
    """`re.sub`, where the pattern has to be there, and once."""
    made, count = re.subn(pattern, replacement, text, flags=re.M | re.S)
    if count != 1:
        raise Problem(f'{what} is there {count} times, and should be once')
    return made


def replace_block(path, text, name, function, settings):
    """The text with what stands between the markers of this name made anew."""
    pattern = rf'(^[^\n]*generated by `make generate`: {name}\b[^\n]*\n)(.*?)(^[^\n]*end of {name}\b)'
    return replace_once(
        pattern,
        lambda m: m[1] + function(m[2], settings) + m[3],
        text,
        f'{path}: the block "{name}" with its two markers',
    )


def vulnerabilities():
    """The text of docs/vulnerabilities.md. Raises Problem where the audit that it is of does not fit today's locks."""
    settings = tomli.loads(read('scripts/vulnerabilities.toml'))
    results = json.loads(read('scripts/vulnerabilities.json'))
    today = {name: locked(name) for name in vulnerabilities_page.audited(settings)}
    for problem in vulnerabilities_page.problems(results, settings, today):
        raise Problem(f'docs/vulnerabilities.md: {problem}; `nox -s audit -- --write` makes it anew')
    recipes = {name: vulnerabilities_page.calls(read(f'examples/{name}.py')) for name in recipe.find()}
    return ''.join(vulnerabilities_page.page(results, settings, recipes))


def generate():
    """Path of each generated file, and of each file with a generated block, to its text."""
    settings = load_settings()
    made = dockerfiles(settings)
    for lock in [*ROOT.glob('requirements/[cg]pu.txt'), *ROOT.glob('requirements/stacks/*/[cg]pu.txt')]:
        path = lock.with_name('constraints.txt' if lock.stem == 'cpu' else 'constraints_gpu.txt')
        made[str(path.relative_to(ROOT))] = constraints(str(lock.relative_to(ROOT / 'requirements').with_suffix('')))
    made['docs/symptoms.md'] = ''.join(symptoms_page.page(explain.load()))
    projects = tomli.loads(read('tests/projects/projects.toml'))
    results = json.loads(read('tests/projects/results.json'))
    trainings = {name: f'tests/projects/trainings/{name}.py' for name in projects if 'tests' not in projects[name]}
    trainings = {name: ast.get_docstring(ast.parse(read(path))) for name, path in trainings.items()}
    made['docs/projects.md'] = ''.join(projects_page.page(projects, results, trainings))
    made['docs/vulnerabilities.md'] = vulnerabilities()
    for path, blocks in BLOCKS.items():
        made[path] = read(path)
        for name, function in blocks.items():
            made[path] = replace_block(path, made[path], name, function, settings)
    made['README.md'] = replace_once(
        r'(scripts pass; and )\d+(\s+recipes)',
        lambda m: f'{m[1]}{len(recipe.find())}{m[2]}',
        made['README.md'],
        'README.md: how many recipes there are, after "scripts pass; and",',
    )
    return made


def main(arguments):
    check = arguments == ['--check']
    if arguments and not check:
        sys.exit(__doc__)
    try:
        made = generate()
    except (Problem, jinja2.TemplateError) as e:
        sys.exit(f'error: {e}.')
    stale = [path for path, text in made.items() if not (ROOT / path).exists() or read(path) != text]
    if check and stale:
        sys.exit(f'error: not up to date: {", ".join(stale)}. `make generate` writes what is generated anew.')
    for path in stale:
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(made[path], encoding='utf-8')
        print(f'generate: wrote {path}')


if __name__ == '__main__':
    main(sys.argv[1:])
