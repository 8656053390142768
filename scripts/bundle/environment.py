"""Without a container: Python, the locked packages and the recipes in a folder that works from any place.

Everything that Python's own files load and that is not glibc's goes along; packages' wheels bring what they need, but
for libstdc++. What is left to the machine is said in the launcher, which looks for it before it starts Python.
"""

import base64
import hashlib
import os
import pathlib
import re
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PROJECT = ['LICENSE', 'tensorflow_with_keras', 'examples', 'docker/allocator.env', 'docker/sandbox.txt']
# of the tree of Python: what a program does not need to run, and windows, whose libraries are not Python's own
LEFT_OUT = ['__pycache__', '*.a', 'test', 'tests', 'idlelib', 'turtledemo', 'tkinter', '_tkinter.*', 'config-3.6m*']
# glibc's own, which has to be the machine's: its parts and the kernel fit together
GLIBC = re.compile(r'(linux-vdso|ld-linux.*|lib(c|m|dl|rt|pthread|util|resolv|anl|BrokenLocale))\.so\b')

GCC = re.compile(r'lib(gcc_s|stdc\+\+)\.so\b')  # wheels count on the machine for these


def is_elf(path):
    with open(path, 'rb') as file:
        return file.read(4) == b'\x7fELF'


def elves(folder):
    return [path for path in sorted(folder.rglob('*')) if path.is_file() and not path.is_symlink() and is_elf(path)]


