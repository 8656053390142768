"""audit [--advisories FOLDER] [--only LOCK …] [--write]: known vulnerabilities of the locks, by pip-audit.

    --advisories FOLDER  without a network: a checkout of github.com/pypa/advisory-database; also ADVISORIES=FOLDER.
                         Without it OSV's service is asked
    --only LOCK …        some locks, as in `--only cpu notebook`; by default all that are installed in an image or for a
                         person, as scripts/vulnerabilities.toml lists them
    --write              take what was found into scripts/vulnerabilities.json and docs/vulnerabilities.md

Prints how many were found in each lock, and how many of each class; runs/audit/results.json has each. Findings are no
error: an end-of-life stack has hundreds. It ends with 2 where the arguments or the folder are wrong, with 3 where a
lock could not be read or the service did not answer; then nothing is written. A finding that no rule of
scripts/vulnerabilities.toml sorts is said and counted, and is no error either. Under nox every one of these codes is 1.
"""

import argparse
import collections
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import packaging.requirements
import tomli
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts import advisories, vulnerabilities_page  # noqa: E402
from scripts.advisories import Problem  # noqa: E402

RULES = ROOT / 'scripts' / 'vulnerabilities.toml'
RESULTS = ROOT / 'scripts' / 'vulnerabilities.json'
OUT = ROOT / 'runs' / 'audit' / 'results.json'
LINE = re.compile(r'^(?![ #-])\S.*?(?= \\$|$)', re.M)
# where a text names an op or a function of TensorFlow; a name with a * or :: in it is none
OPS = [
    r'\btf\.raw_ops\.(\w+)',
    r'`tf\.(?:\w+\.)*(\w+)`',
    r'`(\w+)` (?:TFLite )?(?:op|operation|operator|kernel)s?\b',
    r'(?:implementations? of|(?:inference|code) (?:functions? )?for|arguments? for) (?:the )?`(\w+)`',
    r'(?:overflow|zero to occur|validation) in `(\w+)`',
    r'`(\w+)`(?= implementations?\b| and `\w+` implementations\b)',
]
# what such words name otherwise
NO_OPS = {'BiasAndClamp', 'CHECK', 'DCHECK', 'Dim', 'GetInit', 'ParseAttrValue', 'TfLiteIntArrayCreate'}
NO_OPS |= {'function', 'raw_ops', 'resource', 'variant'}


def locked(path):
    """Package to version, of a lock: what this Python and machine would install, its markers heeded.

    Raises Problem where the file is not there, or a line of it is no pinned requirement.
    """
    found = {}
    try:
        text = path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as e:
        raise Problem(f'the lock {path} cannot be read: {e}') from None
    for line in LINE.findall(text):
        try:
            wanted = packaging.requirements.Requirement(line)
            [pin] = wanted.specifier
            version = str(Version(pin.version))
        except ValueError as e:
            raise Problem(f'the lock {path} cannot be read at {line!r}: {e}') from None
        if pin.operator != '==':
            raise Problem(f'the lock {path} does not pin {line!r}')
        if wanted.marker is None or wanted.marker.evaluate():
            found[canonicalize_name(wanted.name)] = version
    return found


def ask(path, server):
    """pip-audit's answer about a lock: package to (version, ids of each finding: a list of sets).

    Raises Problem where pip-audit could not read the lock, passed over a package, or got no answer.
    """
    wanted = locked(path)
    if not wanted:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / 'out.json'
        # `--disable-pip` with hashes: the lock is taken as it is, and nothing is resolved or installed
        command = [sys.executable, '-m', 'pip_audit', '-r', str(path), '--require-hashes', '--disable-pip']
        command += ['--vulnerability-service', 'osv', '--osv-url', server.url, '--cache-dir', folder]
        command += ['--format', 'json', '--output', str(out), '--progress-spinner', 'off', '--timeout', '300']
        done = subprocess.run(command, capture_output=True, text=True, env=advisories.environment())
        if server.problem:
            raise Problem(server.problem)
        try:
            answer = json.loads(out.read_text(encoding='utf-8'))['dependencies']
        except (OSError, ValueError, LookupError):
            last = (done.stderr.strip().splitlines() or ['it said nothing'])[-1]
            raise Problem(f'pip-audit could not read {path}: {last}') from None
    passed_over = [each['name'] for each in answer if 'skip_reason' in each]
    got = {canonicalize_name(each['name']): each for each in answer if 'version' in each}
    passed_over += [name for name, version in wanted.items() if got.get(name, {}).get('version') != version]
    if passed_over:
        raise Problem(f'pip-audit passed over {", ".join(sorted(set(passed_over)))} of {path}')
    found = {}
    for name, each in got.items():
        found[name] = each['version'], [{vuln['id'], *vuln['aliases']} for vuln in each['vulns']]
    return found


