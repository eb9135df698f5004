"""A small trained translator on disk, and what it makes of an image."""

import cv2
import numpy as np
import torch
from mmengine.config import Config
from PIL import Image
from torch import nn

from mmseg_da.registry import MODELS

GENERATOR = dict(type='ResnetGenerator', blocks=1, channels=4)
CONFIG = f"""
model = dict(
    type='CycleTranslator',
    generator={GENERATOR},
    discriminator=dict(type='PatchDiscriminator', channels=4, layers=1),
    data_preprocessor=dict(
        type='DomainPreprocessor', mean=[127.5] * 3, std=[127.5] * 3, bgr_to_rgb=True
    ),
)
"""
RNG = np.random.default_rng(0)


def save(path, height=12, width=16, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = RNG.integers(0, 256, (3, 4, 3), np.uint8)
    Image.fromarray(cv2.resize(coarse, (width, height))).save(path, **options)


def read(path):
    with Image.open(path) as image:
        return np.asarray(image.convert('RGB'))


def write_checkpoint(path, seed):
    """A checkpoint as a training writes it; gives its model."""
    torch.manual_seed(seed)
    (path.parent / 'cycle.py').write_text(CONFIG)
    model = MODELS.build(Config.fromfile(path.parent / 'cycle.py').model)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.1)
    torch.save(dict(state_dict=model.state_dict(), meta=dict(iter=1)), path)
    return model.eval()


@torch.no_grad()
def expected(model, path, direction='source_to_target'):
    """What the generator makes of an image, written out."""
    pixels = torch.from_numpy(read(path).copy()).permute(2, 0, 1)[None].float()
    height, width = pixels.shape[-2:]
    padding = (0, -width % 4, 0, -height % 4)
    padded = nn.functional.pad(pixels / 127.5 - 1, padding, mode='reflect')
    result = (model.generators[direction](padded)[..., :height, :width] + 1) * 127.5
    return result[0].permute(1, 2, 0).round().clamp(0, 255).byte().numpy()


def close(one, other, by=1):
    """Whether images agree but for the rounding of values that a batch moves by an ulp."""
    difference = np.abs(one.astype(int) - other)
    return one.shape == other.shape and difference.max() <= by and (difference > 0).mean() < 0.01
