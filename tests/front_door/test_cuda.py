"""docker/fetch and docker/cuda against a server of our own: whole, cut off, altered, stalled and missing files."""

import contextlib
import hashlib
import http.server
import io
import os
import subprocess
import tarfile
import threading
import time

import pytest

from tensorflow_with_keras.recipe import ROOT

CONTENT = os.urandom(300000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.files`; how is next in `server.answers`, and the last of those stays."""

    def do_GET(self):
        server = self.server
        answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        start = int(self.headers.get('Range', 'bytes=0-')[6:-1])
        server.requests.append((self.path, start))
        body = server.files.get(self.path)
        if body is None or answer == 'missing':
            return self.send_error(404)
        if answer == 'altered':
            body = body[:-1] + bytes([body[-1] ^ 1])
        if answer == 'without ranges':
            start = 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header('Content-Range', 'bytes %d-%d/%d' % (start, len(body) - 1, len(body)))
        body = body[start:]
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        if answer in ('cut off', 'stalled'):
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            if answer == 'stalled':
                self.server.stop.wait(20)
            return
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(http.server.HTTPServer):
    def __init__(self):
        super().__init__(('127.0.0.1', 0), Handler)
        self.files, self.answers, self.requests, self.stop = {'/file': CONTENT}, ['good'], [], threading.Event()

    def url(self, path='/file'):
        return 'http://127.0.0.1:%d%s' % (self.server_port, path)

    def handle_error(self, request, client_address):
        pass  # curl hangs up on us when we stall


@contextlib.contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.stop.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def server():
    with serving(Server()) as server:
        yield server


def run(*command, **env):
    clean = {k: v for k, v in os.environ.items() if not k.lower().endswith('_proxy')}
    done = subprocess.run(
        command,
        env=dict(clean, STALLED_AFTER='1', **env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    return done.returncode, done.stdout, done.stderr


def fetch(path, *urls):
    return run(os.path.join(ROOT, 'docker', 'fetch'), str(path), SHA256, *urls)


@pytest.mark.parametrize(
    'answers, starts',
    [
        (['good'], [0]),
        (['cut off', 'good'], [0, 150000]),
        (['cut off', 'cut off', 'good'], [0, 150000, 225000]),
        (['altered', 'good'], [0, 0]),
        (['missing', 'good'], [0, 0]),
        (['cut off', 'without ranges', 'good'], [0, 150000, 0]),
    ],
)
def test_a_file_arrives_whole_and_a_transfer_goes_on_where_it_broke_off(server, tmp_path, answers, starts):
    server.answers = answers
    code, out, err = fetch(tmp_path / 'file', server.url())
    assert code == 0, err
    assert (tmp_path / 'file').read_bytes() == CONTENT and os.listdir(str(tmp_path)) == ['file']
    assert [start for _, start in server.requests] == starts


def test_a_stalled_transfer_is_given_up_and_gone_on_with(server, tmp_path):
    server.answers = ['stalled', 'good']
    threading.Timer(4, server.stop.set).start()  # this server serves one at a time
    begin = time.time()
    code, out, err = fetch(tmp_path / 'file', server.url())
    assert code == 0 and (tmp_path / 'file').read_bytes() == CONTENT
    assert server.requests[1][1] == 150000 and time.time() - begin < 15


@pytest.mark.parametrize('answer', ['cut off', 'altered', 'missing'])
def test_a_file_that_never_comes_right_is_one_sentence_and_leaves_nothing(server, tmp_path, answer):
    server.answers = [answer]
    if answer == 'cut off':
        server.files['/file'] = CONTENT[:200000]
    code, out, err = fetch(tmp_path / 'file', server.url())
    assert code == 3 and err.splitlines()[-1].startswith('error: file with SHA-256 ' + SHA256)
    assert os.listdir(str(tmp_path)) == []


def test_the_next_source_serves_where_the_first_does_not(server, tmp_path):
    code, out, err = fetch(tmp_path / 'file', server.url('/gone'), server.url())
    assert code == 0 and (tmp_path / 'file').read_bytes() == CONTENT


def test_a_file_that_is_there_and_right_is_not_fetched_again(server, tmp_path):
    (tmp_path / 'file').write_bytes(CONTENT)
    assert fetch(tmp_path / 'file', server.url())[0] == 0 and server.requests == []


# --- docker/cuda, with installers that answer to the same flags as NVIDIA's

NAMES = ['libcublas.so.9.0', 'libcudart.so.9.0', 'libcufft.so.9.0', 'libcurand.so.9.0', 'libcusolver.so.9.0']
TOOLKIT = r"""#!/bin/sh
while [ $# -gt 0 ]; do case $1 in -prefix) prefix=$2; shift;; esac; shift; done
mkdir -p "$prefix/lib64" "$prefix/extras/CUPTI/lib64" "$prefix/doc"
for n in %s; do echo "real $n" > "$prefix/lib64/$n.176"; ln -s "$n.176" "$prefix/lib64/$n"; done
echo real > "$prefix/lib64/libnvblas.so.9.0"; echo real > "$prefix/extras/CUPTI/lib64/libcupti.so.9.0"
echo terms > "$prefix/doc/EULA.txt"
""" % ' '.join(NAMES)
INSTALLER = (
    r"""#!/bin/sh
while [ $# -gt 0 ]; do case $1 in --extract) parts=$2; shift;; esac; shift; done
cat > "$parts/cuda-linux.9.0.176-22781540.run" <<'END'
%sEND
"""
    % TOOLKIT
)
PATCH = r"""#!/bin/sh
for a in "$@"; do case $a in --installdir=*) prefix=${a#*=};; esac; done
echo 'patched libcublas' > "$prefix/lib64/libcublas.so.9.0.176"
"""


def cudnn():
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode='w:gz') as t:
        for name, content in (
            ('cuda/lib64/libcudnn.so.7', b'real cudnn'),
            ('cuda/NVIDIA_SLA_cuDNN_Support.txt', b'terms'),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            t.addfile(member, io.BytesIO(content))
    return data.getvalue()


@pytest.fixture
def pins(server, tmp_path):
    """cuda-9.0.pins for our own files, by the real one's kinds and lists."""
    lines = []
    for kind, name, content in (
        ('installer', 'installer', INSTALLER.encode()),
        ('patch', 'patch1', PATCH.encode()),
        ('cudnn', 'cudnn.tgz', cudnn()),
    ):
        server.files['/' + name] = content
        lines.append('file %s %s %s %s' % (kind, name, hashlib.sha256(content).hexdigest(), server.url('/' + name)))
    with open(os.path.join(ROOT, 'docker', 'cuda-9.0.pins')) as f:
        lines += [line.strip() for line in f if line.startswith(('library', 'optional'))]
    (tmp_path / 'pins').write_text('\n'.join(lines) + '\n')
    return str(tmp_path / 'pins')


def cuda(tmp_path, pins):
    (tmp_path / 'given').mkdir(exist_ok=True)
    return run(os.path.join(ROOT, 'docker', 'cuda'), str(tmp_path / 'given'), str(tmp_path / 'out'), CUDA_PINS=pins)


def test_what_is_fetched_is_unpacked_patched_and_kept_by_the_name_it_is_loaded_by(tmp_path, pins):
    code, out, err = cuda(tmp_path, pins)
    assert code == 0, err
    lib = tmp_path / 'out' / 'lib64'
    assert sorted(os.listdir(str(lib))) == sorted(NAMES + ['libcudnn.so.7', 'libcupti.so.9.0'])
    assert not any((lib / name).is_symlink() for name in NAMES)
    assert (lib / 'libcublas.so.9.0').read_text() == 'patched libcublas\n'
    assert (lib / 'libcurand.so.9.0').read_text() == 'real libcurand.so.9.0\n'
    assert sorted(os.listdir(str(tmp_path / 'out' / 'licences'))) == ['EULA.txt', 'NVIDIA_SLA_cuDNN_Support.txt']


@pytest.mark.parametrize('name', ['/installer', '/patch1', '/cudnn.tgz'])
def test_nothing_altered_is_ever_run_or_unpacked(server, tmp_path, pins, name):
    proof = tmp_path / 'it ran'
    server.files[name] = b'#!/bin/sh\ntouch "%s"\n' % str(proof).encode()
    code, out, err = cuda(tmp_path, pins)
    assert code == 3 and 'could not be had from' in err and not proof.exists()


def test_an_image_that_has_the_libraries_serves_instead(server, tmp_path, pins):
    lib = tmp_path / 'given' / 'usr' / 'local' / 'cuda-9.0' / 'lib64'
    lib.mkdir(parents=True)
    for name in NAMES:
        (lib / name).write_text('given')
    code, out, err = cuda(tmp_path, pins)
    assert code == 3 and 'has libcublas.so.9.0' in err and 'but not libcudnn.so.7' in err
    system = tmp_path / 'given' / 'usr' / 'lib' / 'x86_64-linux-gnu'  # where NVIDIA's own images have cuDNN
    system.mkdir(parents=True)
    (system / 'libcudnn.so.7').write_text('given')
    code, out, err = cuda(tmp_path, pins)
    assert code == 0 and 'taken from the image given as CUDA_LIBS' in out and server.requests == []
    assert sorted(os.listdir(str(tmp_path / 'out' / 'lib64'))) == sorted(NAMES + ['libcudnn.so.7'])


def test_a_download_without_a_library_or_a_licence_is_told(server, tmp_path, pins):
    originals = dict(server.files)
    for cut, expected in ((NAMES[0], 'the downloads hold no libcublas.so.9.0'), ('EULA', 'hold no licence')):
        content = server.files['/installer']
        changed = content.replace(cut.encode(), b'other') if cut != 'EULA' else content.replace(b'EULA', b'other')
        sums = [hashlib.sha256(c).hexdigest() for c in (content, changed)]
        with open(pins) as f:
            text = f.read()
        bare = io.BytesIO()
        with tarfile.open(fileobj=bare, mode='w:gz') as t:
            member = tarfile.TarInfo('cuda/lib64/libcudnn.so.7')
            t.addfile(member, io.BytesIO())
        old = hashlib.sha256(server.files['/cudnn.tgz']).hexdigest()
        text = text.replace(sums[0], sums[1]).replace(old, hashlib.sha256(bare.getvalue()).hexdigest())
        server.files.update({'/installer': changed, '/cudnn.tgz': bare.getvalue()})
        (tmp_path / cut).mkdir()
        (tmp_path / cut / 'pins').write_text(text)
        code, out, err = cuda(tmp_path / cut, str(tmp_path / cut / 'pins'))
        assert code == 3 and expected in err
        server.files.update(originals)
