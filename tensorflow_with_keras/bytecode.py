"""Which Python wrote the bytecode that a Lambda layer keeps in a file. It is read here, and never executed.

Sources: Python/marshal.c of CPython 2.7, 3.6, 3.8 and 3.11; func_dump and func_load in keras/utils/generic_utils.py.
"""

import binascii
import codecs
import collections
import struct

from . import keras_names

# What marshal writes of a code object, in order; # marks a number of four bytes.
_REST = ' code consts names varnames freevars cellvars filename name #firstlineno lnotab'
LAYOUTS = (
    ('2', '#argcount #nlocals #stacksize #flags' + _REST),
    ('3.0 to 3.7', '#argcount #kwonlyargcount #nlocals #stacksize #flags' + _REST),
    ('3.8 to 3.10', '#argcount #posonlyargcount #kwonlyargcount #nlocals #stacksize #flags' + _REST),
    (
        '3.11 or newer',
        '#argcount #posonlyargcount #kwonlyargcount #stacksize #flags code consts names localsplusnames '
        'localspluskinds filename name qualname #firstlineno linetable exceptiontable',
    ),
)
LOAD_GLOBAL, EXTENDED_ARG, LOAD_METHOD, CALL_METHOD = 116, 144, 160, 161
RETURNS = b'S\0'  # what the code of a function ends with since Python 3.6, whose instructions all have two bytes

Function = collections.namedtuple('Function', 'python runs globals')


class _Reader:
    """Reads what marshal writes, a code object by one of the layouts. ValueError where the bytes are something else."""

    def __init__(self, data, layout):
        self.data, self.at, self.layout = data, 0, layout.split()
        self.references, self.interned, self.codes = [], [], []

    def take(self, count):
        if not 0 <= count <= len(self.data) - self.at:
            raise ValueError('the bytes end too early')
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, format='<i'):
        return struct.unpack(format, self.take(struct.calcsize(format)))[0]

    def items(self, count):
        if not 0 <= count <= len(self.data):
            raise ValueError('no such count')
        return tuple(self.read() for _ in range(count))

    def read(self):
        byte = self.take(1)[0]
        kind, keep = chr(byte & 0x7F), byte & 0x80
        if keep:
            place = len(self.references)
            self.references.append(None)
        value = self.value(kind)
        if keep:
            self.references[place] = value
        return value

    def value(self, kind):
        if kind in '0NFTS.':
            return None
        if kind in 'ir':
            number = self.number()
            return self.references[number] if kind == 'r' else number
        if kind in 'Ig':
            return self.take(8)
        if kind == 'y':
            return self.take(16)
        if kind == 'f':
            return self.take(self.number('B'))
        if kind == 'x':
            return [self.take(self.number('B')) for _ in 'ab']
        if kind == 'l':
            return self.take(2 * abs(self.number()))
        if kind in 'su':
            return self.take(self.number())
        if kind in 'aA':
            return self.take(self.number()).decode('latin-1')
        if kind in 'zZ':
            return self.take(self.number('B')).decode('latin-1')
        if kind == 't':
            self.interned.append(self.take(self.number()).decode('utf-8', 'replace'))
            return self.interned[-1]
        if kind == 'R':
            return self.interned[self.number()]
        if kind == ')':
            return self.items(self.number('B'))
        if kind in '([<>':
            return self.items(self.number())
        if kind == '{':
            while self.data[self.at : self.at + 1] != b'0':
                self.read()
            return self.take(1)
        if kind == ':':
            return self.items(3)
        if kind == 'c':
            return self.code()
        raise ValueError('unknown type %r' % kind)

    def code(self):
        found = {f: self.number() if f[0] == '#' else self.read() for f in self.layout}  # in their order
        texts = [found['name'], found['filename'], *found['names']]
        numbers = [n for f, n in found.items() if f[0] == '#']
        if not isinstance(found['code'], bytes) or not all(isinstance(t, (bytes, str)) for t in texts):
            raise ValueError('no code object')
        if min(numbers) < 0 or not all(isinstance(found[f], tuple) for f in ('consts', 'names')):
            raise ValueError('no code object')
        names = [n if isinstance(n, str) else n.decode('utf-8', 'replace') for n in found['names']]
        self.codes.append((found['code'], names))
        return self.codes[-1]


def _codes(data):
    """The Python, and pairs of bytes and names of every code object, the inner ones too; None for something else."""
    for python, layout in LAYOUTS:
        reader = _Reader(data, layout)
        try:
            if data[:1] in (b'c', b'\xe3') and reader.read() and reader.at == len(data):
                return python, reader.codes
        except (ValueError, IndexError, KeyError, TypeError, struct.error, RecursionError):
            continue
    return None


def examine(text):
    """What func_dump of Keras wrote as the code of a function.

    # Arguments
        text: str, base64; or of Keras before 2.1.2 the bytes as characters.

    # Returns
        Function(python, runs, globals): versions of Python that may have written it, or None for no code object;
        whether Python 3.6 reads it and knows all its instructions; the sorted names that it looks up outside itself,
        where `runs`, else none.
    """
    found = None
    try:
        found = _codes(codecs.decode(text.encode('ascii'), 'base64'))
    except (UnicodeEncodeError, binascii.Error):
        pass
    found = found or _codes(text.encode('raw_unicode_escape'))
    if found is None:
        return Function(None, False, ())
    python, codes = found
    if python != '3.0 to 3.7':
        return Function(python, False, ())
    if any(len(code) % 2 or code[-2:] != RETURNS for code, _ in codes):
        return Function('3.0 to 3.5', False, ())
    instructions = {instruction for code, _ in codes for instruction in code[::2]}
    if not instructions <= keras_names.OPCODES:
        return Function('3.7' if instructions & {LOAD_METHOD, CALL_METHOD} else None, False, ())
    names = set()
    for code, table in codes:
        argument = 0
        for instruction, low in zip(code[::2], code[1::2]):
            argument = argument << 8 | low
            if instruction == LOAD_GLOBAL:
                if argument >= len(table):
                    return Function(None, False, ())
                names.add(table[argument])
            if instruction != EXTENDED_ARG:
                argument = 0
    return Function('3.6 or 3.7', True, tuple(sorted(names)))
