"""The text of docs/vulnerabilities.md, which scripts/generate.py writes out of scripts/vulnerabilities.json.

`nox -s audit -- --write` makes that file. It holds ids, classes and names of ops, and none of the advisories' words.
"""

import ast
import collections
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
REFERENCE = 'tf1.9-keras2.2.4'
UNSORTED = 'unsorted'
TENSORFLOW = ('tensorflow', 'tensorflow-cpu', 'tensorflow-gpu')
WORST = 5  # findings that a class names before its table
EFFECTS_LAST = 'other'
NONE = {True: 'none', False: 'see there'}  # of recipes: by what they call, or in words
INTRODUCTION = """# Known vulnerabilities

{count} known vulnerabilities are in what these {locks} locks install, {tensorflow} of them in TensorFlow. This page
sorts them by what an attacker must control, since that says whether they matter to you.

They are those of {name} as of **{date}**, which are [not all](#what-is-counted-and-what-is-not). To ask anew:

```sh
.tools/bin/nox -s audit                      # OSV's service, through pip-audit
ADVISORIES=folder .tools/bin/nox -s audit    # without a network: a checkout of github.com/pypa/advisory-database
.tools/bin/nox -s audit -- --write           # takes what was found into this page
```

"""
AROUND = """
[SECURITY.md](../SECURITY.md) has the rules that follow from it: let nothing here read what a stranger sent, and open
no port of it.

## The containers, and make inspect

- Below, *the containers* are those that `make run-example` starts: no network, a root that is read-only, a `/tmp` of
  their own, no capabilities, no new privileges, your user's id, and of your files the folder for results and the one
  for data, that read-only (`docker/sandbox.txt`). They share the kernel of their host. `ENGINE=local` has nothing of
  this.
- `make inspect` says what is in a model file by h5py, in a process of its own, without TensorFlow and Keras. It runs
  on your machine, and with `ENGINE=docker` or `ENGINE=podman` in a container. Its tests feed it cut and
  damaged files, and random bytes for the code of a `Lambda` layer (`tests/library/test_model_file.py`).
"""
OPS = """
## Ops that the recipes call

{naming} of TensorFlow's {every} name an op or a function, not counting those about its files, which mean TFLite's ops.
{called} of them name one that the code of a recipe calls by that name, large or small letters alike. This is read from
the source: it sees neither which ops Keras and TensorFlow call in turn, nor those of gradients, nor whether the
arguments are those that the fault wants.

"""
COVERS = """
## What is counted, and what is not

- One vulnerability is counted once, however many ids it has and packages it is filed under: two records are one when
  they share an id or an alias. Withdrawn records do not count; disputed ones do.
- In PyPA's database every record has a PYSEC id. GitHub has advisories without one, and OSV's service has those, too.
  The newest of TensorFlow's here is of {newest}.
- {gpu_only} of TensorFlow's are filed under `tensorflow-gpu` alone, and so are counted for locks of that package
  alone. The package for CPUs is made from the same source: take them for its own, too.
- An advisory names versions, and few say since when the fault is there. Some of the ops that are named are of
  TensorFlow 2.
- In the image of tf1.15-nvidia-keras2.2.4 NVIDIA's own TensorFlow takes the place of the one that its lock names.
  What NVIDIA has mended in it was not looked at.
- Not looked at: Python 3.6 itself, Debian's packages in the images, NVIDIA's libraries as files, and C libraries
  inside wheels where no advisory names the Python package, as HDF5 in h5py.
- That Keras runs the code of a `Lambda` layer in a model file, and TensorFlow whatever a graph says, is no fault but
  how they work, and no advisory here counts it.
- The class, and what happens then, come from words in the advisory, by the rules in `scripts/vulnerabilities.toml`.
  "Happens then" is the worst that its text names. It does not say how likely that is.
"""


