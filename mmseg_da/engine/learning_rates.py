"""How learning rates follow the batch size."""

from collections.abc import Mapping
from typing import Any

from mmseg_da.errors import UserError

_RULES = ('linear', 'root')


def as_linear(auto_scale_lr: Mapping[str, Any], batch: int) -> dict[str, Any]:
    """The setting by which mmengine, which knows the linear rule alone, follows the one that is set.

    Args:
        auto_scale_lr: The setting of a config. With ``rule='root'`` rates are multiplied by the root
            of the batch over ``base_batch_size``, as VFM-UDA does (Englert et al., CVPRW 2024).
        batch: Images of one domain in an iteration, of all processes.

    Raises:
        UserError: The rule is unknown.
    """
    setting = dict(auto_scale_lr)
    rule = setting.pop('rule', 'linear')
    if rule not in _RULES:
        raise UserError(f"auto_scale_lr.rule is {rule!r}, not 'linear' or 'root'")
    if rule == 'root' and 'base_batch_size' in setting:
        setting['base_batch_size'] = (batch * setting['base_batch_size']) ** 0.5
    return setting
