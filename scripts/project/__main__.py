"""`make project`: a project of 2017 to 2019 in the pinned environment. docs/project.md says what it does."""

import errno
import os
import pathlib
import sys

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[1])]

import environment  # noqa: E402
import look  # noqa: E402
import resolve  # noqa: E402
from project_error import Refused  # noqa: E402
from resolve import say  # noqa: E402


def wanted(options):
    """The Run that the options describe."""
    text = options.get('RUN', '').strip()
    for name in ('NETWORK', 'GPU'):
        if options.get(name, '') not in ('', '0', '1'):
            raise Refused(f'{name}={options[name]!r} is neither 1 nor 0.')
    return look.Run(
        command='' if text in ('shell', 'notebook') else text,
        shell=text == 'shell',
        notebook=text == 'notebook',
        network=options.get('NETWORK') == '1',
        gpu=options.get('GPU') == '1',
        engine=options.get('ENGINE') or 'local',
    )


def report(project, locked):
    """What the project is, and what it gets."""
    print(f'{project.directory}')
    print(f'  asks       in {", ".join(dict.fromkeys(project.sources))}')
    print(f'  date       {project.date}, of {project.date_from}')
    print(f'  Python     {project.python or "not said"}; here 3.6')
    for name in ('tensorflow', 'keras'):
        builds = look.corrections()['tensorflow_builds'] if name == 'tensorflow' else ['keras']
        said = [f'{a.text} ({a.source})' for a in project.requirements if a.name in builds]
        if not said and name in project.imports:
            said = [f'imported in {project.imports[name]}']
        ours = project.core.get(name) or project.core[f'{name}-gpu']
        print(f'  {name.capitalize().replace("flow", "Flow"):<10} {", ".join(said) or "not named"}; here {ours}')
    print(f'  packages   {len(locked["packages"])}, locked with hashes')
    if locked['table']:
        heads = ['asked', 'got', 'why']
        widths = [max(len(row[i]) for row in [heads, *locked['table']]) for i in (0, 1)]
        print()
        for row in [heads, *locked['table']]:
            print(f'{row[0]:<{widths[0]}}  {row[1] or "-":<{widths[1]}}  {row[2]}'.rstrip())
    forced = project.state / 'forced.txt'
    lines = [*resolve.differences(project), *project.notes]
    lines += forced.read_text(encoding='utf-8').splitlines() if forced.is_file() else []
    if lines:
        print()
    for line in lines:
        print(line)


def main(options):
    run = wanted(options)
    if run.gpu and run.engine == 'local' and (run.command or run.shell or run.notebook):
        raise Refused('GPU=1 runs in a container: start Docker or Podman, and use ENGINE=docker or ENGINE=podman.')
    project = look.look(options)
    with environment.alone(project):
        locked = resolve.resolve(project, options)
    if not (run.command or run.shell or run.notebook):
        report(project, locked)
        print(
            f'\nThe lock is in {resolve.locks(project, options)}. RUN="python …" runs in it; RUN=shell opens a shell.'
        )
        return
    if run.engine == 'local':
        environment.run(project, options, locked, run)
    import container

    container.run(project, options, locked, run)


def guarded(options):
    """Runs `main`; the exit code, with a sentence where it fails."""
    try:
        main(options)
    except Refused as e:
        say(f'error: {e}')
        return e.code
    except KeyboardInterrupt:
        return 130
    except OSError as e:
        full = e.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = 'the disk is full: make room, and run this again' if full else e.strerror or e
        say(f'error: {e.filename + ": " if e.filename else ""}{reason}.')
        return 3
    return 0


if __name__ == '__main__':
    sys.exit(guarded(os.environ))
