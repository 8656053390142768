"""The lock of a project: uv as of its date, with the core of this repository's lock forced. Nothing is half-written."""

import datetime
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import uv_errors
from look import CORRECTIONS, REFERENCE, ROOT, corrections, lock_of, lock_versions
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from project_error import Refused

UV = ROOT / '.tools' / 'bin' / 'uv'
FILES = ('lock.txt', 'extras.txt', 'addresses.txt', 'build.txt', 'uv.toml', 'lock.json')
BUILD = '[extra-build-dependencies]'  # the last table of uv.toml
STILL = 15  # seconds until a step says that it still works


def say(text):
    print(text, file=sys.stderr, flush=True)


def uv(*arguments, doing, environment=None):
    """Runs uv; returns (code, what it said). Says every 15 s that it still works; ends it where we are ended."""
    command = [str(UV), '--no-progress', '--color', 'never', *map(str, arguments)]
    try:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace', env=environment
        )
    except FileNotFoundError:
        raise Refused(f'{UV} is not there: make tools.', 3) from None
    start = time.monotonic()
    try:
        while True:
            try:
                said, _ = process.communicate(timeout=STILL)
                return process.returncode, said
            except subprocess.TimeoutExpired:
                say(f'… still {doing}, {time.monotonic() - start:.0f} s')
    except BaseException:
        process.terminate()
        process.communicate()
        raise


def python36():
    """The options that name uv a Python 3.6, where there is one: it reads what only a setup.py says."""
    python = os.environ.get('PYTHON36')
    return ['--python', python] if python and python != 'none' else ['--python-version', '3.6']


def locks(project, options):
    """The folder that holds the project's lock."""
    if options.get('LOCK'):
        folder = pathlib.Path(options['LOCK']).expanduser().resolve()
        if folder.exists() and not folder.is_dir():
            raise Refused(f'LOCK={options["LOCK"]} is a file: LOCK= names a folder.')
        return folder
    return project.state


