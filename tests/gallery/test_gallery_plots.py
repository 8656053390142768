"""The gallery's own pictures as thumbnails of 300 pixels: letters to be read, apart from each other; colours; words."""

import itertools
import json
import re

import pytest
from conftest import OUT

# Okabe and Ito (2008), Color Universal Design, and greys
COLOURS = {'#000000', '#e69f00', '#56b4e9', '#009e73', '#f0e442', '#0072b2', '#d55e00', '#cc79a7'}
PLOTS = [path.with_name('plot.svg') for path in sorted(OUT.glob('results/*/plot.json'))]  # that is written last
every = pytest.mark.parametrize('plot', PLOTS, ids=lambda plot: plot.parent.name)

BOXES = """() => [...document.querySelectorAll('svg g[id^=text_]')].map(g => {
    const box = g.getBoundingClientRect();
    return [box.left, box.top, box.right, box.bottom];
})"""


def test_there_are_some():
    assert PLOTS


@every
def test_its_letters_are_legible_at_the_width_of_a_thumbnail(browser, plot):
    page = browser.new_page(viewport={'width': 300, 'height': 225})
    text = plot.read_text()
    svg = text[text.index('<svg') :]
    page.set_content(f'<style>body {{margin: 0}} svg {{width: 300px; height: 225px}}</style>{svg}')
    boxes = page.evaluate(BOXES)
    page.close()
    assert len(boxes) >= 6  # both axes have numbers or names
    for left, top, right, bottom in boxes:
        # of 10 points at 75 pixels an inch a digit has 7; only words without ascenders have less
        assert min(bottom - top, right - left) >= 3 and max(bottom - top, right - left) >= 5
        assert left >= 0 and top >= 0 and right <= 300 and bottom <= 225
    assert sorted(bottom - top for _, top, _, bottom in boxes)[len(boxes) // 2] >= 6
    for one, other in itertools.combinations(boxes, 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart, (one, other)


@every
def test_its_colours_are_told_apart_by_the_colour_blind(plot):
    used = set(re.findall('#[0-9a-f]{6}', plot.read_text().lower()))
    greys = {colour for colour in used if colour[1:3] == colour[3:5] == colour[5:7]}
    assert used - greys and used - greys <= COLOURS


@every
def test_its_words_say_what_is_seen(plot):
    words = json.loads((plot.parent / 'plot.json').read_text())['alt']
    assert 80 < len(words) < 500 and words.endswith('.') and re.search(r'\d', words)
