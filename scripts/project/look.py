"""What a folder is: what it asks for, when it was written, for which Python. Nothing of it is run."""

import ast
import configparser
import dataclasses
import datetime
import functools
import hashlib
import json
import os
import pathlib
import re
import subprocess
import typing

import tomli
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from project_error import Refused

ROOT = pathlib.Path(__file__).resolve().parents[2]
REFERENCE = 'tf1.9-keras2.2.4'  # requirements/*.txt; every other stack is a folder of requirements/stacks
CORRECTIONS = pathlib.Path(__file__).with_name('corrections.toml')
SKIPPED = {'__pycache__', 'node_modules', 'site-packages', 'build', 'dist', 'venv', 'env'}
MOST_ENTRIES = 100_000  # a folder of data holds millions of files; code comes before that


@dataclasses.dataclass
class Asked:
    """One requirement: as it is written, where, and what the resolver is given for it (nothing if it is left out)."""

    text: str
    source: str
    name: str = ''
    given: str = ''
    why: str = ''  # what was changed about it, or why it is left out
    guess: bool = False  # of an import or of conda: PyPI may have no such package

    @property
    def specifier(self):
        """What it says of the version, or None where that is not said by numbers."""
        try:
            return Requirement(self.given).specifier if self.given else None
        except InvalidRequirement:
            return None


@dataclasses.dataclass
class Project:
    """A project, as it is found; `state` is the folder of this repository that holds its lock and environment."""

    directory: pathlib.Path
    name: str
    state: pathlib.Path
    gpu: bool = False
    stack: str = REFERENCE
    date: typing.Optional[str] = None  # YYYY-MM-DD
    date_from: str = ''
    requirements: list = dataclasses.field(default_factory=list)  # of Asked
    constraints: list = dataclasses.field(default_factory=list)  # lines of -c files
    sources: list = dataclasses.field(default_factory=list)  # the files that were read for it
    python: str = ''
    develop: bool = False  # whether it has a setup.py that can install it
    imports: dict = dataclasses.field(default_factory=dict)  # top-level name to the first file that has it
    notes: list = dataclasses.field(default_factory=list)  # sentences for the user

    @property
    def lock(self):
        """The lock of the environment that the project is brought into."""
        return lock_of(self.stack, 'gpu' if self.gpu else 'cpu')

    @property
    def core(self):
        """Name to version of what is forced: the build of TensorFlow, Keras, and what they need in their version."""
        locked = lock_versions(self.lock)
        return {name: locked[name] for name in corrections()['core'] if name in locked}


@dataclasses.dataclass
class Run:
    """What shall be done in the environment: one of command, shell, notebook; or nothing, to look only."""

    command: str = ''
    shell: bool = False
    notebook: bool = False
    network: bool = False
    gpu: bool = False
    engine: str = 'local'


@functools.lru_cache(maxsize=None)
def corrections():
    return tomli.loads(CORRECTIONS.read_text(encoding='utf-8'))


@functools.lru_cache(maxsize=None)
def lock_versions(lock):
    """Package to version, of the file of a lock."""
    return dict(re.findall(r'^([a-z0-9-]+)==([^\s;]+)', lock.read_text(), re.M))


def lock_of(stack, kind):
    """The file of a stack's lock for cpu or gpu."""
    return ROOT / 'requirements' / ('' if stack == REFERENCE else f'stacks/{stack}') / f'{kind}.txt'


def find_directory(text):
    """The folder that DIR names, absolute."""
    if not text:
        raise Refused('which project? DIR=path names its folder.')
    path = pathlib.Path(text).expanduser()
    if not path.exists():
        raise Refused(f'there is no folder {text}: DIR= names the folder of a project.')
    if not path.is_dir():
        raise Refused(f'{text} is a file: DIR= names the folder of a project.')
    if not os.access(path, os.R_OK | os.X_OK):
        raise Refused(f'{text} cannot be read: give yourself the right to, or copy it.', 3)
    return path.resolve()


