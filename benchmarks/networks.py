"""Networks of the benchmarks: the repository's model configs, with random weights.

A further network is one entry of :data:`SEGMENTORS`.
"""

from functools import partial
from pathlib import Path

from mmengine.config import Config

from mmseg_da.engine.memory import dicts_in
from mmseg_da.testing import toy_pspnet, toy_segformer

MODEL_CONFIGS = Path(__file__).resolve().parents[1] / 'configs' / '_base_' / 'models'
RESNET_WIDTH = 64  # of the stem and of the first layer, unless a config says otherwise


def network(config: str, part: int = 1, **backbone: object) -> dict:
    """A model config whose training has nothing random and needs no file and no process group.

    Random weights, no dropout, plain batch normalisation, no residual branch that starts at zero.

    Args:
        config: A file in ``configs/_base_/models``.
        part: Divides the width of a ResNet and of its heads.
        **backbone: Settings of the backbone to change.
    """
    model = Config.fromfile(MODEL_CONFIGS / config).model.to_dict()
    for each in dicts_in(model):
        each.pop('init_cfg', None)
        each |= {key: 0.0 for key in ('dropout_ratio', 'drop_path_rate') if key in each}
        if each.get('type') == 'SyncBN':
            each['type'] = 'BN'
    if 'ResNet' in model['backbone']['type']:
        width = RESNET_WIDTH // part
        narrow = dict(base_channels=width, stem_channels=width, zero_init_residual=False)
        model['backbone'] |= narrow
    model['backbone'] |= backbone
    for head in (model['decode_head'], model.get('auxiliary_head')):
        _narrow(head or {}, part)
    return model


def _narrow(head: dict, part: int) -> None:
    """Divide the widths of a head that reads one feature level."""
    if part > 1:
        head |= {key: head[key] // part for key in ('in_channels', 'channels') if key in head}


SEGMENTORS = dict(
    pspnet=partial(network, 'pspnet_r50-d8.py', part=4),
    segformer=partial(network, 'segformer_mit-b0.py'),
    deeplabv2=partial(network, 'deeplabv2_r101.py', part=4, depth=50),
    deeplabv2_r101=partial(network, 'deeplabv2_r101.py'),
    toy_pspnet=toy_pspnet,
    toy_segformer=toy_segformer,
)
DEFAULT_SEGMENTORS = ('pspnet', 'segformer', 'deeplabv2')
