"""A registry of tiny packages on this machine, and a checkout whose lock is made of them: without a network."""

import base64
import contextlib
import hashlib
import http.server
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import textwrap
import threading
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / 'scripts' / 'project'), str(ROOT / 'scripts')]

import look  # noqa: E402

LOCKED = dict(re.findall(r'^([a-z0-9-]+)==([^\s;]+)', (ROOT / 'requirements' / 'cpu.txt').read_text(), re.M))
NUMPY, SCIPY = LOCKED['numpy'], LOCKED['scipy']
CORE = {name: LOCKED[name] for name in look.corrections()['core'] if name in LOCKED}
REST = {name: LOCKED[name] for name in ('scipy', 'six')}  # of the lock, and not of its core


def wheel(name, version, requires=(), code='', python=''):
    """Name and bytes of a wheel with one module, which has __version__ and the given code."""
    module = name.replace('-', '_')
    info = f'{module}-{version}.dist-info'
    metadata = f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n'
    metadata += ''.join(f'Requires-Dist: {r}\n' for r in requires)
    metadata += f'Requires-Python: {python}\n' if python else ''
    files = {
        f'{module}.py': f'__version__ = {version!r}\n{code}',
        f'{info}/METADATA': metadata,
        f'{info}/WHEEL': 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    }
    record = ''
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()
        record += f'{path},sha256={digest},{len(text.encode())}\n'
    files[f'{info}/RECORD'] = record + f'{info}/RECORD,,\n'
    data = io.BytesIO()
    with zipfile.ZipFile(data, 'w') as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path, (2018, 1, 1, 0, 0, 0)), text)
    return f'{module}-{version}-py3-none-any.whl', data.getvalue()


def sdist(name, version, prepare='', build=''):
    """Name and bytes of a source archive that builds itself; `prepare` runs for its metadata, `build` for its wheel."""
    built = wheel(name, version)
    info = f'{name.replace("-", "_")}-{version}.dist-info'
    backend = f"""
import base64, os
WHEEL = base64.b64decode({base64.b64encode(built[1])!r})

def prepare_metadata_for_build_wheel(folder, settings=None):
    import io, sys, zipfile
{textwrap.indent(prepare, '    ')}
    with zipfile.ZipFile(io.BytesIO(WHEEL)) as archive:
        archive.extractall(folder, [n for n in archive.namelist() if 'dist-info' in n])
    return {info!r}

def build_wheel(folder, settings=None, metadata=None):
    import sys
{textwrap.indent(build, '    ')}
    with open(os.path.join(folder, {built[0]!r}), 'wb') as f:
        f.write(WHEEL)
    return {built[0]!r}
"""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode='w:gz') as archive:
        for path, text in {
            'backend.py': backend,
            'pyproject.toml': '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
            'PKG-INFO': f'Metadata-Version: 1.0\nName: {name}\nVersion: {version}\n',
        }.items():
            member = tarfile.TarInfo(f'{name}-{version}/{path}')
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return f'{name}-{version}.tar.gz', data.getvalue()


class Registry:
    """Serves files by the simple interface for installers, each with the day that it was uploaded."""

    def __init__(self):
        self.files = {}  # package: [(file name, bytes, day, requires-python)]
        self.asked = []
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                registry.answer(self)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.address = f'http://127.0.0.1:{self.server.server_port}'
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def add(self, made, day, python=''):
        """Puts what `wheel` or `sdist` made there, as of a day."""
        name = re.sub(r'[-_.]+', '-', re.match(r'(.+?)-\d', made[0])[1]).lower()
        self.files.setdefault(name, []).append((*made, day, python))
        return hashlib.sha256(made[1]).hexdigest()

    def answer(self, request):
        self.asked.append(request.path)
        kind, name = request.path.strip('/').split('/')[:2]
        if kind == 'simple' and name in self.files:
            files = [
                {
                    'filename': file,
                    'url': f'{self.address}/files/{file}',
                    'hashes': {'sha256': hashlib.sha256(data).hexdigest()},
                    'upload-time': f'{day}T12:00:00Z',
                    **({'requires-python': python} if python else {}),
                }
                for file, data, day, python in self.files[name]
            ]
            body = json.dumps({'meta': {'api-version': '1.1'}, 'name': name, 'files': files}).encode()
            self.send(request, body, 'application/vnd.pypi.simple.v1+json')
            return
        for files in self.files.values():
            for file, data, _, _ in files:
                if kind == 'files' and name == file:
                    self.send(request, data, 'application/octet-stream')
                    return
        request.send_error(404)

    @staticmethod
    def send(request, body, kind):
        request.send_response(200)
        request.send_header('Content-Type', kind)
        request.send_header('Content-Length', str(len(body)))
        request.end_headers()
        with contextlib.suppress(OSError):  # who asks may go away
            if request.command == 'GET':
                request.wfile.write(body)


