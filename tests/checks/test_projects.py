"""scripts/projects.py, on a made project, an index of this machine, and a `make` that only says what it was asked."""

import functools
import hashlib
import http.server
import json
import re
import tarfile
import threading

import pytest
import tomli

from scripts import projects

MAKE = """#!/bin/sh
echo "$*|$DIR|$DATE|$WITH|$WITHOUT|$RUN|$ENGINE" > {asked}
if [ -f {answers}/lock.json ]; then mkdir -p "$LOCK"; cp {answers}/lock.json "$LOCK"; fi
if [ -f {answers}/junit.xml ]; then cp {answers}/junit.xml "$DIR"; fi
exit $(cat {answers}/code)
"""
JUNIT = """<testsuite><testcase classname="tests.test_a" name="test_one"/>
<testcase classname="tests.test_a" name="test_two"><skipped/></testcase>
<testcase classname="tests.test_a" name="test_three[x|y]"><failure/></testcase></testsuite>"""
NAME = 'tests.test_a::test_three[x|y]'


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Folders of an index with the sdist made-1.0, of projects.py's data, of what `make` answers; what it was asked."""
    index, ours, answers = (tmp_path / name for name in ('index', 'a folder', 'answers'))
    for folder in (index / 'made', ours / 'trainings', answers, tmp_path / 'bin', tmp_path / 'source'):
        folder.mkdir(parents=True)
    (tmp_path / 'source' / 'setup.py').write_text('')
    sdist = index / 'made' / 'made-1.0.tar.gz'
    with tarfile.open(sdist, 'w:gz') as archive:
        archive.add(tmp_path / 'source', 'made-1.0')
    (index / 'made' / 'index.html').write_text('<a href="made-1.0.tar.gz">made-1.0.tar.gz</a>')
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(index))
    handler.log_message = None
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv('UV_DEFAULT_INDEX', f'http://127.0.0.1:{server.server_port}/')
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    for name in ('from_seed.py', 'made.py'):
        (ours / 'trainings' / name).write_text(f'# {name}')
    ours_too = re.search(r'^numpy==(\S+)', (projects.ROOT / 'requirements' / 'cpu.txt').read_text(), re.M)[1]
    table = [['a>2', 'a 1', 'core'], ['import b', 'b 1', 'found in the code']]
    lock = {'packages': {'a': '1', 'numpy': ours_too}, 'table': table}
    (answers / 'lock.json').write_text(json.dumps(lock))
    (answers / 'code').write_text('0')
    make = tmp_path / 'bin' / 'make'
    make.write_text(MAKE.format(asked=tmp_path / 'asked', answers=answers))
    make.chmod(0o755)
    monkeypatch.setenv('PATH', f'{make.parent}:/usr/bin:/bin')
    monkeypatch.delenv('ENGINE', raising=False)
    monkeypatch.setattr(projects, 'OURS', ours)
    monkeypatch.setattr(projects, 'RESULTS', ours / 'results.json')
    world.sha256 = hashlib.sha256(sdist.read_bytes()).hexdigest()
    describe(ours, 'tests = ["tests"]')
    yield tmp_path
    server.shutdown()
    server.server_close()


def describe(ours, *more, sha256=None):
    lines = ['[made]', 'field = "x"', 'version = "1.0"', 'date = "2018-03-02"', 'sdist = "made-1.0.tar.gz"']
    (ours / 'projects.toml').write_text('\n'.join([*lines, f'sha256 = "{sha256 or world.sha256}"', *more]))


def run(tmp_path, capsys, *arguments):
    """Exit code, standard output, standard error."""
    try:
        projects.main([*arguments, '--work', str(tmp_path / 'a work')])
        code = 0
    except SystemExit as e:
        code = e.code
    out, err = capsys.readouterr()
    return code, out, err


def test_a_name_that_is_not_there_is_refused_with_those_that_are(world, capsys):
    code, out, err = run(world, capsys, 'mode')
    assert code == 2 and 'there is no project mode; there are: made' in err and not (world / 'asked').exists()


def test_what_the_index_has_not_or_has_otherwise_is_said(world, capsys):
    describe(world / 'a folder', sha256='0' * 64)
    for _ in range(2):  # the second time nothing of the first is left
        code, out, err = run(world, capsys)
        assert 'made 1.0: made-1.0.tar.gz is not the file that projects.toml names by its SHA-256.' in err
    (world / 'index' / 'made' / 'index.html').write_text('')
    code, out, err = run(world, capsys)
    assert 'the package index has no made-1.0.tar.gz' in err
    (world / 'index' / 'made' / 'index.html').unlink()
    code, out, err = run(world, capsys)
    assert code == 'error: 1 of 1 are not as they should be: made.' and not (world / 'asked').exists()


