"""A project's environment as an image: built where its lock has changed, and what RUN says in a container of it.

The image is one of this repository's with a layer in addition (Dockerfile.project). The project is not in it: it is
mounted at its own path, and of this machine the container sees nothing else but a home that is the project's own.
"""

import contextlib
import hashlib
import os
import pathlib
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile

import environment
import look
import resolve
import uv_errors
from look import ROOT
from project_error import Refused
from resolve import say

# What Dockerfile.project reads besides the lock.
CONTEXT = (
    'Dockerfile.project',
    'docker/install_extras',
    'docker/install_packages',
    'docker/run_command',
    'requirements/constraints.txt',
    'requirements/constraints_gpu.txt',
    'requirements/libsndfile.txt',
    'requirements/uv.txt',
)
LOCK = ('extras.txt', 'addresses.txt', 'build.txt', 'uv.toml')


def run(project, options, _locked, wanted):
    """Does what RUN says in a container, in the project's folder; does not come back.

    Exit code, terminal and signals are the engine's own.
    """
    engine, lock = wanted.engine, resolve.locks(project, options)
    with environment.alone(project):
        base = base_image(engine, 'gpu' if project.gpu else 'cpu')
        files = {name: (lock / name).read_bytes() for name in LOCK}
        files['numpy.txt'] = resolve.blocks((lock / 'lock.txt').read_text(encoding='utf-8'))['numpy'].encode()
        image = build(project, files, engine, base)
        installed = develop(project, files, engine, base, image) if project.develop else []
        if wanted.notebook:
            files.update({'extras.txt': resolve.notebook(project, options).read_bytes(), 'addresses.txt': b''})
            image = build(project, files, engine, image, '-notebook')
    arguments = [*container(project, wanted), *installed]
    if wanted.notebook:
        port = free_port()
        os.environ['JUPYTER_TOKEN'] = secrets.token_hex(24)
        say(f'The notebook will be at http://127.0.0.1:{port}/?token={os.environ["JUPYTER_TOKEN"]}')
        say('For that port its container has the network, whatever NETWORK= says.')
        arguments += ['--publish', f'127.0.0.1:{port}:{port}', '-e', 'JUPYTER_TOKEN']
        arguments += ['-e', 'JUPYTER_PATH=/opt/project/share/jupyter']
        command = ['python', '-m', 'notebook', '--ip=0.0.0.0', f'--port={port}', '--port-retries=0', '--no-browser']
        command += ['--allow-root', f'--notebook-dir={project.directory}']
    elif wanted.shell:
        command = ['bash']
    else:
        command = ['/opt/project/run_command', wanted.command]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execvp(engine, [engine, *arguments, image, *command])


def free_port():
    """Jupyter's usual port, or another where that is taken."""
    for port in (8888, 0):
        with contextlib.suppress(OSError), socket.socket() as s:
            s.bind(('127.0.0.1', port))
            return s.getsockname()[1]
    raise Refused('no port of this machine is free for the notebook.', 3)


# --- the image


def build(project, files, engine, base, suffix=''):
    """Name of the project's image, built unless it is there and nothing that goes into it has changed."""
    inputs = digest(files, inspect(engine, base, '{{.Id}}'))
    image = f'tensorflow-with-keras-project:{name(project)}{suffix}'
    if inspect(engine, image, '{{index .Config.Labels "inputs"}}') != inputs:
        say(f'Building the image {image} (up to a minute or two)')
        build_image(project, files, engine, ['-t', image], BASE=base, INPUTS=inputs)
    return image


def name(project):
    """The project's own part of an image's name, in the characters that a tag may have."""
    return re.sub('[^a-z0-9_.-]+', '-', project.state.name.lower())[-100:].lstrip('.-')


def base_image(engine, kind):
    """Name of this repository's image, which the front door builds where it is missing or stale."""
    others = {k: v for k, v in os.environ.items() if k not in ('EXAMPLE', 'GPU', 'NETWORK')}
    command = [str(ROOT / 'scripts' / 'front-door'), 'build']
    done = subprocess.run(command, env=dict(others, ENGINE=engine, KIND=kind), stdout=subprocess.PIPE, text=True)
    if done.returncode:  # it has said why
        sys.exit(done.returncode)
    return done.stdout.split()[-1]


