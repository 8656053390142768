"""A headless Chromium for tests; a conftest.py that imports `browser` has it as a fixture."""

import os
import shutil

import pytest
from playwright import sync_api

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')
# as root and without a display; asking nobody for anything; WebGL, which TensorBoard's projector draws with, by the CPU
FLAGS = """--no-sandbox --disable-quic --no-first-run --disable-background-networking --disable-component-update
    --disable-sync --use-angle=swiftshader --enable-unsafe-swiftshader""".split()


def find_browser():
    """Path of a Chromium. Ends the test with a sentence where there is none."""
    named = os.environ.get('CHROMIUM')
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        what = f'CHROMIUM={named} is no program' if named else 'there is no Chromium here'
        pytest.fail(f'{what}: `apt-get install chromium` brings one, or name one in CHROMIUM.', pytrace=False)
    return found


@pytest.fixture(scope='session')
def browser():
    """A Chromium, with a profile of its own."""
    path = find_browser()
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()
