"""The built site, served to a real headless Chromium. `nox -s gallery` builds it first."""

import functools
import http.server
import os
import pathlib
import shutil
import threading

import pytest
from playwright import sync_api

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
OUT = pathlib.Path(os.environ.get('GALLERY', ROOT / 'runs' / 'gallery'))
# as root and without a display; and asking nobody for anything
FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking']
FLAGS += ['--disable-component-update', '--disable-sync']
NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')


def find_browser():
    """Path of a Chromium. Ends the test with a sentence where there is none."""
    named = os.environ.get('CHROMIUM')
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        what = f'CHROMIUM={named} is no program' if named else 'there is no Chromium here'
        pytest.fail(f'{what}: `apt-get install chromium` brings one, or name one in CHROMIUM.', pytrace=False)
    return found


@pytest.fixture(scope='session')
def site():
    """Folder of the site."""
    if not (OUT / 'site' / 'index.html').exists():
        pytest.fail(f'there is no site in {OUT}: `make gallery` makes it.', pytrace=False)
    return OUT / 'site'


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Says nothing of what it serves."""

    def log_message(self, *_):
        pass


@pytest.fixture(scope='session')
def address(site):
    """Where the site is served, on a port that is free."""
    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}'
        server.shutdown()


@pytest.fixture(scope='session')
def browser():
    """A Chromium, with a profile of its own."""
    path = find_browser()
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, address):
    """Opens a page of the site: a function of its path, and of settings of the browser's context."""
    contexts = []

    def open_page(path='index.html', **settings):
        contexts.append(browser.new_context(**settings))
        page = contexts[-1].new_page()
        page.goto(f'{address}/{path}')
        return page

    yield open_page
    for context in contexts:
        context.close()
