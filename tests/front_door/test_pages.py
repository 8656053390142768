"""The pages for people: what they point to exists, and what they tell a person to run is there."""

import os
import re
import subprocess

import pytest
from files import find, read

from tensorflow_with_keras.recipe import ROOT

FILES = set(find())
PAGES = sorted(path for path in FILES if path.endswith('.md'))
every = pytest.mark.parametrize('page', PAGES)


def code(page):
    """What stands in backquotes or in a block of code."""
    return '\n'.join(re.findall(r'```.*?```|`[^`\n]+`', read(page), re.S))


def anchors(page):
    """The fragments by which headings are linked to: as GitHub makes them."""
    headings = re.findall('^#+ (.*)$', re.sub(r'```.*?```', '', read(page), flags=re.S), re.M)
    return {re.sub(r'[^\w -]', '', heading.lower()).replace(' ', '-') for heading in headings}


@every
def test_its_links_lead_somewhere(page):
    for target, anchor in re.findall(r'\]\(([^)#]*)(?:#([^)]*))?\)', read(page)):
        if re.match('https?:|../../actions/', target):  # the checks, where the repository is hosted
            continue
        path = os.path.normpath(os.path.join(os.path.dirname(page), target)) if target else page
        assert os.path.exists(os.path.join(ROOT, path)), target
        if anchor:
            assert anchor in anchors(path), '%s#%s' % (target, anchor)


# Example scripts in Keras's sdist, files of a project's lock and of other people's projects, and endings of files.
NOT_HERE = {'lstm_stateful.py', 'mnist_swwae.py', 'environment.yml', 'requirements-docs.txt', 'extras.txt', 'uv.toml'}
NOT_HERE |= {'.h5', '.in', '.txt', '.py'}
NOT_HERE |= {'load.py', 'model.h5', 'proof.json', 'proof.md'}  # what `make migrate` writes
NOT_HERE |= {'README.txt', 'sbom.cdx.json'}  # what `make bundle` writes


@every
def test_the_files_it_names_without_their_folder_exist(page):
    named = set(
        re.findall(r'`([\w.-]*\.(?:cff|h5|in|ini|json|md|py|sh|toml|txt|ya?ml)|(?:Make|Docker)file[\w.]*)`', read(page))
    )
    missing = named - NOT_HERE - {os.path.basename(path) for path in FILES}
    assert not missing, missing


@every
def test_the_digests_it_names_are_pinned(page):
    pins = ['docker/images.toml', 'docker/cuda-9.0.pins', 'tensorflow_with_keras/datasets.py']
    pins += [path for path in FILES if re.match(r'requirements/\w+\.txt$', path)]
    pinned = set(re.findall('[0-9a-f]{32,}', ' '.join(map(read, pins))))
    named = set(re.findall(r'(?:sha256[:=]|\b)([0-9a-f]{32,})\b', read(page)))
    named |= set(re.findall('(?:sha256|md5)[:=]([0-9a-f]+)', read(page)))
    assert named <= pinned, named - pinned


@every
def test_the_files_it_names_exist(page):
    """Whatever stands between backquotes and begins with the name of a folder here."""
    folders = '|'.join(
        ['benchmarks', 'deploy', 'docker', 'docs', 'examples', 'requirements', 'scripts', 'tests', r'\.ci']
    )
    for path in re.findall(r'`((?:%s|tensorflow_with_keras)/[\w./-]+)`' % folders, read(page)):
        assert os.path.exists(os.path.join(ROOT, path)) or 'TOPIC' in path or 'NAME' in path, path


@every
def test_the_targets_of_make_that_it_names_exist(page):
    targets = set(re.findall(r'^([a-z0-9-]+):', read('Makefile'), re.M))
    named = set(re.findall(r'\bmake ([a-z][a-z0-9-]*)', code(page)))
    assert named <= targets, named - targets


def sessions_of_nox():
    """Their names without what stands in parentheses behind some."""
    text = read('noxfile.py')
    decorated = re.findall(r'^@(?:nox\.session|for_stacks).*\n(?:@.*\n)*def (\w+)', text, re.M)
    return {*decorated, *re.findall(r'^ *for_stacks\(.*\)\((\w+)\)$', text, re.M)}


@every
def test_the_sessions_of_nox_that_it_names_exist(page):
    sessions = sessions_of_nox()
    named = set(re.findall(r'\bnox -s "?\'?(\w+)', code(page)))
    assert named <= sessions, named - sessions


def test_every_page_is_in_the_index_and_every_session_in_the_architecture():
    index = read('docs/README.md')
    linked = set(re.findall(r'\]\(([\w/]+\.md)\)', index))
    assert {p[5:] for p in PAGES if p.startswith('docs/')} - {'README.md'} == linked
    sessions = sessions_of_nox()
    described = read('docs/architecture.md').split('## What runs where')[1]
    assert sessions == set(re.findall(r'`(\w+)(?:\(\w+\))?`', described))


def test_every_module_of_the_library_is_in_the_architecture():
    library, migrate = read('docs/architecture.md').split('## Why')[0].split('| module of `migrate` |')
    for folder, table in (('tensorflow_with_keras', library), ('migrate', migrate)):
        modules = {n[:-3] for n in os.listdir(os.path.join(ROOT, folder)) if n.endswith('.py')} - {'__init__'}
        named = re.findall(r'^\| (`.*?) \|', table, re.M)
        assert modules == {name for row in named for name in re.findall(r'`(\w+)`', row)}


def test_every_lock_is_in_contributing():
    locks = {os.path.basename(path) for path in FILES if re.match(r'requirements/.*\.in$', path)}
    table = read('CONTRIBUTING.md').split('## Change a pin')[1].split('##')[0]
    assert locks == set(re.findall(r'([a-z0-9_]+\.in)\b', ' '.join(re.findall(r'^\| `.*', table, re.M))))


def test_the_recipes_own_rules_are_where_the_checks_say():
    source = read('tests/recipes/test_every_recipe.py')
    assert 'CONTRIBUTING.md, "Add a recipe"' in source and '\n## Add a recipe\n' in read('CONTRIBUTING.md')


def test_no_page_names_a_path_of_one_machine():
    for page in PAGES:
        assert not re.search(r'/(root|home|work)/\w', read(page)), page


def test_the_citation_has_the_version():
    version = re.search(r"__version__ = '(.*)'", read('tensorflow_with_keras/__init__.py')).group(1)
    assert 'version: %s\n' % version in read('CITATION.cff')


def test_the_pages_are_in_git():
    done = subprocess.run(['git', 'ls-files'], cwd=ROOT, stdout=subprocess.PIPE, universal_newlines=True)
    if done.returncode == 0:  # a copy without git has no list
        assert set(PAGES) <= set(done.stdout.splitlines())
