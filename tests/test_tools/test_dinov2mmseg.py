"""tools/model_converters/dinov2mmseg.py, from the command line to a training's ``init_cfg``."""

import pytest
import torch

from mmseg_da.models.backbones import DINOv2
from mmseg_da.models.foreign_dinov2 import dinov2_backbone

TOOL = 'model_converters/dinov2mmseg.py'
SIZES = dict(embed_dims=64, num_layers=2, num_heads=1, patch_size=14, img_size=56)


@pytest.fixture
def published(tmp_path):
    """Weights of a small encoder under the published names."""
    torch.manual_seed(0)
    ours = DINOv2(**SIZES).state_dict()
    state = {}
    for name, value in ours.items():
        theirs = name
        for old, new in (
            ('patch_embed.projection.', 'patch_embed.proj.'),
            ('.attn.attn.in_proj_', '.attn.qkv.'),
            ('.attn.attn.out_proj.', '.attn.proj.'),
            ('.ffn.layers.0.0.', '.mlp.fc1.'),
            ('.ffn.layers.1.', '.mlp.fc2.'),
            ('.ln1.', '.norm1.'),
            ('.ln2.', '.norm2.'),
            ('layers.', 'blocks.'),
        ):
            theirs = theirs.replace(old, new)
        theirs = theirs.replace('.scale1', '.ls1.gamma').replace('.scale2', '.ls2.gamma')
        theirs = theirs.replace('ln1.', 'norm.') if theirs.startswith('ln1.') else theirs
        state[theirs] = value
    assert dinov2_backbone(state).keys() == ours.keys()
    torch.save(state, tmp_path / 'dinov2.pth')
    return ours


def test_it_writes_what_init_cfg_reads(published, run_tool, tmp_path):
    done = run_tool(TOOL, 'dinov2.pth', 'made/ours.pth')
    assert done.code == 0
    assert 'embed_dims=64, num_layers=2, num_heads=1, patch_size=14, img_size=56' in done.out
    init = dict(type='Pretrained', checkpoint=str(tmp_path / 'made/ours.pth'))
    fresh = DINOv2(**SIZES, init_cfg=init)
    fresh.init_weights()
    for name, value in fresh.state_dict().items():
        assert torch.equal(value, published[name]), name
    assert '--force' in run_tool(TOOL, 'dinov2.pth', 'made/ours.pth').mistake


@pytest.mark.parametrize(
    ('args', 'said'),
    [(('no.pth', 'ours.pth'), 'no.pth'), (('dinov2.pth', '.'), 'is a folder')],
)
def test_a_mistake_is_told(published, refused, args, said):
    assert said in refused(TOOL, *args)
