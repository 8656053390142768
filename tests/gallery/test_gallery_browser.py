"""The site in a real Chromium: nothing goes wrong, search finds, copy copies, phones, keyboards and screen readers."""

import pathlib
import re

import pytest
from axe_playwright_python.sync_playwright import Axe

from tensorflow_with_keras import recipe

PHONE = {'width': 360, 'height': 740}
# a page of each kind
KINDS = ['index', 'examples/index', 'examples/metrics/index', 'examples/metrics/roc_auc', 'examples/export/tflite']
KINDS += ['examples/training/saliency', 'docs/symptoms', 'docs/compatibility', 'docs/keras3/README', 'README']
KINDS += ['tests/recipes/metrics/test_roc_auc.py', 'docs/keras3/metrics/roc_auc.py', 'search']
# the same parts in other colours: cards, code and prose, a table, results of a search
IN_THE_DARK = ['index', 'examples/metrics/roc_auc', 'docs/compatibility', 'search']
KAPPA = 'examples/metrics/cohens_kappa.html'


def test_every_page_loads_without_an_error_and_is_no_wider_than_a_phone(browser, address, site):
    context = browser.new_context(viewport=PHONE)
    page = context.new_page()
    wrong, wide = [], []
    page.on('console', lambda message: wrong.append((page.url, message.text)) if message.type == 'error' else None)
    page.on('pageerror', lambda error: wrong.append((page.url, str(error))))
    # what was still on its way when the next page was asked for has not failed
    page.on('requestfailed', lambda r: 'ABORTED' in r.failure or wrong.append((page.url, r.url, r.failure)))
    page.on('response', lambda answer: wrong.append((page.url, answer.url)) if answer.status >= 400 else None)
    elsewhere = []
    page.on('request', lambda request: request.url.startswith((address, 'data:')) or elsewhere.append(request.url))
    paths = sorted(str(path.relative_to(site)) for path in site.rglob('*.html'))
    paths = [path for path in paths if not path.startswith('_static')]
    assert len(paths) > 100
    for path in paths:
        page.goto(f'{address}/{path}')
        width = page.evaluate('document.documentElement.scrollWidth')
        if width > PHONE['width']:
            wide.append((path, width))
    context.close()
    assert not wrong and not wide and not elsewhere


@pytest.mark.parametrize(
    'name, scheme', [*((name, 'light') for name in KINDS), *((name, 'dark') for name in IN_THE_DARK)]
)
def test_axe_finds_nothing(open_page, name, scheme):
    page = open_page(f'{name}.html', color_scheme=scheme)
    assert page.evaluate('document.documentElement.dataset.theme') == scheme
    results = Axe().run(page)
    assert results.response['passes']
    assert results.violations_count == 0, results.generate_report()


def test_axe_finds_nothing_on_a_phone(open_page):
    for name in ('index', 'examples/metrics/roc_auc', 'docs/symptoms'):
        results = Axe().run(open_page(f'{name}.html', viewport=PHONE))
        assert results.violations_count == 0, results.generate_report()


def found_by_search(page):
    page.wait_for_selector('#search-results .search li a')
    return [re.sub(r'[?#].*', '', a.get_attribute('href')) for a in page.query_selector_all('#search-results li a')]


def test_search_finds_kappa(open_page):
    page = open_page()
    page.fill('#gallery-q', 'kappa')
    page.press('#gallery-q', 'Enter')
    page.wait_for_url('**/search.html?q=kappa')
    found = found_by_search(page)
    assert KAPPA in found and 'examples/metrics/cohens_kappa_update_op.html' in found
    assert not any(path.startswith('tests/') for path in found)


def test_search_says_when_there_is_nothing(open_page):
    page = open_page('search.html?q=xylophone')
    page.wait_for_selector('text=did not match any documents')


def code_of(name):
    """A recipe's code behind its docstring, which is what its page shows."""
    return pathlib.Path(recipe.find()[name].path).read_text().split('"""', 2)[2].strip()


