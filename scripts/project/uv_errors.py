"""What uv says, in one sentence for the user."""

import re

from project_error import Refused

CAUSE = re.compile(
    r'^\s*(?:\w+(?:\.\w+)*(?:Error|Exception|Exit|Interrupt)\b|error:|ERROR:|.*: fatal error:|.*: command not found|.*Error:)'
)
NETWORK = (
    'Failed to fetch', 'error sending request', 'dns error', 'Network connectivity is disabled',
    'Connection refused', 'Could not connect', 'timed out',
)  # fmt: skip


def last_lines(said):
    """The lines of a failed build that say why: the last error and what leads to it, at most six."""
    inside = re.split(r'^\s*\[stderr\]\s*$', said, flags=re.M)[-1]
    lines = [line.strip() for line in inside.splitlines() if line.strip() and not line.lstrip().startswith('hint:')]
    ends = [i for i, line in enumerate(lines) if CAUSE.match(line)]
    end = ends[-1] + 1 if ends else len(lines)
    return lines[max(0, end - 4) : end + 2][:6]


def package_of(said):
    """The package of a failed build or download, as NAME==VERSION."""
    found = re.search(r'Failed to (?:build|download and build|download|prepare)[^`\n]*`([^`]+)`', said)
    return found[1] if found else ''


def refuse(said, project, config):
    """Raises the Refused that fits what uv said."""
    flat = re.sub(r'\s+', ' ', said)
    if 'No space left on device' in said or 'os error 28' in said or 'Disk quota exceeded' in said:
        raise Refused('the disk is full: make room, and run this again.', 3)
    if 'Permission denied' in said or 'Read-only file system' in said:
        raise Refused(f'a file cannot be written: {first_line(said)}', 3)
    if 'Git operation failed' in said or 'Git executable not found' in said:
        where = re.search(r'(?:git\+)?(?:https?|ssh)://[^\s`]+', said)
        name = re.search(r'`([\w.-]+) @', said)
        raise Refused(
            f'{where[0] if where else "a git address"} could not be fetched: look at the network and at the address, or '
            f'leave it out by WITHOUT={name[1] if name else "NAME"}.',
            3,
        )
    package = package_of(said)
    if package and ('Build backend failed' in said or 'build' in said and '[stderr]' in said):
        name = re.split('[=@ ]', package)[0]
        lines = '\n'.join('  ' + line for line in last_lines(said))
        raise Refused(
            f'{package} could not be built from its source. WITHOUT={name} leaves it out, WITH={name}==VERSION takes '
            f'another version. What it said last:\n{lines}',
            3,
        )
    if any(words in said for words in NETWORK) and 'No solution found' not in said:
        raise Refused(f'the package registry was not reached: look at the network. uv says: {first_line(said)}', 3)
    newer = re.search(
        r'hint: `([^`]+)` was filtered by `exclude-newer`.*?satisfying the requirement is v?(\S+), published at (\d{4}-\d\d-\d\d)',
        flat,
    )
    if newer:
        name, version, date = newer.groups()
        text = wanted(project, name)
        raise Refused(
            f'{text} is not there yet on {project.date} ({project.date_from}): {name} {version} is of {date}. '
            f'DATE={date} or later finds it; WITH={name}==VERSION takes another version, WITHOUT={name} none.'
        )
    python = re.search(r'(?:does not satisfy|requires|depends on) Python\s*(>=?\s?3\.(?:[7-9]|\d\d)[.\d]*)', flat)
    if python:
        name = re.search(r'\b([a-z0-9][a-z0-9._-]*?)(?:==([^\s,]+)|>=|<=|[<>])[^,]* depends on Python', flat, re.I)
        which = name[1] if name else 'a package'
        raise Refused(
            f'{wanted(project, which)} is for Python {python[1]} only, and TensorFlow 1.9 has 3.6: '
            f'an older version may do (WITH={which}==VERSION), or none (WITHOUT={which}).'
        )
    missing = re.search(r'Because ([\w.-]+) was not found in the (?:package registry|provided package locations)', flat)
    missing = missing or re.search(r'there (?:is|are) no versions? of ([\w.-]+)', flat)
    if missing:
        name = missing[1]
        raise Refused(
            f'{wanted(project, name)} cannot be had: the package registry has none that fits Python 3.6 and {project.date}. '
            f'WITHOUT={name} leaves it out, WITH={name}==VERSION takes another version, DATE= another date.'
        )
    raise Refused(
        f'what the project asks does not fit together as of {project.date} ({project.date_from}): {cause(flat)} '
        'WITHOUT=NAME leaves a package out, WITH=NAME==VERSION replaces what is asked.'
    )


def wanted(project, name):
    """A requirement of the project with where it stands, or that another package asks for it."""
    for a in project.requirements:
        if a.name == name.lower().replace('_', '-'):
            return f'{a.text} ({a.source})'
    return f'{name}, which another package needs,'


def first_line(said):
    lines = [
        re.sub(r'^(?:error|cause|×|├─▶|╰─▶)[:\s]*', '', line.strip()) for line in said.splitlines() if line.strip()
    ]
    return lines[-1] if lines else 'nothing'


def cause(flat):
    """The resolver's own sentence, without the steps between."""
    found = re.search(r'(?:cause|╰─▶):? (.*?)(?: hint:|$)', flat)
    text = re.sub(r'\s[│├╰─▶]+\s', ' ', found[1] if found else flat).strip()
    return text if len(text) < 500 else text[:250] + ' … ' + text[-240:]
