#!/usr/bin/env python3
"""Puts the CPython 3.6.15 of requirements/python36.pins into .python36; `scripts/front-door python36 install` runs it.

Needs Python 3.9 or newer and py-rattler, which unpacks conda packages and writes the new place into their files. What
it does not do is here: downloads that go on where they broke off, from mirrors too, and sums checked before anything
is unpacked (py-rattler checks none of a file that is on this machine). Errors are one sentence, with exit code 3.
"""

import asyncio
import fcntl
import hashlib
import http.client
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request

import rattler
from rattler.exceptions import InstallerError

ROOT = pathlib.Path(__file__).resolve().parents[1]
PINS = ROOT / 'requirements' / 'python36.pins'
SEEN = ROOT / 'requirements' / 'python36.sha256'  # of this machine, as sha256sum writes it
PREFIX = ROOT / '.python36'
PACKAGES = PREFIX / 'pkgs'
STAMP = PREFIX / 'lock.stamp'  # written last; scripts/front-door believes only in a tree that has the right one
LONGEST = 255  # bytes that conda packages leave for the path of the tree
# the modules are those that need the other packages; platform parses what a botched replacement of paths would spoil
RUNS = 'import bz2, ctypes, platform, sqlite3, ssl, sys, zlib; sys.exit(platform.python_version()[:4] != "3.6.")'


def fail(sentence):
    print(f'error: {sentence}', file=sys.stderr)
    sys.exit(3)


def say(text, end='\n'):
    print(text, end=end, file=sys.stderr, flush=True)


def stamp():
    return os.fsencode(ROOT) + b'\n' + PINS.read_bytes()  # a tree can be neither stale nor moved


def seen():
    """SHA-256 sums of the archives that were right before, by name."""
    lines = SEEN.read_text().splitlines() if SEEN.exists() else []
    return {name: sha256 for sha256, _, name in (line.partition('  ') for line in lines)}


def wrong(file, name, md5):
    """What is wrong with the sums of a file, or None. A SHA-256 that nobody has seen yet is noted for the next time."""
    sums = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with open(file, 'rb') as f:
        for block in iter(lambda: f.read(1 << 20), b''):
            for s in sums:
                s.update(block)
    got_md5, got_sha256 = (s.hexdigest() for s in sums)
    if got_md5 != md5:
        return f'its MD5 is {got_md5}, not {md5}'
    expected = seen().get(name)
    if expected is None:
        with open(SEEN, 'a') as f:
            f.write(f'{got_sha256}  {name}\n')
    elif got_sha256 != expected:
        return f'its MD5 is right but not its SHA-256, {got_sha256}; {SEEN.relative_to(ROOT)} has {expected}'
    return None


def transfer(url, part, label):
    """Adds to `part` what it lacks of `url`. Returns whether the source has sent all it has."""
    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={'User-Agent': 'tensorflow-with-keras'})
    if start:
        request.add_header('Range', f'bytes={start}-')
    try:
        answer = urllib.request.urlopen(request, timeout=float(os.environ.get('STALLED_AFTER', 60)))
    except urllib.error.HTTPError as error:
        if error.code == 416:  # there is nothing behind what is here: it is all, or it is wrong
            return True
        raise
    with answer:
        if answer.status != 206:  # all of it comes, whatever was asked for
            start = 0
        length = answer.headers.get('Content-Length')
        total = start + int(length) if length else None
        with open(part, 'ab' if start else 'wb', buffering=0) as f:  # what has come is kept, whatever happens next
            for block in iter(lambda: answer.read1(1 << 16), b''):
                f.write(block)
                if total and sys.stderr.isatty():
                    say(f'\r{label} {100 * f.tell() // total:3d} % ', end='')
            return total is None or f.tell() >= total


