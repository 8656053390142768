"""make bundle ENGINE=local: the environment at another place, where nothing else of this machine is to be seen."""

import json
import os
import re
import shutil
import subprocess
import tarfile

import pytest
from conftest import ROOT

# what may come from the machine: the C library's parts, what GCC brings, and what Python can do without
OF_THE_MACHINE = re.compile(r'(ld-linux-x86-64|lib(c|m|dl|rt|pthread|util|resolv|nss_\w+|gcc_s|stdc\+\+|uuid))\.so')
HOME = os.path.expanduser('~')  # where a Python 3.6 may be; each test has another
TRAIN = ['-m', 'tensorflow_with_keras', 'run', 'metrics/cohens_kappa', '--epochs', '1', '--threads', '1', '--out']


def say(environment, code, **options):
    """What this code prints in the environment."""
    return subprocess.run(
        [environment / 'python3.6', '-c', code], check=True, capture_output=True, text=True, **options
    ).stdout


@pytest.fixture
def alone():
    """Runs a command where there is no network, no home, and neither this checkout nor the Python that was copied."""
    made_with = subprocess.run(
        [ROOT / '.venv/bin/python', '-c', 'import sys; print(sys.base_prefix)'], capture_output=True, text=True
    )
    hidden = [str(ROOT), made_with.stdout.strip(), os.path.expanduser('~')]
    script = 'for it in "$1" "$2" "$3"; do [ ! -d "$it" ] || mount -t tmpfs none "$it"; done; shift 3; exec "$@"'
    root = [] if os.getuid() == 0 else ['--user', '--map-root-user']
    command = ['unshare', *root, '--net', '--mount', 'sh', '-euc', script, 'sh', *hidden]

    def run(*arguments, **options):
        return subprocess.run([*command, *arguments], capture_output=True, text=True, cwd='/', **options)

    assert run('ls', ROOT).stdout == ''
    return run


def test_every_file_is_what_the_sums_say_and_every_file_has_one(environment):
    subprocess.run(['sha256sum', '--quiet', '-c', 'SHA256SUMS'], cwd=environment, check=True)
    named = {line.split('  ', 1)[1] for line in (environment / 'SHA256SUMS').read_text().splitlines()}
    there = {str(p.relative_to(environment)) for p in environment.rglob('*') if p.is_file() and not p.is_symlink()}
    assert there - named == {'SHA256SUMS'} and named <= there


def test_it_trains_alone_to_the_numbers_of_the_local_environment(environment, alone, tmp_path):
    hostile = dict(os.environ, PYTHONHOME='/nowhere', HOME='/nowhere', PATH='/usr/bin:/bin')
    done = alone(environment / 'python3.6', *TRAIN, tmp_path / 'there', env=hostile)
    assert done.returncode == 0, done.stderr
    subprocess.run([ROOT / '.venv/bin/python', *TRAIN, tmp_path / 'here'], check=True, capture_output=True, cwd=ROOT)
    here, there = (
        json.loads((tmp_path / side / 'metrics-cohens_kappa/result.json').read_text()) for side in ('here', 'there')
    )
    assert here['metrics'] == there['metrics'] and here['metrics']['test_kappa'] > 0.5


def test_what_it_loads_is_its_own_but_for_the_c_library(environment, alone):
    code = (
        'import bz2, ctypes, curses, lzma, readline, sqlite3, ssl, zlib\n'
        'import h5py, keras, matplotlib.pyplot, scipy.linalg, sklearn, tensorflow, yaml\n'
        'import sys; print(sys.prefix); print(open("/proc/self/maps").read())'
    )
    done = alone(environment / 'python3.6', '-c', code)
    assert done.returncode == 0, done.stderr
    prefix, maps = done.stdout.split('\n', 1)
    assert prefix == str(environment / 'python')
    loaded = {path for path in re.findall(r' (/\S.*\.so[.\d]*)$', maps, re.M)}
    strange = {path for path in loaded if not path.startswith(str(environment))}
    assert len(loaded - strange) > 40 and strange
    assert [path for path in sorted(strange) if not OF_THE_MACHINE.match(os.path.basename(path))] == []


