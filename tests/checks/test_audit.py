"""scripts/audit.py on made locks and a made folder of advisories: pip-audit itself, and no network."""

import json
import re
import socketserver
import subprocess

import pytest
import tomli
from test_advisories import write

from scripts import audit, vulnerabilities_page
from scripts.advisories import Problem

SETTINGS = tomli.loads(audit.RULES.read_text())
HASH = ' \\\n    --hash=sha256:' + 64 * '0' + '\n'


# --- locks


def lock(tmp_path, text, name='made'):
    path = tmp_path / 'requirements' / f'{name}.txt'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_lock_as_uv_writes_it(tmp_path):
    """Hashes, comments, extras and markers; a marker that does not hold here is left out."""
    text = f'Made_One==1.0{HASH}    # via b\nb[x,y]==2.0 ; python_version >= "3"{HASH}c==1 ; python_version < "3"{HASH}'
    assert audit.locked(lock(tmp_path, text)) == {'made-one': '1.0', 'b': '2.0'}


@pytest.mark.parametrize('text, wanted', [('', {}), ('# nothing\n', {}), (f'a==1{HASH}', {'a': '1'})])
def test_locks_of_no_package_and_of_one(tmp_path, text, wanted):
    assert audit.locked(lock(tmp_path, text)) == wanted


@pytest.mark.parametrize('line', ['a', 'a>=1', 'a==1,<2', 'a==1.*', 'a @ file:///b', 'a==next', '[1, 2'])
def test_a_line_that_pins_nothing_is_named(tmp_path, line):
    with pytest.raises(Problem, match=r'made\.txt (cannot be read at|does not pin) ' + re.escape(repr(line))):
        audit.locked(lock(tmp_path, f'ok==1{HASH}{line}\n'))


def test_a_lock_that_is_not_there_is_named(tmp_path):
    with pytest.raises(Problem, match='gone.txt cannot be read'):
        audit.locked(tmp_path / 'gone.txt')


def test_our_own_locks_are_read_to_the_last_package():
    """Against a count of their lines. None of the images' has a marker, so the host's Python changes nothing."""
    for name in vulnerabilities_page.audited(SETTINGS):
        text = (audit.ROOT / 'requirements' / f'{name}.txt').read_text()
        if name not in ('tools', 'project', 'bundle', 'python36', 'gallery'):
            assert len(audit.locked(audit.ROOT / 'requirements' / f'{name}.txt')) == text.count('==')
            assert ' ; ' not in text


def test_of_every_lock_it_is_said_whether_it_is_audited():
    ours = {path.stem for path in (audit.ROOT / 'requirements').glob('*.txt')} - {'constraints', 'constraints_gpu'}
    assert set(SETTINGS['audited']) | set(SETTINGS['left_out']) == ours
    assert not set(SETTINGS['audited']) & set(SETTINGS['left_out'])
    stacks = (audit.ROOT / 'requirements' / 'stacks').glob('*/*.txt')
    of_stacks = {f'stacks/{path.parent.name}/{path.stem}' for path in stacks if 'constraints' not in path.stem}
    assert {name for name in vulnerabilities_page.audited(SETTINGS) if '/' in name} == of_stacks