def table(heads, rows):
    """Lines of a Markdown table, a | in a cell escaped."""
    lines = [heads, ['---'] * len(heads), *([str(cell).replace('|', '\\|') for cell in row] for row in rows)]
    return ''.join('| %s |\n' % ' | '.join(line) for line in lines)


def links(names, under=''):
    """Recipes as links."""
    return ', '.join(f'[{name}](../examples/{name}.py)' for name in names) or under


def finding_link(finding):
    """A finding's shortest known name, linked to its advisory."""
    ids = [finding['id'], *finding['aliases']]
    for start, address in (
        ('GHSA-', 'https://github.com/advisories/{}'),
        ('CVE-', 'https://www.cve.org/CVERecord?id={}'),
        ('', 'https://osv.dev/vulnerability/{}'),
    ):
        found = [each for each in ids if each.startswith(start)]
        if found:
            shown = next((each for each in ids if each.startswith('CVE-')), found[0])
            return f'[{shown}]({address.format(found[0])})'


def audited(settings, root=ROOT):
    """Lock to {'where', 'stack'} of all that are audited; the stack is None where it is of none."""
    found = {
        name: {'where': where, 'stack': REFERENCE if name in ('cpu', 'gpu') else None}
        for name, where in settings['audited'].items()
    }
    for path in sorted((root / 'requirements' / 'stacks').glob('*/*.in')):
        if path.stem in settings['audited_of_a_stack']:
            entry = {'where': settings['audited_of_a_stack'][path.stem], 'stack': path.parent.name}
            found[f'stacks/{path.parent.name}/{path.stem}'] = entry
    return found


# --- what the recipes call


def imported(tree):
    """Names in a module that stand for something of TensorFlow or Keras."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [(each.name, each.asname or each.name.split('.')[0]) for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or '', each.asname or each.name) for each in node.names]
        else:
            continue
        found |= {bound for module, bound in names if module.split('.')[0] in ('tensorflow', 'keras')}
    return found


def dotted(node):
    """`a.b.c` of a name or of an attribute of one; of an attribute of something else what follows it, as `().c`."""
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    names.append(node.id if isinstance(node, ast.Name) else '()')
    return '.'.join(reversed(names))


def calls(source):
    """The dotted names that a module's source has, and those of them that are of TensorFlow or Keras.

    Code that it holds as text, for another process, counts as well.
    """
    tree = ast.parse(source)
    names = imported(tree)
    every = {dotted(node) for node in ast.walk(tree) if isinstance(node, (ast.Attribute, ast.Name))}
    ours = {name for name in every if name.split('.')[0] in names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and 'import ' in node.value:
            try:
                inside = calls(node.value)
            except (SyntaxError, ValueError):  # words
                continue
            every, ours = every | inside[0], ours | inside[1]
    return every, ours


def plain(name):
    """An op's name as it compares: conv2d, Conv2D and conv_2d are one."""
    return name.split('.')[-1].replace('_', '').lower()


def takers(entry, recipes):
    """Names of the recipes whose code uses a function that a class names."""
    wanted, dotted = set(entry.get('calls', ())), entry.get('dotted', ())
    return [
        name
        for name, (every, _) in recipes.items()
        if wanted & {each.split('.')[-1] for each in every}
        or any(f'.{each}'.endswith(f'.{end}') for each in every for end in dotted)
    ]


def op_callers(findings, recipes):
    """Op to the findings that name it and the recipes whose code calls it, of those that both name: a dict of pairs."""
    callers, found = collections.defaultdict(list), {}
    for name, (_, ours) in recipes.items():
        for op in {plain(each) for each in ours}:
            callers[op].append(name)
    for finding in findings:
        for op in finding['ops']:
            if plain(op) in callers:
                found.setdefault(op, ([], callers[plain(op)]))[0].append(finding)
    return dict(sorted(found.items()))


# --- the page


def locks_of(finding, results):
    """The locks that have a package of this finding in a version that it is about."""
    pairs = {(name, version) for name, versions in finding['packages'].items() for version in versions}
    return [lock for lock, entry in results['locks'].items() if pairs & set(entry['found'].items())]


