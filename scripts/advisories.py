"""Known vulnerabilities as OSV records: matched to versions, and served to pip-audit as OSV's own service does.

The records come from a checkout of the Python Packaging Advisory Database, a folder `vulns` with a YAML file for each,
or from the service itself. pip-audit asks this machine in both cases and so does the same work; we keep what it was
told, since its own output leaves out half of a record.
"""

import contextlib
import http.server
import json
import os
import pathlib
import re
import socketserver
import threading

import requests
import yaml
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

# every scalar stays a string: 1.10 is a version, and no number
LOADER = getattr(yaml, 'CBaseLoader', yaml.BaseLoader)
ORDER = {'fixed': 0, 'introduced': 1, 'last_affected': 2}  # of events at one version
PAGES = 50  # most pages of one answer that are followed


class Problem(Exception):
    """One sentence for whoever runs the audit."""


def parsed(text):
    """A Version, or None where the text is none by PEP 440."""
    try:
        return Version(text)
    except InvalidVersion:
        return None


def in_range(version, events):
    """Whether a Version lies in a range of OSV: a list of events {'introduced' | 'fixed' | 'last_affected': text}.

    Raises Problem where an event has no version by PEP 440.
    """
    steps = []
    for event in events:
        for kind in sorted(ORDER.keys() & event.keys()):
            at = parsed(event[kind])
            if at is None:
                raise Problem(f'the version {event[kind]!r} of a range is none')
            steps.append((at, ORDER[kind], kind, event[kind]))
    inside = False
    for at, _, kind, text in sorted(steps):
        if kind == 'introduced' and (text == '0' or at <= version):  # 0 is before every version, pre-releases too
            inside = True
        elif (kind == 'fixed' and at <= version) or (kind == 'last_affected' and at < version):
            inside = False
    return inside


def affects(record, name, version):
    """Whether an OSV record is about this version (text) of a package, by its list of versions or by its ranges.

    Raises Problem where the version, or one in a range, is none by PEP 440.
    """
    wanted = parsed(version)
    if wanted is None:
        raise Problem(f'the version {version!r} of {name} is none')
    for part in record.get('affected', ()):
        package = part['package']
        if package['ecosystem'] != 'PyPI' or canonicalize_name(package['name']) != canonicalize_name(name):
            continue
        if any(parsed(each) == wanted for each in part.get('versions', ())):
            return True
        if any(r['type'] == 'ECOSYSTEM' and in_range(wanted, r['events']) for r in part.get('ranges', ())):
            return True
    return False


class Folder:
    """The records of a checkout of the database.

    `date` is the day of its newest change. Raises Problem where the folder is no such checkout, or a file of it cannot
    be read.
    """

    name = "PyPA's advisory database"

    def __init__(self, path):
        """Reads every file, so that a broken one is said before anything is asked."""
        self.of_package, newest = {}, ''
        files = sorted(pathlib.Path(path).glob('vulns/*/*.yaml'))
        if not files:
            raise Problem(
                f'{path} is no checkout of the advisory database (github.com/pypa/advisory-database): '
                'it has no vulns/NAME/*.yaml'
            )
        for file in files:
            try:
                record = yaml.load(file.read_text(encoding='utf-8'), LOADER)
                names = {canonicalize_name(part['package']['name']) for part in record['affected']}
                [part['package']['ecosystem'] for part in record['affected']]
                newest = max(newest, record['modified'])
                record['id'] + record['details']
            except (OSError, UnicodeDecodeError, yaml.YAMLError, LookupError, TypeError, AttributeError) as e:
                why = ' '.join(str(e).split())[:200]
                raise Problem(f'{file} cannot be read as an advisory: {type(e).__name__}: {why}') from None
            for name in names:
                self.of_package.setdefault(name, []).append(record)
        self.date = newest[:10]

    def query(self, name, version):
        """The records about this version of a package, withdrawn ones too: pip-audit leaves those out."""
        found = []
        for record in self.of_package.get(canonicalize_name(name), ()):
            try:
                if affects(record, name, version):
                    found.append(record)
            except Problem as e:
                raise Problem(f'{record["id"]}: {e}') from None
        return found