def read_text(path):
    """Text of a file in whatever encoding it is: PowerShell writes UTF-16, older editors Latin-1."""
    try:
        data = path.read_bytes()
    except OSError as e:
        raise Refused(f'{path} cannot be read: {e.strerror}.', 3) from None
    for bom, encoding in ((b'\xef\xbb\xbf', 'utf-8-sig'), (b'\xff\xfe', 'utf-16'), (b'\xfe\xff', 'utf-16')):
        if data.startswith(bom):
            return data.decode(encoding, 'replace')
    if data[1:2] == b'\0':
        return data.decode('utf-16-le', 'replace')
    try:
        return data.decode('utf-8')
    except UnicodeDecodeError:
        return data.decode('latin-1')


# --- code


def code_files(directory):
    """The Python files and notebooks below a folder; not those of environments, caches and other people's packages."""
    seen = 0
    for folder, folders, files in os.walk(directory):
        seen += len(folders) + len(files)
        if 'pyvenv.cfg' in files or 'conda-meta' in folders:
            folders[:] = []
            continue
        folders[:] = sorted(f for f in folders if f[0] != '.' and f not in SKIPPED and not f.endswith('.egg-info'))
        for name in sorted(files):
            if name.endswith(('.py', '.ipynb')):
                yield pathlib.Path(folder, name)
        if seen > MOST_ENTRIES:
            return


def source_of(path):
    """The code of a file; of a notebook, its code cells without what only IPython understands."""
    text = read_text(path)
    if path.suffix != '.ipynb':
        return text
    try:
        notebook = json.loads(text)
        cells = notebook.get('cells') or [c for sheet in notebook.get('worksheets', []) for c in sheet['cells']]
        lines = [
            line
            for cell in cells
            if cell.get('cell_type') == 'code'
            for line in ''.join(cell.get('source', cell.get('input', ''))).splitlines()
        ]
    except (ValueError, AttributeError, TypeError, KeyError):
        return ''
    return '\n'.join(line for line in lines if not line.lstrip().startswith(('%', '!', '?')))


def imported(text):
    """The top-level modules that this code imports, and whether this Python can read it."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        # Python 2, or half a notebook
        return set(re.findall(r'^\s*(?:from|import)\s+([A-Za-z_]\w*)', text, re.M)), False
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name.split('.')[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split('.')[0])
    return found, True


TF2 = re.compile(
    r'\btf\.function\b|\btf\.random\.set_seed\b|\btf\.config\.(?:list_physical|experimental)|\btf\.compat\.v[12]\b'
    r'|\btensorflow\.compat\.v[12]\b|\btensorflow_addons\b|\bkeras\.ops\b|\btf\.GradientTape\b'
)
TF1 = re.compile(
    r'\btf\.(?:Session|InteractiveSession|placeholder|contrib|app|flags|ConfigProto|set_random_seed|get_variable)\b'
)


@dataclasses.dataclass
class Code:
    """What the code of a project shows."""

    files: list
    imports: dict
    local: set
    unreadable: list
    tf1: list
    tf2: list
    python2: list


def read_code(directory):
    """The imports and the TensorFlow of a project's code."""
    code = Code([], {}, set(), [], [], [], [])
    for path in code_files(directory):
        code.files.append(path)
        relative = path.relative_to(directory)
        code.local.update((path.stem, *relative.parts[:-1]))
        if path.stat().st_size > 5_000_000:
            continue
        try:
            text = source_of(path)
        except Refused:
            code.unreadable.append(str(relative))
            continue
        names, readable = imported(text)
        if not readable and re.search(r'^\s*print\s+[^\s(=]|except\s+\w+\s*,\s*\w+\s*:', text, re.M):
            code.python2.append(str(relative))
        for name in names:
            code.imports.setdefault(name, str(relative))
        for pattern, found in ((TF1, code.tf1), (TF2, code.tf2)):
            if pattern.search(text):
                found.append(str(relative))
    return code


# --- what is asked


def asked(text, source, given=None, why=''):
    """A requirement out of one that PEP 508 describes."""
    try:
        requirement = Requirement(text if given is None else given)
    except InvalidRequirement:
        name = re.match(r'[A-Za-z0-9][\w.-]*', text)
        return Asked(
            text, source, canonicalize_name(name[0]) if name else '', '', 'left out: no requirement can be read here'
        )
    name = canonicalize_name(requirement.name)
    if requirement.url and requirement.url.startswith('file:'):
        requirement.url = None
        return Asked(text, source, name, str(requirement), 'its file is on another machine')
    return Asked(text, source, name, str(requirement), why)


