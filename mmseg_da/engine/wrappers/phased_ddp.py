"""Distribution of a phased model."""

from typing import Any

from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import Tensor, nn

from mmseg_da.engine.wrappers.buffers import share_buffers
from mmseg_da.registry import MODEL_WRAPPERS


@MODEL_WRAPPERS.register_module()
class PhasedDDP(MMDistributedDataParallel):
    """Sends every stage of a :class:`~mmseg_da.models.PhasedModel` through one ``DDP.forward``.

    Gradient synchronisation, overlap and ``no_sync`` are torch's own. Unused parameters are looked
    for by default, since a stage uses some parts only. Processes begin with the buffers of the first,
    and then have their own, such as statistics of BN.

    Args:
        module: The phased model.
        device_ids: As in torch; dropped on the CPU, where torch accepts none.
        find_unused_parameters: As in torch.
        **kwargs: Other arguments of ``MMDistributedDataParallel``.
    """

    def __init__(
        self,
        module: nn.Module,
        device_ids: list[int] | None = None,
        find_unused_parameters: bool = True,
        **kwargs: Any,
    ) -> None:
        if next(module.parameters()).device.type == 'cpu':
            device_ids = None
        kwargs.setdefault('broadcast_buffers', False)
        super().__init__(
            module=module,
            device_ids=device_ids,
            find_unused_parameters=find_unused_parameters,
            **kwargs,
        )
        # torch leaves buffers that it is not to broadcast as each process has made them: seeds of
        # draws, for one, differ with `diff_rank_seed`.
        share_buffers(module)

    def train_step(
        self, data: Any, optim_wrapper: OptimWrapper | OptimWrapperDict
    ) -> dict[str, Tensor]:
        """The module's own step, run through this wrapper."""
        return self.module.train_step(data, optim_wrapper, run=self)