def digest(project, options):
    """What a lock is made of, as one number: with the same, it is not made again."""
    parts = [
        [[a.text, a.source, a.given] for a in project.requirements],
        project.constraints,
        [options.get(name, '') for name in ('WITH', 'WITHOUT')],
        'gpu' if project.gpu else 'cpu',
        project.lock.read_text(),
        CORRECTIONS.read_text(encoding='utf-8'),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def known(folder, project, options):
    """What lock.json says, where the lock in this folder is whole and still the right one. Else nothing."""
    try:
        found = json.loads((folder / 'lock.json').read_text(encoding='utf-8'))
    except FileNotFoundError:
        return None
    except (ValueError, OSError):
        raise Refused(f'{folder / "lock.json"} cannot be read: take it away, and it is made anew.', 3) from None
    # once locked, a project keeps its date: a file that is edited today does not move its packages
    if not options.get('DATE') and found.get('date'):
        project.date, project.date_from = found['date'], found['date_from']
    whole = all((folder / name).is_file() for name in FILES)
    return (
        found if whole and found.get('inputs') == digest(project, options) and found['date'] == project.date else None
    )


# --- the configuration of uv


def quote(text):
    return json.dumps(text, ensure_ascii=False)


def configuration(project, exempt, more, later):
    """uv.toml: the date, and what corrections.toml says; and the build constraints.

    `exempt` are packages of our lock, which may be newer; `more` is what sources need to be built beside that, by name;
    `later` has other packages with a date of their own.
    """
    data = corrections()
    build = {name: list(requires) for name, requires in more.items()}
    for entry in data['build']:
        build.setdefault(entry['name'], [])
        build[entry['name']] += [f'{n}=={project.core[n]}' if n in project.core else n for n in entry['requires']]
    constraints = [e['requirement'] for e in data['build_constraint'] if project.date < e.get('until', '9999')]
    lines = [f'exclude-newer = "{project.date}T23:59:59Z"']
    metadata = [
        f'{{ name = {quote(entry["name"])}, requires-dist = {quote(entry["requires"])} }}' for entry in data['metadata']
    ]
    lines.append(f'dependency-metadata = [{", ".join(metadata)}]')
    lines.append('[exclude-newer-package]')
    dates = {entry['name']: entry.get('until') for entry in data['exempt']}
    dates.update(dict.fromkeys(exempt))
    dates.update(later)
    dates.update((name, e['until']) for e in too_old(project) for name in [e['name'], *e.get('needs', ())])
    for name, until in sorted(dates.items()):
        if until and until < project.date:
            continue
        lines.append(f'{quote(name)} = ' + (f'"{until}T00:00:00Z"' if until else 'false'))
    lines.append(BUILD)
    lines += [f'{quote(name)} = {quote(requires)}' for name, requires in build.items()]
    return '\n'.join(lines) + '\n', '\n'.join(constraints) + '\n'


def need_for_build(project, folder, error):
    """Adds to uv.toml of a lock what a source turned out to need while it was built."""
    path = folder / 'uv.toml'
    text = path.read_text(encoding='utf-8')
    build = dict(re.findall(r'^"(.+?)" = (\[.*\])$', text.split(BUILD)[1], re.M))
    needs = module_for(project, error.module)
    has = json.loads(build.get(error.package, '[]'))
    if needs in has:
        raise error
    build[error.package] = quote([*has, needs])
    say(f'{error.package} asks for {error.module} while it is built, and does not say so: trying with {needs}')
    made = text.split(BUILD)[0] + BUILD + '\n' + ''.join(f'{quote(n)} = {r}\n' for n, r in build.items())
    (folder / 'uv.toml.new').write_text(made, encoding='utf-8')
    os.replace(folder / 'uv.toml.new', path)


def too_old(project):
    """The entries of too_old that this project needs, by its date or by what it asks for."""
    found = []
    for entry in corrections()['too_old']:
        least = Version(entry['at_least'])
        asked = [s for a in project.requirements if a.name == entry['name'] and a.specifier for s in a.specifier]
        tops = [(Version(s.version.rstrip('.*')), s.operator != '<') for s in asked if s.operator in ('==', '<', '<=')]
        if project.date < entry['until'] or any(top < (least, True) for top in tops):
            found.append(entry)
    return found


# --- the lock


def blocks(text):
    """Name to the lines of a lock that are about it."""
    found = {}
    for block in re.findall(r'^[a-zA-Z0-9].*?(?=^[a-zA-Z0-9]|\Z)', text, re.M | re.S):
        found[canonicalize_name(re.match(r'[\w.-]+', block)[0])] = block
    return found


def version(block):
    found = re.match(r'[\w.-]+(?:\[[^\]]*\])?==([^\s;\\]+)', block)
    return found[1] if found else ''


def roots(project):
    """The packages that the .in files of the environment's lock ask, without their versions."""
    asking = project.lock.with_suffix('.in').read_text() + (ROOT / 'requirements' / 'base.in').read_text()
    return re.findall(r'^([a-z][a-z0-9-]*)', asking, re.M)


def compile_once(project, folder, exempt, more, later):
    """One resolution: name to block, as uv writes them."""
    config, constraints = configuration(project, exempt, more, later)
    core = ''.join(f'{name}=={version}\n' for name, version in project.core.items())
    without = {a.name for a in project.requirements if a.why == 'left out: WITHOUT=' and a.name}
    kept = set(re.findall(r'^([a-z0-9-]+)==', core, re.M))
    excluded = (set(corrections()['tensorflow_builds']) | without) - set(project.core)
    given = [a.given for a in project.requirements if a.given and a.name not in kept and a.name not in excluded]
    replaced = [a.given for a in project.requirements if a.source == 'WITH=' and a.name not in kept and '==' in a.given]
    files = {
        'uv.toml': config,
        'build.txt': constraints,
        'override.txt': core + '\n'.join([*replaced, *(f'{e["name"]}>={e["at_least"]}' for e in too_old(project))]),
        'exclude.txt': '\n'.join(sorted(excluded)),
        'constraints.txt': '\n'.join(project.constraints),
        'in.txt': core + '\n'.join([*(n for n in roots(project) if n not in kept | without), *given]),
        'out.txt': project.lock.read_text(),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding='utf-8')
    code, said = uv(
        'pip', 'compile', '-q', '--config-file', folder / 'uv.toml', *python36(),
        '--python-platform', 'x86_64-manylinux_2_28', '--generate-hashes', '--no-annotate', '--no-header',
        '--overrides', folder / 'override.txt', '--excludes', folder / 'exclude.txt',
        '--build-constraints', folder / 'build.txt', '--constraints', folder / 'constraints.txt',
        folder / 'in.txt', '-o', folder / 'out.txt', doing='resolving',
    )  # fmt: skip
    if code:
        uv_errors.refuse(said, project, asker(project))
    return blocks((folder / 'out.txt').read_text(encoding='utf-8'))


def asker(project):
    """A function that asks uv about one requirement, as of the project's date, another or none: (code, said)."""

    def ask(*arguments, requirements, date=project.date):
        with tempfile.TemporaryDirectory() as work:
            file = pathlib.Path(work, 'in.txt')
            file.write_text(requirements, encoding='utf-8')
            until = ['--exclude-newer', date] if date else []
            platform = ['--python-platform', 'x86_64-manylinux_2_28']
            command = ['pip', 'compile', '-q', '--no-config', *python36(), *platform, *until, *arguments, file]
            return uv(*command, doing='looking for what would do')

    return ask


def resolve(project, options):
    """The project's lock: lock.json's content, which has the table and what else there is to say."""
    folder = locks(project, options)
    found = known(folder, project, options)
    if found:
        return found
    say(f'Resolving as of {project.date} ({project.date_from})')
    folder.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix='.resolving-', dir=folder))
    try:
        made = make_lock(project, options, work)
        for name in FILES[:-1]:
            os.replace(work / name, folder / name)
        os.replace(work / 'lock.json', folder / 'lock.json')  # last: with it, the others are whole
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return made


