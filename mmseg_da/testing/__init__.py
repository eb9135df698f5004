"""Toys for tests, of this package and of others; ``toy_domains`` draws images on disk."""

from mmseg_da.testing.toys import (
    Count,
    counted_forwards,
    toy_adaptor,
    toy_alignment,
    toy_batch,
    toy_optim_wrapper,
    toy_preprocessor,
    toy_pspnet,
    toy_segformer,
)

__all__ = [
    'Count',
    'counted_forwards',
    'toy_adaptor',
    'toy_alignment',
    'toy_batch',
    'toy_optim_wrapper',
    'toy_preprocessor',
    'toy_pspnet',
    'toy_segformer',
]