def stacks_of(finding, results):
    """The stacks whose locks have it, the reference first."""
    found = []
    for lock in locks_of(finding, results):
        stack = results['locks'][lock]['stack']
        if stack and stack not in found:
            found.append(stack)
    return found


def title(key, classes):
    """What an attacker must control."""
    return classes[key]['title'] if key in classes else 'not sorted'


def anchor(heading):
    """The fragment of a heading, as GitHub makes it."""
    return re.sub(r'[^\w -]', '', heading.lower()).replace(' ', '-')


def software(finding):
    """The packages of a finding, TensorFlow's three as one."""
    return sorted({'tensorflow' if name in TENSORFLOW else name for name in finding['packages']})


def packages(findings):
    """Packages by how many of these findings they have, TensorFlow's three as one."""
    count = collections.Counter(name for finding in findings for name in software(finding))
    return ', '.join(f'{name} {number}' for name, number in sorted(count.items(), key=lambda each: (-each[1], each[0])))


def effects(findings, rules):
    """How many of these findings have which effect, worst first."""
    count = collections.Counter(finding['effect'] for finding in findings)
    return ', '.join(f'{name} {count[name]}' for name in [*rules, EFFECTS_LAST] if count[name])


def page(results, settings, recipes):
    """The lines of the page.

    results: the JSON of a run; settings: scripts/vulnerabilities.toml; recipes: name to `calls` of its source.
    """
    classes, order = settings['class'], [each['name'] for each in settings['effect']]
    findings = sorted(
        results['findings'],
        key=lambda each: ([*order, EFFECTS_LAST].index(each['effect']), each['id'], each['aliases']),
    )
    of_class = {
        key: [each for each in findings if (each['class'] if each['class'] in classes else UNSORTED) == key]
        for key in [*classes, UNSORTED]
    }
    of_tensorflow = [each for each in findings if set(each['packages']) & set(TENSORFLOW)]
    source = results['source']
    yield INTRODUCTION.format(count=len(findings), locks=len(results['locks']), tensorflow=len(of_tensorflow), **source)
    looked_for = [key for key, entry in classes.items() if entry['calls']]
    rows = []
    for key, found in of_class.items():
        if found or key != UNSORTED:
            taking = takers(classes.get(key, {}), recipes)
            heading = title(key, classes)
            rows.append(
                [
                    f'[{heading}](#{anchor(heading)})',
                    len(found),
                    effects(found, order),
                    len(taking) or NONE[key in looked_for],
                ]
            )
    yield table(
        ['what an attacker must control', 'findings', 'what happens then', 'recipes that take such input'], rows
    )
    yield AROUND
    yield '\n## How many in which lock\n\n'
    rows = []
    for lock, entry in results['locks'].items():
        here = [each for each in findings if lock in locks_of(each, results)]
        rows.append([f'`requirements/{lock}.txt`', entry['where'], entry['packages'], len(here), packages(here)])
    empty = [row for row in rows if not row[3]]
    heads = ['lock', 'where it is installed', 'packages', 'findings', 'in']
    yield table(heads, [row for row in rows if row[3]])
    if empty:
        yield '\nNone is known in %s.\n' % ', '.join(f'{row[0]} ({row[1]})' for row in empty)
    for key, found in of_class.items():
        if found or key != UNSORTED:
            yield from section(key, found, results, classes, recipes)
    yield from ops_section(of_tensorflow, recipes)
    ids = ' '.join(name for each in of_tensorflow for name in [each['id'], *each['aliases']])
    yield COVERS.format(
        newest=max(re.findall(r'CVE-(\d+)-', ids), default='no year'),
        gpu_only=sum(set(each['packages']) & set(TENSORFLOW) == {'tensorflow-gpu'} for each in findings),
    )
    yield '\n## All of them\n'
    for key, found in of_class.items():
        if found:
            yield f'\n### All: {title(key, classes)}\n\n'
            heads = ['advisory', 'package', 'happens then', 'op', 'stacks']
            yield table(heads, [row(each, results) for each in found])


