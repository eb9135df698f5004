"""The demo of CyCADA from the first command to the picture, with few iterations."""

import json
import runpy
import sys
from pathlib import Path

import cv2
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_demo_writes_a_table_numbers_and_a_picture(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv('MMSEG_DA_DATA', str(tmp_path / 'data'))
    monkeypatch.chdir(ROOT)
    arguments = ['demo_cycada.py', '--work-dir', str(tmp_path / 'demo'), '--iterations', '2']
    monkeypatch.setattr(sys, 'argv', arguments)
    runpy.run_path(str(ROOT / 'benchmarks/demo_cycada.py'), run_name='__main__')
    out = capfd.readouterr().out
    results = json.loads((tmp_path / 'demo/results.json').read_text())
    assert list(results) == ['source', 'segment', 'align', 'upper_bound', 'seconds']
    for name in ('source', 'segment', 'align', 'upper_bound'):
        assert results[name]['iterations'] == 2
        assert len(results[name]['ious']) == 10
        assert f'{results[name]["miou"]:.1f}' in out
    trial = json.loads((tmp_path / 'demo/cycada_toy_seed0/result.json').read_text())
    assert trial['iterations'] == 4 * 2
    assert trial['miou'] == results['align']['miou']
    picture = cv2.imread(str(tmp_path / 'demo/cycada.png'))
    assert min(picture.shape[:2]) > 400
    assert picture.std() > 20