# --- sorting


def prose(text):
    """What an advisory says, without addresses and blocks of code, whose words would mislead a rule."""
    text = re.sub(r'```.*?```', ' ', text, flags=re.S)
    text = re.sub(r'\(?https?://\S*/tensorflow/lite/\S*', ' TFLite ', text)  # some say it by the address alone
    return ' '.join(re.sub(r'\(?https?://\S+', ' ', text).split())


def sort(packages, text, rules):
    """The first rule that fits: its 'class' and 'name'; None where none does. packages: names, in normal form."""
    for rule in rules:
        fits = 'packages' not in rule or set(rule['packages']) & set(packages)
        if fits and ('words' not in rule or re.search(rule['words'], text, re.I)):
            return rule
    return None


def effect(text, effects):
    """Name of the worst thing that a text says may happen."""
    for each in effects:
        if re.search(each['words'], text, re.I):
            return each['name']
    return vulnerabilities_page.EFFECTS_LAST


def ops(text):
    """Names of ops and functions of TensorFlow in a text."""
    found = {name for pattern in OPS for name in re.findall(pattern, text)}
    return sorted({re.sub('(?<=[a-z0-9])Op$', '', name) for name in found} - NO_OPS)


def joined(answers, records):
    """Findings of all locks, each vulnerability once: a list of dicts with 'id', 'aliases', 'packages' and 'text'.

    answers: what `ask` gave, of each lock; records: OSV's, by id.
    """
    packages = collections.defaultdict(lambda: collections.defaultdict(set))  # record -> package -> versions
    for answer in answers:
        for name, (version, vulns) in answer.items():
            for ids in vulns:
                for each in ids & records.keys():
                    if 'withdrawn' not in records[each]:
                        packages[each][name].add(version)
    findings = []
    for group in advisories.one_of_each([records[each] for each in sorted(packages)]):
        ids = {each['id'] for each in group}
        first = min(ids, key=lambda each: (not each.startswith('PYSEC'), each))
        versions = collections.defaultdict(set)
        for each in ids:
            for name, found in packages[each].items():
                versions[name] |= found
        aliases = {alias for each in group for alias in (each['id'], *each.get('aliases', ()))} - {first}
        findings.append(
            {
                'id': first,
                'aliases': sorted(aliases),
                'packages': {name: sorted(versions[name], key=Version) for name in sorted(versions)},
                'text': ' '.join(advisories.text_of(each) for each in group),
            }
        )
    return sorted(findings, key=lambda each: each['id'])


def judged(findings, settings):
    """The findings with 'class', 'rule', 'effect' and 'ops', and without their text, which is not ours to pass on."""
    made = []
    for finding in findings:
        text = prose(finding['text'])
        rule = sort(finding['packages'], text, settings['rule'])
        tensorflow = set(finding['packages']) & set(vulnerabilities_page.TENSORFLOW)
        made.append(
            {
                **{key: value for key, value in finding.items() if key != 'text'},
                'class': rule['class'] if rule else vulnerabilities_page.UNSORTED,
                'rule': rule['name'] if rule else None,
                'effect': effect(text, settings['effect']),
                'ops': ops(finding['text']) if tensorflow else [],
            }
        )
    return made


# --- the run


def run(source, locks, settings, say, root=ROOT):
    """The results of an audit of these locks (name to 'where' and 'stack'), as the JSON has them.

    `say` is called with each line of progress. Raises Problem where a lock could not be read, or the source did not
    answer.
    """
    answers, entries = {}, {}
    with advisories.Server(source).running() as server:
        for number, (lock, entry) in enumerate(locks.items(), 1):
            say(f'{number}/{len(locks)} requirements/{lock}.txt')
            answers[lock] = answer = ask(root / 'requirements' / f'{lock}.txt', server)
            found = {name: version for name, (version, vulns) in sorted(answer.items()) if vulns}
            entries[lock] = {**entry, 'packages': len(answer), 'found': found}
    findings = judged(joined(answers.values(), server.records), settings)
    return {'source': {'name': source.name, 'date': source.date}, 'locks': entries, 'findings': findings}


