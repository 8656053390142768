"""The built site, served to a real headless Chromium. `nox -s gallery` builds it first."""

import functools
import http.server
import os
import pathlib
import threading

import pytest
from chromium import browser  # noqa: F401, a fixture

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
OUT = pathlib.Path(os.environ.get('GALLERY', ROOT / 'runs' / 'gallery'))


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


@pytest.fixture
def open_page(browser, address):  # noqa: F811
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
