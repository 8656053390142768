"""What uv says, in one sentence for the user."""

import re

from packaging.utils import canonicalize_name
from project_error import Refused

CAUSE = re.compile(r'\w+(?:\.\w+)*(?:Error|Exception|Exit)\b|error:|.*: (?:fatal )?error:|.*: command not found', re.I)
NETWORK = (
    'Failed to fetch', 'error sending request', 'dns error', 'Network connectivity is disabled',
    'Connection refused', 'Could not connect', 'timed out',
)  # fmt: skip


def last_lines(said):
    """The lines of a failed build that say why: the last five that name an error, else the last five."""
    inside = re.split(r'^\s*\[stderr\]\s*$', said, flags=re.M)[-1]
    lines = [line.strip() for line in inside.splitlines() if line.strip() and not line.lstrip().startswith('hint:')]
    causes = [line for line in lines if CAUSE.match(line)]
    return list(dict.fromkeys(causes or lines))[-5:]


def package_of(said):
    """The package of a failed build or download, as NAME==VERSION."""
    found = re.search(r'Failed to (?:build|download and build|download|prepare)[^`\n]*`([^`]+)`', said)
    return found[1] if found else ''


class Missing(Refused):
    """A package cannot be had; `name` is it, for a caller that can do without; `day` when it first could."""

    def __init__(self, sentence, name, day=None):
        super().__init__(sentence)
        self.name, self.day = name, day


class NeedsModule(Refused):
    """A source asks for a module while it is built: `package` may be built once it has it."""

    def __init__(self, sentence, package, module):
        super().__init__(sentence, 3)
        self.package, self.module = package, module


def refuse(said, project, ask):
    """Raises the Refused that fits what uv said. `ask(*arguments)` asks uv more: (code, what it said)."""
    flat = re.sub(r'\s+', ' ', said)
    if 'No space left on device' in said or 'os error 28' in said or 'Disk quota exceeded' in said:
        raise Refused('the disk is full: make room, and run this again.', 3)
    if 'Hash mismatch' in said:
        raise Refused(
            f'what was downloaded as {package_of(said)} is not the file that was locked, its hash is another: take '
            f'away {project.state} to lock what is there now, if you trust it.',
            3,
        )
    if 'Permission denied' in said or 'Read-only file system' in said:
        raise Refused(f'a file cannot be written: {last_line(said)}', 3)
    if 'Git operation failed' in said or 'Git executable not found' in said:
        where = re.search(r'(?:git\+)?(?:https?|ssh)://[^\s`]+', said)
        name = re.search(r'`([\w.-]+) @', said)
        raise Refused(
            f'{where[0] if where else "a git address"} could not be fetched: look at the network and at the address, '
            f'or leave it out by WITHOUT={name[1] if name else "NAME"}.',
            3,
        )
    built(said)
    if any(words in said for words in NETWORK) and 'No solution found' not in said:
        raise Refused(f'the package registry was not reached: look at the network. uv says: {last_line(said)}', 3)
    as_of = f'as of {project.date} ({project.date_from})'
    newer = re.search(
        r'hint: `([^`]+)` was filtered by `exclude-newer`.*?(?:satisfying the requirement is|requested version,) v?'
        r'([^\s,]+), (?:was )?published at (\d{4}-\d\d-\d\d)',
        flat,
    )
    if newer:
        name, version, date = newer.groups()
        version, date = first_release(project, name, ask) or (version, date)
        raise Missing(
            f'{wanted(project, name)} cannot be had {as_of}: {name} {version} is of {date}. DATE={date} finds it, '
            f'WITH={name}==VERSION takes another version, WITHOUT={name} none.',
            name,
            date,
        )
    python = re.search(r'(?:and|Because) ([\w.-]+?)(?:==([^\s,]+)|[<>]=?\S+)? depends? on Python(>=?\s?[\d.]*\d)', flat)
    if python:
        name, version, needs = python.groups()
        older = ask('--no-header', '--no-annotate', '--no-deps', requirements=name)
        other = re.search(rf'^{re.escape(name)}==(\S+)', older[1], re.M) if older[0] == 0 else None
        way_out = f'WITH={name}=={other[1]} is what there was for 3.6' if other else 'there was none for 3.6'
        raise Missing(
            f'{wanted(project, name)} is for Python{needs} ({name} {version or ""}'.rstrip()
            + f'), and TensorFlow 1.9 has 3.6: {way_out} {as_of}; WITHOUT={name} leaves it out.',
            name,
        )
    missing = re.search(r'Because ([\w.-]+) was not found in the (?:package registry|provided package locations)', flat)
    if missing:
        raise Missing(
            f'{wanted(project, missing[1])} cannot be had: the package registry has none of that name. '
            f'WITHOUT={missing[1]} leaves it out.',
            missing[1],
        )
    missing = re.search(r'there (?:is|are) no versions? of ([\w.-]+?)(?:[=<>!~]\S*)? and', flat)
    missing = missing or re.search(r'[Bb]ecause only ([\w.-]+?)[=<>]\S+ is available', flat)
    if missing:
        name = missing[1]
        raise Missing(
            f'{wanted(project, name)} cannot be had {as_of}: there is no such version for Python 3.6. '
            f'WITH={name}==VERSION takes another version, DATE= another date, WITHOUT={name} none.',
            name,
        )
    named = [a for a in project.requirements if re.search(rf'(?<![\w-]){re.escape(a.name)}(?![\w-])', flat) and a.name]
    asked = ', '.join(dict.fromkeys(f'{a.text} ({a.source})' for a in named))
    name = named[0].name if named else 'NAME'
    raise Refused(
        f'{asked or "what the project asks"} cannot be had together {as_of}: WITH={name}==VERSION replaces what is '
        f'asked, WITHOUT={name} leaves it out. uv says: {cause(flat)}'
    )


