"""DINOv2's weights, written for ``init_cfg`` of our backbone."""

from pathlib import Path

from mmengine.runner import CheckpointLoader

from mmseg_da.engine.fitting import weights_of
from mmseg_da.engine.foreign_checkpoints import fit, require_free, write
from mmseg_da.errors import UserError
from mmseg_da.models.backbones import DINOv2
from mmseg_da.models.foreign_dinov2 import dinov2_backbone, dinov2_config


def import_dinov2(source: str, target: Path, force: bool = False) -> list[str]:
    """Write the published weights of a DINOv2 under the names of ours.

    Args:
        source: File or address.
        target: The file to write.
        force: Replace it if it is there.

    Returns:
        What a user should know, line by line.

    Raises:
        UserError: The source cannot be read, is no DINOv2 or not a whole one, or the target is in
            use or cannot be written to.
    """
    require_free(source, target, force)
    weights = weights_of(CheckpointLoader.load_checkpoint(source, map_location='cpu'))
    arguments = dinov2_config(weights)
    if arguments is None:
        raise UserError(
            f'{source}: holds no DINOv2, whose weights are called pos_embed, patch_embed.proj.weight '
            f'and so on. It begins with {next(iter(weights), "nothing")}.'
        )
    network = DINOv2(**arguments)
    fitted = fit(network, dinov2_backbone(weights), source, 'the DINOv2 of its own sizes')
    write(dict(meta={}, state_dict=fitted), target)
    number = sum(each.numel() for each in network.parameters())
    sizes = ', '.join(f'{key}={value}' for key, value in arguments.items())
    return [f'wrote {target}: {number / 1e6:.2f} M parameters, {sizes}']
