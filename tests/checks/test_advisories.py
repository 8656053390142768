"""scripts/advisories.py: versions against packaging's own specifiers, folders that are none, a service that fails."""

import http.server
import json
import socketserver
import threading
import urllib.request

import hypothesis
import pytest
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from scripts import advisories
from scripts.advisories import Folder, Problem, Server, Service

# written for these tests, in the form of the database
RECORD = """id: {id}
details: {details}
affected:
- package:
    name: {name}
    ecosystem: PyPI
  ranges:
  - type: ECOSYSTEM
    events:
    - introduced: "0"
    - fixed: 1.10
  versions:
  - 0.9
  - 2.0
aliases:
- {alias}
modified: {modified}
published: "2021-01-01 00:00:00"
"""


def write(
    folder, id='PYSEC-2000-1', name='made', alias='CVE-2000-1', modified='"2001-02-03T00:00:00Z"', more='', **other
):
    """A record in a folder like the database's."""
    path = folder / 'vulns' / name / f'{id}.yaml'
    path.parent.mkdir(parents=True, exist_ok=True)
    details = other.get('details', 'A crash of made.')
    path.write_text(RECORD.format(id=id, name=name, alias=alias, modified=modified, details=details) + more)
    return path


# --- versions

# the same examples each time, as in tests/library
same = hypothesis.settings(database=None, deadline=None, derandomize=True)

releases = st.lists(st.integers(0, 12), min_size=1, max_size=3).map(lambda parts: '.'.join(map(str, parts)))
versions = st.builds('{}{}'.format, releases, st.sampled_from(['', 'a1', 'rc2', '.post1', '.dev3']))
# first begin and end of intervals, in order and apart
intervals = st.lists(releases, min_size=2, max_size=6, unique_by=Version).map(lambda found: sorted(found, key=Version))


@same
@hypothesis.given(version=releases, bounds=intervals, last=st.booleans(), shuffled=st.randoms())
def test_a_range_is_what_packagings_specifiers_say(version, bounds, last, shuffled):
    """Of releases alone: of a pre-release of its bound a specifier says something of its own."""
    pairs = list(zip(bounds[::2], bounds[1::2]))
    end, sign = ('last_affected', '<=') if last else ('fixed', '<')
    events = [event for begin, stop in pairs for event in ({'introduced': begin}, {end: stop})]
    shuffled.shuffle(events)
    wanted = any(SpecifierSet(f'>={begin},{sign}{stop}').contains(version) for begin, stop in pairs)
    assert advisories.in_range(Version(version), events) == wanted


@same
@hypothesis.given(version=versions, bounds=intervals)
def test_a_range_orders_pre_releases_as_versions_are_ordered(version, bounds):
    """But for the text 0, which stands for the beginning of all versions."""
    begin, end = bounds[:2]
    wanted = (begin == '0' or Version(begin) <= Version(version)) and Version(version) < Version(end)
    assert advisories.in_range(Version(version), [{'fixed': end}, {'introduced': begin}]) == wanted


@pytest.mark.parametrize(
    'version, events, wanted',
    [
        ('1', [], False),
        ('0.dev1', [{'introduced': '0'}], True),
        ('9', [{'introduced': '0'}], True),
        ('1', [{'fixed': '1'}], False),
        ('1', [{'introduced': '1'}, {'last_affected': '1'}], True),
        ('2', [{'introduced': '0'}, {'fixed': '2'}, {'introduced': '2'}], True),
    ],
)
def test_ranges_of_one_event_and_of_none(version, events, wanted):
    assert advisories.in_range(Version(version), events) == wanted


def record(name='a', versions=(), ranges=(), ecosystem='PyPI', **more):
    part = {'package': {'name': name, 'ecosystem': ecosystem}, 'versions': list(versions), 'ranges': list(ranges)}
    return {'id': 'X-1', 'affected': [part], **more}


@pytest.mark.parametrize('listed', ['1.0', '1', '1.0.0', 'v1.0'])
def test_a_listed_version_counts_however_it_is_written(listed):
    assert advisories.affects(record(versions=['nonsense', listed]), 'a', '1.0')
    assert not advisories.affects(record(versions=['nonsense', listed]), 'a', '1.1')


@pytest.mark.parametrize('name', ['Ruamel_YAML', 'ruamel.yaml', 'RUAMEL--yaml'])
def test_names_compare_as_the_index_compares_them(name):
    assert advisories.affects(record(name=name, versions=['1']), 'ruamel-yaml', '1')
    assert advisories.affects(record(name='ruamel-yaml', versions=['1']), name, '1')


def test_another_ecosystem_and_ranges_of_commits_do_not_count():
    commits = {'type': 'GIT', 'events': [{'introduced': '0'}]}
    assert not advisories.affects(record(versions=['1'], ecosystem='npm'), 'a', '1')
    assert not advisories.affects(record(ranges=[commits]), 'a', '1')
    assert not advisories.affects({'id': 'X'}, 'a', '1')


def test_versions_that_are_none_are_said():
    with pytest.raises(Problem, match="'next'"):
        advisories.affects(record(ranges=[{'type': 'ECOSYSTEM', 'events': [{'fixed': 'next'}]}]), 'a', '1')
    with pytest.raises(Problem, match="'one'"):
        advisories.affects(record(), 'a', 'one')


# --- one vulnerability under several ids


def linked(*groups):
    return [{'id': ids[0], 'aliases': list(ids[1:])} for ids in groups]