def requirements_file(project, path, seen=None):
    """The requirements of a file in pip's format, those of the files that it names by -r too; -c are constraints."""
    seen = set() if seen is None else seen
    if path in seen:
        return []
    seen.add(path)
    source = os.path.relpath(path, project.directory)
    found = []
    text = re.sub(r'\\\r?\n', ' ', read_text(path))
    for line in text.splitlines():
        line = re.sub(r'(^|\s)#.*$', '', line).strip()
        line = re.sub(r'\s--hash[= ]\S+', '', line).strip()  # of files that may not be those of our Python
        if not line:
            continue
        option = re.match(r'(-r|--requirement|-c|--constraint|-e|--editable)[\s=]*(.*)$', line)
        if option and option[1] in ('-r', '--requirement', '-c', '--constraint'):
            other = path.parent / option[2].strip('"\' ')
            if not other.is_file():
                project.notes.append(f'{source} names {option[2]}, which is not there.')
            elif option[1] in ('-r', '--requirement'):
                found += requirements_file(project, other, seen)
            else:
                project.constraints += [a.given for a in requirements_file(project, other, seen) if a.given]
        elif option:
            found.append(editable(line, option[2].strip(), source))
        elif line.startswith('-'):
            if not re.match(r'(-i|--index-url|--extra-index-url|-f|--find-links|--no-index)\b', line):
                continue
            project.notes.append(f'{source} names another place for packages, which is not asked: {line}')
        else:
            found.append(requirement_line(line, source))
    return [a for a in found if a is not None]


ADDRESS = re.compile(r'^(?:git|hg|svn|bzr)\+|^[a-z]+://|^git@')


def requirement_line(line, source):
    line = re.sub(r'\s+--?(?:install-option|global-option|config-settings)\b.*$', '', line)
    if ADDRESS.match(line):
        return address(line, line, source)
    if re.match(r'[./~]|[A-Za-z]:\\', line) or line.endswith(('.whl', '.tar.gz', '.zip')):
        return local_path(line, line, source)
    if re.match(r'[\w.-]+=[\w.]+=\w+$', line):  # conda's way to write an exact version, of `conda list --export`
        return conda_line(line, source)
    return asked(line, source)


def address(text, url, source):
    """A requirement that is an address: what #egg= or the repository calls it."""
    url = re.sub(r'^(?:git\+)?git@([^:/]+):', r'git+ssh://git@\1/', url)
    url = re.sub(r'^(?:git\+)?git://github\.com/', 'git+https://github.com/', url)  # it answers git:// no more
    url = re.sub(r'^(https?|git|ssh)(://.*\.git(?:[@#].*)?)$', r'git+\1\2', url)
    url, _, fragment = url.partition('#')
    egg = re.search(r'egg=([\w.-]+)', fragment)
    extra = re.search(r'subdirectory=[^&]+', fragment)
    if url.startswith('file:'):
        return local_path(text, url, source)
    base = re.sub(r'(\.git)?(@[^/]*)?/?$', '', url).rsplit('/', 1)[-1]
    wheel = re.match(r'([A-Za-z0-9_.]+)-\d[^-]*-.*\.whl$|(.+?)-\d.*\.(?:tar\.gz|zip)$', url.rsplit('/', 1)[-1])
    name = egg[1] if egg else (wheel[1] or wheel[2]) if wheel else base
    name = re.sub(r'-(\d+(\.\d+)*|dev)$', '', name)
    if not re.match(r'[A-Za-z0-9]', name):
        return Asked(text, source, '', '', 'left out: it does not say what package this is')
    return Asked(text, source, canonicalize_name(name), f'{name} @ {url}' + (f'#{extra[0]}' if extra else ''))


def local_path(text, path, source):
    """A requirement that is a file of somebody's machine: the package of its name, if it has one."""
    wheel = re.search(r'([A-Za-z0-9_.]+)-(\d[\w.]*)(?:-[\w.-]+\.whl|\.tar\.gz|\.zip)$', path)
    if wheel and not wheel[1].startswith('.'):
        return asked(text, source, f'{wheel[1]}=={wheel[2]}', 'its file is on another machine')
    return Asked(text, source, '', '', 'left out: a path')