def needs(path):
    """Paths of the libraries outside glibc that this file would load here, its libraries' libraries too."""
    done = subprocess.run(['ldd', str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    found = re.findall(r'^\s*(\S+) => (/.*) \(0x', done.stdout, re.M)
    return {pathlib.Path(where) for name, where in found if not GLIBC.match(name)}


def newest(prefix, files):
    """The newest version 'X.Y' of the symbols PREFIX_X.Y that any of the files names, or None."""
    versions = {
        found for path in files for found in re.findall(prefix + rb'_([0-9]+(?:\.[0-9]+)+)\0', path.read_bytes())
    }
    return max((v.decode() for v in versions), key=lambda v: [int(n) for n in v.split('.')], default=None)


def copy_python(python, to):
    """Copies the Python that this program starts; returns the folder that it lies in."""
    ask = 'import sys; print(sys.base_prefix)'
    prefix = pathlib.Path(
        subprocess.run([python, '-c', ask], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    )
    (to / 'bin').mkdir(parents=True)
    shutil.copy2((prefix / 'bin' / 'python3.6').resolve(), to / 'bin' / 'python3.6')
    for name in ('python', 'python3'):
        (to / 'bin' / name).symlink_to('python3.6')
    ignore = shutil.ignore_patterns('site-packages', *LEFT_OUT)
    shutil.copytree(prefix / 'lib' / 'python3.6', to / 'lib' / 'python3.6', symlinks=True, ignore=ignore)
    (to / 'lib' / 'python3.6' / 'site-packages').mkdir()
    shutil.copytree(prefix / 'include', to / 'include')  # for the packages that are compiled
    return prefix


def own_libraries(to, prefix):
    """Brings along what the tree's files load from this machine, and has them look for it in the tree first.

    Returns those libraries, as paths on this machine, but for the copied Python's own.
    """
    added, loading, inside = {}, [], to / 'lib' / 'python3.6' / 'site-packages'
    for path in elves(to):
        original = prefix / path.relative_to(to)
        of_python = original.exists() and not path.is_relative_to(inside)
        found = {each.name: each for each in needs(original if of_python else path) if not each.is_relative_to(to)}
        if not of_python:  # a wheel has all but these; what was compiled here loads more
            found = {name: each for name, each in found.items() if not GCC.match(name)}
        added.update(found)
        if found or of_python:
            loading.append(path)
    for name, library in added.items():
        if not (to / 'lib' / name).exists():
            shutil.copy2(library.resolve(), to / 'lib' / name)
            loading.append(to / 'lib' / name)
    for path in loading:
        beside = os.path.relpath(to / 'lib', path.parent)
        path.chmod(path.stat().st_mode | 0o200)
        own = '$ORIGIN' if beside == '.' else f'$ORIGIN/{beside}'
        how = '--add-rpath' if path.is_relative_to(inside) else '--set-rpath'
        subprocess.run([str(tool('patchelf')), how, own, str(path)], check=True)
    return sorted(library for library in added.values() if not library.is_relative_to(prefix))


def tool(name):
    return ROOT / '.tools' / 'bin' / name


def install(to, lock):
    """Installs the packages of a lock, every hash required, and makes their programs start the Python beside them."""
    command = [
        tool('uv'),
        'pip',
        'install',
        '--python',
        to / 'bin' / 'python3.6',
        '--require-hashes',
        '--no-deps',
        '--link-mode=copy',  # a file shared with uv's cache is every other environment's too, and here some are altered
        '-q',
    ]
    command += ['--break-system-packages', '--build-constraints', ROOT / 'requirements' / 'build.txt', '-r', lock]
    # What comes as source is compiled for this alone, without the folder's name. By the setting, which no backend here
    # reads, uv keeps it apart from what other commands compiled, with other tools.
    command += ['--config-setting', 'for=bundle']
    done = subprocess.run([str(each) for each in command], env={**os.environ, 'CFLAGS': '-g0'})
    if done.returncode:
        return False
    for program in (to / 'bin').iterdir():
        if program.is_symlink() or is_elf(program):
            continue
        text = program.read_bytes()
        first, _, rest = text.partition(b'\n')
        if first.startswith(b'#!') and os.fsencode(to) in text.partition(b'\nimport')[0]:
            # sh reads the first lines, and for Python they are a text
            rest = rest.partition(b"' '''\n")[2] if first == b'#!/bin/sh' else rest
            start = b'\'\'\'exec\' "$(dirname -- "$(readlink -f -- "$0")")/../../python3.6" "$0" "$@"\n\' \'\'\'\n'
            program.write_bytes(b'#!/bin/sh\n' + start + rest)
    return True


def record_anew(packages):
    """Writes into the RECORD of each package what its programs and libraries are now, some of which were altered."""
    for record in packages.glob('*.dist-info/RECORD'):
        lines = record.read_text().splitlines()
        for n, line in enumerate(lines):
            path = line.split(',')[0]
            if path.startswith('../../../bin/') or '.so' in path:
                content = (packages / path).read_bytes()
                digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip('=')
                lines[n] = f'{path},sha256={digest},{len(content)}'
        record.write_text('\n'.join(lines) + '\n')


def package_of(library):
    """The name of Debian's package that a library is from, or None."""
    for path in {library, library.resolve(), pathlib.Path(str(library.resolve()).replace('/usr/lib/', '/lib/', 1))}:
        try:
            done = subprocess.run(
                ['dpkg-query', '-S', str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        except FileNotFoundError:
            return None
        if done.returncode == 0:
            return done.stdout.split(':')[0]
    return None


def fill(top, python, lock, epoch):
    """Makes the folder `top` whole. Returns the libraries of this machine that it has, None if packages failed."""
    tree = top / 'python'
    prefix = copy_python(python, tree)
    if not install(tree, lock):
        return None
    shutil.rmtree(tree / 'include')
    shutil.copy(ROOT / 'docker' / 'dot', tree / 'bin')
    libraries = own_libraries(tree, prefix)
    packages = tree / 'lib' / 'python3.6' / 'site-packages'
    record_anew(packages)
    for name in PROJECT:
        to = top / name
        to.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, to, ignore=shutil.ignore_patterns('__pycache__', '*.pyc'))
        else:
            shutil.copy(ROOT / name, to)
    (packages / 'tensorflow_with_keras.pth').write_text('../../../..\n')
    files = elves(tree)
    launcher = (HERE / 'python3.6.sh').read_text().replace('@GLIBC@', newest(rb'GLIBC', files))
    (top / 'python3.6').write_text(launcher.replace('@GLIBCXX@', newest(rb'GLIBCXX', files)))
    (top / 'python3.6').chmod(0o755)
    for path in top.rglob('*'):  # the archive has no other times, and byte code names its source's
        if not path.is_symlink():
            os.utime(path, (epoch, epoch))
    # Neither the folder that it is made in, nor the order of a set, nor that of several workers may be in byte code.
    # Python itself may write none of what it imports: that names the folder.
    code = 'import compileall, sys; compileall.compile_dir(sys.argv[1], maxlevels=100, ddir="lib", quiet=2)'
    clean = {'PYTHONHASHSEED': '0', 'PYTHONDONTWRITEBYTECODE': '1'}
    compile_all = [str(top / 'python3.6'), '-c', code, str(tree / 'lib')]
    subprocess.run(compile_all, stdout=subprocess.DEVNULL, env={**os.environ, **clean})
    return libraries
