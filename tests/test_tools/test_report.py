"""The report of real trainings, and what the tool refuses."""

import re

import pytest
from tool_helpers import ROOT, SHORT, TOY

from mmseg_da.errors import UserError
from mmseg_da.report import predict, read_run


@pytest.fixture
def trained(run_tool, plainly_written, tmp_path):
    assert run_tool('train.py', TOY, '--work-dir', 'run', '--cfg-options', *SHORT).code == 0
    return tmp_path / 'run'


def test_a_training_becomes_a_page(trained, run_tool):
    done = run_tool('report.py', trained, '--images', 3)
    assert done.code == 0
    html = (trained / 'report.html').read_text()
    for said in (
        '2 of 2 iterations, complete',
        'Worst images of run',
        'Confusion and shares',
        'max_iters=2',
    ):
        assert said in html
    assert html.count('<img ') > 12
    again = run_tool('report.py', trained)
    assert '--force' in again.mistake
    assert run_tool('report.py', trained, '--no-predict', '--force').code == 0
    assert 'Worst images' not in (trained / 'report.html').read_text()


def test_the_command_of_the_page(run_tool, tmp_path):
    page = (ROOT / 'docs/report.md').read_text()
    words = re.search(r'python tools/report\.py (.*)', page)[1].split()
    for folder in words:
        inner = tmp_path / folder / '20260101_120000/vis_data'
        inner.mkdir(parents=True)
        (inner / 'scalars.json').write_text('{"mIoU": 30.0, "step": 10}\n')
    assert run_tool('report.py', *words).code == 0
    html = (tmp_path / words[-1] / 'report.html').read_text()
    assert 'my_method is +0.0 mIoU from source_only' in html


def test_predictions_agree_with_the_log(trained):
    run = read_run(trained)
    found = predict(run, 10**6)
    union = found.confusion.sum(0) + found.confusion.sum(1) - found.confusion.diagonal()
    ious = 100 * found.confusion.diagonal() / union
    for name, iou in zip(found.classes, ious, strict=True):
        assert run.last(f'IoU.{name}') == pytest.approx(iou, abs=0.01, nan_ok=True)
    assert len(found.scores) == len(found.images) == len(found.labels)
    run.checkpoint.unlink()
    with pytest.raises(UserError, match=r'has no checkpoint iter_\*'):
        predict(read_run(trained))


def test_data_that_are_gone_cost_the_pictures_alone(trained, run_tool):
    for config in trained.glob('*/vis_data/config.py'):
        config.write_text(config.read_text().replace('/toy/', '/gone/'))
    assert run_tool('report.py', trained, '--out', 'page.html').code == 0
    assert 'run: no predictions:' in (trained.parent / 'page.html').read_text()


def test_of_joined_data_sets_each_gives_its_first_images(trained):
    run = read_run(trained)
    text = run.config.read_text()
    joined = (
        '\nfirst = test_dataloader["dataset"]\n'
        'test_dataloader["dataset"] = dict(type="ConcatDataset", datasets=[first, dict(first)])\n'
    )
    run.config.write_text(text + joined)
    assert len(predict(run, 2).images) == 2


def test_images_without_labels_cost_the_pictures_alone(trained, run_tool):
    for config in trained.glob('*/vis_data/config.py'):
        before, after = config.read_text().split('test_dataloader', 1)
        label = "dict(type='LoadAnnotations'),"
        assert label in after
        config.write_text(before + 'test_dataloader' + after.replace(label, '', 1))
    assert run_tool('report.py', trained, '--out', 'page.html').code == 0
    page = (trained.parent / 'page.html').read_text()
    assert 'comes without a label; the test pipeline of the config needs LoadAnnotations' in page


@pytest.mark.parametrize(
    ('args', 'said'),
    [
        (['nowhere'], 'nowhere: no such work dir'),
        (['.'], 'holds no log of a training'),
        (['nowhere', '--names', 'a', 'b'], 'give 1 names'),
        (['nowhere', '--images', '0'], '--images must be 1 or more'),
        (['nowhere', '--out', '.'], 'is a folder'),
    ],
)
def test_a_mistake_is_told(refused, args, said):
    assert said in refused('report.py', *args)