@pytest.fixture(scope='session')
def python36():
    """A Python 3.6, as the front door finds it."""
    done = subprocess.run([str(ROOT / 'scripts' / 'front-door'), 'python36'], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope='session')
def registry():
    """The packages that the tests ask for."""
    made = Registry()
    made.locks = {}
    for name, version in {**CORE, **REST, 'pip': '21.3.1'}.items():
        code = 'print("fake pip")' if name == 'pip' else ''
        digest = made.add(wheel(name, version, code=code), '2025-06-01')  # newer than any date of a project
        made.locks[name] = f'{name}=={version} \\\n    --hash=sha256:{digest}\n'
    digest = made.add(wheel('tensorflow-gpu', '1.9.0'), '2025-06-01')
    made.locks['tensorflow-gpu'] = f'tensorflow-gpu==1.9.0 \\\n    --hash=sha256:{digest}\n'
    made.newer = {}  # of the lock of another stack
    for name, version in (('tensorflow', '1.15.5'), ('keras', '2.3.1')):
        digest = made.add(wheel(name, version), '2019-10-07')
        made.newer[name] = f'{name}=={version} \\\n    --hash=sha256:{digest}\n'
    for version, day in (('1.14.5', '2018-06-01'), ('1.19.5', '2021-01-05')):
        made.add(wheel('numpy', version), day)
    made.add(wheel('tensorflow-gpu', '1.12.0'), '2018-11-05')
    made.add(wheel('scipy', '1.1.0'), '2018-05-05')
    made.add(wheel('scipy', '1.3.0'), '2019-05-17')
    made.add(wheel('scipy', '1.5.4'), '2020-11-05')
    for version, day in (('1.0', '2018-02-01'), ('1.1', '2018-09-01'), ('2.0', '2020-02-01')):
        made.add(wheel('plotter', version, requires=['numpy>=1.8']), day)
    made.add(wheel('hungry', '1.0', requires=['numpy>=1.17', 'plotter']), '2018-03-01')
    made.add(wheel('wants-gpu', '1.0', requires=['tensorflow-gpu', 'plotter']), '2018-03-01')
    made.add(wheel('modern', '0.9', python='>=3.7'), '2018-03-01', '>=3.7')
    made.add(wheel('moderner', '0.8'), '2018-02-01')
    made.add(wheel('moderner', '0.9', python='>=3.7'), '2018-03-01', '>=3.7')
    made.add(wheel('young', '1.0'), '2019-06-15')
    made.add(wheel('young', '1.1'), '2020-06-15')
    made.add(wheel('opencv-python', '3.4', code='import cv2'), '2019-06-15')
    made.add(wheel('opencv-python', '3.5'), '2020-06-15')
    made.add(wheel('needs-missing', '1.0', requires=['not-there>=1']), '2018-03-01')
    made.add(wheel('cv-lib', '3.4'), '2018-03-01')
    noise = 'for n in range(400): print("compiling file", n, file=sys.stderr)\n'
    fails = noise + 'print("foo.c:7: fatal error: png.h: No such file", file=sys.stderr)\n'
    fails += 'raise RuntimeError("command gcc failed with exit status 1")'
    made.add(sdist('broken-c', '1.0', prepare=fails), '2018-03-01')
    made.add(sdist('breaks-late', '1.0', build=fails), '2018-03-01')
    needs_keras = 'import keras, tensorflow\nassert keras.__version__ == "2.2.4"'
    made.add(sdist('needs-keras', '1.0', prepare=needs_keras, build=needs_keras), '2018-03-01')
    made.add(sdist('late-keras', '1.0', build='import keras'), '2018-03-01')
    made.add(sdist('needs-magic', '1.0', prepare='import no_such_module'), '2018-03-01')
    return made