def test_the_one_command_is_given_what_the_data_say_and_its_outcome_is_kept(world, capsys):
    answers, ours = world / 'answers', world / 'a folder'
    answers.joinpath('junit.xml').write_text(JUNIT)
    answers.joinpath('code').write_text('1')  # pytest's, since a test fails
    described = ['tests = ["tests"]', 'with = "pytest gym"', '[made.failures]', f'"{NAME}" = "why"', '[made.left_out]']
    describe(ours, *described, '"tests/b.py::test_c" = "why"')
    code, out, err = run(world, capsys)
    assert code and 'not as in results.json' in err and not projects.RESULTS.exists()
    code, out, err = run(world, capsys, '--write')
    assert code == 0 and 'made 1.0: 1 passed, 1 failed, 1 skipped' in out
    assert run(world, capsys)[0] == 0
    target, directory, date, more, without, command, engine = (world / 'asked').read_text().strip().split('|')
    assert (target, date, more, without, engine) == ('-s project', '2018-03-02', 'pytest gym', '', 'local')
    assert directory == str(world / 'a work' / 'made' / 'made-1.0')
    assert f"'HOME={directory}/home'" in command and command.endswith(' tests --deselect=tests/b.py::test_c')
    kept = json.loads(projects.RESULTS.read_text())
    table = [['a>2', 'a 1']]
    assert kept == {
        'made': {'packages': 2, 'beside': {'a': '1'}, 'table': table, 'passed': 1, 'skipped': 1, 'failed': [NAME]}
    }
    answers.joinpath('junit.xml').write_text(JUNIT.replace('<skipped/>', ''))  # one more passes
    assert 'not as in results.json' in run(world, capsys)[2]


def test_a_failure_without_a_cause_and_a_cause_without_a_failure_are_errors_with_write_too(world, capsys):
    (world / 'answers' / 'junit.xml').write_text(JUNIT)
    code, out, err = run(world, capsys, '--write')
    assert code and f'projects.toml knows no cause: {NAME}' in err
    describe(world / 'a folder', 'tests = ["tests"]', '[made.failures]', f'"{NAME}" = "why"', '"gone" = "why"')
    code, out, err = run(world, capsys, '--write')
    assert code and 'says that these fail, and they do not: gone' in err and not projects.RESULTS.exists()


def test_a_project_that_is_not_resolved_or_whose_tests_never_begin_is_no_success(world, capsys):
    assert 'pytest wrote no report' in run(world, capsys, '--write')[2]
    (world / 'answers' / 'junit.xml').write_text('<testsuite/>')
    assert 'no test ran' in run(world, capsys, '--write')[2]
    (world / 'answers' / 'lock.json').unlink()
    (world / 'a work' / 'made.lock' / 'lock.json').unlink()
    assert 'did not resolve it' in run(world, capsys, '--write')[2]


def test_a_training_counts_by_its_exit_code_and_does_not_hide_the_project(world, capsys):
    describe(world / 'a folder')
    code, out, err = run(world, capsys, '--write', '--seeds', '3')
    assert code == 0 and 'its training reached what it should' in out
    assert json.loads(projects.RESULTS.read_text())['made']['seeds'] == 3 and run(world, capsys)[0] == 0
    run(world, capsys, '--seeds', '3')
    directory = world / 'a work' / 'made' / 'made-1.0'
    assert (directory / 'training.py').read_text() == '# made.py' and not (directory / 'made.py').exists()
    commands = (world / 'asked').read_text().split('|')[-2].split(' && ')
    assert [c.split(' python ')[1] for c in commands] == ['training.py 0', 'training.py 1', 'training.py 2']
    (world / 'answers' / 'code').write_text('1')
    assert 'its training failed' in run(world, capsys)[2]


def test_every_project_is_described_whole_and_has_tests_or_a_training():
    described = tomli.loads((projects.OURS / 'projects.toml').read_text(encoding='utf-8'))
    results = json.loads(projects.RESULTS.read_text(encoding='utf-8'))
    assert set(results) <= set(described) and len(described) >= 18
    trainings = {path.stem for path in (projects.OURS / 'trainings').glob('*.py')} - {'from_seed'}
    assert trainings == {name for name, project in described.items() if 'tests' not in project}
    for name, project in described.items():
        assert {'field', 'version', 'date', 'sdist', 'sha256'} <= set(project)
        assert set(project) <= {*'field version date sdist sha256 tests with without failures left_out'.split()}, name
        assert re.fullmatch('201[789]-[01][0-9]-[0-3][0-9]', project['date']) and len(project['sha256']) == 64
        if name in results:
            assert sorted(project.get('failures', {})) == results[name].get('failed', []), name


def test_checks_run_some_of_them_that_are_there():
    run_line = re.search(r'nox -s projects -- (.*)', (projects.ROOT / '.ci' / 'run').read_text())[1].split()
    hosted = (projects.ROOT / '.github' / 'workflows' / 'ci.yml').read_text()
    more = re.search(r'session: projects\n(?: +\w+: .*\n)*? +arguments: (.*)', hosted)[1].split()
    there = set(json.loads(projects.RESULTS.read_text(encoding='utf-8')))
    assert len(run_line) >= 2 and len(more) >= 4 and set(run_line) <= set(more) <= there