def inspect(engine, image, what):
    """What the engine knows of an image; '' where it has none of that name."""
    done = subprocess.run([engine, 'image', 'inspect', '--format', what, image], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ''


def digest(files, base):
    """Of everything that the image is made from."""
    made = hashlib.sha256(f'{base} {os.environ.get("BUILDER_BASE", "")}'.encode())
    for path, content in context(files):
        made.update(f'\n{path} {len(content)}\n'.encode() + content)
    return made.hexdigest()[:16]


def context(files):
    """Path and content of every file that Dockerfile.project reads; `files` are those of its folder project."""
    for path in CONTEXT:
        yield path, (ROOT / path).read_bytes()
    for name, content in sorted(files.items()):
        yield f'project/{name}', content


def build_image(project, files, engine, options, **arguments):
    """Builds a stage of Dockerfile.project, out of a folder that has what it needs and no more."""
    if os.environ.get('BUILDER_BASE'):
        arguments['BUILDER_BASE'] = os.environ['BUILDER_BASE']
    command = [engine, 'build', '-f', 'Dockerfile.project', *options]
    for key, value in arguments.items():
        command += ['--build-arg', f'{key}={value}']
    if os.environ.get('CA_BUNDLE'):
        command += ['--secret', f'id=ca,src={os.path.abspath(os.environ["CA_BUNDLE"])}']
    log = project.state / 'image.log'
    with tempfile.TemporaryDirectory(prefix='.image-', dir=project.state) as folder:
        for path, content in context(files):
            target = pathlib.Path(folder) / path
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(content)
            if (ROOT / path).exists():
                shutil.copymode(ROOT / path, target)
        code = watched([*command, '.'], folder, log)
    if code:
        refuse(project, engine, log)
    log.unlink()


def watched(command, folder, log):
    """Exit code of a build, what it says going to a log and its steps to the person who waits."""
    variables = dict(os.environ, DOCKER_BUILDKIT='1', BUILDKIT_PROGRESS='plain')
    with open(log, 'w', encoding='utf-8') as written:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding='utf-8',
            errors='replace',
        )
        try:
            for line in process.stdout:
                written.write(line)
                step = re.match(r'(?:#\d+ [\d.]+ )?project: (.*)', line)
                if step:
                    say(f'  {step[1]}')
            return process.wait()
        except BaseException:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=20)
            raise


def refuse(project, engine, log):
    """Raises the Refused that fits a build's log."""
    text = log.read_text(encoding='utf-8')
    said = re.findall(r'^(?:#\d+ [\d.]+ )?project\| ?(.*)$', text, re.M)
    if said:  # what uv says in the container is what it says outside
        uv_errors.refuse('\n'.join(said), project, resolve.asker(project))
    if 'no space left on device' in text.lower():
        raise Refused(f'the disk is full: make room, as by `{engine} system prune`, and run this again.', 3)
    lines = '\n'.join(f'  {line}' for line in [line.strip() for line in text.splitlines() if line.strip()][-3:])
    raise Refused(f'{engine} could not build the image; all that it said is in {log}. The last of it:\n{lines}', 3)


# --- the project itself


def develop(project, files, engine, base, image):
    """Makes the project importable from everywhere, with its commands, out of its own folder: flags for a container."""
    folder = project.state / 'container'
    setup = [p.read_bytes() for p in (project.directory / name for name in ('setup.py', 'setup.cfg')) if p.exists()]
    made_from = hashlib.sha256(b'\0'.join([inspect(engine, image, '{{.Id}}').encode(), *setup])).hexdigest()
    stamp = folder / 'stamp'
    if not stamp.exists() or stamp.read_text() != made_from:
        shutil.rmtree(folder, ignore_errors=True)
        run_setup(project, files, engine, base, image, folder)
        stamp.write_text(made_from)
    variables = image_variables(engine, image)
    sources = (folder / 'sources').read_text(encoding='utf-8').strip()
    path = f'{folder}/bin:{variables["PATH"]}'
    modules = f'{sources}:{folder}/notes:{variables["PYTHONPATH"]}'
    return [*mount(folder, 'readonly'), '-e', f'PATH={path}', '-e', f'PYTHONPATH={modules}']


