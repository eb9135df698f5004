"""Toy networks and batches: every test of a new component needs them, and none needs a GPU."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import nn

NUM_CLASSES = 4
SOURCE_SIZE, TARGET_SIZE = (64, 64), (48, 80)


def toy_pspnet(norm: str = 'BN') -> dict:
    """Config of a PSPNet with an auxiliary head, 8 pixels a feature, some ten thousand weights.

    Args:
        norm: ``'BN'``, or ``'GN'`` for a network whose images do not depend on each other.
    """
    norm_cfg = dict(type=norm) if norm == 'BN' else dict(type=norm, num_groups=2)
    shared = dict(channels=8, norm_cfg=norm_cfg, **_head())
    return _encoder_decoder(
        backbone=dict(
            type='ResNetV1c',
            depth=18,
            stem_channels=4,
            base_channels=4,
            strides=(1, 2, 1, 1),
            dilations=(1, 1, 2, 4),
            contract_dilation=True,
            norm_cfg=norm_cfg,
            zero_init_residual=False,  # or most gradients of the first step are zero
        ),
        decode_head=dict(
            type='PSPHead', in_channels=32, in_index=3, pool_scales=(1, 2), **shared, **_loss(1.0)
        ),
        auxiliary_head=dict(
            type='FCNHead',
            in_channels=16,
            in_index=2,
            num_convs=1,
            concat_input=False,
            **shared,
            **_loss(0.4),
        ),
    )


def toy_segformer() -> dict:
    """Config of a SegFormer with a small MiT and no auxiliary head, 4 pixels a feature."""
    return _encoder_decoder(
        backbone=dict(
            type='MixVisionTransformer',
            embed_dims=8,
            num_layers=[1, 1, 1, 1],
            num_heads=[1, 1, 1, 1],
            drop_path_rate=0.0,
        ),
        decode_head=dict(
            type='SegformerHead',
            in_channels=[8, 8, 8, 8],
            in_index=[0, 1, 2, 3],
            channels=8,
            norm_cfg=dict(type='BN'),
            **_head(),
            **_loss(1.0),
        ),
    )


def toy_preprocessor() -> dict:
    """Config of a ``DomainPreprocessor`` that neither resizes nor crops toy images."""
    return dict(
        type='DomainPreprocessor',
        mean=[128.0, 112.0, 96.0],
        std=[64.0, 64.0, 32.0],
        bgr_to_rgb=True,
        source=dict(size=SOURCE_SIZE),
        target=dict(size=TARGET_SIZE),
    )


def toy_adaptor(segmentor: dict, objectives: dict, **others: object) -> dict:
    """Config of a ``DomainAdaptor`` with the toy preprocessor; ``others`` are its arguments."""
    own = dict(type='DomainAdaptor', segmentor=segmentor, objectives=objectives)
    return own | dict(data_preprocessor=toy_preprocessor()) | others


def toy_alignment(**settings: object) -> dict:
    """Config of an ``OutputAlignment`` with a narrow rival and a weight that shows at once."""
    rival = dict(type='PixelDiscriminator', channels=4)
    return dict(type='OutputAlignment', discriminator=rival) | dict(loss_weight=0.1) | settings


def toy_optim_wrapper(rivals: bool = True, **shared: object) -> dict:
    """Config of ``optim_wrapper``: the optimizers of AdaptSegNet, at a rate for toys.

    Args:
        rivals: Include the part ``discriminators``.
        **shared: What every part gets, such as ``accumulative_counts=2``.
    """
    parts = dict(
        segmentor=dict(
            optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=5e-4),
            paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10.0))),
        ),
        discriminators=dict(optimizer=dict(type='Adam', lr=1e-3, betas=(0.9, 0.99))),
    )
    if not rivals:
        del parts['discriminators']
    return dict(constructor='PartwiseOptimWrapperConstructor', type='OptimWrapper') | shared | parts


def toy_batch(
    num: int = 2,
    source_size: Sequence[int] = SOURCE_SIZE,
    target_size: Sequence[int] = TARGET_SIZE,
    seed: int = 0,
    sources: int = 1,
    labelled: bool = False,
) -> dict:
    """Images of two domains as the loader collates them: the target darker and without labels.

    Args:
        num: Number of images of each domain.
        source_size: Height and width of source images.
        target_size: Height and width of target images.
        seed: The same seed gives the same batch.
        sources: Number of sources that the source images are of, in turn.
        labelled: Add as many images of the target with labels, the third domain.

    Returns:
        ``{'source': {'inputs': [...], 'data_samples': [...]}, 'target': {...}}`` with uint8 pixels
        (3, H, W). About a tenth of the source labels is 255, to be ignored.
    """
    rng = torch.Generator().manual_seed(seed)

    def image(size: Sequence[int], brightest: int) -> torch.Tensor:
        return torch.randint(0, brightest, (3, *size), generator=rng, dtype=torch.uint8)

    def sample(size: Sequence[int], labelled: bool) -> SegDataSample:
        shape = tuple(size)
        made = SegDataSample(metainfo=dict(img_shape=shape, ori_shape=shape))
        if labelled:
            labels = torch.randint(0, NUM_CLASSES, (1, *size), generator=rng)
            labels[torch.rand(1, *size, generator=rng) < 0.1] = 255
            made.gt_sem_seg = PixelData(data=labels)
        return made

    def domain(size: Sequence[int], brightest: int, labelled: bool) -> dict:
        return dict(
            inputs=[image(size, brightest) for _ in range(num)],
            data_samples=[sample(size, labelled) for _ in range(num)],
        )

    batch = dict(source=domain(source_size, 256, True), target=domain(target_size, 128, False))
    for number, made in enumerate(batch['source']['data_samples']):
        made.set_metainfo(dict(source_index=number % sources))
    return batch | (dict(labelled=domain(target_size, 128, True)) if labelled else {})


@dataclass
class Count:
    """How often something happened."""

    value: int = 0


@contextmanager
def counted_forwards(module: nn.Module) -> Iterator[Count]:
    """Count the forwards of a module inside the context, with and without gradient."""
    count = Count()

    def add(*_: object) -> None:
        count.value += 1

    handle = module.register_forward_hook(add)
    try:
        yield count
    finally:
        handle.remove()


def _encoder_decoder(**parts: dict) -> dict:
    test_cfg = ConfigDict(mode='whole')  # mmseg reads it by attribute
    return dict(type='EncoderDecoder', **parts, train_cfg=dict(), test_cfg=test_cfg)


def _head() -> dict:
    return dict(num_classes=NUM_CLASSES, dropout_ratio=0.0, align_corners=False)


def _loss(weight: float) -> dict:
    loss = dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=weight)
    return dict(loss_decode=loss)
