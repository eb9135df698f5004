"""The backbones of our configs start from a converted file of the released MiT."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from released_networks import ReleasedMiT, randomise

from mmseg_da.engine.importing import import_mit
from mmseg_da.errors import UserError
from mmseg_da.models.foreign_weights import mit_backbone, mit_config
from mmseg_da.registry import MODELS

MODEL_CONFIGS = Path(__file__).resolve().parents[2] / 'configs/_base_/models'
HEADS, REDUCTIONS = (1, 2, 5, 8), (8, 4, 2, 1)


def backbone_of(name: str, **settings: object) -> dict:
    init_default_scope('mmseg')
    return dict(Config.fromfile(MODEL_CONFIGS / f'{name}.py').model.backbone) | settings


def released(width: int, depths: tuple[int, ...]) -> ReleasedMiT:
    return ReleasedMiT([width * n for n in HEADS], HEADS, depths, REDUCTIONS)


@pytest.mark.parametrize(
    ('name', 'width', 'depths'),
    [
        ('daformer_mitb5', 64, (3, 6, 40, 3)),
        ('daformer_mitb0', 32, (2, 2, 2, 2)),
        ('segformer_mit-b0', 32, (2, 2, 2, 2)),
    ],
)
def test_the_configs_have_the_released_sizes(name, width, depths):
    with torch.device('meta'):
        state = released(width, depths).state_dict()
    own, read = backbone_of(name), mit_config(state)
    read['strides'] = own.get('strides', read['strides'])
    assert {key: tuple(_listed(own[key])) for key in own if key in read} == {
        key: tuple(_listed(read[key])) for key in own if key in read
    }
    assert {'embed_dims', 'num_layers', 'num_heads', 'sr_ratios', 'mlp_ratio'} <= set(own)
    # One block a stage is enough for the names and shapes, and is quick to build.
    with torch.device('meta'):
        state = released(width, (1, 1, 1, 1)).state_dict()
    ours = MODELS.build(own | dict(num_layers=[1, 1, 1, 1], init_cfg=None)).state_dict()
    converted = mit_backbone(state)
    assert {name: each.shape for name, each in converted.items()} == {
        name: each.shape for name, each in ours.items()
    }


def _listed(value: object) -> list:
    return list(value) if isinstance(value, list | tuple) else [value]


@pytest.mark.stack
def test_a_converted_mit_b0_is_what_the_config_starts_from(tmp_path):
    network = randomise(released(32, (2, 2, 2, 2))).float()
    torch.save(network.state_dict(), tmp_path / 'mit_b0.pth')
    (said,) = import_mit(str(tmp_path / 'mit_b0.pth'), tmp_path / 'ours.pth')
    assert said.endswith('ours.pth: MiT-B0, 3.32 M parameters')
    init = dict(type='Pretrained', checkpoint=str(tmp_path / 'ours.pth'))
    backbone = MODELS.build(backbone_of('daformer_mitb0', init_cfg=init))
    backbone.init_weights()
    images = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for ours, theirs in zip(backbone.eval()(images), network(images), strict=True):
            assert theirs.std() > 0.1
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_without_the_file_its_name_is_told(tmp_path):
    init = dict(type='Pretrained', checkpoint=str(tmp_path / 'mit_b0.pth'))
    backbone = MODELS.build(backbone_of('daformer_mitb0', init_cfg=init, num_layers=[1, 1, 1, 1]))
    with pytest.raises(UserError, match=r'mit_b0\.pth does not exist'):
        backbone.init_weights()


def test_without_a_network_the_message_says_where_to_put_the_file(monkeypatch, tmp_path):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    name = Path(backbone_of('daformer_mitb0')['init_cfg']['checkpoint']).name
    address = f'http://127.0.0.1:9/{name}'  # where nobody listens
    init = dict(type='Pretrained', checkpoint=address)
    backbone = MODELS.build(backbone_of('daformer_mitb0', init_cfg=init, num_layers=[1, 1, 1, 1]))
    with pytest.raises(UserError) as error:
        backbone.init_weights()
    assert f'Fetch  {address}' in str(error.value)
    assert f'{tmp_path}/hub/checkpoints/{name}' in str(error.value)
