"""What an error message means: the rows of symptoms.json, found in a traceback or a log.

symptoms.json is a list of dicts, in the order of docs/symptoms.md, which is made of it:

- `id`: short name, the same for ever; `group`: the heading on the page.
- `message`: as people see it; … stands for what differs.
- `pattern`: regular expression that finds it. Blanks in it count for nothing, and neither does white space in the text,
  so that it does not matter where a terminal, an e-mail or a log has broken a line. A backquote and every quotation
  mark are ' in both.
- `after` (optional): regular expression for what stands before the message, as a frame of the traceback.
- `unless` (optional): regular expression for what makes it somebody else's error, as another library's name.
- `warning` (optional): true where the message is printed and no exception is raised.
- `cause`, `cure`: a sentence each.
- `recipe`: a recipe, as `sessions/own_session`, or a page, as `docs/hardware.md`.
- `seen` (optional): an issue that shows the message, as `project#number`, where this stack on a CPU cannot show it.

Where two patterns find the same piece of text, the row that comes first counts: the special ones stand first.
"""

import collections
import json
import os
import re
import sys

from . import recipe

KNOWN, UNKNOWN = 0, 1
COMMAND = 'python -m tensorflow_with_keras explain'
SYMPTOMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'symptoms.json')
LIMIT = 2**21  # the last bytes of the text that are looked at; the last exception stands at its end
CONTEXT = 20000  # characters before a message in which its `after` is looked for
REPEATS = 100  # of one message, from the end, that are looked at

QUOTES = str.maketrans({quote: "'" for quote in '"`´‘’‚‛“”„‟'})
# colours and other sequences for terminals; a title ends with a bell or a string terminator
ESCAPES = re.compile('\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b\n]{0,300}(?:\x07|\x1b\\\\)|[@-Z\\\\^_])')
BLANKS = re.compile('[\\s\x00-\x20\x7f-\xa0\u200b-\u200f\u2028\u2029\ufeff]+')
TRACEBACK = 'Traceback(mostrecentcalllast)'
EXCEPTION = re.compile('[A-Z]\\w*(?:(?:Error|Exception|Warning)(?::|$)|Interrupt|SystemExit|StopIteration)')
# between two tracebacks that belong together; a log may put its prefixes, and IPython a name, in between
CHAIN = re.compile('(?:anotherexceptionoccurred|directcauseofthefollowingexception):')

Found = collections.namedtuple('Found', 'rows above printed last')


def load():
    """The rows of symptoms.json, a list of dicts."""
    with open(SYMPTOMS, encoding='utf-8') as f:
        return json.load(f)


def fold(text):
    """The text without white space, colours and control characters, every quotation mark as '."""
    return BLANKS.sub('', ESCAPES.sub('', text)).translate(QUOTES)


def compiled(pattern):
    """A pattern of symptoms.json, for folded text."""
    return re.compile(fold(pattern))


def find(text, rows=None):
    """The rows whose message the text has, those of the last exception first.

    # Arguments
        text: str, a traceback or a whole log.
        rows: as `load` gives them, by default these.

    # Returns
        `Found`: `rows`, those of the last exception and of what it was raised from, or of a text without a traceback,
        the last message first; `above`, of earlier tracebacks and of what was logged before; `printed`, warnings that
        stand beside a traceback; `last`, str, the last line that reads like an exception's, or ''.
    """
    folded = fold(text).replace('**', '')  # bold, where the text went through Markdown
    taken, found = bytearray(len(folded)), {}
    for row in load() if rows is None else rows:
        after, unless = (compiled(row[key]) if key in row else None for key in ('after', 'unless'))
        for match in collections.deque(compiled(row['pattern']).finditer(folded), REPEATS):
            begin, end = match.span()
            before = folded[max(0, begin - CONTEXT) : begin]
            if any(taken[begin:end]):
                continue
            if (after and not after.search(before)) or (unless and unless.search(before + folded[begin : end + 500])):
                continue
            taken[begin:end] = b'\1' * (end - begin)
            found[row['id']] = (end, row)  # its last place
    ordered = [(end, row) for end, row in sorted(found.values(), key=lambda pair: -pair[0])]
    begin, traceback = _last_traceback(folded)
    warning = [row for end, row in ordered if row.get('warning')]
    rows = [row for end, row in ordered if end > begin and not row.get('warning')]
    above = [row for end, row in ordered if end <= begin and not row.get('warning')]
    if not traceback:
        rows, warning = rows or warning, warning if rows else []
    return Found(rows, above, warning, _last_line(text))


def _last_traceback(folded):
    """Where in folded text the last traceback begins, with all that it was raised from; and whether there is one."""
    begin = folded.rfind(TRACEBACK)
    if begin < 0:
        return 0, False
    if not EXCEPTION.search(folded, begin):  # broken off; some loggers name the exception above the traceback
        return 0, True
    while begin > 0 and CHAIN.search(folded, max(0, begin - 200), begin):
        begin = folded.rfind(TRACEBACK, 0, begin)  # -1 where the first one was not pasted
    return begin, True


def _last_line(text):
    lines = re.findall(
        r'^(?:E +)?((?:\w+\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Iteration|Warning)\b.*)', text, re.M
    )
    return ESCAPES.sub('', lines[-1]).strip()[:200] if lines else ''


def command(name):
    """How to see a recipe run, or where a page is."""
    if name.startswith('docs/'):
        return name
    return 'examples/%s.py; to run it: python -m tensorflow_with_keras run %s' % (name, name)


def _text(row):
    kind = 'Page:' if row['recipe'].startswith('docs/') else 'Recipe:'
    facts = [('Cause:', row['cause']), ('Cure:', row['cure']), (kind, command(row['recipe']))]
    return '\n'.join([row['message']] + ['  %-7s %s' % fact for fact in facts])


def answer(text):
    """What `explain` prints about a text, and its exit code."""
    found = find(text)
    parts = [_text(row) for row in found.rows]
    if not parts:
        last = 'its last exception is: %s' % found.last if found.last else 'no line of it reads like an exception'
        parts.append('unknown: none of the %d messages of docs/symptoms.md is in it; %s' % (len(load()), last))
    for title, rows in (('Above it, earlier:', found.above), ('Printed beside it:', found.printed)):
        if rows:
            parts += [title] + [_text(row) for row in rows]
    return '\n\n'.join(parts), KNOWN if found.rows else UNKNOWN


def read(stream):
    """The text on a binary stream, its last `LIMIT` bytes or more, whatever their encoding."""
    tail = bytearray()
    # read1 and not read, which at a terminal would want Ctrl-D twice
    for block in iter(lambda: stream.read1(LIMIT), b''):
        tail += block
        if len(tail) > 2 * LIMIT:
            del tail[:-LIMIT]
    # UTF-16, which PowerShell writes, has a zero in every second byte, and folding drops those
    return tail.decode('utf-8', 'replace')


def main():
    """Reads standard input, prints the answer. Returns `KNOWN` or `UNKNOWN`."""
    if sys.stdin.isatty():
        hint = 'Paste the traceback, then Enter and Ctrl-D. Or: python train.py 2>&1 | %s' % COMMAND
        print(hint, file=sys.stderr, flush=True)
    text = read(sys.stdin.buffer)
    if not fold(text):
        recipe.fail('nothing came on standard input: python train.py 2>&1 | %s' % COMMAND, recipe.BAD_USAGE)
    said, code = answer(text)
    encoding = sys.stdout.encoding or 'ascii'
    print(said.encode(encoding, 'replace').decode(encoding))
    return code
