"""scripts/python36.py, and when the front door runs it: from a channel of our own, with packages of conda's form."""

import hashlib
import io
import json
import os
import re
import shutil
import signal
import socketserver
import subprocess
import sys
import tarfile
import time

import pytest
from test_cuda import Handler, Server, serving
from test_make import program

from tensorflow_with_keras.recipe import ROOT

PLACEHOLDER = '/build/' + '_placehold' * 24 + '_placehol'[:8]  # 255 characters, as conda-build has them
SUBDIR = '/conda-forge/linux-64/'
LIBRARY, PYTHON = 'libexample-1.2-h1_0.tar.bz2', 'python-3.6.15-h2_0_cpython.tar.bz2'
FAR = ('PYTHON36', 'ENGINE', 'PYENV_ROOT', 'MAKEFLAGS', 'MAKELEVEL', 'STALLED_AFTER')


def package(name, files, links=()):
    """A package as conda-build makes it: {path: (content, mode, 'text', 'binary' or None)} and [(path, target)]."""
    name, version, build = name[: -len('.tar.bz2')].split('-')
    index = {'name': name, 'version': version, 'build': build, 'build_number': 0, 'subdir': 'linux-64', 'depends': []}
    paths, data = [], io.BytesIO()
    for path, (content, _, kind) in files.items():
        entry = {'_path': path, 'path_type': 'hardlink', 'size_in_bytes': len(content)}
        entry['sha256'] = hashlib.sha256(content).hexdigest()
        if kind:
            entry.update(file_mode=kind, prefix_placeholder=PLACEHOLDER)
        paths.append(entry)
    paths += [{'_path': path, 'path_type': 'softlink', 'size_in_bytes': 0} for path, _ in links]
    info = {
        'info/index.json': json.dumps(index),
        'info/paths.json': json.dumps({'paths': paths, 'paths_version': 1}),
        'info/files': ''.join('%s\n' % p['_path'] for p in paths),
        'info/has_prefix': ''.join('%s %s %s\n' % (PLACEHOLDER, k, p) for p, (_, _, k) in files.items() if k),
    }
    with tarfile.open(fileobj=data, mode='w:bz2') as archive:
        for path, (content, mode, _) in list({p: (t.encode(), 0o644, None) for p, t in info.items()}.items()) + list(
            files.items()
        ):
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), mode
            archive.addfile(member, io.BytesIO(content))
        for path, target in links:
            member = tarfile.TarInfo(path)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return data.getvalue()


def channel():
    """What the server has: a library that knows its place, and a Python 3.6, which is the one that runs this test."""
    noise = os.urandom(100000)  # so that half an archive is something
    python = '#!/bin/sh\nexec "%s" "$@"\n' % sys.executable
    script = '#!%s/bin/python3.6\nimport sys\nprint(sys.argv)\n' % PLACEHOLDER
    library = b'\x7fELF' + PLACEHOLDER.encode() + b'/ssl\0behind' + noise
    return {
        SUBDIR + LIBRARY: package(LIBRARY, {'lib/libexample.so': (library, 0o755, 'binary')}),
        SUBDIR + PYTHON: package(
            PYTHON,
            {
                'bin/python3.6': (python.encode(), 0o755, None),
                'bin/2to3-3.6': (script.encode(), 0o755, 'text'),
                'lib/python3.6/_sysconfigdata.py': (('prefix = %r\n' % PLACEHOLDER).encode(), 0o644, 'text'),
                'lib/noise': (noise[::-1], 0o644, None),
            },
            [('bin/python3', 'python3.6')],
        ),
    }


@pytest.fixture(scope='session')
def tools():
    """The folder .tools with py-rattler, made as a person gets it."""
    subprocess.run([os.path.join(ROOT, 'scripts', 'front-door'), 'tools', 'python36'], check=True)
    return os.path.join(ROOT, '.tools')


@pytest.fixture(scope='session')
def files():
    return channel()


class Strict(Handler):
    """Answers as most servers do to somebody who has it all already, and notes what it has done with."""

    def do_GET(self):
        start = int(self.headers.get('Range', 'bytes=0-')[6:-1])
        if start and start >= len(self.server.files.get(self.path, b'')):
            self.server.requests.append((self.path, start))
            return self.send_error(416)
        super().do_GET()
        self.server.finished.append((self.path, start))


class Threads(socketserver.ThreadingMixIn, Server):
    daemon_threads = True


