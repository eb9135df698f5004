"""The benchmarks of rare-class sampling and strong augmentation: tables, and what they refuse."""

import augmentation
import pytest
import rare_classes

from mmseg_da.datasets import SourceTargetSampler
from mmseg_da.errors import UserError

QUICK = ['--images', '4', '--pairs', '2', '--blocks', '2', '--shrink', '8']


def figures(text):
    rows = [line.strip('| ').split(' | ') for line in text.splitlines() if line.startswith('| ')]
    return {row[0]: [float(cell) for cell in row[1:]] for row in rows[1:]}


def test_rare_classes_are_measured_and_nothing_is_left(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path))
    rare_classes.main(QUICK)
    found = figures(capsys.readouterr().out)
    assert set(found) == {'512', '1024'}
    assert all(value > 0 for row in found.values() for value in row)
    assert all(row[-1] >= 1 for row in found.values())  # crops
    assert list(tmp_path.iterdir()) == []


def test_reading_anew_ends_with_a_crop_of_enough_pixels(tmp_path, monkeypatch):
    rare_classes.make_files(tmp_path, 4, 8)
    dataset = rare_classes.make_dataset(tmp_path, 512, 8, rare=True)
    draws = [SourceTargetSampler(dataset, seed=0).draw(position) for position in range(12)]
    seen = []
    read = dataset.source_sample
    monkeypatch.setattr(dataset, 'source_sample', lambda *a: seen.append(read(*a)) or seen[-1])
    for draw in draws:
        taken = rare_classes.read_anew(dataset, draw)
        assert 1 <= taken <= 11
        labels = seen[-1]['data_samples'].gt_sem_seg.data
        least = dataset.rare_classes.crops[0][0].least
        assert taken == 11 or (labels == draw.rare_class).sum() > least


def test_augmentation_is_measured(capsys):
    augmentation.main(['--sizes', '32', '48', '--repeats', '2'])
    found = figures(capsys.readouterr().out)
    assert set(found) == {'32x32', '48x48'}
    for jitter, blur, expected, speed in found.values():
        assert expected == pytest.approx(0.8 * jitter + 0.5 * blur, abs=0.15)
        assert speed > 0


@pytest.mark.parametrize(
    ('tool', 'options', 'said'),
    [
        (rare_classes, ['--pairs', '0'], '--pairs'),
        (augmentation, ['--sizes', '8'], '--sizes 16 or more'),
        (augmentation, ['--repeats', '0'], '--repeats'),
    ],
)
def test_wrong_numbers_are_refused(tool, options, said):
    with pytest.raises(UserError, match=said):
        tool.main(options)