def row(finding, results):
    """The cells of a finding in the table of all."""
    ops = ', '.join(f'`{op}`' for op in finding['ops'])
    return [finding_link(finding), versions(finding), finding['effect'], ops, short_stacks(finding, results)]


def versions(finding):
    """The packages of a finding with their versions in these locks."""
    return '; '.join(f'{name} {", ".join(each)}' for name, each in finding['packages'].items())


def short_stacks(finding, results):
    """The stacks of a finding in a word, or the locks where it is in no stack."""
    every = list(dict.fromkeys(entry['stack'] for entry in results['locks'].values() if entry['stack']))
    found = stacks_of(finding, results)
    if not found:
        return 'none (%s)' % ', '.join(locks_of(finding, results))
    return 'all' if found == every else ', '.join(found)


def section(key, found, results, classes, recipes):
    """The section of a class."""
    heading, entry = title(key, classes), classes.get(key, {})
    yield f'\n## {heading[0].upper()}{heading[1:]}\n\n'
    if not found:
        yield 'No known one.\n'
        return
    inside = list(dict.fromkeys(stack for each in found for stack in stacks_of(each, results)))
    every = list(dict.fromkeys(e['stack'] for e in results['locks'].values() if e['stack']))
    where = 'all stacks' if set(inside) == set(every) else ', '.join(inside)
    if not inside:
        beside = dict.fromkeys(lock for each in found for lock in locks_of(each, results))
        where = 'no stack, but in ' + ', '.join(f'`requirements/{lock}.txt`' for lock in beside)
    yield f'{len(found)} known, in {where}: {packages(found)}.\n\n'
    worst = [f'{finding_link(each)} ({" and ".join(software(each))}: {each["effect"]})' for each in found[:WORST]]
    yield f'- Worst: {", ".join(worst)}.\n'
    if key not in classes:
        yield '- No rule of `scripts/vulnerabilities.toml` fits these. Read them, and add a rule with an example.\n'
        return
    named = links(takers(entry, recipes), 'none calls a function that takes it' if entry['calls'] else '')
    yield f'- Recipes: {". ".join(filter(None, [named, entry["recipes"].rstrip(".")]))}.\n'
    yield f'- The containers: {entry["containers"]}\n'
    yield f'- `make inspect`: {entry["inspect"]}\n'


def ops_section(of_tensorflow, recipes):
    """Which ops TensorFlow's advisories name, and which recipes call one of them."""
    naming = [each for each in of_tensorflow if each['ops'] and each['class'] != 'file']
    called = op_callers(naming, recipes)
    count = len({each['id'] for found, _ in called.values() for each in found})
    yield OPS.format(naming=len(naming), every=len(of_tensorflow), called=count)
    if called:
        rows = [[f'`{op}`', ', '.join(map(finding_link, found)), links(names)] for op, (found, names) in called.items()]
        yield table(['op', 'advisories', 'recipes'], rows)


def problems(results, settings, locked):
    """What does not fit between a run and the files of today: sentences.

    locked: lock to {package: version}, of the locks that are to be audited.
    """
    said = []
    if set(results['locks']) != set(locked):
        said.append(
            'it is not of the locks that are audited: %s' % ', '.join(sorted(set(results['locks']) ^ set(locked)))
        )
    for lock, entry in results['locks'].items():
        gone = [n for n, v in entry['found'].items() if lock in locked and locked[lock].get(n) != v]
        if gone:
            said.append(f'requirements/{lock}.txt has another version of {", ".join(gone)}')
    unknown = {each['class'] for each in results['findings']} - set(settings['class']) - {UNSORTED}
    if unknown:
        said.append('scripts/vulnerabilities.toml has no class %s' % ', '.join(sorted(unknown)))
    return said