def test_the_copy_button_copies_the_code(open_page):
    page = open_page('examples/metrics/roc_auc.html', permissions=['clipboard-read', 'clipboard-write'])
    code = page.locator('div.highlight-python')
    code.hover()
    code.locator('button.copybtn').click()
    page.wait_for_selector('button.copybtn.success')
    assert page.evaluate('navigator.clipboard.readText()').strip() == code_of('metrics/roc_auc')


def test_the_command_that_is_copied_is_the_whole_of_it(open_page):
    page = open_page('examples/metrics/roc_auc.html', permissions=['clipboard-read', 'clipboard-write'])
    block = page.locator('div.highlight-sh')
    block.hover()
    block.locator('button.copybtn').click()
    page.wait_for_selector('button.copybtn.success')
    copied = page.evaluate('navigator.clipboard.readText()')
    assert copied.startswith('make run-example EXAMPLE=metrics/roc_auc\n')
    assert copied.strip().endswith('run metrics/roc_auc')


FOCUSED = """() => {
    const e = document.activeElement;
    const style = getComputedStyle(e), card = e.closest('.gallery-card');
    const ring = s => s.outlineStyle !== 'none' || s.boxShadow !== 'none';
    return {id: e.id, href: e.getAttribute('href'), class: e.className, tag: e.tagName,
            seen: ring(style) || (card !== null && ring(getComputedStyle(card)))};
}"""


def tab_until(page, is_it, most=300):
    """Presses Tab until the focus is where it should be; what had the focus before. The focus has to be seen."""
    passed = []
    for _ in range(most):
        page.keyboard.press('Tab')
        passed.append(page.evaluate(FOCUSED))
        if is_it(passed[-1]):
            assert passed[-1]['seen'], passed[-1]
            return passed
    raise AssertionError(f'Tab did not get there: {passed[-10:]}')


def test_the_keyboard_alone_reaches_search_and_cards(open_page):
    page = open_page()
    tab_until(page, lambda e: e['id'] == 'gallery-q', 30)
    page.keyboard.type('kappa')
    page.keyboard.press('Enter')
    page.wait_for_url('**/search.html?q=kappa')
    assert KAPPA in found_by_search(page)

    page = open_page()
    wanted = f'examples/{list(recipe.find())[-1]}.html'
    passed = tab_until(page, lambda e: e['href'] == wanted)
    assert {f'examples/{name}.html' for name in recipe.find()} <= {e['href'] for e in passed}
    page.keyboard.press('Enter')
    page.wait_for_url(f'**/{wanted}')


def test_the_keyboard_alone_copies(open_page):
    page = open_page(KAPPA, permissions=['clipboard-read', 'clipboard-write'])
    tab_until(page, lambda e: 'copybtn' in e['class'])
    button = page.evaluate_handle('document.activeElement')
    page.wait_for_function('e => getComputedStyle(e).opacity > 0.5', arg=button)
    page.keyboard.press('Enter')
    page.wait_for_selector('button.copybtn.success')
    assert page.evaluate('navigator.clipboard.readText()').strip() == code_of('metrics/cohens_kappa')


def test_the_menu_of_a_phone_leads_to_a_topic(open_page):
    page = open_page(KAPPA, viewport=PHONE)
    page.get_by_role('button', name='Site navigation').click()
    page.get_by_role('link', name='losses').click()
    page.wait_for_url('**/examples/losses/index.html')


def test_the_dark_is_chosen_by_its_button(open_page):
    page = open_page(color_scheme='light')
    page.get_by_role('button', name='Color mode').click()
    page.get_by_role('button', name='Dark').click()
    assert page.evaluate('document.documentElement.dataset.theme') == 'dark'
    page.reload()
    background = page.evaluate('getComputedStyle(document.body).backgroundColor')
    assert all(int(part) < 64 for part in re.findall(r'\d+', background)[:3]), background
