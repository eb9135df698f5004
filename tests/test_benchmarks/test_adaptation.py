"""The benchmark's arithmetic, its tables, and that it does nothing twice."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import adaptation
import pytest
import trials
from trials import Result, Trial

from mmseg_da.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def result(method: str, seed: int, miou: float) -> Result:
    return Result(Trial(method, 'toy', seed), miou, dict(road=miou), 500, 60.0, config='0')


RESULTS = [
    result('source_only', 0, 20.0),
    result('source_only', 1, 30.0),
    result('adaptsegnet', 0, 35.0),
    result('adaptsegnet', 1, 45.0),
    result('upper_bound', 0, 65.0),
]


def test_the_closed_gap_is_a_share_of_the_way():
    assert adaptation.closed_gap(20.0, 35.0, 80.0) == 0.25
    assert adaptation.closed_gap(20.0, 14.0, 80.0) == pytest.approx(-0.1)


def test_a_table_has_means_seeds_and_what_was_not_run():
    lines = adaptation.table('toy', RESULTS).splitlines()
    cells = {line.split('|')[1].strip(): line.split('|')[2:-1] for line in lines[4:]}
    rows = {method: [cell.strip() for cell in row] for method, row in cells.items()}
    assert rows['source_only'] == ['25.0', '20.0', '30.0', '–', '500', '60']
    assert rows['adaptsegnet'] == ['40.0', '35.0', '45.0', '38 %', '500', '60']
    assert rows['upper_bound'] == ['65.0', '65.0', 'not run', '–', '500', '60']
    row = adaptation.table('toy', RESULTS[:4]).splitlines()[-1]
    assert [cell.strip() for cell in row.split('|')[1:-1]] == ['upper_bound', *['not run'] * 6]
    assert row.count('|') == lines[2].count('|')
    assert lines[3].count('|') == lines[2].count('|') == lines[4].count('|')


def test_only_the_marked_section_of_a_document_changes(tmp_path):
    file = tmp_path / 'a.md'
    file.write_text('top\n<!-- adaptation: begin -->\nold\n<!-- adaptation: end -->\nbottom\n')
    adaptation.write_docs('new\n', file)
    text = 'top\n<!-- adaptation: begin -->\nnew\n<!-- adaptation: end -->\nbottom\n'
    assert file.read_text() == text
    assert list(tmp_path.iterdir()) == [file]


def test_a_finished_trial_is_read_until_its_config_changes(tmp_path, monkeypatch):
    done = RESULTS[2]
    done = replace(done, config=trials.fingerprint(done.trial, ROOT, ['train_cfg.max_iters=7']))
    folder = tmp_path / done.trial.name
    folder.mkdir()
    (folder / 'result.json').write_text(json.dumps(asdict(done)))
    assert trials.run_trial(done.trial, tmp_path, ROOT, ['train_cfg.max_iters=7']) == done
    assert adaptation.all_results(tmp_path) == [done]
    monkeypatch.setenv('MMSEG_DA_DATA', str(tmp_path / 'empty'))
    with pytest.raises(UserError, match='failed'):  # it was run, without data
        trials.run_trial(done.trial, tmp_path, ROOT, ['train_cfg.max_iters=8'])
    assert adaptation.all_results(tmp_path) == []


def test_a_failed_trial_says_why_and_leaves_no_result(tmp_path, monkeypatch):
    monkeypatch.setenv('MMSEG_DA_DATA', str(tmp_path / 'empty'))
    with pytest.raises(UserError, match=r'output\.txt: .*make toy'):
        trials.run_trial(Trial('source_only', 'toy', 0), tmp_path, ROOT)
    assert not list(tmp_path.glob('*/result.json'))


def test_only_trials_that_have_a_config_are_run():
    chosen = adaptation.trials_of(('source_only', 'cycada'), ('toy', 'camvid2idd'), (0, 1))
    assert [trial.name for trial in chosen] == [
        'source_only_toy_seed0',
        'source_only_toy_seed1',
        'source_only_camvid2idd_seed0',
        'source_only_camvid2idd_seed1',
        'cycada_toy_seed0',
        'cycada_toy_seed1',
    ]
    with pytest.raises(UserError, match='--methods cyclada'):
        adaptation.trials_of(('source_only', 'cyclada'), ('toy',), (0,))


def test_trials_at_a_time_are_those_one_after_the_other(tmp_path):
    done = [
        replace(each, config=trials.fingerprint(each.trial, ROOT, []))
        for each in (RESULTS[0], RESULTS[2], RESULTS[4])
    ]
    for each in done:
        (tmp_path / each.trial.name).mkdir()
        (tmp_path / each.trial.name / 'result.json').write_text(json.dumps(asdict(each)))
    wanted = {each.trial: each for each in done}
    for jobs in (1, 2):
        assert trials.run_trials(list(wanted), tmp_path, ROOT, lambda _: [], jobs=jobs) == wanted


def test_a_trial_that_fails_keeps_the_next_from_starting(tmp_path, monkeypatch):
    monkeypatch.setenv('MMSEG_DA_DATA', str(tmp_path / 'empty'))
    several = [Trial('source_only', 'toy', seed) for seed in (0, 1)]
    with pytest.raises(UserError, match='source_only_toy_seed0'):
        trials.run_trials(several, tmp_path, ROOT, lambda _: [])
    assert [folder.name for folder in tmp_path.iterdir()] == ['source_only_toy_seed0']
