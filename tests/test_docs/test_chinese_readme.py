"""The Chinese README says what the English one says: as many headings, the same code, links, tables and names."""

import re

import pytest
from markdown_it import MarkdownIt
from page_blocks import ROOT, blocks_of

ENGLISH, CHINESE = ROOT / 'README.md', ROOT / 'README_zh-CN.md'
SWITCH = {'README.md', 'README_zh-CN.md'}


def _tokens(page):
    return MarkdownIt('commonmark').enable('table').parse(page.read_text(encoding='utf-8'))


def headings(page):
    """Levels of the headings, in order."""
    return [token.tag for token in _tokens(page) if token.type == 'heading_open']


def links(page):
    """Where links and pictures lead, in order; without the switch between the languages."""
    children = [child for token in _tokens(page) for child in token.children or ()]
    found = [child.attrs.get('href') or child.attrs.get('src') for child in children]
    return sorted(link for link in found if link and link not in SWITCH)


def tables(page):
    """Of each table its rows, each as its columns' code: names, commands, configs."""
    rows, found = [], []
    for token in _tokens(page):
        if token.type == 'table_open':
            rows = []
        elif token.type == 'tr_open':
            rows.append([])
        elif token.type == 'inline' and rows is not None and token.level >= 4:
            code = [child.content for child in token.children if child.type == 'code_inline']
            rows[-1].append(code)
        elif token.type == 'table_close':
            found.append(rows)
            rows = None
    return found


def code(page):
    """What is written as code, anywhere in the text."""
    children = [child for token in _tokens(page) for child in token.children or ()]
    return sorted(child.content for child in children if child.type == 'code_inline')


def numbers(page):
    """Every number, of versions and of sizes."""
    return sorted(re.findall(r'\d+(?:\.\d+)*', page.read_text(encoding='utf-8')))


@pytest.mark.parametrize('of', [headings, links, tables, code, numbers])
def test_both_have_the_same(of):
    english, chinese = of(ENGLISH), of(CHINESE)
    assert english
    assert chinese == english


def test_both_have_the_same_code_blocks():
    english, chinese = (
        [(block.language, block.text) for block in blocks_of(page)] for page in (ENGLISH, CHINESE)
    )
    assert len(english) >= 3
    assert chinese == english


def test_the_tables_are_seen():
    assert [len(rows) for rows in tables(ENGLISH)][:2] == [4, 4]
    assert all(len(row) >= 2 for rows in tables(ENGLISH) for row in rows)


def test_each_leads_to_the_other():
    assert '[简体中文](README_zh-CN.md)' in ENGLISH.read_text(encoding='utf-8')
    assert '[English](README.md)' in CHINESE.read_text(encoding='utf-8')


def test_its_local_links_lead_somewhere():
    local = [link.split('#')[0] for link in links(CHINESE) if '://' not in link]
    assert [link for link in local if not (ROOT / link).exists()] == []
