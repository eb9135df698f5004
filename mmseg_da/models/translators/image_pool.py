"""A history of translated images, for a discriminator to remember what it has seen."""

from typing import Any

import torch
from mmengine.dist import all_gather, broadcast, get_rank
from torch import Tensor, nn

from mmseg_da.errors import UserError


class ImagePool(nn.Module):
    """Hands a discriminator new images or older ones (Shrivastava et al., 2017; CycleGAN).

    While it fills, it keeps and returns what comes. Then it returns the new image in half of the
    cases; in the other half an old one, whose place the new one takes.

    The content lies in buffers, so that a resume goes on exactly: at float32, ``size`` times 3 H W
    times 4 bytes, 96 MB for 50 images of 400x400. Several processes hold one common pool, to which
    each brings its images: they get what one process would give the joint batch (first those of
    rank 0, then of rank 1, ...). All must have batches of one size.

    Args:
        size: How many images it keeps; 0 returns every image as it is.
    """

    images: Tensor
    count: Tensor

    def __init__(self, size: int = 50) -> None:
        super().__init__()
        if size < 0:
            raise UserError(f'ImagePool: size={size} is negative; 0 keeps no images')
        self.size = size
        # Without pixels until the first query or a checkpoint tells how many there are.
        self.register_buffer('images', torch.zeros(size, 3, 0, 0))
        self.register_buffer('count', torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def query(self, images: Tensor) -> Tensor:
        """Exchange new images for those to judge.

        Draws ``torch.rand(2, N)``, N the joint batch, whatever happens then: an image is swapped if
        its number in row 0 is above one half, for the old one that row 1 picks. Does not wait for
        the device.

        Args:
            images: New ones (N, 3, H, W), always of one shape and range.

        Returns:
            As many, without a graph; a copy, which later queries do not touch.

        Raises:
            UserError: The images are of another size than those before.
        """
        images = images.detach()
        if not self.size:
            return images
        self._fit(images)
        joint = torch.cat(all_gather(images.contiguous()))
        draws = torch.rand(2, len(joint), device=images.device)
        broadcast(draws)
        swaps = draws[0] > 0.5
        # The product may round up to `size` itself.
        slots = (draws[1] * self.size).long().clamp(max=self.size - 1)
        returned = [
            self._exchange(image, swap, slot)
            for image, swap, slot in zip(joint.split(1), swaps, slots, strict=True)
        ]
        start = get_rank() * len(images)
        return torch.cat(returned[start : start + len(images)])

    def _exchange(self, image: Tensor, swap: Tensor, slot: Tensor) -> Tensor:
        """One image (1, 3, H, W) for another. Conditions stay on the device."""
        filling = self.count < self.size
        slot = torch.where(filling, self.count, slot).view(1)
        old = self.images.index_select(0, slot)
        new = image.to(old)
        self.images.index_copy_(0, slot, torch.where(filling | swap, new, old))
        self.count += filling
        return torch.where(swap & ~filling, old, new).to(image)

    def _fit(self, images: Tensor) -> None:
        """Take the size of the first images, and refuse others."""
        if not self.images.numel():
            # Half precision of a generator under autocast is kept in single precision.
            dtype = torch.promote_types(images.dtype, torch.float32)
            self.images = images.new_zeros((self.size, *images.shape[1:]), dtype=dtype)
        kept, came = ('x'.join(map(str, x.shape[-2:])) for x in (self.images, images))
        if self.images.shape[1:] != images.shape[1:]:
            raise UserError(
                f'the image pool holds images of {kept} (height x width), but now come some of {came}: '
                f'keep to one crop size, {kept} if the training is resumed'
            )

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *others: Any) -> None:
        """Take the images of a checkpoint, of whatever size they are.

        Raises:
            UserError: The checkpoint's pool keeps another number of images.
        """
        saved = state_dict.get(f'{prefix}images')
        if saved is not None:
            if len(saved) != self.size:
                raise UserError(
                    f'the image pool of the checkpoint keeps {len(saved)} images, that of the config '
                    f'{self.size}: set its size to {len(saved)}'
                )
            self.images = torch.empty_like(saved, device=self.images.device)
        super()._load_from_state_dict(state_dict, prefix, *others)
