"""Real projects of 2018 and 2019 by `make project`: their own tests, or a training; `nox -s projects` runs this.

    projects.py [--write] [--seeds N] [NAME …]

tests/projects/projects.toml says which projects there are. Each is fetched from the package index, checked by its hash,
unpacked, and brought in by the one command that a person uses. What comes of it is compared with
tests/projects/results.json: `--write` writes it there instead, out of which `make generate` makes docs/projects.md.
`--seeds N` begins each training N times.
"""

import argparse
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree

import pypi_simple
import requests
import tomli

ROOT = pathlib.Path(__file__).resolve().parent.parent
OURS = ROOT / 'tests' / 'projects'
RESULTS = OURS / 'results.json'


class Failed(Exception):
    """One sentence about a project that could not be run, or came out differently."""


def fetch(name, project, folder):
    """Path of the project's sdist; from the package index unless the folder has it."""

    def is_it(path):
        return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == project['sha256']

    path, part = folder / project['sdist'], folder / f'{project["sdist"]}.part'
    if is_it(path):
        return path
    mirrors = (os.environ.get(name) for name in ('UV_DEFAULT_INDEX', 'PIP_INDEX_URL'))
    try:
        with pypi_simple.PyPISimple(next(filter(None, mirrors), pypi_simple.PYPI_SIMPLE_ENDPOINT)) as client:
            found = [p for p in client.get_project_page(name).packages if p.filename == project['sdist']]
            if not found:
                raise Failed(f'the package index has no {project["sdist"]}')
            client.download_package(found[0], part, verify=False, timeout=60)  # by our own sum, below
    except (requests.RequestException, pypi_simple.NoSuchProjectError) as e:
        raise Failed(f'{project["sdist"]} could not be fetched: {e}') from None
    if not is_it(part):
        raise Failed(f'{project["sdist"]} is not the file that projects.toml names by its SHA-256')
    part.replace(path)
    return path


def unpack(sdist, folder):
    """The folder with a fresh copy of the project."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.unpack_archive(sdist, folder)
    (inside,) = folder.iterdir()
    return inside


def command(name, project, directory, seeds):
    """What RUN says. Nothing of it writes outside the project's folder."""
    variables = {
        'HOME': directory / 'home',
        'KERAS_BACKEND': 'tensorflow',
        'MPLBACKEND': 'Agg',
        'TF_CPP_MIN_LOG_LEVEL': '1',
        **dict.fromkeys(('http_proxy', 'https_proxy'), 'http://127.0.0.1:9'),  # no network, as in a container
    }
    (directory / 'home').mkdir()
    words = ['env', *(f'{k}={v}' for k, v in variables.items()), 'python']
    if 'tests' in project:
        words += ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', '-o', 'addopts=', '--junitxml=junit.xml']
        words += [*project['tests'], *(f'--deselect={test}' for test in project.get('left_out', ()))]
        return shlex.join(words)
    shutil.copy(OURS / 'trainings' / 'from_seed.py', directory)
    # not by the project's name, which would hide the project from its imports
    shutil.copy(OURS / 'trainings' / f'{name}.py', directory / 'training.py')
    return ' && '.join(shlex.join([*words, 'training.py', str(seed)]) for seed in range(seeds))


def outcome(junit):
    """Of pytest's report: how many tests passed and were skipped, and the names of those that failed."""
    if not junit.exists():
        raise Failed('pytest wrote no report (see above)')
    found = {'passed': 0, 'skipped': 0, 'failed': []}
    for case in xml.etree.ElementTree.parse(junit).iter('testcase'):
        kinds = {child.tag for child in case}
        if kinds & {'failure', 'error'}:
            found['failed'].append(f'{case.get("classname")}::{case.get("name")}'.lstrip(':'))
        else:
            found['skipped' if 'skipped' in kinds else 'passed'] += 1
    found['failed'] = sorted(set(found['failed']))
    if not found['passed'] + len(found['failed']):
        raise Failed('no test ran')
    return found


