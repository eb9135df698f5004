"""The benchmark of the loader: the same pixels on both sides, its table, and nothing left behind."""

import json
import math
import os

import bare_loader
import loader
import pytest
from bare_loader import RECIPES

from mmseg_da.errors import UserError

QUICK = ['--shrink', '16', '--pairs', '2', '--blocks', '2', '--workers', '0']


@pytest.fixture(autouse=True)
def _temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path))


def test_it_prints_tables_writes_finite_figures_and_cleans_up(tmp_path, capsys):
    out = tmp_path / 'figures.json'
    before = os.environ.get('MMSEG_DA_DATA')
    files = ['--files', '60', '30', '--start-workers', '1']
    loader.main([*QUICK, *files, '--json', str(out)])
    printed = capsys.readouterr().out
    rows = [line.split('|')[1].strip() for line in printed.splitlines() if line.startswith('|')]
    assert rows[2:] == ['whole', 'crop']
    assert 'Start-up with 60 + 30 files, 1 workers' in printed
    written = json.loads(out.read_text())
    for row in written['rows']:
        figures = [value for key, value in row.items() if key not in ('recipe', 'workers')]
        assert all(math.isfinite(value) and value > 0 for value in figures)
    start = written['start_up']
    parts = [start[f'{part}_seconds'] for part in ('check', 'list', 'workers', 'batch')]
    assert sum(parts) == pytest.approx(start['total_seconds'])
    assert list(tmp_path.iterdir()) == [out]
    assert os.environ.get('MMSEG_DA_DATA') == before


@pytest.mark.parametrize(
    ('recipe', 'change'),
    [('whole', lambda pixels: pixels ^ 1), ('crop', lambda pixels: pixels[:, 1:])],
)
def test_a_bare_loader_that_reads_something_else_is_refused(monkeypatch, recipe, change):
    pixels = bare_loader._pixels
    monkeypatch.setattr(bare_loader, '_pixels', lambda image: change(pixels(image)))
    with pytest.raises(UserError, match='something else'):
        loader.main([*QUICK, '--recipes', recipe, '--files', '0', '0'])


def test_recipes_differ_in_what_they_do():
    names = {
        name: [step['type'] for step in recipe.pipeline('source')]
        for name, recipe in RECIPES.items()
    }
    assert set(names['crop']) - set(names['whole']) == {'RandomCrop', 'RandomFlip'}
    for recipe in RECIPES.values():
        assert 'LoadAnnotations' not in [step['type'] for step in recipe.pipeline('target')]


def test_an_unknown_recipe_ends_with_code_2(capsys):
    with pytest.raises(SystemExit) as ended:
        loader.main(['--recipes', 'nothing'])
    assert ended.value.code == 2
    assert "'nothing'" in capsys.readouterr().err


def test_no_pairs_are_refused():
    with pytest.raises(UserError, match='--pairs'):
        loader.main(['--pairs', '0'])