def editable(line, what, source):
    if ADDRESS.match(what):
        return address(line, what, source)
    if what.rstrip('/') in ('', '.') or what.startswith('.['):
        return None  # the project itself, which is installed so anyway
    return Asked(line, source, '', '', 'left out: a path')


def conda_line(line, source):
    """NAME=VERSION=BUILD or NAME=VERSION or NAME>=VERSION of conda, or None for what is no Python package."""
    line = line.split('::')[-1].strip()
    parts = re.match(r'([\w.-]+)\s*(.*)$', line)
    if not parts:
        return Asked(line, source, '', '', 'left out: no requirement can be read here')
    name, rest = parts[1].lower(), parts[2].strip()
    pypi = corrections()['conda'].get(name, name)
    exact = re.match(r'={1,2}\s*([\w.*]+)(?:=(\S+))?$', rest)
    if not pypi or name == 'python' or (exact and exact[2] and not exact[2].startswith('py')):
        return None
    if exact:
        version = exact[1].rstrip('.*')
        rest = f'=={version}' if exact[2] or '==' in rest else f'=={version}.*'  # conda's single = means "begins with"
    elif rest and rest[0].isdigit():
        rest = f'=={rest.split()[0]}'
    made = asked(line, source, pypi + rest.replace(' ', ''), 'conda calls it so' if pypi != name else '')
    made.guess = True
    return made


def call_arguments(tree):
    """The keyword arguments of setup(…), as far as they are written down: {name: value}."""
    known = {}

    def value(node):
        if isinstance(node, ast.Name):
            return known.get(node.id)
        if isinstance(node, (ast.List, ast.Tuple)):
            return [v for v in map(value, node.elts) if v is not None]
        if isinstance(node, ast.Dict):
            return {value(k): value(v) for k, v in zip(node.keys, node.values) if k is not None}
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = value(node.left), value(node.right)
            return left + right if left is not None and type(left) is type(right) else left or right
        if isinstance(node, ast.Subscript):
            whole, key = value(node.value), value(getattr(node.slice, 'value', node.slice))
            return whole.get(key) if isinstance(whole, dict) else None
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError):
            return None

    found = {}
    for node in sorted((n for n in ast.walk(tree) if hasattr(n, 'lineno')), key=lambda n: n.lineno):
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            whole, more = known.get(node.target.id), value(node.value)
            if isinstance(whole, list) and isinstance(more, list):
                whole += more
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            if isinstance(target, ast.Name):
                known[target.id] = value(node.value)
            elif isinstance(target, ast.Subscript):
                whole, key = value(target.value), value(getattr(target.slice, 'value', target.slice))
                if isinstance(whole, dict):
                    whole[key] = value(node.value)
        elif isinstance(node, ast.Call):
            name = getattr(node.func, 'id', getattr(node.func, 'attr', ''))
            if name in ('append', 'extend') and isinstance(node.func, ast.Attribute) and node.args:
                whole, more = value(node.func.value), value(node.args[0])
                if isinstance(whole, list) and more is not None:
                    whole.extend([more] if name == 'append' else more)
            elif name == 'setup':
                for keyword in node.keywords:
                    if keyword.arg:
                        found[keyword.arg] = value(keyword.value)
                    elif isinstance(value(keyword.value), dict):
                        found.update(value(keyword.value))
    return found


def words(value):
    """Requirements out of a string or list, however they are written."""
    lines = value.splitlines() if isinstance(value, str) else value if isinstance(value, list) else []
    return [line.strip() for line in lines if isinstance(line, str) and line.strip()]