def test_its_packages_are_the_lock(environment):
    code = (
        'import pkg_resources as p; print(*("%s==%s" % (d.project_name, d.version) for d in p.working_set), sep="\\n")'
    )
    there = {line.lower().replace('_', '-') for line in say(environment, code).split()}
    assert there == set(re.findall(r'^[\w.-]+==[^ ;]+', (ROOT / 'requirements' / 'cpu.txt').read_text(), re.M))


def test_neither_a_users_packages_nor_a_modules_get_in(environment, tmp_path):
    for site in ('.local/lib/python3.6/site-packages', 'lib/python3.6/site-packages'):
        (tmp_path / site).mkdir(parents=True)
        (tmp_path / site / 'keras.py').write_text('raise SystemExit("not ours")')
    env = dict(os.environ, HOME=str(tmp_path), PYTHONHOME=str(tmp_path))
    assert '2.2.4' in say(environment, 'import keras; print(keras.__version__)', env=env)


def test_memory_is_kept_unless_one_says_not(environment):
    code = 'import os; print(os.environ.get("JEMALLOC_MALLOC_CONF"))'
    clean = {
        name: value for name, value in os.environ.items() if name not in ('JEMALLOC_MALLOC_CONF', 'GLIBC_TUNABLES')
    }
    for more, value in (({}, 'lg_dirty_mult:-1'), ({'ALLOCATOR': 'stock'}, 'None'), ({'JEMALLOC_MALLOC_CONF': ''}, '')):
        assert say(environment, code, env={**clean, **more}) == value + '\n'


def test_a_link_to_it_and_its_programs_start_it(environment, alone, tmp_path):
    (tmp_path / 'tfk').symlink_to(environment / 'python3.6')
    assert say(environment, 'import tensorflow as t; print(t.VERSION)') == '1.9.0\n'
    done = subprocess.run(
        [tmp_path / 'tfk', '-c', 'import tensorflow as t; print(t.VERSION)'], capture_output=True, text=True
    )
    assert done.stdout == '1.9.0\n', done.stderr
    done = alone(environment / 'python/bin/saved_model_cli', 'show', '--help')
    assert done.returncode == 0 and '--tag_set' in done.stdout, done.stderr
    (tmp_path / 'graph').write_text('digraph { a -> b }')
    for name in ('dot', 'graphviz-pure'):
        done = alone(environment / 'python/bin' / name, '-Tpng', '-o', tmp_path / 'picture', tmp_path / 'graph')
        assert done.returncode == 0 and (tmp_path / 'picture').read_bytes()[:4] == b'\x89PNG', done.stderr
        (tmp_path / 'picture').unlink()
    code = 'import keras; keras.utils.plot_model(keras.Sequential([keras.layers.Dense(1, input_shape=(2,))]), %r)'
    done = alone(environment / 'python3.6', '-c', code % str(tmp_path / 'model.png'))
    assert done.returncode == 0 and (tmp_path / 'model.png').stat().st_size > 1000, done.stderr


@pytest.mark.parametrize('libc, word', [('glibc 2.5', '2.5'), ('glibc 1.99', '1.99'), ('', 'another C library')])
def test_a_machine_that_is_too_old_is_told_so(environment, tmp_path, libc, word):
    (tmp_path / 'getconf').write_text(f'#!/bin/sh\n[ -n "{libc}" ] && echo "{libc}"\n')
    (tmp_path / 'getconf').chmod(0o755)
    env = dict(os.environ, PATH=f'{tmp_path}:{os.environ["PATH"]}')
    done = subprocess.run([environment / 'python3.6', '--version'], capture_output=True, text=True, env=env)
    assert (done.returncode, done.stdout) == (2, '')
    assert done.stderr.startswith('error: this needs glibc 2.') and word in done.stderr


