"""The text of docs/projects.md, which scripts/generate.py writes out of tests/projects."""

MOST = 12  # packages that a row names
INTRODUCTION = """# Real projects of 2018 and 2019

%(count)d projects as they stand in the package index, each brought in by the command that you would use for yours,
`make project`, as of the day of its release; then its own tests run or, where its source archive has none, a training
on made data. %(sums)s.

```sh
.tools/bin/nox -s projects                        # all of them
.tools/bin/nox -s projects -- keras-rl wtte       # these two
.tools/bin/nox -s projects -- --seeds 12 wtte     # its training from twelve seeds
```

Sources are fetched by their SHA-256 (`tests/projects/projects.toml`); none of them is in this repository. A test that
fails is listed below with its cause, and any other failure, or one that no longer happens, ends the session with an
error. So does a number of this page that is not what came out: `-- --write` takes the new one into
`tests/projects/results.json`, out of which `make generate` makes this page. A training (`tests/projects/trainings`)
begins from one fixed seed.
"""


def page(projects, results, trainings):
    """The lines of the page, of what the two files hold and of what each training says of itself."""
    run = {name: results[name] for name in projects if name in results}
    tested = [r for r in run.values() if 'passed' in r]
    sums = '%d were installed; in %d their own tests ran, %d passed and %d failed; %d trained' % (
        len(run),
        len(tested),
        sum(r['passed'] for r in tested),
        sum(len(r['failed']) for r in tested),
        len(run) - len(tested),
    )
    yield INTRODUCTION % {'count': len(projects), 'sums': sums}
    yield '\n| project | of | date | its own tests | not as asked | packages beside the lock |\n'
    yield '|---|---|---|---|---|---|\n'
    for name, project in projects.items():
        yield '| %s |\n' % ' | '.join(cells(name, project, results.get(name)))
    yield '\n## What the trainings are\n\n| project | training | seen from |\n|---|---|---|\n'
    for name, text in trainings.items():
        seeds = results.get(name, {}).get('seeds', 0)
        seen = 'not run' if not seeds else 'one seed' if seeds == 1 else '%d seeds' % seeds
        yield '| %s | %s | %s |\n' % (name, text.split('\n')[0].split(': ', 1)[1], seen)
    for key, title in (('failures', 'Tests that fail, and why'), ('left_out', 'Tests that are left out, and why')):
        yield '\n## %s\n\n| project | test | cause |\n|---|---|---|\n' % title
        for name, project in projects.items():
            for test, cause in sorted(project.get(key, {}).items()):
                yield '| %s | `%s` | %s |\n' % (name, test.replace('|', '\\|'), cause)


def cells(name, project, result):
    """One row of the table."""
    title = '%s %s' % (name, project['version'])
    if result is None:
        return [title, project['field'], project['date'], 'not run', '', '']
    outcome = 'none; a training' if 'passed' not in result else '%d passed' % result['passed']
    for count, word in ((len(result.get('failed', ())), 'failed'), (result.get('skipped', 0), 'skipped')):
        if count:
            outcome += ', %d %s' % (count, word)
    moved = '; '.join('`%s`: %s' % (asked.replace('|', '\\|'), got or 'left out') for asked, got in result['table'])
    beside = ['%s %s' % pair for pair in sorted(result['beside'].items())]
    if len(beside) > MOST:
        beside[MOST:] = ['%d more' % (len(beside) - MOST)]
    return [title, project['field'], project['date'], outcome, moved or 'nothing', ', '.join(beside) or 'none']