def setup_files(project):
    """What setup.py and setup.cfg ask."""
    found = []
    path = project.directory / 'setup.py'
    if path.is_file():
        project.develop = True
        project.sources.append('setup.py')
        try:
            arguments = call_arguments(ast.parse(read_text(path)))
        except (SyntaxError, ValueError):
            arguments = {}
            project.notes.append('setup.py is not for Python 3: what it asks is not seen.')
        project.python = project.python or arguments.get('python_requires') or classifiers(arguments.get('classifiers'))
        for key in ('install_requires', 'requires', 'setup_requires'):
            found += [requirement_line(line, 'setup.py') for line in words(arguments.get(key))]
    path = project.directory / 'setup.cfg'
    if path.is_file():
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string(read_text(path))
        except configparser.Error:
            project.notes.append('setup.cfg cannot be read.')
        options = parser['options'] if parser.has_section('options') else {}
        project.python = project.python or options.get('python_requires', '')
        for key in ('install_requires', 'setup_requires'):
            found += [requirement_line(line, 'setup.cfg') for line in words(options.get(key, ''))]
        if options:
            project.sources.append('setup.cfg')
    return [a for a in found if a is not None]


def classifiers(value):
    found = re.findall(r'Python :: (\d\.\d+)', '\n'.join(words(value)))
    return ', '.join(found)


def poetry_version(value):
    """Poetry's ^1.2 and ~1.2 in the words of PEP 440."""
    if isinstance(value, dict):
        value = value.get('version', '')
    value = str(value).strip()
    if value in ('', '*'):
        return ''
    made = []
    for part in value.split(','):
        part = part.strip()
        caret = re.match(r'([\^~])=?\s*(\d+(?:\.\d+)*)', part)
        if caret:
            numbers = [int(n) for n in caret[2].split('.')]
            if caret[1] == '~':
                index = min(1, len(numbers) - 1)
            else:
                index = next((i for i, n in enumerate(numbers) if n), len(numbers) - 1)
            top = [*numbers[:index], numbers[index] + 1]
            made.append(f'>={caret[2]},<{".".join(map(str, top))}')
        else:
            made.append(part if part[0] in '<>=!~' else f'=={part}')
    return ','.join(made)


def toml_file(project, path):
    try:
        return tomli.loads(read_text(path))
    except tomli.TOMLDecodeError as e:
        project.notes.append(f'{path.name} is no TOML ({e}): what it asks is not seen.')
        return {}


def pyproject(project):
    path = project.directory / 'pyproject.toml'
    if not path.is_file():
        return []
    data = toml_file(project, path)
    found = [asked(line, 'pyproject.toml') for line in data.get('project', {}).get('dependencies', [])]
    project.python = project.python or data.get('project', {}).get('requires-python', '')
    for name, value in data.get('tool', {}).get('poetry', {}).get('dependencies', {}).items():
        if name == 'python':
            project.python = project.python or str(value)
        elif isinstance(value, dict) and value.get('optional'):
            continue
        elif isinstance(value, dict) and value.get('git'):
            found.append(address(f'{name}: {value["git"]}', f'git+{value["git"]}#egg={name}', 'pyproject.toml'))
        else:
            found.append(asked(f'{name} {value}', 'pyproject.toml', name + poetry_version(value)))
    if found:
        project.sources.append('pyproject.toml')
    return found


def pipfile(project):
    lock, path = project.directory / 'Pipfile.lock', project.directory / 'Pipfile'
    if lock.is_file():
        try:
            data = json.loads(read_text(lock))
            entries = data.get('default', {})
            project.python = project.python or data.get('_meta', {}).get('requires', {}).get('python_version', '')
        except (ValueError, AttributeError):
            raise Refused(f'{lock} is no JSON: repair it, or take it away so that Pipfile counts.') from None
        path = lock
    elif path.is_file():
        data = toml_file(project, path)
        entries = data.get('packages', {})
        project.python = project.python or data.get('requires', {}).get('python_version', '')
    else:
        return []
    project.sources.append(path.name)
    found = []
    for name, value in entries.items():
        if isinstance(value, dict) and value.get('git'):
            ref = f'@{value["ref"]}' if value.get('ref') else ''
            found.append(address(f'{name}: {value["git"]}', f'git+{value["git"]}{ref}#egg={name}', path.name))
        elif isinstance(value, dict) and (value.get('path') or value.get('file')):
            where = str(value.get('path') or value.get('file'))
            if where.rstrip('/') != '.':
                found.append(local_path(where, where, path.name))
        else:
            markers = value.get('markers') if isinstance(value, dict) else None
            version = poetry_version(value)
            found.append(asked(f'{name}{version}', path.name, f'{name}{version}' + (f'; {markers}' if markers else '')))
    return found