@pytest.fixture(scope='session')
def checkout(tmp_path_factory, registry):
    """A copy of what `make project` needs, with a lock of the registry's packages; blanks and umlauts in its path."""
    top = tmp_path_factory.mktemp('ein Verzeichnis ü')
    for name in ('scripts', 'docker'):
        shutil.copytree(ROOT / name, top / name, ignore=shutil.ignore_patterns('__pycache__'))
    (top / '.tools').symlink_to(ROOT / '.tools')
    requirements = top / 'requirements'
    requirements.mkdir()
    lock, gpu = (
        ''.join(text for name, text in sorted(registry.locks.items()) if name not in ('pip', other))
        for other in ('tensorflow-gpu', 'tensorflow')
    )
    core = ''.join(f'{name}=={version}\n' for name, version in CORE.items())
    for name, text in {
        'cpu.txt': lock,
        'gpu.txt': gpu,
        'pip.txt': registry.locks['pip'],
        'constraints.txt': core + 'tensorflow-gpu<0\n',
        'cpu.in': '-r base.in\ntensorflow==1.9.0\n',
        'gpu.in': '-r base.in\ntensorflow-gpu==1.9.0\n',
        'base.in': ''.join(f'{n}=={LOCKED[n]}\n' for n in ('keras', 'numpy', 'h5py', 'gast', 'scipy')),
    }.items():
        (requirements / name).write_text(text)
    stack = requirements / 'stacks' / 'tf1.15-keras2.3.1'
    stack.mkdir(parents=True)
    others = {n: t for n, t in registry.locks.items() if n not in ('pip', 'tensorflow-gpu')}
    (stack / 'cpu.txt').write_text(''.join(text for _, text in sorted({**others, **registry.newer}.items())))
    (stack / 'constraints.txt').write_text(core.replace('keras==2.2.4', 'keras==2.3.1') + 'tensorflow-gpu<0\n')
    (stack / 'cpu.in').write_text('-r ../../base.in\ntensorflow==1.15.5\n')
    return top


@pytest.fixture
def make(tmp_path, checkout):
    """A function that writes a project, each file of the day given, and returns its folder."""

    def make(files, name='project', day='2018-10-01'):
        top = tmp_path / name
        for path, content in {'train.py': 'import keras\n', **files}.items():
            if content is None:
                continue
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            (top / path).write_bytes(content if isinstance(content, bytes) else content.encode())
            seconds = __import__('datetime').datetime.fromisoformat(f'{day}T12:00:00+00:00').timestamp()
            os.utime(top / path, (seconds, seconds))
        top.mkdir(exist_ok=True)
        return top

    return make


class Result:
    """What a run said and made."""

    def __init__(self, done, state):
        self.code, self.out, self.err, self.state = done.returncode, done.stdout, done.stderr, state

    @property
    def lock(self):
        return dict(re.findall(r'^([\w.-]+)==([^\s\\;]+)', (self.state / 'lock.txt').read_text(), re.M))

    @property
    def json(self):
        return json.loads((self.state / 'lock.json').read_text())

    def row(self, asked):
        return next(row for row in self.json['table'] if row[0] == asked)


@pytest.fixture
def call(checkout, registry, python36, tmp_path):
    """Runs `make project` of the checkout with these options, as the front door does."""

    def call(directory=None, environment=None, **options):
        values = {k: v for k, v in os.environ.items() if not k.startswith(('UV_', 'PIP_'))}
        values.update(
            PYTHON36=python36, UV_DEFAULT_INDEX=f'{registry.address}/simple', UV_CACHE_DIR=str(checkout / 'cache'),
            ENGINE='local', HOME=str(tmp_path), UV_HTTP_RETRIES='0',
        )  # fmt: skip
        values.update({'DIR': str(directory)} if directory is not None else {}, **options)
        values.update(environment or {})
        command = [sys.executable, str(checkout / 'scripts' / 'project')]
        done = subprocess.run(command, env=values, capture_output=True, text=True, cwd=checkout)
        states = sorted((checkout / '.projects').glob('*'), key=lambda p: p.stat().st_mtime)
        assert 'Traceback' not in done.stderr, done.stderr
        return Result(done, states[-1] if states else None)

    return call
