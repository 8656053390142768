#!/usr/bin/env python3
"""Which GPU architectures the CUDA libraries and TensorFlow hold code for, read from their fat binaries.

    scripts/fat_binaries.py FILE...            a table of what is in each
    scripts/fat_binaries.py --json FILE...     the same for programs

A fat binary is a run of records in the ELF section .nv_fatbin. Each begins with a header (magic 0xBA55ED50, version,
header size, size of what follows), and holds entries (kind 1 for PTX, 2 for machine code; its header's size; its size;
the architecture as a number, 70 for compute capability 7.0).
"""

import argparse
import collections
import json
import mmap
import os
import struct
import sys

MAGIC = 0xBA55ED50
KINDS = {1: 'ptx', 2: 'sass'}


def section(data, name):
    """Offset and size of a section in a 64-bit ELF file; None where it has none."""
    (table,) = struct.unpack_from('<Q', data, 40)
    each, count, names = struct.unpack_from('<HHH', data, 58)
    headers = [struct.unpack_from('<IIQQQQ', data, table + i * each) for i in range(count)]  # ends with offset, size
    strings = headers[names][4]
    for header in headers:
        at = strings + header[0]
        if data[at : data.find(b'\0', at)] == name:
            return header[4], header[5]
    return None


def architectures(data, start, size):
    """Counts of entries by (kind, architecture), as {("sass", 70): 175}, in data[start : start + size].

    # Raises
        ValueError: something else than a fat binary lies in the section.
    """
    counts = collections.Counter()
    at, end = start, start + size
    while at + 16 <= end:
        magic, _, header, body = struct.unpack_from('<IHHQ', data, at)
        if magic == 0:  # padding to the next record
            at += 4
            continue
        if magic != MAGIC:
            raise ValueError('no fat binary at offset %d' % at)
        entry, stop = at + header, at + header + body
        while entry < stop:
            kind, _, entry_header, entry_size = struct.unpack_from('<HHIQ', data, entry)
            (architecture,) = struct.unpack_from('<I', data, entry + 28)
            counts[KINDS.get(kind, 'kind %d' % kind), architecture] += 1
            entry += entry_header + entry_size
        at = stop
    return counts


def read(path):
    with open(path, 'rb') as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[:5] != b'\x7fELF\x02':
            raise ValueError('%s is no 64-bit ELF file' % path)
        where = section(data, b'.nv_fatbin')
        return architectures(data, *where) if where else collections.Counter()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--json', action='store_true')
    p.add_argument('files', nargs='+', metavar='FILE')
    args = p.parse_args()
    try:
        found = {os.path.basename(path): read(path) for path in args.files}
    except (OSError, ValueError) as e:
        sys.exit('error: %s' % e)
    if args.json:
        print(
            json.dumps(
                {name: {'%s %d' % key: n for key, n in sorted(c.items())} for name, c in found.items()}, indent=2
            )
        )
        return
    print('| library | machine code for | PTX for |\n|---|---|---|')
    for name, counts in found.items():
        cells = [
            ', '.join('%d.%d' % divmod(arch, 10) for kind, arch in sorted(counts) if kind == wanted) or 'none'
            for wanted in ('sass', 'ptx')
        ]
        print('| %s | %s | %s |' % (name, *cells))


if __name__ == '__main__':
    sys.exit(main())
