"""What the networks of CycleGAN share: their normalisation and their first weights."""

from torch import nn

from mmseg_da.errors import UserError

NORMS = ('instance', 'instance_affine')


def norm_layer(kind: str, channels: int) -> nn.InstanceNorm2d:
    """Instance normalisation, always by the statistics of the image at hand.

    Args:
        kind: ``'instance'`` has no weights (CycleGAN in PyTorch), ``'instance_affine'`` a scale and
            a shift per channel (the Lua code).
        channels: Number of channels.

    Raises:
        UserError: ``kind`` is neither of the two.
    """
    if kind not in NORMS:
        raise UserError(f'norm={kind!r} is none of {list(NORMS)}')
    return nn.InstanceNorm2d(channels, affine=kind == 'instance_affine')


def conv_bias(kind: str) -> bool:
    """Whether a convolution before :func:`norm_layer` has a bias.

    The normalisation takes any bias away again. CycleGAN in PyTorch has one all the same; the Lua
    code sets it to zero in each iteration.
    """
    return kind == 'instance'


def init_normal(module: nn.Module, std: float = 0.02) -> None:
    """Weights of convolutions N(0, std), scales of norms N(1, std), biases and shifts 0.

    Zhu et al., 2017, section 7.1 (networks), with the scales of the released code.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, std)
        elif isinstance(layer, nn.InstanceNorm2d) and layer.affine:
            nn.init.normal_(layer.weight, 1.0, std)
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
