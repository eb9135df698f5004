"""tools/adaptor2segmentor.py on HRDA, which mmseg lacks: what it writes imports mmseg_da."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.apis import inference_model, init_model
from tool_helpers import ROOT, start

from mmseg_da.engine.fitting import check_predicts
from mmseg_da.registry import MODELS

CONFIG = ROOT / 'configs/small/hrda_toy.py'


@pytest.mark.stack
def test_a_plain_segmentor_of_two_scales_predicts_the_same(tmp_path):
    init_default_scope('mmseg')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(CONFIG).model)
    model.init_weights()
    classes = tuple(f'class {number}' for number in range(10))
    meta = dict(dataset_meta=dict(classes=classes, palette=[[0, 0, 0]] * 10))
    checkpoint = dict(state_dict=model.state_dict(), meta=meta)
    torch.save(checkpoint, tmp_path / 'hrda.pth')
    out = tmp_path / 'left'
    assert start(ROOT / 'tools/adaptor2segmentor.py', CONFIG, tmp_path / 'hrda.pth', out) == 0
    assert {path.name for path in out.iterdir()} == {'left.py', 'left.pth'}
    assert 'mmseg_da' in Config.fromfile(out / 'left.py').custom_imports.imports

    plain = init_model(str(out / 'left.py'), str(out / 'left.pth'), device='cpu')
    assert type(plain).__name__ == 'HRDAEncoderDecoder'
    whole = init_model(str(CONFIG), str(tmp_path / 'hrda.pth'), device='cpu')
    image = np.random.default_rng(0).integers(0, 256, (70, 91, 3), np.uint8)
    ours, theirs = (inference_model(each, image).seg_logits.data for each in (whole, plain))
    assert ours.shape == (10, 70, 91)
    assert torch.equal(ours, theirs)

    for key in [key for key in checkpoint['state_dict'] if '.draws.' in key]:
        del checkpoint['state_dict'][key]  # of another code: what was drawn predicts nothing
    check_predicts(model, checkpoint, 'hrda.pth')