def make_lock(project, options, work):
    ours = lock_versions(project.lock)
    exempt = set(ours)
    inputs = digest(project, options)
    more, later, failed = {}, {}, None
    while True:
        try:
            resolved = compile_once(project, work, exempt, more, later)
        except uv_errors.Missing as e:
            if failed and any(canonicalize_name(e.name) == n for needs in more.values() for n in needs):
                raise failed from None  # that was our guess, from its message
            if not take_first(project, e, later):
                leave_out(project, e)
            continue
        except uv_errors.NeedsModule as e:
            failed, needs = e, module_for(project, e.module)
            if needs in more.get(e.package, []):
                raise
            more.setdefault(e.package, []).append(needs)
            say(f'{e.package} asks for {e.module} while it is built, and does not say so: trying with {needs}')
            continue
        # What the lock has in another version than ours is to be of the date as well: our exemption is for ours.
        moved = {n for n, b in resolved.items() if n in exempt and n not in project.core and version(b) != ours[n]}
        if not moved:
            break
        exempt -= moved
    locked = blocks(project.lock.read_text())
    lock = {n: locked[n] if n in ours and version(b) == ours[n] else b for n, b in resolved.items()}
    addresses = {n: b for n, b in lock.items() if not version(b)}
    with_hashes = {n: b for n, b in lock.items() if n not in addresses}
    made = {
        'inputs': inputs,
        'date': project.date,
        'date_from': project.date_from,
        'made': datetime.date.today().isoformat(),
        'python': project.python,
        'develop': project.develop,
        'sources': project.sources,
        'table': table(project, lock),
        'left_out': [[a.text, a.why] for a in project.requirements if not a.given],
        'packages': {n: version(b) or b.split(' @ ')[-1].strip() for n, b in lock.items()},
        'notes': project.notes,
    }
    (work / 'lock.txt').write_text(''.join(with_hashes.values()), encoding='utf-8')
    (work / 'extras.txt').write_text(''.join(b for n, b in with_hashes.items() if locked.get(n) != b), encoding='utf-8')
    (work / 'addresses.txt').write_text(''.join(addresses.values()), encoding='utf-8')
    (work / 'lock.json').write_text(json.dumps(made, indent=1, ensure_ascii=False), encoding='utf-8')
    return made