def test_the_glibc_that_is_asked_for_is_what_the_files_need(environment):
    elves = [
        p for p in environment.rglob('*') if p.is_file() and not p.is_symlink() and p.read_bytes()[:4] == b'\x7fELF'
    ]
    needed = subprocess.run(['readelf', '--version-info', '--wide', *elves], capture_output=True, text=True).stdout
    for library in ('GLIBC', 'GLIBCXX'):
        versions = {tuple(map(int, found.split('.'))) for found in re.findall(rf'Name: {library}_([\d.]+) ', needed)}
        newest = '.'.join(map(str, max(versions)))
        assert re.search(rf'[ _]{newest} or newer', (environment / 'README.txt').read_text())


def test_every_library_of_debian_that_came_along_has_its_package_in_the_bill(environment):
    parts = json.loads((environment / 'sbom.cdx.json').read_text())['components']
    names = {each['name'] for each in parts if 'deb/' in each.get('purl', '')}
    files = [each for each in parts if each['type'] == 'file']
    sums = dict(line.split('  ', 1)[::-1] for line in (environment / 'SHA256SUMS').read_text().splitlines())
    assert [each['hashes'] for each in files] == [[{'alg': 'SHA-256', 'content': sums[f['name']]}] for f in files]
    came = [{p['name']: p['value'] for p in each['properties']}['copied from'] for each in files]
    assert not any('supplier' in each for each in parts)
    if shutil.which('dpkg-query'):
        owners = set()
        for path in came:
            for name in {path, os.path.realpath(path), os.path.realpath(path).replace('/usr/lib', '/lib', 1)}:
                found = subprocess.run(['dpkg', '--search', name], capture_output=True, text=True).stdout
                owners |= {found.split(':')[0]} if found else set()
        assert owners == names
        texts = environment / 'licences' / 'debian'
        assert (sorted(os.listdir(texts)) if texts.exists() else []) == sorted(names)


@pytest.mark.parametrize('which', ['packed', 'local'])
def test_every_file_of_a_package_is_what_its_record_says(environment, which):
    """Environments share files with uv's cache: what was altered in the moved one must not be altered here."""
    code = (
        'import base64, hashlib, pkg_resources\n'
        'for d in (d for d in pkg_resources.working_set if d.key != "horovod"):\n'  # that is built in it
        '    for name, sum, _ in (line.rsplit(",", 2) for line in d.get_metadata_lines("RECORD")):\n'
        '        if sum.startswith("sha256="):\n'
        '            with open(d.location + "/" + name.strip(chr(34)), "rb") as f:\n'
        '                digest = base64.urlsafe_b64encode(hashlib.sha256(f.read()).digest()).decode().rstrip("=")\n'
        '            print(digest == sum[7:], name)\n'
    )
    python = environment / 'python3.6' if which == 'packed' else ROOT / '.venv/bin/python'
    said = subprocess.run([python, '-c', code], check=True, capture_output=True, text=True).stdout.splitlines()
    assert len(said) > 4000
    assert [line for line in said if not line.startswith('True')] == []


def test_made_again_with_nothing_in_uvs_cache_it_has_the_same_bytes(environment, tmp_path):
    command = ['make', 'bundle', 'ENGINE=local', f'OUT={tmp_path / "another folder"}']
    environ = {**os.environ, 'HOME': HOME, 'UV_CACHE_DIR': str(tmp_path / 'cache')}
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=environ)
    (made,) = (tmp_path / 'another folder').iterdir()
    with tarfile.open(made) as archive:
        again = archive.extractfile(f'{environment.name}/SHA256SUMS').read().decode().splitlines()
    first = (environment / 'SHA256SUMS').read_text().splitlines()
    assert sorted(set(again) ^ set(first)) == []
