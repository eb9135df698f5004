"""A plain segmentor trains with our runner: resumed exactly, checked, and tested by mmengine's."""

import pytest
from checkpoint_helpers import differing, load
from finetune_helpers import SOURCE_CLASSES, plain_config, trained

from mmseg_da.datasets import LabelledDataset
from mmseg_da.errors import UserError

pytestmark = pytest.mark.stack


def assert_same(one, other):
    one, other = load(one), load(other)
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        assert differing(one.get(key), other.get(key)) == []


def config(data, work_dir, iterations, workers=0, **settings):
    return plain_config(
        data,
        work_dir,
        SOURCE_CLASSES,
        iterations,
        **{'train_dataloader.num_workers': workers, 'train_dataloader.dataset.num': 5} | settings,
    )


@pytest.mark.parametrize(('before', 'after'), [(0, 0), (0, 2)])
def test_eight_iterations_equal_four_and_four(toy_data, tmp_path, before, after):
    trained(config(toy_data, tmp_path / 'whole', 8, before))
    trained(config(toy_data, tmp_path / 'parts', 4, before))
    trained(config(toy_data, tmp_path / 'parts', 8, after, resume=True))
    assert_same(tmp_path / 'whole/iter_8.pth', tmp_path / 'parts/iter_8.pth')


def test_between_two_updates(toy_data, tmp_path):
    several = {'optim_wrapper.accumulative_counts': 3}
    trained(config(toy_data, tmp_path / 'whole', 8, **several))
    trained(config(toy_data, tmp_path / 'parts', 8, **several))
    for name in ('iter_6.pth', 'iter_8.pth', 'last_checkpoint'):
        (tmp_path / 'parts' / name).unlink()
    assert 'gradients' in load(tmp_path / 'parts/iter_4.pth')
    trained(config(toy_data, tmp_path / 'parts', 8, resume=True, **several))
    assert_same(tmp_path / 'whole/iter_8.pth', tmp_path / 'parts/iter_8.pth')


def test_a_resume_reads_no_data_again(toy_data, tmp_path, monkeypatch):
    trained(config(toy_data, tmp_path, 4))
    read, read_item = [], LabelledDataset.__getitem__

    def counting(self, index):
        read.append(index)
        return read_item(self, index)

    monkeypatch.setattr(LabelledDataset, '__getitem__', counting)
    runner, _ = trained(config(toy_data, tmp_path, 6, resume=True))
    sampler = runner.train_dataloader.sampler
    draws = [sampler.draw(position) for position in range(8, 12)]
    assert read == draws


def test_mmengines_own_sampler_goes_on_exactly_too(toy_data, tmp_path):
    plain = {'train_dataloader.sampler': dict(type='InfiniteSampler', shuffle=True)}
    trained(config(toy_data, tmp_path / 'whole', 4, **plain))
    trained(config(toy_data, tmp_path / 'parts', 2, **plain))
    trained(config(toy_data, tmp_path / 'parts', 4, resume=True, **plain))
    assert_same(tmp_path / 'whole/iter_4.pth', tmp_path / 'parts/iter_4.pth')


def test_a_label_that_is_no_class_is_named(toy_data, tmp_path):
    classes = ('road', 'car')
    cfg = plain_config(toy_data, tmp_path, classes)
    # Not the toy's own class list, so that labels are not renumbered: 19 train ids, 2 classes.
    cfg.train_dataloader.dataset.dataset |= dict(
        type='BaseSegDataset',
        img_suffix='_leftImg8bit.png',
        seg_map_suffix='_gtFine_labelTrainIds.png',
    )
    with pytest.raises(UserError, match=r'_gtFine_labelTrainIds\.png: label \d+ is none of the 2'):
        trained(cfg)