def notebook(project, options):
    """The lock of a Jupyter of the project's date, without what the project's own lock has: its file."""
    folder = locks(project, options)
    made, config = folder / 'notebook.txt', folder / 'uv.toml'
    lock = (folder / 'lock.txt').read_text(encoding='utf-8')
    first = f'# beside the lock {hashlib.sha256(lock.encode()).hexdigest()}\n'
    if made.is_file() and made.read_text(encoding='utf-8').startswith(first):
        return made
    say(f'Resolving Jupyter as of {project.date}')
    with tempfile.TemporaryDirectory(prefix='.resolving-', dir=folder) as work:
        work = pathlib.Path(work)
        pins = ''.join(f'{n}=={version(b)}\n' for n, b in blocks(lock).items())
        (work / 'override.txt').write_text(pins, encoding='utf-8')
        (work / 'in.txt').write_text('notebook\nipykernel\n', encoding='utf-8')
        code, said = uv(
            'pip', 'compile', '-q', '--config-file', config, *python36(),
            '--python-platform', 'x86_64-manylinux_2_28', '--generate-hashes', '--no-annotate', '--no-header',
            '--overrides', work / 'override.txt', '--build-constraints', folder / 'build.txt',
            work / 'in.txt', '-o', work / 'out.txt', doing='resolving',
        )  # fmt: skip
        if code:
            uv_errors.refuse(said, project, asker(project))
        found = blocks((work / 'out.txt').read_text(encoding='utf-8'))
        text = first + ''.join(b for n, b in found.items() if n not in blocks(lock))
        (work / 'notebook.txt').write_text(text, encoding='utf-8')
        os.replace(work / 'notebook.txt', made)
    return made


def take_first(project, missing, later):
    """Whether the first release that there still is takes the place of older ones, which OpenCV, for one, took away.

    Only where corrections.toml knows what package an import means: another may have got the module's name since.
    """
    name = canonicalize_name(missing.name)
    found = [a for a in project.requirements if a.name == name and a.given and a.why == 'found in the code']
    if not found or not missing.day or name in later or name not in corrections()['imports'].values():
        return False
    later[name] = (datetime.date.fromisoformat(missing.day) + datetime.timedelta(1)).isoformat()
    for a in found:
        a.why = f'found in the code; the registry has none from before {missing.day}'
    return True


def leave_out(project, missing):
    """Leaves out what was only a guess, from an import or a name of conda. What the project asks for is refused."""
    guessed = [a for a in project.requirements if a.name == canonicalize_name(missing.name) and a.guess and a.given]
    if not guessed:
        raise missing
    for a in guessed:
        a.given, a.why = '', f'left out: the registry has none for Python 3.6 as of {project.date}'


def module_for(project, module):
    """The requirement that brings a module, in the core's version where it is of the core."""
    name = canonicalize_name(corrections()['imports'].get(module, module))
    if name in ('tensorflow', 'keras'):
        name = f'{name}-gpu' if f'{name}-gpu' in project.core else name
    return f'{name}=={project.core[name]}' if name in project.core else name


# --- what is told


