"""The runner of domain adaptation."""

from typing import Any

from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner

from mmseg_da.datasets.presence import check_data
from mmseg_da.errors import UserError
from mmseg_da.registry import RUNNERS


@RUNNERS.register_module()
class DomainAdaptationRunner(Runner):
    """mmengine's runner, with the checks that adaptation needs before it starts.

    Chosen by ``runner_type='DomainAdaptationRunner'``, which mmseg's own ``tools/train.py`` obeys.
    """

    @classmethod
    def from_cfg(cls, cfg: Any) -> 'DomainAdaptationRunner':
        """Build from a config.

        Raises:
            UserError: Data that the config reads is missing; found before any model is built.
        """
        check_data(cfg)
        return super().from_cfg(cfg)

    def build_optim_wrapper(self, optim_wrapper: Any) -> OptimWrapper | OptimWrapperDict:
        """Build the optimizers.

        Raises:
            UserError: One optimizer for a model of several parts: it would train rivals together
                with the segmentor.
        """
        built = super().build_optim_wrapper(optim_wrapper)
        model = getattr(self.model, 'module', self.model)
        parts = sorted(model.parts()) if hasattr(model, 'parts') else []
        if len(parts) > 1 and not isinstance(built, OptimWrapperDict):
            raise UserError(
                f'optim_wrapper is one optimizer, but this model trains {parts}, each with its '
                "own: set optim_wrapper=dict(constructor='PartwiseOptimWrapperConstructor', "
                f'{", ".join(part + "=dict(optimizer=...)" for part in parts)})'
            )
        return built