def environment_file(project):
    import yaml  # slow to import, and seldom needed

    for name in ('environment.yml', 'environment.yaml'):
        path = project.directory / name
        if path.is_file():
            break
    else:
        return []
    try:
        entries = yaml.safe_load(read_text(path)).get('dependencies') or []
    except (yaml.YAMLError, AttributeError):
        raise Refused(f'{path} is no environment of conda: repair it, or take it away.') from None
    project.sources.append(name)
    found = []
    for entry in entries:
        if isinstance(entry, str):
            python = re.match(r'(?:\S+::)?python\s*([=<>~!].*)', entry)
            if python:
                project.python = project.python or python[1].split('=')[-1 if '=' not in python[1][2:] else -2]
            found.append(conda_line(entry, name))
        elif isinstance(entry, dict):
            found += [requirement_line(line, name) for line in words(entry.get('pip'))]
    return [a for a in found if a is not None]


OF_EVERY_ENVIRONMENT = {'setuptools', 'pkg_resources', 'pip'}


def from_imports(project, code):
    """What the code imports and neither Python nor the project itself has."""
    from stdlib_list import stdlib_list

    standard = set(stdlib_list('3.6')) | set(stdlib_list('2.7'))
    names = corrections()['imports']
    found = {}
    for module, where in sorted(code.imports.items()):
        if module in standard or module in code.local or module in OF_EVERY_ENVIRONMENT or module.startswith('_'):
            continue
        package = names.get(module, module)
        made = asked(f'import {module}', where, package, 'found in the code')
        made.guess = True
        found.setdefault(canonicalize_name(package), made)
    project.sources.append('the imports in its code')
    return list(found.values())


def find_requirements(project, code):
    """What the project asks, out of the first of its kinds of files that is there."""
    found = []
    files = sorted(project.directory.glob('requirements*.txt')) or sorted(project.directory.glob('requirements/*.txt'))
    for path in files:
        if path.is_file():
            project.sources.append(str(path.relative_to(project.directory)))
            found += requirements_file(project, path)
    found += setup_files(project) + pyproject(project)
    found = found or pipfile(project) or environment_file(project)
    found = unique(found) or from_imports(project, code)
    for a in found:
        if a.given and a.name in corrections()['left_out']:
            a.given, a.why = '', f'left out: {corrections()["left_out"][a.name]}'
    return found


def unique(requirements):
    """Without those that say the same."""
    return list({(a.name or a.text, a.given): a for a in reversed(requirements)}.values())[::-1]


# --- when