def run(name, project, work, seeds):
    """Brings the project in and runs it; returns what results.json keeps of it."""
    directory = unpack(fetch(name, project, work), work / name)
    lock = work / f'{name}.lock'
    options = {
        'DIR': str(directory),
        'DATE': project['date'],
        'LOCK': str(lock),
        'WITH': project.get('with', ''),
        'WITHOUT': project.get('without', ''),
        'RUN': command(name, project, directory, seeds),
        'ENGINE': os.environ.get('ENGINE', 'local'),
    }
    code = subprocess.run(['make', '-s', 'project'], cwd=ROOT, env={**os.environ, **options}).returncode
    locked = lock / 'lock.json'
    if not locked.exists():
        raise Failed('`make project` did not resolve it (see above)')
    made = json.loads(locked.read_text(encoding='utf-8'))
    result = resolved(made)
    if 'tests' in project:
        result.update(outcome(directory / 'junit.xml'))
    elif code:
        raise Failed('its training failed (see above)')
    else:
        result['seeds'] = seeds
    return result


def resolved(made):
    """Of lock.json: how many packages, which of them are not so in our lock, and what was not as asked."""
    ours = dict(re.findall(r'^([a-z0-9-]+)==([^\s;]+)', (ROOT / 'requirements' / 'cpu.txt').read_text(), re.M))
    beside = {name: version for name, version in made['packages'].items() if ours.get(name) != version}
    # without the imports, where nothing is asked, and without the reasons, which are sentences
    table = [row[:2] for row in made['table'] if row[2] != 'found in the code']
    return {'packages': len(made['packages']), 'beside': beside, 'table': table}


def check(project, result, before):
    """Whether failures are the known ones, each with its cause, and everything else is as it was."""
    known = project.get('failures', {})
    failed = set(result.get('failed', ()))
    if failed - set(known):
        raise Failed(f'failed, and projects.toml knows no cause: {", ".join(sorted(failed - set(known)))}')
    if set(known) - failed:
        raise Failed(f'projects.toml says that these fail, and they do not: {", ".join(sorted(set(known) - failed))}')
    if {**result, 'seeds': 0} != {**(before or {}), 'seeds': 0}:  # from how many seeds it was seen is no outcome
        raise Failed(f'not as in {RESULTS.name}; --write accepts it.\n  there: {before}\n  now:   {result}')


def recorded():
    """What results.json has of each project."""
    return json.loads(RESULTS.read_text(encoding='utf-8')) if RESULTS.exists() else {}


def summary(result):
    """The outcome in a few words."""
    if 'passed' not in result:
        return 'its training reached what it should'
    return f'{result["passed"]} passed, {len(result["failed"])} failed, {result["skipped"]} skipped'


def main(arguments):
    parser = argparse.ArgumentParser(prog='projects.py', description=__doc__.split('\n')[0])
    parser.add_argument('names', nargs='*', metavar='NAME')
    parser.add_argument('--write', action='store_true', help='write what comes out into results.json')
    parser.add_argument(
        '--seeds', type=int, default=1, help='how often each training begins, each time from another seed'
    )
    parser.add_argument('--work', type=pathlib.Path, default=ROOT / 'runs' / 'projects', help='where they are unpacked')
    options = parser.parse_args(arguments)
    projects = tomli.loads((OURS / 'projects.toml').read_text(encoding='utf-8'))
    unknown = sorted(set(options.names) - set(projects))
    if unknown:
        parser.error(f'there is no project {", ".join(unknown)}; there are: {", ".join(projects)}')
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    names, wrong = options.names or list(projects), []
    for number, name in enumerate(names, 1):
        project, start = projects[name], time.monotonic()
        title = f'{name} {project["version"]}'
        print(f'--- {title} ({number} of {len(names)})', flush=True)
        try:
            result = run(name, project, work, options.seeds)
            check(project, result, result if options.write else recorded().get(name))
        except Failed as e:
            wrong.append(name)
            print(f'{title}: {e}.', file=sys.stderr, flush=True)
            continue
        print(f'{title}: {summary(result)}, in {time.monotonic() - start:.0f} s', flush=True)
        if options.write:
            results = {**recorded(), name: result}
            RESULTS.write_text(
                json.dumps(results, indent=1, sort_keys=True, ensure_ascii=False) + '\n', encoding='utf-8'
            )
    if wrong:
        sys.exit(f'error: {len(wrong)} of {len(names)} are not as they should be: {", ".join(wrong)}.')


if __name__ == '__main__':
    main(sys.argv[1:])
