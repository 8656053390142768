"""The built pages as files: each is there, each link and picture leads somewhere, each says what its recipe says."""

import json
import re
import urllib.parse

import pytest
from bs4 import BeautifulSoup
from conftest import OUT, ROOT

from tensorflow_with_keras import recipe

RECIPES = list(recipe.find().values())
MARK = '# <- the line that matters'


@pytest.fixture(scope='session')
def pages(site):
    """Path to parsed page, of all."""
    paths = [path for path in sorted(site.rglob('*.html')) if '_static' not in path.parts]  # the theme has one there
    return {str(p.relative_to(site)): BeautifulSoup(p.read_text(encoding='utf-8'), 'html.parser') for p in paths}


def test_every_recipe_and_every_page_of_docs_has_its_page(pages):
    expected = {f'examples/{one.name}.html' for one in RECIPES}
    expected |= {f'{path.relative_to(ROOT)}'[:-3] + '.html' for path in (ROOT / 'docs').rglob('*.md')}
    assert expected <= set(pages)


def test_every_link_and_every_picture_is_there(pages, site):
    ids = {path: {tag['id'] for tag in page.find_all(id=True)} for path, page in pages.items()}
    broken, outside = [], set()
    for path, page in pages.items():
        for tag in page.find_all(href=True) + page.find_all(src=True):
            target = urllib.parse.urlsplit(tag.get('href') or tag['src'])
            if target.scheme:
                outside.add((tag.name, target.scheme, target.netloc))
                continue
            file = (site / path).parent / urllib.parse.unquote(target.path) if target.path else site / path
            inside = str(file.resolve().relative_to(site.resolve()))
            if not file.is_file():
                broken.append((path, tag.get('href') or tag['src']))
            elif target.fragment and inside in ids and urllib.parse.unquote(target.fragment) not in ids[inside]:
                broken.append((path, tag.get('href') or tag['src']))
    assert not broken
    # nothing that a page is made of lies elsewhere
    assert {name for name, scheme, _ in outside if scheme != 'data'} <= {'a'}


def test_every_picture_has_words(pages):
    for path, page in pages.items():
        for tag in page.find_all('img'):
            assert len(tag.get('alt', '')) > 10, (path, tag['src'])


@pytest.mark.parametrize('one', RECIPES, ids=lambda one: one.name)
def test_a_recipes_page_has_what_its_file_has(pages, one):
    page = pages[f'examples/{one.name}.html']
    text = ' '.join(page.find('article').get_text().split())
    plain = re.compile(r'[\W_]+')  # quotation marks and dashes are typographic there, and backquotes code

    def has(words):
        return plain.sub('', words) in plain.sub('', text)

    assert has(one.summary)
    for paragraph in one.docstring.split('\n\n')[1:]:
        head, _, rest = paragraph.partition(': ')
        assert has(head) and has(rest[:1].upper() + rest[1:]) or has(paragraph), paragraph
    with open(one.path, encoding='utf-8') as f:
        [marked] = [line.strip() for line in f if MARK in line]
    assert [line.get_text().strip() for line in page.select('.highlight .hll')] == [marked]
    links = {a['href'] for a in page.find_all('a', href=True)}
    topic, name = one.name.split('/')
    assert f'../../tests/recipes/{topic}/test_{name}.py.html' in links
    assert '../../docs/compatibility.html' in links
    if (ROOT / f'docs/keras3/{one.name}.py').exists():
        assert f'../../docs/keras3/{one.name}.py.html' in links
    assert f'make run-example EXAMPLE={one.name}' in text and f'run {one.name}' in text


def recorded():
    found = {}
    for one in RECIPES:
        path = OUT / 'results' / one.name.replace('/', '-') / 'result.json'
        if path.exists():
            found[one.name] = json.loads(path.read_text())
    return found


def test_the_numbers_are_those_of_the_runs(pages):
    assert recorded()
    for name, record in recorded().items():
        page = pages[f'examples/{name}.html']
        cells = [[cell.get_text() for cell in row.find_all('td')] for row in page.select('article table tbody tr')]
        shown = {row[0]: row[1] for row in cells}
        for key, value in record['metrics'].items():
            if isinstance(value, str):
                assert value in page.get_text()
            elif value is not None:
                assert float(shown[key.replace('_', ' ')]) == pytest.approx(value, rel=1e-5, abs=1e-12), (name, key)


def pictures_of(page, path, site):
    """What the pictures of a page hold, as bytes."""
    return [((site / path).parent / img['src']).read_bytes() for img in page.select('article img')]


def test_a_picture_of_the_run_is_on_the_page_and_on_the_card(pages, site):
    front = pictures_of(pages['index.html'], 'index.html', site)
    seen = 0
    for name, record in recorded().items():
        folder, path = OUT / 'results' / name.replace('/', '-'), f'examples/{name}.html'
        own = pictures_of(pages[path], path, site)
        drawn = [
            file for file in (folder / 'plot.svg', folder / record['metrics'].get('picture', '-')) if file.exists()
        ]
        assert [file.read_bytes() for file in drawn] == own, name
        assert not drawn or drawn[0].read_bytes() in front, name
        seen += len(drawn)
    assert seen > 2


def test_every_recipe_has_a_card_on_the_front_page_and_on_its_topics(pages):
    for one in RECIPES:
        topic, name = one.name.split('/')
        for path, link in (
            ('index.html', f'examples/{one.name}.html'),
            (f'examples/{topic}/index.html', f'{name}.html'),
        ):
            [card] = [c for c in pages[path].select('.gallery-card') if c.select_one(f'a[href="{link}"]')]
            assert card.select_one('img, .key-number'), one.name
