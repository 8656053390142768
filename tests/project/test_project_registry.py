"""What only the true registry has: packages of those years with the faults that `corrections.toml` is about."""

import json
import os
import re
import shutil
import signal
import subprocess
import urllib.request

import look
import pytest
from conftest import NUMPY, ROOT

SETUP = """
import keras  # as setup.py files of those years do
from setuptools import setup
assert keras.__version__
setup(name='mein-paket', version='0.1', package_dir={'': 'src'}, packages=['paket'], install_requires=['keras'],
      setup_requires=['cython>=0.28'], entry_points={'console_scripts': ['say-paket = paket:main']})
"""
PACKAGE = """
def main():
    import keras, numpy, pandas, pycocotools.mask
    box = pycocotools.mask.frPyObjects(numpy.array([[0., 0., 4., 4.]]), 8, 8)
    print(keras.__version__, numpy.__version__, pandas.Series([1, 2]).sum(), int(pycocotools.mask.area(box)[0]))
"""


@pytest.fixture(scope='module')
def project(tmp_path_factory, python36):
    """A project with the packages that go wrong; `run` is `make project` with its options."""
    top = tmp_path_factory.mktemp('ein Projekt ä') / 'paket'
    (top / 'src' / 'paket').mkdir(parents=True)
    (top / 'src' / 'paket' / '__init__.py').write_text(PACKAGE)
    (top / 'setup.py').write_text(SETUP)
    (top / 'requirements.txt').write_bytes(
        '-e .\npandas\npytest\npycocotools\nnumpy @ file:///tmp/x\n'.encode('utf-16')
    )
    environment = dict(
        os.environ, DIR=str(top), DATE='2019-04-06', PYTHON36=python36, ENGINE='local', HOME=str(top.parent)
    )
    environment['UV_CACHE_DIR'] = subprocess.check_output(
        [str(ROOT / '.tools/bin/uv'), 'cache', 'dir'], text=True
    ).strip()
    state = look.look({'DIR': str(top), 'DATE': '2019-04-06'}).state

    def start(**options):
        command = [str(ROOT / '.tools' / 'bin' / 'python'), str(ROOT / 'scripts' / 'project')]
        if not (ROOT / '.tools' / 'project.stamp').exists():
            subprocess.run([str(ROOT / 'scripts' / 'front-door'), 'tools', 'project'], check=True)
        return subprocess.Popen(
            command, env=dict(environment, **options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(**options):
        process = start(**options)
        out, err = process.communicate()
        assert 'Traceback' not in err, err
        return process.returncode, out, err

    run.start, run.top, run.state = start, top, state
    yield run
    shutil.rmtree(state, ignore_errors=True)


def test_the_packages_of_the_date_and_not_what_a_bare_cut_gives(project):
    """pandas, whose metadata cannot be read; pytest, whose atomicwrites was uploaded anew; pycocotools, compiled."""
    code, out, err = project(RUN='say-paket')
    assert (code, out) == (0, f'2.2.4 {NUMPY} 3 16\n'), err
    found = json.loads((project.state / 'lock.json').read_text())['packages']
    assert found['pandas'] == '0.24.2' and found['pytest'] == '4.4.0' and found['pycocotools'] == '2.0.0'
    assert found['numpy'] == NUMPY
    assert not list(project.top.rglob('*.egg-info')) and not (project.top / '.eggs').exists()


def test_from_everywhere_with_pytest(project):
    (project.top / 'test_paket.py').write_text('def test_it():\n    import paket\n')
    code, out, err = project(RUN='cd / && python -m pytest -q -p no:cacheprovider "$OLDPWD/test_paket.py"')
    assert code == 0 and '1 passed' in out, out + err


def test_a_notebook_on_this_machine_alone_with_a_token(project):
    process = project.start(RUN='notebook')
    said = ''
    try:
        for line in process.stderr:
            said += line
            address = re.search(r'(http://127\.0\.0\.1:\d+)/\?token=(\w{48})', said)
            if address:
                break
        assert address, said
        listing = urllib.request.urlopen(f'{address[1]}/api/contents?token={address[2]}', timeout=60).read()
        assert {'setup.py', 'src'} <= {entry['name'] for entry in json.loads(listing)['content']}
        with pytest.raises(urllib.error.HTTPError, match='403'):
            urllib.request.urlopen(f'{address[1]}/api/contents', timeout=60)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    python = project.state / 'notebook' / 'bin' / 'python'
    code = 'import ipykernel, pandas, paket, numpy; print(numpy.__version__)'
    assert subprocess.check_output([str(python), '-c', code], text=True) == f'{NUMPY}\n'