def built(said):
    """Raises the Refused for a source that could not be built, if that is what went wrong."""
    package = package_of(said)
    if not package or 'Build backend failed' not in said and '[stderr]' not in said:
        return
    name = re.split('[=@ ]', package)[0]
    lines = last_lines(said)
    shown = '\n'.join('  ' + line for line in lines)
    sentence = (
        f'{package} could not be built from its source. WITHOUT={name} leaves it out, WITH={name}==VERSION takes '
        f'another version. What it said last:\n{shown}'
    )
    module = re.search(r"(?:ModuleNotFoundError|ImportError): No module named '?([\w]+)", '\n'.join(lines))
    if module:
        raise NeedsModule(sentence, name.lower().replace('_', '-'), module[1])
    raise Refused(sentence, 3)


def first_release(project, name, ask):
    """The first version that meets what the project asks of a package, for Python 3.6, and its day; else None."""
    specifiers = [a.given for a in project.requirements if a.name == name and a.given] or [name]
    code, said = ask(
        '--no-header', '--no-annotate', '--no-deps', '--resolution', 'lowest', requirements=specifiers[0], date=None
    )
    lowest = re.search(rf'^{re.escape(name)}==(\S+)', said, re.M) if code == 0 else None
    if not lowest:
        return None
    _, said = ask('--no-deps', requirements=f'{name}=={lowest[1]}', date='2000-01-01')
    day = re.search(r'published at (\d{4}-\d\d-\d\d)', re.sub(r'\s+', ' ', said))
    return (lowest[1], day[1]) if day else None


def wanted(project, name):
    """A requirement of the project with where it stands, or that another package asks for it."""
    for a in project.requirements:
        if a.name == canonicalize_name(name):
            return f'{a.text} ({a.source})'
    return f'{name}, which another package needs,'


def last_line(said):
    lines = [
        re.sub(r'^(?:error|cause|×|├─▶|╰─▶)[:\s]*', '', line.strip()) for line in said.splitlines() if line.strip()
    ]
    return lines[-1] if lines else 'nothing'


def cause(flat):
    """The resolver's own sentence, without the steps between."""
    found = re.search(r'cause: (.*?)(?: hint:|$)', flat)
    text = re.sub(
        r',? we can conclude that your requirements are unsatisfiable', '', found[1] if found else flat
    ).strip()
    return text if len(text) < 400 else text[:200] + ' … ' + text[-190:]
