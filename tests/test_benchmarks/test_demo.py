"""The demo from the first command to the picture, with few iterations."""

import json
import runpy
import sys
from pathlib import Path

import cv2
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_demo_writes_a_table_numbers_and_a_picture(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv('MMSEG_DA_DATA', str(tmp_path / 'data'))
    monkeypatch.chdir(ROOT)
    arguments = ['demo.py', '--work-dir', str(tmp_path / 'demo'), '--iterations', '3']
    monkeypatch.setattr(sys, 'argv', arguments)
    runpy.run_path(str(ROOT / 'benchmarks/demo.py'), run_name='__main__')
    out = capfd.readouterr().out
    results = json.loads((tmp_path / 'demo/results.json').read_text())
    assert list(results) == ['source_only', 'adaptsegnet', 'upper_bound']
    for method, result in results.items():
        assert result['trial'] == dict(method=method, pair='toy', seed=0)
        assert result['iterations'] == 3
        assert len(result['ious']) == 10
        assert f'{result["miou"]:.1f}' in out
    picture = cv2.imread(str(tmp_path / 'demo/demo.png'))
    assert min(picture.shape[:2]) > 400
    assert picture.std() > 20