class Service:
    """The records of OSV's own service, or of another at `url` that answers in the same form.

    Raises Problem where it does not answer, or answers something else.
    """

    name = 'OSV'

    def __init__(self, url, date, timeout=60):
        """`date` is today's: the service always has its newest records."""
        self.url, self.date, self.timeout = url, date, timeout
        self.session = requests.Session()

    def query(self, name, version):
        """The records about this version of a package; of a long answer all pages, which pip-audit does not follow."""
        question = {'package': {'name': name, 'ecosystem': 'PyPI'}, 'version': version}
        found = []
        for _ in range(PAGES):
            try:
                answer = self.session.post(self.url, json=question, timeout=self.timeout)
                answer.raise_for_status()
                page = answer.json()
                found += page.get('vulns', [])
            except (requests.RequestException, ValueError, AttributeError) as e:
                answered = getattr(e, 'response', None)
                why = type(e).__name__ if answered is None else f'HTTP {answered.status_code}'
                raise Problem(
                    f'the service {self.url} did not answer for {name} {version} ({why}); without a network, '
                    'name a checkout of the advisory database: ADVISORIES=folder'
                ) from None
            if not page.get('next_page_token'):
                return found
            question['page_token'] = page['next_page_token']
        raise Problem(f'the service {self.url} gave more than {PAGES} pages for {name} {version}')


class Server:
    """Answers pip-audit on this machine alone. `records` are those it gave, by id; `problem` is what went wrong."""

    def __init__(self, source):
        """`source` is a Folder or a Service."""
        self.source, self.records, self.problem, self.answers = source, {}, None, {}
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802
                asked = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
                code, body = server.answer(asked['package']['name'], asked['version'])
                self.send_response(code)
                self.send_header('Content-Type', 'application/json')
                self.send_header('Content-Length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """Says nothing: what was asked is in the result."""

        # an HTTPServer would ask for this machine's name, which may take seconds without a network
        self.http = socketserver.TCPServer(('127.0.0.1', 0), Handler)
        self.url = f'http://127.0.0.1:{self.http.server_address[1]}/v1/query'

    def answer(self, name, version):
        """Code and bytes of an answer, which is looked up once for a version however many locks have it."""
        key = canonicalize_name(name), version
        if key not in self.answers:
            try:
                found = self.source.query(*key)
            except Problem as e:
                self.problem = self.problem or str(e)
                return 502, b'{}'
            self.records.update((record['id'], record) for record in found)
            # pip-audit stops at a date that it does not know, and has no use for one
            served = [{k: v for k, v in record.items() if k not in ('published', 'schema_version')} for record in found]
            self.answers[key] = json.dumps({'vulns': served} if served else {}).encode()
        return 200, self.answers[key]

    @contextlib.contextmanager
    def running(self):
        """The server, answering in a thread for as long as the block lasts."""
        thread = threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.http.shutdown()
            self.http.server_close()
            thread.join()


def environment():
    """The environment in which pip-audit finds the server, whatever proxy the rest goes through."""
    return {**os.environ, 'NO_PROXY': '127.0.0.1', 'no_proxy': '127.0.0.1'}


def one_of_each(records):
    """The records, those that name one another joined: lists of records, each list one vulnerability.

    Two are one when they share an id or an alias, also over a third. A text that an alias only mentions is none.
    """
    groups = []
    for record in records:
        ids, members = {record['id'], *record.get('aliases', ())}, [record]
        apart = []
        for other_ids, others in groups:
            if ids & other_ids:
                ids |= other_ids
                members = others + members
            else:
                apart.append((other_ids, others))
        groups = [*apart, (ids, members)]
    return [members for _, members in groups]


def text_of(record):
    """What a record says, on one line."""
    return re.sub(r'\s+', ' ', f'{record.get("summary", "")} {record.get("details", "")}').strip()
