"""Pages of one file: what is in them, what is escaped, how they are written."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from mmseg_da.errors import UserError
from mmseg_da.visualization import Page

PIXELS = np.random.RandomState(0).randint(0, 255, (24, 32, 3), dtype=np.uint8)


class Tags(HTMLParser):
    """Counts tags and keeps their attributes and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.text = ''
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag: str) -> list[dict]:
        return [attrs for name, attrs in self.found if name == tag]


def _decode(image: dict) -> np.ndarray:
    content = base64.b64decode(image['src'].split(',')[1])
    return np.asarray(Image.open(io.BytesIO(content)).convert('RGB'))


def test_the_bar_leads_to_each_section():
    page = Page('a run', 'of today')
    for name in ('data', 'losses'):
        page.section(name)
        page.text(f'about {name}')
    tags = Tags(page.render())
    links = [each['href'].removeprefix('#') for each in tags.all('a')]
    assert links == [each['id'] for each in tags.all('h2')] == ['section-0', 'section-1']
    assert 'about data' in tags.text
    assert 'of today' in tags.text


def test_names_are_escaped_everywhere():
    evil = '<script>alert(1)</script>"\'&'
    page = Page(evil, evil)
    page.section(evil)
    page.heading(evil)
    page.text(evil)
    page.verdict('bad', evil)
    page.table([evil], [[evil]], evil)
    page.pictures({evil: PIXELS})
    page.slider(PIXELS, PIXELS, evil, (evil, evil))
    page.code(evil, evil)
    tags = Tags(page.render())
    assert len(tags.all('script')) == 1  # the page's own
    assert {each['alt'] for each in tags.all('img')} == {evil}


def test_numbers_of_a_table_stand_to_the_right_and_read_well():
    page = Page('t')
    page.table(['class', 'images', 'share'], [['road', 25000, 0.123456], ['car', 3, None]])
    html = page.render()
    assert re.findall(r'<td class="number">(.*?)</td>', html) == ['25,000', '0.12', '3', '–']
    assert '<th>class</th><th class="number">images</th>' in html
    with pytest.raises(ValueError, match='2 cells'):
        page.table(['a', 'b'], [['one']])


def test_label_maps_keep_their_colours_and_photographs_are_small():
    labels = np.zeros((24, 32, 3), dtype=np.uint8)
    labels[:12] = (128, 64, 128)
    page = Page('t')
    page.picture(labels, 'labels')
    page.picture(np.ascontiguousarray(np.kron(PIXELS, np.ones((2, 2, 1), np.uint8))), 'photograph')
    first, second = Tags(page.render()).all('img')
    assert first['src'].startswith('data:image/png;')
    np.testing.assert_array_equal(_decode(first), labels)
    assert second['src'].startswith('data:image/jpeg;')
    assert (int(second['width']), int(second['height'])) == (64, 48)


def test_plots_are_vectors_and_the_same_each_time():
    def render() -> str:
        figure = Figure(figsize=(4, 2))
        figure.subplots().plot([0, 1], [2, 3], label='loss')
        page = Page('t')
        page.figure(figure, 'losses')
        return page.render()

    image = Tags(render()).all('img')[0]
    assert image['src'].startswith('data:image/svg+xml;')
    assert (image['width'], image['height']) == ('384', '192')
    assert render() == render()


def test_a_slider_needs_images_of_one_size():
    page = Page('t')
    page.slider(PIXELS, PIXELS, 'both', ('before', 'after'))
    tags = Tags(page.render())
    assert len(tags.all('input')) == 1
    assert [each['alt'] for each in tags.all('img')] == ['after', 'before']
    with pytest.raises(ValueError, match='lie on each other'):
        page.slider(PIXELS, PIXELS[:12], 'both', ('before', 'after'))


def test_levels_of_a_verdict():
    page = Page('t')
    page.verdict('warning', 'look')
    assert '<div class="verdict warning"><b>warning</b>look' in page.render()
    with pytest.raises(ValueError, match='awful'):
        page.verdict('awful', 'x')


def test_nothing_is_loaded_from_elsewhere():
    page = Page('t')
    page.picture(PIXELS)
    html = page.render()
    assert "default-src 'none'" in html
    assert not re.search(r'(?:src|href)="(?!data:|#)', html)


def test_a_page_is_written_whole_and_replaced_only_by_force(tmp_path):
    file = tmp_path / 'new' / 'page.html'
    Page('one').write(file)
    with pytest.raises(UserError, match='--force'):
        Page('two').write(file)
    assert '<title>one</title>' in file.read_text()
    Page('two').write(file, force=True)
    assert '<title>two</title>' in file.read_text()
    assert [each.name for each in file.parent.iterdir()] == ['page.html']
    with pytest.raises(UserError, match='is a folder'):
        Page('three').write(tmp_path, force=True)
    with pytest.raises(UserError, match='cannot write the page'):
        Page('four').write(file / 'below.html')
