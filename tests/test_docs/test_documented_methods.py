"""Code of docs/methods/hrda.md, docs/training.md and docs/howto/own_method.md that is no config, in use."""

import sys
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import ConfigDict
from page_blocks import ROOT, blocks_of
from reduced_run import logged
from sandbox import shortened
from test_configs import build

from mmseg_da.engine import launch
from mmseg_da.engine.launch import load_config
from mmseg_da.models import DomainAdaptor, HRDAEncoderDecoder
from mmseg_da.registry import MODELS
from mmseg_da.structures import predict_labels

DOCS = ROOT / 'docs'


def block_with(page, word):
    """The block of Python of a page that holds a word."""
    (block,) = [
        each for each in blocks_of(DOCS / page) if each.language == 'python' and word in each.text
    ]
    return block.text


def test_any_segmentor_becomes_one_of_two_resolutions():
    cfg = load_config(str(ROOT / 'configs/adaptsegnet_segformer_gta2cs.py'), None, None)
    own = cfg.model.segmentor
    text = block_with('methods/hrda.md', 'HRDAEncoderDecoder')
    text = text.replace('backbone=...', 'backbone=backbone').replace(
        'decode_head=...', 'decode_head=head'
    )
    names = dict(backbone=own.backbone, head=own.decode_head)
    exec(compile(text, 'hrda.md', 'exec'), names)
    segmentor = ConfigDict(names['segmentor'])
    segmentor.update(train_cfg=dict(), data_preprocessor=own.get('data_preprocessor'))
    segmentor.backbone.init_cfg = None
    assert isinstance(MODELS.build(segmentor), HRDAEncoderDecoder)


def test_a_model_of_ones_own_says_what_to_show():
    names = dict(predict_labels=predict_labels)
    exec(compile(block_with('training.md', 'def pictures'), 'training.md', 'exec'), names)
    mine = type('Mine', (DomainAdaptor,), dict(pictures=names['pictures']))
    cfg = load_config(str(ROOT / 'configs/adaptsegnet_gta2cs.py'), None, None)
    model = build(cfg)
    model.__class__ = mine
    images = torch.randint(256, (1, 3, 64, 96), dtype=torch.uint8)
    data = dict(target=dict(inputs=model.data_preprocessor(dict(inputs=list(images)))['inputs']))
    shown = model.eval().pictures(data)['target']
    assert shown['image'].shape == (1, 3, 64, 96)
    assert shown['prediction'].shape == (1, 64, 96)
    assert shown['prediction'].dtype == torch.int64


def test_an_objective_of_ones_own_trains_and_is_its_formula(sandbox, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv('MMSEG_DA_DATA', str(sandbox.folder / 'data'))
    (tmp_path / 'my_method.py').write_text(
        block_with('howto/own_method.md', 'class SquaredCertainty')
    )
    (tmp_path / 'configs').symlink_to(ROOT / 'configs')
    (tmp_path / 'mine.py').write_text(block_with('howto/own_method.md', '_base_'))
    try:
        cfg = shortened(launch.load_config('mine.py', None, 'work'))
        launch.train(cfg)
        objective = MODELS.get('SquaredCertainty')(loss_weight=0.5)
    finally:
        MODELS._module_dict.pop('SquaredCertainty', None)
        sys.modules.pop('my_method', None)
    log = logged(tmp_path / 'work')
    assert (
        -0.05 <= log[0]['squares.loss_squares'] < -0.05 / 10
    )  # of ten classes, at a weight of 0.1
    scores = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    view = SimpleNamespace(dense=SimpleNamespace(logits=dict(decode=scores)))
    expected = -sum(
        float(p) ** 2 for p in (scores.float().exp() / scores.float().exp().sum(1, True)).flatten()
    ) / (2 * 40)
    got = objective.losses(SimpleNamespace(target=view))['loss_squares']
    assert float(got) == pytest.approx(0.5 * expected, rel=1e-5)


def test_own_code_of_a_page_is_short():
    lines = block_with('howto/own_method.md', 'class SquaredCertainty').splitlines()
    assert 10 <= len(lines) <= 40