def find_date(project, code, wanted):
    """The date to resolve as of, and where it comes from."""
    if wanted:
        try:
            date = datetime.date.fromisoformat(wanted)
        except ValueError:
            raise Refused(f'DATE={wanted} is no date such as 2018-11-30.') from None
        if date > datetime.date.today():
            raise Refused(f'DATE={wanted} is still to come.')
        return wanted, 'DATE='
    git = ['git', '-C', str(project.directory), 'log', '-1', '--format=%cs', '--', '.']
    try:
        answer = subprocess.run(git, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        answer = ''
    if re.match(r'\d{4}-\d\d-\d\d$', answer):
        return answer, 'its newest commit'
    paths = [*code.files, *(project.directory / s for s in project.sources if (project.directory / s).is_file())]
    newest = max(paths, key=lambda p: p.stat().st_mtime)
    date = datetime.datetime.fromtimestamp(newest.stat().st_mtime, datetime.timezone.utc).date()
    origin = f'its newest file, {newest.relative_to(project.directory)}'
    if date.year > 2019:  # TensorFlow 1.x is older: this is rather the day of a copy
        origin += '; DATE=2018-11-30 or the like names the day that it worked on'
    return date.isoformat(), origin


# --- all of it


# where the next generation begins, and the last version before it
LAST = {'tensorflow': ('2.0.0a0', '1.15.5'), 'keras': ('2.4', '2.3.1')}


def outside(name, specifier):
    """Whether a requirement on TensorFlow or Keras takes no version but of the generation that came after ours."""
    if specifier is None:
        return False
    end, last = LAST[name]
    candidates = ['0.1', '1.0', last, *(s.version.replace('.*', '') for s in specifier)]
    before = [v for v in candidates if Version(v) < Version(end)]
    return not any(specifier.contains(v, prereleases=True) for v in [*before, *(f'{v}.1' for v in before)])


def check_kind(project, code):
    """Refuses what is no Keras of those years, in a sentence."""
    names = {a.name: a for a in project.requirements}
    builds = corrections()['tensorflow_builds']
    keras = 'keras' in names or 'keras' in code.imports
    tensorflow = [names[b] for b in builds if b in names]
    for requirement in [*tensorflow, *([names['keras']] if 'keras' in names else [])]:
        if outside('keras' if requirement.name == 'keras' else 'tensorflow', requirement.specifier):
            raise Refused(
                f'this project asks for {requirement.text} ({requirement.source}), which is TensorFlow 2: '
                'it runs on a current TensorFlow, not on TensorFlow 1.9.0.'
            )
    if not keras and not tensorflow and 'tensorflow' not in code.imports:
        if 'torch' in code.imports or 'torch' in names:
            where = code.imports.get('torch') or names['torch'].source
            raise Refused(
                f'this project is PyTorch code ({where} has torch) and names no Keras: nothing here helps it.'
            )
        raise Refused(
            f'nothing in {project.directory} names Keras or TensorFlow: name another folder, or give it Keras by '
            'WITH=keras.'
        )
    if code.tf2 and not code.tf1 and 'keras' not in code.imports:
        raise Refused(
            f'this project is TensorFlow 2 code ({code.tf2[0]}): it runs on a current TensorFlow, not on 1.9.'
        )


def look(options):
    """The project that the options (DIR, DATE, WITH, WITHOUT, LOCK, GPU) name."""
    directory = find_directory(options.get('DIR', ''))
    hashed = hashlib.sha256(os.fsencode(str(directory))).hexdigest()[:8]
    name = re.sub(r'[^\w.-]', '_', directory.name, flags=re.ASCII) or 'root'
    gpu = options.get('GPU', '') == '1'
    stack = options.get('STACK') or REFERENCE
    others = ('' if stack == REFERENCE else f'-{stack}') + ('-gpu' if gpu else '')
    project = Project(directory, name, ROOT / '.projects' / f'{name}-{hashed}{others}', gpu=gpu, stack=stack)
    if not project.lock.is_file():  # the front door has seen that there is such a stack
        raise Refused(f'the stack {stack} is for GPUs alone: use GPU=1.')
    code = read_code(directory)
    if not code.files:
        raise Refused(f'there is no Python code in {directory}: DIR= names the folder of a project.')
    project.imports = code.imports
    project.requirements = find_requirements(project, code)
    choose(project, options)
    check_kind(project, code)
    project.date, project.date_from = find_date(project, code, options.get('DATE', ''))
    if code.python2:
        more = f' and {len(code.python2) - 1} more' if len(code.python2) > 1 else ''
        project.notes.append(
            f'{code.python2[0]}{more}: Python 2, which does not run here before 2to3 has turned it into 3.'
        )
    return project


def choose(project, options):
    """Does what WITH= (more requirements, which replace the project's own on the same package) and WITHOUT= say."""
    for line in re.split(r'\s+', options.get('WITH', '').strip()):
        if line:
            more = requirement_line(line, 'WITH=')
            if not more.given:
                raise Refused(f'WITH={line} is no requirement such as pandas==0.23.4.')
            project.requirements = [a for a in project.requirements if a.name != more.name] + [more]
    for word in re.split(r'[\s,]+', options.get('WITHOUT', '').strip()):
        if not word:
            continue
        fitting = [a for a in project.requirements if word == a.source or canonicalize_name(word) == a.name]
        if word == '.':
            project.develop = False
            continue
        for a in fitting:
            a.given, a.why = '', 'left out: WITHOUT='
        if not fitting:  # what another package asks
            project.requirements.append(Asked(word, 'WITHOUT=', canonicalize_name(word), '', 'left out: WITHOUT='))


__all__ = ['Asked', 'Project', 'Run', 'SpecifierSet', 'corrections', 'look', 'lock_versions']