def image_variables(engine, image):
    """Name to value of an image's environment."""
    lines = inspect(engine, image, '{{range .Config.Env}}{{println .}}{{end}}').splitlines()
    return dict(line.split('=', 1) for line in lines if line)


def compiles(project):
    """Whether its setup.py has modules to compile, as far as reading tells."""
    return bool(re.search(r'ext_modules|Extension\(|cythonize', look.read_text(project.directory / 'setup.py')))


def run_setup(project, files, engine, base, image, folder):
    """Runs setup.py in a container without network: its notes go to folder/notes, its commands to folder/bin."""
    say('Installing the project itself, out of its own folder')
    if compiles(project):
        say('  in an image with a compiler, which takes a while to make')
        image = f'{image}-compiler'
        build_image(project, files, engine, ['--target', 'compiler', '-t', image], BASE=base)
    for part in ('notes', 'bin', 'modules'):
        (folder / part).mkdir(parents=True)
        give(folder / part, project)
    give(folder, project)
    # setuptools installs only into a folder of PYTHONPATH
    modules = f'{folder}/modules:{image_variables(engine, image)["PYTHONPATH"]}'
    command = [engine, *sandbox(project, engine), '--network', 'none', '--workdir', str(project.directory)]
    command += [*mount(project.directory), *mount(folder), '-e', f'HOME={folder}', '-e', f'PYTHONPATH={modules}']
    command += [image, 'python', '-c', environment.DEVELOP]
    command += [str(folder / 'notes'), str(folder / 'sources')]
    command += ['--install-dir', str(folder / 'modules'), '--script-dir', str(folder / 'bin')]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace')
    if compiles(project):  # it has done its part, and is big
        subprocess.run([engine, 'rmi', image], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if done.returncode:
        lines = '\n'.join('  ' + line for line in uv_errors.last_lines(done.stdout))
        raise Refused(f'setup.py of the project failed. WITHOUT=. leaves that step out. What it said last:\n{lines}', 3)


# --- the container


def sandbox(project, engine):
    """Arguments of the engine for any container that works on the project: locked in, and as whom it writes."""
    arguments = ['run', '--rm', '--platform', 'linux/amd64', '--user', user(project.directory)]
    arguments += (ROOT / 'docker' / 'sandbox.txt').read_text().split()
    if engine == 'podman' and os.getuid() != 0:
        arguments += ['--userns', 'keep-id']
    return arguments


def container(project, wanted):
    """Arguments of the engine for the container in which RUN runs, in the project's folder."""
    arguments = [
        *sandbox(project, wanted.engine),
        '--network',
        'bridge' if wanted.network or wanted.notebook else 'none',
    ]
    if project.gpu:
        arguments += ['--gpus', 'all'] if wanted.engine == 'docker' else ['--device', 'nvidia.com/gpu=all']
    arguments += ['--interactive']
    if sys.stdin.isatty() and sys.stdout.isatty():
        arguments += ['--tty']
    home = project.state / 'home'
    home.mkdir(exist_ok=True)
    give(home, project)
    arguments += [*mount(project.directory), *mount(home), '-e', f'HOME={home}']
    if os.environ.get('ALLOCATOR') == 'stock':
        names = re.findall('^([A-Z_]+)=', (ROOT / 'docker' / 'allocator.env').read_text(), re.M)
        arguments += [word for name in names for word in ('-e', f'{name}=')]
    return [*arguments, '--workdir', str(project.directory)]


def give(folder, project):
    """Makes a folder of ours belong to whoever runs in the container."""
    if os.getuid() == 0:
        os.chown(folder, *map(int, user(project.directory).split(':')))


def user(folder):
    """Who runs: the caller; for root the folder's owner, since a root without capabilities may not write there."""
    if os.getuid() == 0:
        owner = folder.stat()
        return f'{owner.st_uid}:{owner.st_gid}'
    return f'{os.getuid()}:{os.getgid()}'


def mount(folder, *more):
    """The flag that mounts a folder at its own path. Its value is a line of CSV."""
    fields = ['type=bind', f'source={folder}', f'destination={folder}', *more]
    return ['--mount', ','.join('"' + f.replace('"', '""') + '"' if re.search('[",]', f) else f for f in fields)]