def fetch(name, md5, urls, label):
    """The archive, whole and right, in PACKAGES."""
    file, part, faults = PACKAGES / name, PACKAGES / f'{name}.part', []
    if file.exists():
        fault = wrong(file, name, md5)
        if fault is None:
            return file
        faults.append(f'{file}: {fault}')
    say(label, end='' if sys.stderr.isatty() else '\n')
    for url in urls:
        for _ in range(3):
            fault = 'it broke off'
            try:
                complete = transfer(url, part, label)
            except (OSError, http.client.HTTPException) as error:  # urllib's own are OSErrors
                fault, complete = str(error).strip('<>') or type(error).__name__, False
            if complete:
                fault = wrong(part, name, md5)
                if fault is None:
                    part.rename(file)
                    say('', end='\n' if sys.stderr.isatty() else '')
                    return file
                part.unlink()
        faults.append(f'{url}: {fault}')
    say('', end='\n' if sys.stderr.isatty() else '')
    fail(
        f'{name} could not be had ({"; ".join(faults)}). Name a mirror of the channel in PYTHON36_MIRRORS, or put the '
        f'files that {PINS.relative_to(ROOT)} lists into {PACKAGES}, or name a Python 3.6 in PYTHON36.'
    )


def record(file, work):
    """What py-rattler wants to know of an archive."""
    with tarfile.open(file) as archive:
        index = work / 'index.json'
        index.write_bytes(archive.extractfile('info/index.json').read())
    description = rattler.PackageRecord.from_index_json(index)
    return rattler.RepoDataRecord(description, file.name, file.as_uri(), file.parent.as_uri())


def install(files):
    for old in PREFIX.iterdir():  # what an install that was broken off has left, or an older one
        if old.is_dir() and old != PACKAGES:
            shutil.rmtree(old)
        elif old != PACKAGES and old.name != '.lock':
            old.unlink()
    work = PREFIX / 'work'
    work.mkdir()
    records = [record(file, work) for file in files]
    try:
        asyncio.run(rattler.install(records, PREFIX, cache_dir=work, show_progress=False, execute_link_scripts=False))
    except InstallerError as error:
        fail(f'the packages could not be unpacked into {PREFIX}: {" ".join(str(error).split())}.')
    shutil.rmtree(work)
    python = PREFIX / 'bin' / 'python3.6'
    done = subprocess.run([python, '-I', '-c', RUNS], stderr=subprocess.PIPE, text=True)
    if done.returncode:
        why = done.stderr.strip().splitlines() or [f'exit status {done.returncode}']
        fail(f'{python} does not run on this machine: {why[-1]}')
    new = PREFIX / 'stamp.new'
    new.write_bytes(stamp())
    new.rename(STAMP)


def sources(path):
    """Where a pinned file may be: below each mirror, given as address or folder, and in its channel."""
    channel, subdir, name = path.rsplit('/', 2)
    mirrors = [
        pathlib.Path(m).as_uri() if m.startswith('/') else m for m in os.environ.get('PYTHON36_MIRRORS', '').split()
    ]
    return [f'{place.rstrip("/")}/{subdir}/{name}' for place in [*mirrors, rattler.Channel(channel).base_url]]


def main():
    if len(os.fsencode(PREFIX)) > LONGEST:
        fail(f'the path {PREFIX} is longer than the {LONGEST} bytes that conda packages allow: move the checkout.')
    PACKAGES.mkdir(parents=True, exist_ok=True)
    with open(PREFIX / '.lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the other one may be about to make it
        if STAMP.exists() and STAMP.read_bytes() == stamp():
            return
        pins = [line for line in PINS.read_text().splitlines() if not line.startswith('#')]
        files = []
        for n, pin in enumerate(pins, 1):
            path, _, md5 = pin.partition('#')
            name = path.rpartition('/')[2]
            files.append(fetch(name, md5, sources(path), f'  {n}/{len(pins)} {name}'))
        say('  sums are right; unpacking')
        install(files)


if __name__ == '__main__':
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:  # no space left, no permission
        fail(f'{PREFIX} could not be made: {error}')