@pytest.mark.parametrize(
    'records, count',
    [
        ([], 0),
        (linked(['P-1', 'C-1']), 1),
        (linked(['P-1', 'C-1'], ['P-2', 'C-1']), 1),
        (linked(['P-1', 'C-1'], ['P-2', 'C-2']), 2),
        (linked(['P-1', 'C-1'], ['P-2', 'C-2'], ['P-3', 'C-1', 'C-2']), 1),  # joined by the third
        (linked(['C-1'], ['P-1', 'C-1']), 1),
        ([{'id': 'P-1'}, {'id': 'P-2', 'related': ['P-1']}], 2),
    ],
)
def test_each_vulnerability_is_counted_once(records, count):
    for each in records, records[::-1]:
        groups = advisories.one_of_each(each)
        assert len(groups) == count and sorted(r['id'] for g in groups for r in g) == sorted(r['id'] for r in records)


# --- a folder


def test_a_folder_answers_by_normal_names_and_keeps_versions_as_text(tmp_path):
    write(tmp_path)
    folder = Folder(tmp_path)
    # 1.10 without quotes is a number to YAML, and 1.1 then
    assert [r['id'] for r in folder.query('Made', '1.9')] == ['PYSEC-2000-1']
    assert folder.query('made', '1.10') == [] and folder.query('other', '1') == []
    assert folder.query('made', '2.0')  # by its list


def test_a_folder_is_as_of_its_newest_change(tmp_path):
    write(tmp_path, 'PYSEC-2000-2', modified='2009-08-07T00:00:00Z')  # without quotes a date to YAML
    write(tmp_path)
    assert Folder(tmp_path).date == '2009-08-07'


@pytest.mark.parametrize('made', ['', 'vulns/made', 'file'])
def test_a_folder_that_is_no_checkout_is_said(tmp_path, made):
    if made == 'file':
        (tmp_path / made).write_text('')
    elif made:
        (tmp_path / made).mkdir(parents=True)
    with pytest.raises(Problem, match='is no checkout of the advisory database'):
        Folder(tmp_path / made)


@pytest.mark.parametrize(
    'content',
    [
        '',
        '[1, 2',
        'id: X\n',
        '- a\n',
        'id: X\nmodified: "2"\ndetails: a\naffected: 3\n',
        'id: "\\x"',
        'just a sentence',
    ],
)
def test_a_broken_file_is_named(tmp_path, content):
    write(tmp_path)
    (tmp_path / 'vulns' / 'made' / 'broken.yaml').write_text(content)
    with pytest.raises(Problem, match='broken.yaml cannot be read as an advisory'):
        Folder(tmp_path)


def test_a_file_that_is_no_text_is_named(tmp_path):
    write(tmp_path).write_bytes(b'\xff\xfe\x00')
    with pytest.raises(Problem, match='PYSEC-2000-1.yaml cannot be read'):
        Folder(tmp_path)


# --- the server, and another's service


def post(url, name, version):
    body = json.dumps({'package': {'name': name, 'ecosystem': 'PyPI'}, 'version': version}).encode()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, body)) as answer:
        return json.load(answer)


def test_the_server_gives_what_the_folder_has_and_keeps_it(tmp_path):
    write(tmp_path)
    with Server(Folder(tmp_path)).running() as server:
        [vuln] = post(server.url, 'made', '1.0')['vulns']
        assert vuln['id'] == 'PYSEC-2000-1' and 'published' not in vuln  # in a form at which pip-audit would stop
        assert post(server.url, 'made', '3.0') == {}
    assert set(server.records) == {'PYSEC-2000-1'} and server.problem is None


class Other:
    """A service of this machine that answers each question with the next of `answers`, and the last ever after."""

    def __init__(self, answers):
        self.asked, other = [], self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802
                other.asked.append(json.loads(self.rfile.read(int(self.headers['Content-Length']))))
                code, body = answers[min(len(other.asked), len(answers)) - 1]
                self.send_response(code)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.http = socketserver.TCPServer(('127.0.0.1', 0), Handler)
        self.url = f'http://127.0.0.1:{self.http.server_address[1]}/v1/query'
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def service(monkeypatch):
    made = []
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    monkeypatch.setenv('no_proxy', '127.0.0.1')

    def start(*answers):
        made.append(Other(answers))
        return made[-1]

    yield start
    for each in made:
        each.http.shutdown()
        each.http.server_close()


def test_all_pages_of_a_long_answer_are_read(service):
    other = service((200, b'{"vulns": [{"id": "A"}], "next_page_token": "t"}'), (200, b'{"vulns": [{"id": "B"}]}'))
    assert [r['id'] for r in Service(other.url, '').query('a', '1')] == ['A', 'B']
    assert [each.get('page_token') for each in other.asked] == [None, 't']


def test_no_known_vulnerability_is_an_empty_answer(service):
    assert Service(service((200, b'{}')).url, '').query('a', '1') == []


@pytest.mark.parametrize(
    'code, body, why',
    [(500, b'{}', 'HTTP 500'), (403, b'no', 'HTTP 403'), (200, b'<html>', 'JSONDecodeError'), (200, b'[]', 'Attr')],
)
def test_a_service_that_does_not_answer_is_a_sentence(service, code, body, why):
    with pytest.raises(Problem, match=f'did not answer for a 1 .{why}.*ADVISORIES=folder'):
        Service(service((code, body)).url, '').query('a', '1')


def test_a_service_that_is_not_there_is_a_sentence(service):
    other = service((200, b'{}'))
    other.http.shutdown()
    other.http.server_close()
    with pytest.raises(Problem, match='did not answer for a 1 .ConnectionError'):
        Service(other.url, '').query('a', '1')
    other.http.server_close = other.http.shutdown = lambda: None


def test_an_answer_without_end_is_a_sentence(service):
    with pytest.raises(Problem, match='more than 50 pages'):
        Service(service((200, b'{"next_page_token": "t"}')).url, '').query('a', '1')