def table(project, lock):
    """Rows asked, got, why: every requirement that is not met word for word."""
    rows = []
    ours = 'tensorflow-gpu' if project.gpu else 'tensorflow'
    builds = set(corrections()['tensorflow_builds'])
    for a in project.requirements:
        text = a.text if len(a.text) < 60 else a.text[:57] + '…'
        if not a.given:
            rows.append([text, '', a.why])
            continue
        requirement = Requirement(a.given)
        if requirement.marker and not requirement.marker.evaluate(PYTHON36):
            continue  # for another Python or system
        name = ours if a.name in builds else a.name
        got = lock.get(name)
        if got is None:
            rows.append([text, '', 'left out'])
            continue
        is_version = version(got)
        shown = f'{name} {is_version}' if is_version else got.split(' @ ')[-1].strip()
        fits = not is_version or requirement.specifier.contains(is_version, prereleases=True)
        if name == ours and not fits:
            rows.append([text, shown, 'the TensorFlow of this environment'])
        elif name == ours and a.name != ours:
            rows.append([text, shown, f'the build of this environment; {a.name} would destroy it'])
        elif not fits:
            reasons = {e['name']: e['reason'] for e in too_old(project)}
            rows.append([text, shown, reasons.get(name, 'of the core, which is fixed (docs/pins.md says why)')])
        elif a.why:
            rows.append([text, shown, a.why])
    return rows


PYTHON36 = {
    'python_version': '3.6',
    'python_full_version': '3.6.15',
    'implementation_name': 'cpython',
    'implementation_version': '3.6.15',
    'os_name': 'posix',
    'platform_machine': 'x86_64',
    'platform_python_implementation': 'CPython',
    'platform_system': 'Linux',
    'sys_platform': 'linux',
    'extra': '',
}


def lowest_asked(specifier):
    """The version that a specifier means: the exact one, else the lowest. None where it only sets a top."""
    found = [
        s.version.rstrip('.*') for s in SpecifierSet(str(specifier)) if s.operator in ('==', '>=', '~=', '>', '===')
    ]
    top = [s.version.rstrip('.*') for s in SpecifierSet(str(specifier)) if s.operator in ('<', '<=')]
    return max(map(Version, found), default=None), min(map(Version, top), default=None)


def near(specifier, version):
    """Whether a version is one of those asked for, or differs from an exact one in its third number at most."""
    exact = [Version(s.version.rstrip('.*')) for s in specifier if s.operator in ('==', '===')]
    return specifier.contains(version, prereleases=True) or any(
        v.release[:2] == Version(version).release[:2] for v in exact
    )


def fitting(project):
    """A sentence that names the stack whose TensorFlow and Keras the project asks for; [] where that is this one."""
    names = {'keras': 'keras', **dict.fromkeys(corrections()['tensorflow_builds'], 'tensorflow')}
    asked = [(names[a.name], a.specifier) for a in project.requirements if a.name in names and a.specifier is not None]
    folders = sorted(path.parent for path in (ROOT / 'requirements' / 'stacks').glob('*/cpu.txt'))
    for stack in (project.stack, REFERENCE, *(folder.name for folder in folders)):
        lock = lock_of(stack, 'cpu')
        has = lock_versions(lock if lock.is_file() else project.lock)
        has['tensorflow'] = has.get('tensorflow') or has['tensorflow-gpu']
        if all(near(specifier, has[name]) for name, specifier in asked):
            if stack == project.stack:
                break
            has = f'TensorFlow {has["tensorflow"]} with Keras {has["keras"]}'
            return [f'STACK={stack} is nearer to what the project asks for: {has}.']
    return []


def differences(project):
    """One sentence for TensorFlow and for Keras, where the project was written for other ones than ours."""
    said = fitting(project)
    if said or project.stack != REFERENCE:  # the sentences are about the reference
        return said
    for name in ('tensorflow', 'keras'):
        names = set(corrections()['tensorflow_builds']) if name == 'tensorflow' else {'keras'}
        ours = project.core.get(name) or project.core.get(f'{name}-gpu')
        for a in project.requirements:
            try:
                specifier = a.specifier
                if a.name not in names or specifier is None or specifier.contains(ours):
                    continue
                low, top = lowest_asked(specifier)
            except InvalidRequirement:
                continue
            meant = low or top
            if low is None and top is not None:
                meant = Version(f'{top.major}.{max(top.minor - 1, 0)}')
            for entry in corrections()['different']:
                if meant and entry['name'] == name and SpecifierSet(entry['versions']).contains(meant):
                    said.append(f'It asks for {a.text}: {entry["sentence"]}.')
                    break
            break
    return said
