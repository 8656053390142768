#!/usr/bin/env python3
"""A pip and a uv for an environment that keeps TensorFlow, Keras and what they need in the locked versions.

    keep_core.py install VENV FILE     puts programs pip, pip3 and uv into VENV/bin that keep FILE's constraints
    keep_core.py variables VENV        prints NAME=VALUE lines, for a shell in that environment
    keep_core.py added VENV FILE       says what a person added to VENV, before it is made anew, and writes it to FILE
    keep_core.py pip|uv VENV ARGUMENT… what these programs run

Needs only the standard library of Python 3.9. FILE is requirements/constraints.txt or that of another stack;
VENV gets a copy. A package that would move one is refused with a sentence that names it, and exit code 2.
"""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
COPY = 'constraints.txt'  # in the environment


def variables(venv):
    """What a shell in this environment has set: constraints by address, since pip and uv split paths at blanks."""
    constraints = (venv / COPY).absolute().as_uri()
    return {
        'VIRTUAL_ENV': str(venv.absolute()),
        'PIP_CONSTRAINT': constraints,
        'UV_CONSTRAINT': constraints,
        'PIP_DISABLE_PIP_VERSION_CHECK': '1',
    }


def install(venv, constraints=ROOT / 'requirements' / 'constraints.txt'):
    """Puts the programs, and the constraints that they keep, into an environment that has pip."""
    shutil.copy(constraints, venv / COPY)
    for program, tool in (('pip', 'pip'), ('pip3', 'pip'), ('uv', 'uv')):
        words = [sys.executable, str(ROOT / 'scripts' / 'keep_core.py'), tool, str(venv.absolute())]
        path = venv / 'bin' / program
        path.unlink(missing_ok=True)
        path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        path.chmod(0o755)


def added(venv):
    """The packages of an environment that are in none of its stamps, VENV/*.stamp, the locks that made it."""
    stamps = [path.read_text(encoding='utf-8') for path in venv.glob('*.stamp')]
    if not stamps or not (venv / 'bin' / 'python').exists():
        return []  # half made
    locked = {line for text in stamps for line in re.findall(r'^([a-z0-9][\w.-]*==[^\s;\\]+)', text, re.M)}
    command = [str(ROOT / '.tools' / 'bin' / 'uv'), '-q', '--color', 'never', 'pip', 'freeze']
    command += ['--python', str(venv / 'bin' / 'python')]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return [line for line in done.stdout.splitlines() if line not in locked and str(venv.absolute()) not in line]


def keep_list(venv, file):
    """Writes what was added to a file, and says so, since the environment is about to be made anew."""
    found = added(venv)
    if found:
        file.write_text('\n'.join(found) + '\n', encoding='utf-8')
        print(
            f'The lock has changed, and {venv.name} is made anew without what you had added to it: {", ".join(found)}. '
            f'The list is in {file}; `pip install -r` brings it back.',
            file=sys.stderr,
        )


def pins(venv):
    """Name to what the constraints say of its version."""
    text = (venv / COPY).read_text()
    return dict(re.findall(r'^([a-z0-9-]+)([=<][^\s#]+)', text, re.M))


def refusal(said, kept):
    """The sentence for a package that would move a pin of the core, or None where that is not why it failed."""
    if not re.search('No solution found|The conflict is caused by', said):
        return None
    flat = re.sub(r'\s+', ' ', said)
    for name, version in kept.items():
        written = name.replace('-', '[-_]')
        if not re.search(rf'(?<![\w-]){written}\s*{re.escape(version)}', flat, re.I):
            continue
        if version.startswith('<'):
            return f'{name} would be put over the TensorFlow of this environment and end it, so it cannot be added.'
        other = [
            (m[1], m[2])
            for m in re.finditer(rf'(\S+(?: \d\S*)?) depends? on {written}\s*([^\s,]+)', flat, re.I)
            if m[2].rstrip('.') != version
        ]
        if other:
            who, wants = other[0]
            return (
                f'{who} cannot be added: it needs {name}{wants}, and this environment keeps {name}{version}. '
                'An older version may do.'
            )
        wants = [m for m in re.findall(rf'(?<![\w-]){written}\s*([=<>!~][^\s,]*)', flat, re.I) if m != version]
        if wants:
            return (
                f'{name}{wants[0]} cannot be added: this environment keeps {name}{version}, '
                'which TensorFlow and Keras need.'
            )
    return None


def run(tool, venv, arguments):
    """Runs pip or uv on the environment; returns its exit code, or 2 where the core was to be moved."""
    environment = dict(os.environ, **variables(venv))
    environment.pop('PYTHONHOME', None)
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder, 'log')
        log.touch()
        try:
            if tool == 'pip':  # says why on standard output, among other things, and in its log
                command = [str(venv / 'bin' / 'python'), '-m', 'pip', *arguments]
                code = subprocess.run(command, env=dict(environment, PIP_LOG=str(log))).returncode
                # each line of the log begins with a time
                said = re.sub(r'^\S+T\S+ ', '', log.read_text(errors='replace'), flags=re.M)
            else:
                code, said = shown([str(ROOT / '.tools' / 'bin' / 'uv'), *arguments], environment)
        except KeyboardInterrupt:
            return 130
    sentence = refusal(said, pins(venv)) if code else None
    if sentence:
        print(f'error: {sentence}', file=sys.stderr)
        return 2
    return code


def shown(command, environment):
    """Runs a program that says on standard error why it fails: (code, what it said there), shown as well."""
    said = []
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, errors='replace') as process:
        for line in process.stderr:
            sys.stderr.write(line)
            said.append(line)
    return process.returncode, ''.join(said)


def main(arguments):
    tool, venv = arguments[0], pathlib.Path(arguments[1])
    if tool == 'install':
        install(venv, pathlib.Path(arguments[2]))
    elif tool == 'variables':
        print('\n'.join(f'{name}={value}' for name, value in variables(venv).items()))
    elif tool == 'added':
        keep_list(venv, pathlib.Path(arguments[2]))
    else:
        sys.exit(run(tool, venv, arguments[2:]))


if __name__ == '__main__':
    if len(sys.argv) < 3 or sys.argv[1] not in ('install', 'variables', 'added', 'pip', 'uv'):
        sys.exit(__doc__)
    main(sys.argv[1:])