# --- the same, by pip-audit


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A checkout with a lock `cpu`, and a folder of advisories; how `main` ended and what it said."""
    pytest.importorskip('pip_audit', reason='pip-audit wants Python 3.10')
    monkeypatch.setattr(audit, 'ROOT', tmp_path)
    monkeypatch.setattr(audit, 'OUT', tmp_path / 'runs' / 'results.json')
    monkeypatch.setattr(audit, 'RESULTS', tmp_path / 'vulnerabilities.json')
    monkeypatch.delenv('ADVISORIES', raising=False)
    # the server of an audit looks for its locks here
    run = audit.run
    monkeypatch.setattr(audit, 'run', lambda *arguments: run(*arguments, root=tmp_path))
    lock(tmp_path, f'Made==1.0{HASH}pillow==8.0{HASH}quiet==1{HASH}', 'cpu')
    write(tmp_path / 'db')
    return tmp_path


def main(capsys, *arguments):
    try:
        code = audit.main(list(arguments))
    except SystemExit as e:
        code = e.code
    out, err = capsys.readouterr()
    return code, out, err


def test_findings_are_no_error_and_each_is_counted_once(world, capsys):
    write(world / 'db', 'PYSEC-2000-2', alias='CVE-2000-1')  # the same by another id
    write(world / 'db', 'PYSEC-2000-3', alias='CVE-2000-3', more='withdrawn: "2001-02-03T00:00:00Z"\n')
    write(world / 'db', 'PYSEC-2000-4', name='pillow', alias='CVE-2000-4', details='Decoding a GIF may crash | hang.')
    (world / 'db' / 'vulns' / 'pillow' / 'PYSEC-2000-4.yaml').write_text(
        (world / 'db' / 'vulns' / 'pillow' / 'PYSEC-2000-4.yaml').read_text().replace('2.0', '8.0')
    )
    code, out, err = main(capsys, '--advisories', str(world / 'db'), '--only', 'cpu')
    assert code == 0 and '1/1 requirements/cpu.txt' in err and 'as of 2001-02-03' in err
    results = json.loads(audit.OUT.read_text())
    assert results['locks']['cpu']['packages'] == 3 and results['locks']['cpu']['found'] == {
        'made': '1.0',
        'pillow': '8.0',
    }
    first, second = results['findings']
    assert first['id'] == 'PYSEC-2000-1' and first['aliases'] == ['CVE-2000-1', 'PYSEC-2000-2']
    assert first['class'] == 'unsorted' and 'PYSEC-2000-1' in err.split('no rule')[1] and 'not sorted' in out
    assert (second['id'], second['class'], second['effect']) == ('PYSEC-2000-4', 'data', 'stops or hangs')
    assert re.search(r'^cpu +3 +2$', out, re.M) and 'Decoding' not in audit.OUT.read_text()


def test_the_environment_names_the_folder_too(world, capsys, monkeypatch):
    monkeypatch.setenv('ADVISORIES', str(world / 'db'))
    assert main(capsys, '--only', 'cpu')[0] == 0
    monkeypatch.setenv('ADVISORIES', str(world / 'nowhere'))
    code, out, err = main(capsys, '--only', 'cpu')
    assert code == 2 and err.startswith('error: ') and 'is no checkout' in err and 'Traceback' not in err


@pytest.mark.parametrize('text', ['pillow', f'pillow==8.0{HASH}a==1\n'])
def test_a_lock_that_cannot_be_read_ends_it(world, capsys, text):
    """The second is well for us, and pip-audit wants a hash of every package."""
    lock(world, text, 'cpu')
    code, out, err = main(capsys, '--advisories', str(world / 'db'), '--only', 'cpu')
    assert code == 3 and 'cpu.txt' in err.splitlines()[-1] and 'Traceback' not in err and not audit.OUT.exists()


def test_a_service_that_is_not_there_ends_it(world, capsys, monkeypatch):
    from pip_audit._service.osv import OsvService

    with socketserver.TCPServer(('127.0.0.1', 0), None) as taken:
        address = 'http://127.0.0.1:%d/v1/query' % taken.server_address[1]
    monkeypatch.setattr(OsvService, 'DEFAULT_OSV_URL', address)
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    code, out, err = main(capsys, '--only', 'cpu')
    assert code == 3 and f'error: the service {address} did not answer' in err and 'Traceback' not in err
    assert 'ADVISORIES=folder' in err and not audit.OUT.exists()


@pytest.mark.parametrize('arguments', [['--only', 'nothing'], ['--only', 'cpu', '--write'], ['--what']])
def test_wrong_arguments_are_said_before_anything_is_asked(capsys, arguments):
    code, out, err = main(capsys, *arguments)
    assert code == 2 and 'error: ' in err and out == ''


def test_help_tells_the_exit_codes(capsys):
    code, out, err = main(capsys, '--help')
    assert code == 0 and 'ends with 2' in out and 'with 3' in out and 'Findings are no' in out


def test_what_is_written_is_read_again(tmp_path):
    finding = {
        'id': 'A',
        'aliases': [],
        'packages': {'a': ['1']},
        'class': 'code',
        'rule': None,
        'effect': 'x',
        'ops': [],
    }
    for findings in [], [finding], [finding, finding]:
        results = {'source': {'name': 'a', 'date': ''}, 'locks': {'a': {}}, 'findings': findings}
        assert json.loads(audit.dump(results)) == results


def test_what_is_new_is_what_no_id_was_known_of():
    known = [{'id': 'A', 'aliases': ['C-1']}]
    found = [{'id': 'C-1', 'aliases': []}, {'id': 'B', 'aliases': ['C-2']}]
    assert audit.unknown_to(known, found) == ['B'] and audit.unknown_to(found, known) == []
    assert audit.unknown_to([], known) == ['A'] and audit.unknown_to(known, []) == []


def answering(monkeypatch, dependencies, said=''):
    """A pip-audit that gives this answer, or none."""

    def run(command, **_):
        if dependencies is not None:
            with open(command[command.index('--output') + 1], 'w') as f:
                json.dump({'dependencies': dependencies}, f)
        return subprocess.CompletedProcess(command, 1, '', said)

    monkeypatch.setattr(audit.subprocess, 'run', run)
    return type('Server', (), {'url': '', 'problem': None})


@pytest.mark.parametrize(
    'more, passed_over',
    [([], 'b'), ([{'name': 'b', 'version': '3', 'vulns': []}], 'b'), ([{'name': 'b', 'skip_reason': 'no'}], 'b')],
)
def test_a_package_that_pip_audit_passes_over_is_named(tmp_path, monkeypatch, more, passed_over):
    path = lock(tmp_path, f'a==1{HASH}b==2{HASH}')
    server = answering(monkeypatch, [{'name': 'A', 'version': '1', 'vulns': []}, *more])
    with pytest.raises(Problem, match=f'pip-audit passed over {passed_over} of'):
        audit.ask(path, server)


def test_the_last_words_of_a_pip_audit_that_broke_are_said(tmp_path, monkeypatch):
    path = lock(tmp_path, f'a==1{HASH}')
    for said, wanted in ('Traceback\nOSError: full\n', 'OSError: full'), ('', 'it said nothing'):
        with pytest.raises(Problem, match=f'pip-audit could not read .*: {wanted}$'):
            audit.ask(path, answering(monkeypatch, None, said))


def test_of_findings_in_several_locks_each_is_one_and_none_is_withdrawn():
    records = {
        'P-1': {'id': 'P-1', 'aliases': ['C-1'], 'details': 'one'},
        'P-2': {'id': 'P-2', 'aliases': ['C-1'], 'details': 'two'},
        'P-3': {'id': 'P-3', 'aliases': ['C-1'], 'details': 'three', 'withdrawn': '2001'},
    }
    answers = [
        {'a': ('1.9', [{'P-1', 'C-1', 'P-3'}]), 'clean': ('1', [])},
        {'b': ('1', [{'P-2', 'C-1'}])},
        {'a': ('1.10', [{'P-1', 'C-1'}])},
    ]
    [made] = audit.joined(answers, records)
    assert made['id'] == 'P-1' and made['aliases'] == ['C-1', 'P-2'] and made['text'] == 'one two'
    assert made['packages'] == {'a': ['1.9', '1.10'], 'b': ['1']}  # as versions are ordered
    assert audit.joined([], records) == audit.joined([{}], {}) == []
