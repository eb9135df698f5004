"""The model zoo: a page and a metafile for each method, of what configs and tables say."""

import re
import runpy
import sys
from pathlib import Path

import model_zoo
import pytest
import yaml
import zoo_figures
from zoo_families import FAMILIES, Quote

from mmseg_da.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
NAMES = model_zoo.names_of()
METAFILES = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
BENCHMARKS = """# Measurements
| other | mIoU, mean |
|---|---|
<!-- adaptation: begin -->
2 cores.

### toy

| method | mIoU, mean | seed 0 | seed 1 | gap closed | updates | seconds a run |
|---|---:|---:|---:|---:|---:|---:|
| source_only | 20.0 | 20.0 | 20.0 | – | 500 | 50 |
| dacs | 30.0 | 29.0 | 31.0 | 25 % | 500 | 182 |
| fda | not run | not run | not run | not run | not run | not run |
<!-- adaptation: end -->
"""


def models_of(name: str) -> list[dict]:
    return yaml.safe_load((ROOT / name).read_text())['Models']


def test_the_files_hold_what_configs_and_tables_say():
    old = [str(path.relative_to(ROOT)) for path in model_zoo.out_of_date(model_zoo.files())]
    assert old == [], 'run `python benchmarks/model_zoo.py`'


def test_every_config_is_in_one_metafile():
    found = [model['Config'] for name in METAFILES for model in models_of(name)]
    assert sorted(found) == sorted(f'configs/{name}.py' for name in NAMES)
    names = [model['Name'] for name in METAFILES for model in models_of(name)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize('name', METAFILES)
def test_a_metafile_has_the_form_of_mmsegs(name):
    content = yaml.safe_load((ROOT / name).read_text())
    (collection,) = content['Collections']
    assert {'Name', 'License', 'README', 'Frameworks'} <= set(collection)
    assert (ROOT / collection['README']).is_file()
    for model in content['Models']:
        assert model['In Collection'] == collection['Name']
        assert (ROOT / model['Config']).is_file()
        assert {'Training Data', 'Architecture', 'Iterations'} == set(model['Metadata'])
        assert 'Weights' not in model
        for result in model.get('Results', []):  # what we have measured, and nothing of a paper
            assert model['Config'].startswith('configs/small/')
            assert 0 < result['Metrics']['mIoU'] < 100


@pytest.mark.parametrize('key', FAMILIES)
def test_every_link_of_a_page_leads_somewhere(key):
    page = ROOT / 'configs' / key / 'README.md'
    links = [link for link in re.findall(r'\]\(([^)#]+)\)', page.read_text()) if ':' not in link]
    assert f'../../docs/{FAMILIES[key].page}' in links
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_a_page_says_what_was_measured_and_what_a_paper_says():
    page = (ROOT / 'configs/advent/README.md').read_text()
    rows = {row[0]: row for row in zoo_figures.rows_of(page)}
    own = zoo_figures.measured()['toy']['advent']['mIoU, mean']
    assert rows['[small/advent_toy](../small/advent_toy.py)'][2] == own
    assert rows['[advent_gta2cs](../advent_gta2cs.py)'][-2:] == ['43.8', 'GPU: not run']
    assert rows['[advent_pspnet_gta2cs](../advent_pspnet_gta2cs.py)'][-2] == '–'


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        ('advent_gta_synthia2cs', ('multi_source', 'GTA5 and SYNTHIA → Cityscapes')),
        ('mic_daformer_cs2darkzurich', ('mic', 'Cityscapes → Dark Zurich')),
        ('fda_mbt_gta2cs', ('self_training', 'GTA5 → Cityscapes')),
        ('pspnet_source_gta', ('finetune', 'GTA5')),
        ('cycada/drn26_gta2cs', ('cycada', 'GTA5 → Cityscapes')),
    ],
)
def test_a_name_says_family_and_domains(name, expected):
    assert (model_zoo.family_of(name), model_zoo.domains_of(name)) == expected


@pytest.fixture
def other_root(tmp_path):
    """A root with a table of benchmarks and the page of a method."""
    (tmp_path / 'docs/methods').mkdir(parents=True)
    (tmp_path / 'docs/benchmarks.md').write_text(BENCHMARKS)
    page = '| | mIoU |\n|---|---|\n| paper | 52.1, then 8 and 60.25 |\n'
    (tmp_path / 'docs/methods/dacs.md').write_text(page)
    return tmp_path


def test_tables_are_read_by_their_columns(other_root):
    tables = zoo_figures.measured(other_root)
    assert list(tables) == ['toy']
    assert tables['toy']['dacs'] == {
        'method': 'dacs',
        'mIoU, mean': '30.0',
        'seed 0': '29.0',
        'seed 1': '31.0',
        'gap closed': '25 %',
        'updates': '500',
        'seconds a run': '182',
    }
    row = model_zoo._small_row('small/dacs_toy', tables)
    assert row[1:] == ['toy', '30.0', '2', '20.0', 'not run', '25 %']
    assert model_zoo._small_row('small/fda_toy', tables)[2:4] == ['not run', '–']
    assert model_zoo._small_row('small/cbst_toy', tables)[2:4] == ['not run', '–']


def test_a_figure_is_read_where_a_page_quotes_it(other_root):
    assert zoo_figures.quoted(Quote('dacs', 'paper'), other_root) == '52.1'
    assert zoo_figures.quoted(Quote('dacs', 'paper', item=1), other_root) == '60.25'
    for wrong in (
        Quote('dacs', 'paper', item=2),
        Quote('dacs', 'Paper'),
        Quote('dacs', 'paper', 2),
    ):
        with pytest.raises(UserError, match=r'dacs\.md: no number'):
            zoo_figures.quoted(wrong, other_root)


def test_a_config_of_no_family_is_told():
    with pytest.raises(UserError, match=r'configs/new_gta2cs\.py belongs to no family'):
        model_zoo.family_of('new_gta2cs')


def test_missing_tables_are_told(other_root):
    (other_root / 'docs/benchmarks.md').write_text('nothing')
    with pytest.raises(UserError, match=r'benchmarks\.md: there are no tables'):
        zoo_figures.measured(other_root)


def test_what_differs_is_out_of_date(tmp_path):
    same, other, missing = tmp_path / 'same', tmp_path / 'other', tmp_path / 'a/missing'
    same.write_text('1')
    other.write_text('2')
    found = {same: '1', other: '1', missing: '1'}
    assert model_zoo.out_of_date(found) == [other, missing]
    model_zoo.write(missing, '1')
    assert model_zoo.out_of_date(found) == [other]


def test_help(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['model_zoo.py', '--help'])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / 'benchmarks/model_zoo.py'), run_name='__main__')
    assert stop.value.code == 0
    assert '--check' in capsys.readouterr().out
