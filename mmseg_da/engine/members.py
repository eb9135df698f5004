"""Networks that predict together."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import CheckpointLoader
from mmseg.models.segmentors import EncoderDecoder
from mmseg.structures import SegDataSample
from torch import Tensor

from mmseg_da.engine import launch
from mmseg_da.engine.fitting import check_predicts, segmentor_weights, weights_of
from mmseg_da.errors import UserError
from mmseg_da.functional import softmax_map
from mmseg_da.models.adaptors.domain_adaptor import SEGMENTOR
from mmseg_da.registry import MODELS

AVERAGES = ('softmax_lowres', 'softmax', 'logits')


def load_member(cfg: Config, checkpoint: str) -> EncoderDecoder:
    """The segmentor of a training with the weights of a checkpoint, in evaluation mode, on the CPU.

    Args:
        cfg: Config of the training; of its model nothing but the segmentor and the preprocessor is
            built. A plain mmseg config will do.
        checkpoint: File or address, of that training or of the plain segmentor.

    Raises:
        UserError: The config has no segmentor, the checkpoint cannot be read or does not fit.
    """
    model = cfg.get('model')
    if not isinstance(model, Mapping):
        raise UserError(f'{cfg.filename}: `model` is missing')
    network = model.get(SEGMENTOR, model)
    look = model.get('data_preprocessor') or network.get('data_preprocessor')
    with launch.config_errors(cfg):
        init_default_scope(cfg.get('default_scope', 'mmseg'))
        built = MODELS.build(dict(network, data_preprocessor=look))
    if not isinstance(built, EncoderDecoder):
        raise UserError(
            f'{cfg.filename}: {type(built).__name__} is no segmentor that predicts alone'
        )
    if built.out_channels == 1:
        raise UserError(
            f'{cfg.filename}: the segmentor has one channel (a sigmoid), which says how sure it is of '
            'one class only: set out_channels=2 in its heads'
        )
    loaded = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu')
    check_predicts(built, loaded, checkpoint)
    built.load_state_dict(segmentor_weights(weights_of(loaded)), strict=False)
    return built.eval()


def require_same_classes(members: Sequence[EncoderDecoder], names: Sequence[str]) -> None:
    """See that members predict as many classes.

    Raises:
        UserError: Two differ; names them.
    """
    counts = [member.out_channels for member in members]
    for name, count in zip(names, counts, strict=True):
        if count != counts[0]:
            raise UserError(
                f'{names[0]} predicts {counts[0]} classes, but {name} predicts {count}: only networks '
                'of the same classes can be averaged'
            )


@torch.no_grad()
def mean_probabilities(
    members: Sequence[EncoderDecoder], sample: Mapping[str, Any], average: str = 'softmax_lowres'
) -> Tensor:
    """What several networks say about an image, on average.

    Args:
        members: Networks of the same classes C, in evaluation mode, on one device.
        sample: ``inputs``, pixels (3, H, W) as the loader gives them, and ``data_samples``.
        average: ``'softmax_lowres'``: the softmax at the resolution of the head, up-sampled, as
            FDA's released code does it; a network that slides a window has no such resolution and
            gives the softmax of its scores. ``'softmax'``: of up-sampled scores. ``'logits'``: the
            softmax of the mean of up-sampled scores.

    Returns:
        Probabilities (C, H, W), float32, on the device.
    """
    height, width = sample['inputs'].shape[-2:]
    total = sum(_scores(each, sample, average)[0, :, :height, :width] for each in members)
    mean = total / len(members)
    return mean.softmax(dim=0) if average == 'logits' else mean


def _scores(member: EncoderDecoder, sample: Mapping[str, Any], average: str) -> Tensor:
    labelled: SegDataSample = sample['data_samples'].clone()  # the preprocessor notes its padding
    data = dict(inputs=[sample['inputs']], data_samples=[labelled])
    images = member.data_preprocessor(data, training=False)['inputs']
    head, size = member.decode_head, images.shape[-2:]
    if average == 'softmax_lowres' and member.test_cfg.get('mode', 'whole') == 'whole':
        probabilities = softmax_map(head(member.extract_feat(images)))
        return F.interpolate(probabilities, size, mode='bilinear', align_corners=head.align_corners)
    info = dict(ori_shape=size, img_shape=size, pad_shape=size, padding_size=[0, 0, 0, 0])
    logits = member.inference(images, [info]).float()
    return logits if average == 'logits' else softmax_map(logits)