def unknown_to(some, others):
    """Ids of those of `others` that have no id or alias in common with any of `some`."""
    known = {name for each in some for name in (each['id'], *each['aliases'])}
    return [each['id'] for each in others if not known & {each['id'], *each['aliases']}]


def dump(results):
    """The JSON of results, a line for each lock and finding."""
    lines = [
        '{"source": %s,' % json.dumps(results['source']),
        '"locks": {',
        ',\n'.join(f'{json.dumps(name)}: {json.dumps(entry)}' for name, entry in results['locks'].items()),
        '}, "findings": [',
        ',\n'.join(json.dumps(each) for each in results['findings']),
        ']}',
    ]
    return '\n'.join(line for line in lines if line) + '\n'


def report(results, settings):
    """What is printed: two tables in plain text."""
    rows = [('lock', 'packages', 'findings')]
    for lock, entry in results['locks'].items():
        here = sum(lock in vulnerabilities_page.locks_of(each, results) for each in results['findings'])
        rows.append((lock, entry['packages'], here))
    rows += [('', '', ''), ('what an attacker must control', '', 'findings')]
    count = collections.Counter(each['class'] for each in results['findings'])
    for key in [*settings['class'], vulnerabilities_page.UNSORTED]:
        rows.append((vulnerabilities_page.title(key, settings['class']), '', count[key]))
    rows.append(('all, each counted once', '', len(results['findings'])))
    return '\n'.join(f'{name:60} {packages!s:>8} {found!s:>8}'.rstrip() for name, packages, found in rows)


def choose_source(folder):
    """A Folder where one is named, else OSV's Service at the address that pip-audit has for it."""
    if folder:
        return advisories.Folder(folder)
    from pip_audit._service.osv import OsvService  # not at the top: a machine without pip-audit sorts and writes pages

    return advisories.Service(OsvService.DEFAULT_OSV_URL, datetime.date.today().isoformat())


def say(text):
    print(text, file=sys.stderr, flush=True)


def main(arguments):
    parser = argparse.ArgumentParser(
        prog='nox -s audit --', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--advisories', metavar='FOLDER', default=os.environ.get('ADVISORIES'))
    parser.add_argument('--only', metavar='LOCK', nargs='+', default=[])
    parser.add_argument('--write', action='store_true')
    args = parser.parse_args(arguments)
    settings = tomli.loads(RULES.read_text(encoding='utf-8'))
    locks = vulnerabilities_page.audited(settings)
    unknown = [name for name in args.only if name not in locks]
    if unknown:
        parser.error(f'no lock {", ".join(unknown)} is audited; there are: {", ".join(locks)}')
    if args.only and args.write:
        parser.error('the page is of all locks: --write does not go with --only')
    try:
        source = choose_source(args.advisories)
    except Problem as e:
        say(f'error: {e}.')
        return 2
    say(f'Asking {source.name}, as of {source.date}')
    try:
        results = run(source, {name: locks[name] for name in args.only or locks}, settings, say)
    except Problem as e:
        say(f'error: {e}.')
        return 3
    print(report(results, settings))
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(dump(results), encoding='utf-8')
    say(f'Each of them is in {OUT.relative_to(ROOT)}')
    findings = results['findings']
    unsorted = [each['id'] for each in findings if each['class'] == vulnerabilities_page.UNSORTED]
    if unsorted:
        say(f'{len(unsorted)} that no rule of scripts/vulnerabilities.toml sorts: {", ".join(unsorted)}')
    if args.write:
        RESULTS.write_text(dump(results), encoding='utf-8')
        say('Taken into scripts/vulnerabilities.json; `make generate` writes docs/vulnerabilities.md')
    elif RESULTS.exists() and not args.only:
        before = json.loads(RESULTS.read_text(encoding='utf-8'))['findings']
        new, gone = unknown_to(before, findings), unknown_to(findings, before)
        say(f'Against docs/vulnerabilities.md: {len(new)} new, {len(gone)} gone; `-- --write` takes what was found')
        if new:
            say(f'New: {", ".join(new)}')
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
