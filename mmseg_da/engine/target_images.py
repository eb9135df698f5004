"""Target images as models of the look: which one a source image gets."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from mmseg_da.datasets.pictures import find_pictures, read_rgb
from mmseg_da.errors import UserError
from mmseg_da.functional import resized


class TargetImages:
    """Chooses and reads a target image for each source image.

    The choice depends on the seed, the source image's name and the names of the target images. It
    does not depend on what is translated together or before.

    Args:
        folder: Of the target images, in folders of any depth.
        seed: Another one gives other choices.

    Raises:
        UserError: There is no such folder, or no image in it.
    """

    def __init__(self, folder: Path, seed: int = 0) -> None:
        if not folder.is_dir():
            raise UserError(f'--target-images {folder}: no such folder')
        self.folder, self.seed = folder, seed
        self.pictures = find_pictures(folder)

    def __call__(self, names: Sequence[Path], size: Sequence[int]) -> Tensor:
        """RGB pixels (N, 3, *size) in [0, 255], float32, of a target image for each source image.

        Args:
            names: Of the source images, relative to their folder.
            size: Height and width to which the target images are resized.

        Raises:
            UserError: A target image is damaged, or has more than 8 bits.
        """
        return torch.cat([resized(self._read(self.chosen(name)), size) for name in names])

    def chosen(self, name: Path) -> Path:
        """The target image for a source image, relative to their folders."""
        digest = hashlib.sha256(f'{self.seed} {name.as_posix()}'.encode()).digest()
        return self.pictures[int.from_bytes(digest[:8], 'big') % len(self.pictures)]

    def settings(self) -> dict[str, str | int]:
        """What the choices depend on, in plain values."""
        names = '\n'.join(picture.as_posix() for picture in self.pictures)
        folder = str(self.folder.resolve())
        digest = hashlib.sha256(names.encode()).hexdigest()[:16]
        return dict(seed=self.seed, target_images=folder, target_names=digest)

    def require_apart(self, out: Path) -> None:
        """See that what is written is not among the target images.

        Raises:
            UserError: One folder lies in the other.
        """
        ours, theirs = self.folder.resolve(), out.resolve()
        if ours.is_relative_to(theirs) or theirs.is_relative_to(ours):
            raise UserError(
                f'OUT {out} and --target-images {self.folder} lie in one another: choose a folder '
                'beside it'
            )

    def _read(self, name: Path) -> Tensor:
        try:
            pixels, _ = read_rgb(self.folder / name)
        except ValueError as error:
            raise UserError(
                f'--target-images: {self.folder / name} {error}: repair it and run the same command '
                'again, or take it out and start again with --force'
            ) from error
        return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float()