@pytest.fixture
def server(files):
    server = Threads()
    server.RequestHandlerClass, server.finished = Strict, []
    server.files = dict(files)
    with serving(server):
        yield server


class Checkout:
    """A checkout with pins for the server's channel, and the tools of the true one."""

    def __init__(self, folder, server, tools, bin):
        self.folder, self.bin, self.home = folder, bin, str(folder.parent)
        (folder / 'requirements').mkdir(parents=True)
        shutil.copytree(os.path.join(ROOT, 'scripts'), str(folder / 'scripts'))
        for name in ('uv.txt', 'tools.txt', 'python36.txt', 'cpu.txt'):
            shutil.copy(os.path.join(ROOT, 'requirements', name), str(folder / 'requirements'))
        for name in ('Makefile', 'docker', 'tensorflow_with_keras', 'examples'):
            os.symlink(os.path.join(ROOT, name), str(folder / name))
        (folder / '.tools').mkdir()
        program(folder / '.tools' / 'bin', 'python', 'exec "%s/bin/python" "$@"\n' % tools)
        for name in ('uv', 'tools', 'python36'):
            shutil.copy(str(folder / 'requirements' / (name + '.txt')), str(folder / '.tools' / (name + '.stamp')))
        self.pins, self.seen = folder / 'requirements' / 'python36.pins', folder / 'requirements' / 'python36.sha256'
        self.tree, self.packages = folder / '.python36', folder / '.python36' / 'pkgs'
        self.pin(server)

    def pin(self, server):
        sums = [(path, hashlib.md5(content).hexdigest()) for path, content in sorted(server.files.items())]
        lines = ['%s#%s' % (server.url(path), md5) for path, md5 in sums]
        self.pins.write_text('\n'.join(lines) + '\n')

    def start(self, *command, **env):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(FAR) and not k.lower().endswith('_proxy')}
        path = '%s:/usr/local/bin:/usr/bin:/bin' % self.bin
        return subprocess.Popen(
            command,
            cwd=str(self.folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            env=dict(clean, PATH=path, HOME=self.home, **env),
        )

    def call(self, *command, **env):
        process = self.start(*command, **env)
        out, err = process.communicate()
        return process.returncode, out, err

    def install(self, **env):
        return self.call('scripts/front-door', 'python36', 'install', **env)

    def found(self):
        """The Python 3.6 that the front door finds."""
        return self.call('scripts/front-door', 'python36')[1].strip()

    @property
    def python(self):
        return str(self.tree / 'bin' / 'python3.6')

    def unpacked(self):
        return [name for name in ('bin', 'lib', 'conda-meta', 'lock.stamp') if (self.tree / name).exists()]


@pytest.fixture
def bin(tmp_path):
    """In front of the PATH: no engine that answers, no Python 3.6."""
    for name in ('docker', 'podman', 'python3.6'):
        program(tmp_path / 'bin', name, 'exit 1\n')
    return tmp_path / 'bin'


@pytest.fixture
def checkout(tmp_path, server, tools, bin):
    return Checkout(tmp_path / 'a check out', server, tools, bin)


def test_what_is_pinned_is_a_python_3_6_with_all_sums_for_one_platform():
    with open(os.path.join(ROOT, 'requirements', 'python36.pins')) as f:
        lines = [line.strip() for line in f if not line.startswith('#')]
    url = re.compile(r'conda-forge/linux-64/([\w-]+)-([\w.]+)-(\w+)\.tar\.bz2#[0-9a-f]{32}')
    packages = dict(url.fullmatch(line).groups()[:2] for line in lines)
    assert packages['python'] == '3.6.15' and len(packages) == len(lines)
    # what this version of Python is linked with, by the recipe of its makers
    assert {'openssl', 'libffi', 'sqlite', 'zlib', 'xz', 'readline', 'ncurses', 'tk'} < set(packages)


def test_it_is_installed_once_and_knows_its_place_in_a_path_with_blanks(checkout, server, files):
    assert checkout.found() == ''
    code, out, err = checkout.install()
    assert (code, out) == (0, checkout.python + '\n') and 'Traceback' not in err, err
    assert '1/2 ' + LIBRARY in err and '2/2 ' + PYTHON in err
    tree = str(checkout.tree)
    library = (checkout.tree / 'lib' / 'libexample.so').read_bytes()
    assert library.startswith(b'\x7fELF' + tree.encode() + b'/ssl\0')
    length = len(b'\x7fELF' + PLACEHOLDER.encode() + b'/ssl\0')
    assert library[length : length + 6] == b'behind' and PLACEHOLDER.encode() not in library
    assert (checkout.tree / 'lib' / 'python3.6' / '_sysconfigdata.py').read_text() == 'prefix = %r\n' % tree
    script = str(checkout.tree / 'bin' / '2to3-3.6')
    assert checkout.call(script, 'a b')[1] == repr([script, 'a b']) + '\n'
    assert os.readlink(str(checkout.tree / 'bin' / 'python3')) == 'python3.6'
    # beside the pins, as `sha256sum --check` reads them
    expected = ['%s  %s' % (hashlib.sha256(files[SUBDIR + n]).hexdigest(), n) for n in (LIBRARY, PYTHON)]
    assert checkout.seen.read_text().splitlines() == expected
    assert sorted(os.listdir(str(checkout.packages))) == [LIBRARY, PYTHON]
    left = {'.lock', 'CACHEDIR.TAG', 'bin', 'conda-meta', 'lib', 'lock.stamp', 'pkgs'}
    assert set(os.listdir(tree)) == left
    assert checkout.found() == checkout.python
    assert server.requests == [(SUBDIR + LIBRARY, 0), (SUBDIR + PYTHON, 0)]
    assert checkout.install() == (0, checkout.python + '\n', '') and len(server.requests) == 2


@pytest.mark.parametrize(
    'answers, starts',
    [
        (['cut off', 'good'], [0, 'half']),
        (['altered', 'good'], [0, 0]),
        (['cut off', 'altered', 'good'], [0, 'half', 0]),
        (['cut off', 'without ranges', 'good'], [0, 'half']),
    ],
)
def test_a_transfer_goes_on_where_it_broke_off_and_what_is_wrong_comes_anew(checkout, server, answers, starts):
    server.answers = answers
    code, out, err = checkout.install()
    assert code == 0 and checkout.found() == checkout.python, err
    half = len(server.files[SUBDIR + LIBRARY]) // 2
    assert [half if s == 'half' else s for s in starts] == [s for p, s in server.requests if p == SUBDIR + LIBRARY]
    assert checkout.seen.read_text().count(LIBRARY) == 1


def test_a_transfer_that_stalls_is_given_up_and_gone_on_with(checkout, server):
    server.answers = ['stalled', 'good']
    assert checkout.install(STALLED_AFTER='1')[0] == 0
    assert server.requests[1] == (SUBDIR + LIBRARY, len(server.files[SUBDIR + LIBRARY]) // 2)
    assert (SUBDIR + LIBRARY, 0) not in server.finished  # which still holds the line


def test_an_install_that_is_killed_leaves_no_python_and_goes_on_the_next_time(checkout, server):
    server.answers = ['good', 'stalled', 'good']
    half = len(server.files[SUBDIR + PYTHON]) // 2
    process = checkout.start(os.path.join('.tools', 'bin', 'python'), 'scripts/python36.py')
    part = checkout.packages / (PYTHON + '.part')
    while process.poll() is None and not (part.exists() and part.stat().st_size == half):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert checkout.found() == '' and checkout.unpacked() == []
    assert checkout.install()[0] == 0 and checkout.found() == checkout.python
    assert server.requests[2:] == [(SUBDIR + PYTHON, half)]


@pytest.mark.parametrize('behind', [b'', b'what does not belong there'])
def test_a_transfer_that_was_killed_at_its_very_end_is_taken_if_it_is_right(checkout, server, files, behind):
    content = files[SUBDIR + PYTHON] + behind
    checkout.packages.mkdir(parents=True)
    (checkout.packages / (PYTHON + '.part')).write_bytes(content)
    assert checkout.install()[0] == 0 and checkout.found() == checkout.python
    starts = [start for path, start in server.requests if path == SUBDIR + PYTHON]
    assert starts == ([len(content), 0] if behind else [len(content)])


@pytest.mark.parametrize('answer', ['cut off', 'altered', 'missing'])
def test_what_never_comes_right_is_one_sentence_and_nothing_is_unpacked(checkout, server, answer):
    server.answers = ['good', answer]
    if answer == 'cut off':  # for good: the source itself has no more
        server.files[SUBDIR + PYTHON] = server.files[SUBDIR + PYTHON][:70000]
        server.answers = ['good']
    code, out, err = checkout.install()
    said = err.splitlines()[-1]
    assert code == 3 and out == '' and 'Traceback' not in err and said.startswith('error: ' + PYTHON)
    assert {'cut off': 'its MD5 is', 'altered': 'its MD5 is', 'missing': '404'}[answer] in said
    for what_to_do in ('PYTHON36_MIRRORS', 'requirements/python36.pins', str(checkout.packages), 'PYTHON36.'):
        assert what_to_do in said
    assert checkout.unpacked() == [] and checkout.found() == '' and PYTHON not in checkout.seen.read_text()
    assert PYTHON not in os.listdir(str(checkout.packages))


def test_the_md5_does_not_do_where_another_sha256_was_seen_before(checkout, server):
    other = hashlib.sha256(b'another file').hexdigest()
    checkout.seen.write_text('%s  %s\n' % (other, LIBRARY))
    code, out, err = checkout.install()
    sha256 = hashlib.sha256(server.files[SUBDIR + LIBRARY]).hexdigest()
    assert code == 3 and all(text in err for text in (sha256, other, 'requirements/python36.sha256'))
    assert checkout.unpacked() == [] and checkout.seen.read_text() == '%s  %s\n' % (other, LIBRARY)


@pytest.mark.parametrize('place', ['/mirror/linux-64/', SUBDIR])
def test_a_mirror_comes_first_and_where_it_lacks_a_file_the_next(checkout, server, tmp_path, place):
    folder = tmp_path / 'folder' / 'linux-64'
    folder.mkdir(parents=True)
    (folder / LIBRARY).write_bytes(server.files[SUBDIR + LIBRARY])
    server.files[place + PYTHON] = server.files.pop(SUBDIR + PYTHON)
    code, out, err = checkout.install(PYTHON36_MIRRORS='%s %s/' % (folder.parent, server.url('/mirror')))
    assert code == 0 and checkout.found() == checkout.python, err
    assert all(path.endswith(PYTHON) for path, _ in server.requests)
    assert [path for path, _ in server.finished if path in server.files] == [place + PYTHON]


def test_offline_what_was_put_there_by_hand_serves_if_it_is_right(checkout, server, files):
    server.files.clear()
    checkout.packages.mkdir(parents=True)
    (checkout.packages / LIBRARY).write_bytes(files[SUBDIR + LIBRARY])
    (checkout.packages / PYTHON).write_bytes(files[SUBDIR + PYTHON][:-1])
    code, out, err = checkout.install()
    assert code == 3 and '%s: its MD5 is' % (checkout.packages / PYTHON) in err and checkout.unpacked() == []
    (checkout.packages / PYTHON).write_bytes(files[SUBDIR + PYTHON])
    assert checkout.install()[0] == 0 and checkout.found() == checkout.python
    assert not any(path == SUBDIR + LIBRARY for path, _ in server.requests)


def test_a_tree_that_is_half_moved_or_stale_does_not_count_and_is_made_anew(checkout, server, tmp_path):
    program(checkout.folder / '.python36', 'lock.stamp.new', '')
    program(checkout.tree / 'bin', 'python3.6', 'exec "%s" "$@"\n' % sys.executable)
    assert checkout.found() == ''
    assert checkout.install()[0] == 0 and checkout.found() == checkout.python
    assert not (checkout.tree / 'lock.stamp.new').exists()
    checkout.folder.rename(tmp_path / 'moved')
    checkout.__dict__.update(folder=tmp_path / 'moved', tree=tmp_path / 'moved' / '.python36')
    assert checkout.found() == ''
    requests = len(server.requests)
    assert checkout.install()[0] == 0 and checkout.found() == checkout.python
    assert str(checkout.tree) in (checkout.tree / 'lib' / 'python3.6' / '_sysconfigdata.py').read_text()
    assert len(server.requests) == requests  # the archives were still there
    with open(str(tmp_path / 'moved' / 'requirements' / 'python36.pins'), 'a') as f:
        f.write('# changed\n')
    assert checkout.found() == ''


def test_a_python_that_does_not_run_here_is_told_and_does_not_count(checkout, server):
    server.files[SUBDIR + PYTHON] = package(
        PYTHON, {'bin/python3.6': (b'#!/bin/sh\necho because >&2\necho no >&2\nexit 1\n', 0o755, None)}
    )
    checkout.pin(server)
    code, out, err = checkout.install()
    assert code == 3 and err.splitlines()[-1] == 'error: %s does not run on this machine: no' % checkout.python
    assert checkout.found() == '' and not (checkout.tree / 'lock.stamp').exists()


def test_two_at_once_are_one_after_the_other(checkout, server):
    processes = [checkout.start('scripts/front-door', 'python36', 'install') for _ in range(2)]
    for process in processes:
        out, err = process.communicate()
        assert (process.returncode, out) == (0, checkout.python + '\n'), err
    assert server.requests == [(SUBDIR + LIBRARY, 0), (SUBDIR + PYTHON, 0)]


def test_a_path_that_is_too_long_is_told_before_anything_is_fetched(tmp_path, server, tools, bin):
    checkout = Checkout(tmp_path / ('l' * 120) / ('m' * 120), server, tools, bin)
    code, out, err = checkout.install()
    assert code == 3 and 'longer than the 255 bytes' in err.splitlines()[-1] and server.requests == []


@pytest.mark.parametrize('machine', ['Darwin arm64', 'Linux aarch64'])
def test_another_kind_of_machine_gets_one_sentence(checkout, bin, server, machine):
    program(bin, 'uname', 'echo %s\n' % machine)
    code, out, err = checkout.install()
    assert code == 2 and len(err.splitlines()) == 1 and 'Linux on x86-64, and this is %s' % machine in err
    assert server.requests == [] and not checkout.tree.exists()


# --- when the front door does it by itself


def plan(checkout):
    """Programs that stand for uv and nox, and say which Python they would take."""
    program(checkout.folder / '.tools' / 'bin', 'uv', 'echo "uv $*"; exit 1\n')
    program(checkout.folder / '.tools' / 'bin', 'nox', 'echo "nox $*"; scripts/front-door python36\n')


@pytest.mark.parametrize('target', ['run-example', 'test'])
def test_it_does_so_where_no_engine_answers_and_says_how_to_say_no(checkout, server, target):
    plan(checkout)
    code, out, err = checkout.call('make', target)
    lines = [line for line in err.splitlines() if 'PYTHON36=none' in line]
    assert len(lines) == 1 and 'No Python 3.6 here' in lines[0] and 'into .python36' in lines[0]
    assert checkout.found() == checkout.python
    if target == 'test':
        assert (code, out) == (0, 'nox -s tests\n%s\n' % checkout.python)
    else:
        assert code and 'uv venv -q --python %s .venv' % checkout.python in out
    server.requests.clear()
    assert 'PYTHON36=none' not in checkout.call('make', target)[2] and server.requests == []


@pytest.mark.parametrize('target', ['run-example', 'test'])
@pytest.mark.parametrize('setting', ['PYTHON36=none', 'PYTHON36=/bin/false'])
def test_it_does_not_where_somebody_says_no_or_names_one(checkout, server, target, setting):
    plan(checkout)
    code, out, err = checkout.call('make', target, setting)
    assert code and server.requests == [] and not checkout.tree.exists()
    assert ('no Python 3.6 on this machine' if 'none' in setting else 'is no working Python 3.6') in err
    assert 'make python36' in err or 'none' not in setting


def test_it_does_not_where_an_engine_answers_or_somebody_only_asks(checkout, server, bin):
    plan(checkout)
    assert checkout.found() == '' and not checkout.tree.exists()
    program(bin, 'podman', '[ "$1" = info ]\n')
    code, out, err = checkout.call('make', 'test')
    assert 'nox -s tests' in out and server.requests == [] and not checkout.tree.exists()


def test_it_does_not_where_a_python_3_6_is_found(checkout, server, bin):
    plan(checkout)
    program(bin, 'python3.6', 'exec "%s" "$@"\n' % sys.executable)
    code, out, err = checkout.call('make', 'test')
    assert out == 'nox -s tests\n%s/python3.6\n' % bin and server.requests == [] and not checkout.tree.exists()


def test_tools_that_cannot_be_had_are_one_sentence(checkout, bin):
    plan(checkout)
    (checkout.folder / '.tools' / 'python36.stamp').unlink()
    code, out, err = checkout.install()
    assert code == 2 and 'the packages of requirements/python36.txt could not be installed' in err.splitlines()[-1]
    assert 'PIP_FIND_LINKS' in err and not checkout.tree.exists()
