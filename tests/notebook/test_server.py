"""`make notebook` as a person meets it: the token, the addresses, what a save does, bad input, Ctrl-C."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
from conftest import ROOT

from tensorflow_with_keras import recipe


def make(environment, **options):
    return subprocess.run(
        ['make', 'notebook'], cwd=ROOT, env={**environment, **options}, capture_output=True, text=True, timeout=120
    )


@contextlib.contextmanager
def started(environment, **options):
    """The process of `make notebook` and the address that it says, once that answers."""
    environment = {k: v for k, v in environment.items() if not k.startswith('JUPYTER')}
    process = subprocess.Popen(
        ['make', 'notebook'],
        cwd=ROOT,
        env={**environment, **options},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # what runs in the background ignores it
        start_new_session=True,
    )
    try:
        for line in process.stderr:
            found = re.search(r'The notebook is at (http://\S+)', line)
            if found:
                break
        wait_for(lambda: ask(found[1])[0] == 200)
        yield process, found[1]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.stderr.close()
        process.wait()


def wait_for(condition, seconds=60):
    end = time.time() + seconds
    while not condition():
        assert time.time() < end
        time.sleep(0.2)


def ask(address, data=None, method=None):
    """Status and content."""
    request = urllib.request.Request(address, data and json.dumps(data).encode(), method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()
    except OSError:
        return 0, b''


def api(address, path):
    parts = urllib.parse.urlsplit(address)
    return f'{parts.scheme}://{parts.netloc}/api/{path}{"&" if "?" in path else "?"}{parts.query}'


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return str(s.getsockname()[1])


def listening(port):
    """The local addresses, in hexadecimal, on which some process of this machine listens at this port."""
    lines = [line for kind in ('tcp', 'tcp6') for line in pathlib.Path(f'/proc/net/{kind}').read_text().splitlines()]
    found = [line.split()[1].rsplit(':', 1) for line in lines if line.split()[3] == '0A']
    return [address for address, its in found if int(its, 16) == int(port)]


def kernels():
    return subprocess.run(['pgrep', '-f', f'{ROOT}/.venv-notebook/.*/runtime/kernel-'], capture_output=True).stdout


@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        ({'EXAMPLE': 'metrics/none'}, "there is no recipe 'metrics/none'; `make list` has them all."),
        ({'PORT': 'x'}, "PORT='x' is no number from 1 to 65535."),
        ({'PORT': '70000'}, "PORT='70000' is no number from 1 to 65535."),
        ({'PORT': '0'}, "PORT='0' is no number from 1 to 65535."),
    ],
)
def test_wrong_input_is_one_sentence(environment, options, sentence):
    done = make(environment, **options)
    assert done.returncode == 2 and done.stderr.splitlines()[0] == f'error: {sentence}'


def test_a_port_that_is_taken_is_one_sentence_and_without_a_wish_another_is_taken(environment):
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        s.listen()
        port = str(s.getsockname()[1])
        done = make(environment, PORT=port)
    assert done.returncode == 2 and f'port {port} of this machine is taken' in done.stderr.splitlines()[0]


def test_every_recipe_opens_and_is_the_same_file_after_a_save(environment):
    with started(environment, PORT=free_port()) as (_, address):
        for name, one in recipe.find().items():
            path = pathlib.Path(one.path)
            before = path.read_bytes()
            where = api(address, f'contents/examples/{name}.py')
            status, content = ask(where + '&type=notebook')
            model = json.loads(content)
            assert status == 200 and model['type'] == 'notebook', name
            cells = model['content']['cells']
            assert cells[0]['cell_type'] == 'markdown' and len(cells) > 4, name
            # what Jupyter's page adds to it
            for number, cell in enumerate(cells):
                if cell['cell_type'] == 'code':
                    cell['execution_count'] = number
                    cell['outputs'] = [{'output_type': 'stream', 'name': 'stdout', 'text': '1\n'}]
            info = {'name': 'python', 'version': '3.6.15', 'codemirror_mode': {'name': 'ipython', 'version': 3}}
            model['content']['metadata']['language_info'] = info
            times = path.stat().st_mtime_ns
            assert ask(where, {'type': 'notebook', 'content': model['content']}, 'PUT')[0] == 200, name
            assert path.stat().st_mtime_ns != times and path.read_bytes() == before, name
            assert ask(api(address, f'contents/examples/{name}.py/checkpoints'), {}, 'POST')[0] == 201, name
        assert not list((ROOT / 'examples').rglob('.ipynb_checkpoints'))
        assert (ROOT / 'runs' / 'notebooks' / 'examples' / 'metrics' / 'roc_auc.py').exists()


def test_a_text_that_would_not_come_back_the_same_does_not_open(environment):
    folder = ROOT / 'runs' / 'notebooks' / 'a test'
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'dos.py').write_bytes(b'x = 1\r\n\r\ny = 2\r\n')
    try:
        with started(environment, PORT=free_port()) as (_, address):
            where = api(address, 'contents/runs/notebooks/a%20test/dos.py')
            status, content = ask(where + '&type=notebook')
            assert status == 400 and b'would not be the same file after a save' in content
            assert json.loads(ask(where + '&type=file')[1])['content'] == 'x = 1\r\n\r\ny = 2\r\n'
    finally:
        (folder / 'dos.py').unlink()
        folder.rmdir()


def test_behind_a_token_for_this_machine_alone_and_gone_after_ctrl_c(environment):
    # somebody who has switched it off everywhere else
    settings = pathlib.Path(environment['HOME'], '.jupyter', 'jupyter_notebook_config.py')
    settings.parent.mkdir()
    settings.write_text("c.NotebookApp.token = ''\nc.NotebookApp.password = ''\nc.NotebookApp.ip = '0.0.0.0'\n")
    port = free_port()
    with started(environment, PORT=port, EXAMPLE='metrics/roc_auc') as (process, address):
        page, token = address.split('?token=')
        assert page == f'http://127.0.0.1:{port}/notebooks/examples/metrics/roc_auc.py' and len(token) == 48
        assert listening(port) == ['0100007F']
        assert ask(api(page + '?token=', 'contents'))[0] == 403 and ask(api(page + '?token=x', 'contents'))[0] == 403
        commands = subprocess.run(['ps', '-eo', 'args'], capture_output=True, text=True).stdout
        assert token not in commands  # anybody on the machine can read these
        assert not kernels()
        assert ask(api(address, 'kernels'), {'name': 'python3'}, 'POST')[0] == 201
        wait_for(kernels)
        os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=30)
        assert not kernels() and not listening(port)
        assert 'Traceback' not in process.stderr.read()
