"""The local environment of a project, and what is run in it."""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys

import keep_core
import resolve
import uv_errors
from look import ROOT
from project_error import Refused
from resolve import say


@contextlib.contextmanager
def alone(project):
    """Only one run at a time makes the lock or the environment of a project."""
    project.state.mkdir(parents=True, exist_ok=True)
    with open(project.state / '.busy', 'w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say('Another run makes this environment: waiting for it')
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def stamp(folder, project):
    """What an environment is made of; the folder that it lies in, too, since it cannot be moved."""
    parts = [str(project.state), str(project.directory), str(project.develop)]
    parts += [(folder / name).read_text(encoding='utf-8') for name in ('lock.txt', 'addresses.txt', 'build.txt')]
    return hashlib.sha256('\0'.join(parts).encode()).hexdigest()


def make(project, options, locked):
    """Makes the environment STATE/venv out of the lock, unless it is there."""
    folder, venv = resolve.locks(project, options), project.state / 'venv'
    wanted = stamp(folder, project)
    done = venv / 'lock.stamp'
    if done.is_file() and done.read_text(encoding='utf-8').startswith(wanted):
        return venv
    keep_core.keep_list(venv, project.state / 'added.txt')
    python = os.environ.get('PYTHON36')
    if not python or python == 'none':
        raise Refused('no Python 3.6 on this machine: `make python36` installs one; or start Docker or Podman.')
    say(f'Making its environment ({len(locked["packages"])} packages)')
    try:
        shutil.rmtree(venv, ignore_errors=True)
        run_uv(project, 'venv', '-q', '--python', python, venv, doing='making the environment')
        common = ['--config-file', folder / 'uv.toml', '--python', venv / 'bin' / 'python', '--no-deps', '-q']
        common += ['--build-constraints', folder / 'build.txt']
        install(project, folder, *common, '--require-hashes', '-r', folder / 'lock.txt')
        if (folder / 'addresses.txt').read_text(encoding='utf-8').strip():
            install(project, folder, *common, '-r', folder / 'addresses.txt')
        kind = '_gpu' if project.gpu else ''
        pip = ['--python', venv / 'bin' / 'python', '--require-hashes', '-r', ROOT / 'requirements' / 'pip.txt']
        run_uv(project, 'pip', 'install', '-q', '--no-config', *pip, doing='installing')
        keep_core.install(venv, project.lock.with_name(f'constraints{kind}.txt'))
        site = site_packages(venv)
        if not shutil.which('dot'):  # as .venv has it: pydot asks for a program of that name
            shutil.copy(ROOT / 'docker' / 'dot', venv / 'bin' / 'dot')
        if project.develop:
            develop(project, venv, site)
        (project.state / 'forced.txt').write_text(forced(venv), encoding='utf-8')
        locks = [folder / 'lock.txt', ROOT / 'requirements' / 'pip.txt', folder / 'addresses.txt']
        installed = ''.join(path.read_text(encoding='utf-8') for path in locks)
        done.write_text(f'{wanted}\n{installed}', encoding='utf-8')  # last: with it, the environment is whole
    except BaseException:
        shutil.rmtree(venv, ignore_errors=True)
        raise
    return venv


def install(project, folder, *arguments):
    """Installs a lock; a source that does not say what it needs to be built gets that in a second try."""
    while True:
        try:
            run_uv(project, 'pip', 'install', *arguments, doing='installing')
            return
        except uv_errors.NeedsModule as e:
            resolve.need_for_build(project, folder, e)


def forced(venv):
    """What packages ask of others and did not get, since the core was forced: a line each."""
    _, said = resolve.uv('pip', 'check', '--python', venv / 'bin' / 'python', doing='checking')
    lines = re.findall(r'^The package `([^`]+)` requires `([^`]+)`, but `([^`]+)` is installed', said, re.M)
    return ''.join(f'{who} asks for {wants}, and has {has} here.\n' for who, wants, has in lines)


def run_uv(project, *arguments, doing):
    code, said = resolve.uv(*arguments, doing=doing)
    if code:
        uv_errors.refuse(said, project, resolve.asker(project))
    return said


# Run by the environment's Python: setup.py develop as it is, but for its notes (NAME.egg-info), which go to our folder;
# and the folder of the sources, which is then not that of the notes, goes into a .pth file.
DEVELOP = """
import os, runpy, sys
import setuptools
import distutils.core
from setuptools.command.develop import develop
develop._resolve_setup_path = staticmethod(lambda *_: os.curdir)  # it would have the notes beside the sources
notes, pth, *more = sys.argv[1:]
sys.path.insert(0, os.getcwd())
sys.argv = ['setup.py', '-q', 'egg_info', '--egg-base', notes, 'develop', '--no-deps', *more]
runpy.run_path('setup.py', run_name='__main__')
distribution = distutils.core._setup_distribution
folder = (distribution.package_dir or {}).get('', '')
with open(pth, 'w') as f:
    f.write(os.path.abspath(folder) + chr(10))
"""


def develop(project, venv, site):
    """Makes the project itself importable from everywhere, with its commands, out of its own folder."""
    notes = project.state / 'venv' / 'project'
    notes.mkdir()
    command = [str(venv / 'bin' / 'python'), '-c', DEVELOP, str(notes), str(site / 'the_project.pth')]
    environment = dict(variables(venv), PYTHONDONTWRITEBYTECODE='1', PYTHONIOENCODING='utf-8')
    answer = subprocess.run(
        command, cwd=project.directory, env=environment, capture_output=True, text=True, errors='replace'
    )
    if answer.returncode:
        lines = '\n'.join('  ' + line for line in uv_errors.last_lines(answer.stdout + answer.stderr))
        raise Refused(f'setup.py of the project failed. WITHOUT=. leaves that step out. What it said last:\n{lines}', 3)


# what make hands us, which a project's own program may read in another sense; and what would bring in another Python
OURS = """ARGS DATASET DATE DIR ENGINE EPOCHS EXAMPLE GPU LOCK MAKEFLAGS MAKELEVEL MAKEOVERRIDES MFLAGS MODEL NETWORK
    PYTHON36 PYTHONHOME PYTHONPATH RUN TEST WITH WITHOUT""".split()


def variables(venv):
    """The variables of the environment: its programs first, and a pip and a uv that keep the core."""
    made = dict(os.environ)
    for name in OURS:
        made.pop(name, None)
    made['PATH'] = f'{venv / "bin"}{os.pathsep}{made.get("PATH", os.defpath)}'
    made.update(keep_core.variables(venv))
    return made


def notebook(project, options, venv):
    """A Jupyter of the project's date, in an environment of its own that sees the project's: returns its folder."""
    folder, top = resolve.locks(project, options), project.state / 'notebook'
    lock = resolve.notebook(project, options)
    wanted = hashlib.sha256((stamp(folder, project) + lock.read_text(encoding='utf-8')).encode()).hexdigest()
    done = top / 'lock.stamp'
    if done.is_file() and done.read_text() == wanted:
        return top
    say('Adding Jupyter in an environment of its own')
    try:
        shutil.rmtree(top, ignore_errors=True)
        run_uv(project, 'venv', '-q', '--python', venv / 'bin' / 'python', top, doing='making the environment')
        common = ['--config-file', folder / 'uv.toml', '--python', top / 'bin' / 'python', '--no-deps', '-q']
        common += ['--build-constraints', folder / 'build.txt', '--require-hashes']
        run_uv(project, 'pip', 'install', *common, '-r', lock, doing='installing')
        (site_packages(top) / 'the_environment.pth').write_text(
            f'import site; site.addsitedir({str(site_packages(venv))!r})\n'
        )
        done.write_text(wanted)
    except BaseException:
        shutil.rmtree(top, ignore_errors=True)
        raise
    return top


def site_packages(venv):
    return next((venv / 'lib').glob('python3.*')) / 'site-packages'


def run(project, options, locked, wanted):
    """Does what RUN says, in the project's folder; does not come back."""
    with alone(project):
        venv = make(project, options, locked)
        top = notebook(project, options, venv) if wanted.notebook else None
    environment = variables(venv)
    if top:
        environment['PATH'] = f'{top / "bin"}{os.pathsep}{environment["PATH"]}'
        command = [str(top / 'bin' / 'python'), '-m', 'notebook', '--ip=127.0.0.1', '--no-browser']
        command += [f'--notebook-dir={project.directory}', *(['--allow-root'] if os.getuid() == 0 else [])]
    elif wanted.shell:
        command = [os.environ.get('SHELL') or 'bash']
    else:
        command = ['sh', '-c', wanted.command]
    os.chdir(project.directory)
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execvpe(command[0], command, environment)
    except OSError as e:
        raise Refused(f'{command[0]} cannot be started: {e.strerror}.', 3) from None
