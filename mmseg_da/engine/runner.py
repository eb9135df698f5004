"""The runner of domain adaptation."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import BaseLoop, Priority, Runner
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mmseg_da.datasets.agreement import check_classes, check_pairing, name_classes
from mmseg_da.datasets.presence import check_data
from mmseg_da.datasets.reading import name_files
from mmseg_da.engine.activation_checkpointing import checkpoint_activations, require_modules
from mmseg_da.engine.checkpoints import (
    PARTIAL,
    OtherTrainingError,
    gather_gradients,
    newest_first,
    put_in_place,
    require_settings,
    restore_gradients,
)
from mmseg_da.engine.class_sets import check_meaning
from mmseg_da.engine.distributed import fit_for_cpus, prepare
from mmseg_da.engine.fitting import check_start, differences, renaming
from mmseg_da.engine.hooks import SafeCheckpointHook
from mmseg_da.engine.learning_rates import as_linear
from mmseg_da.engine.optimizers.cpu_amp import for_this_machine
from mmseg_da.engine.preemption import spare_workers
from mmseg_da.engine.settings import with_our_hooks
from mmseg_da.engine.wrappers import share_buffers
from mmseg_da.errors import UserError
from mmseg_da.registry import RUNNERS

_INSTEAD_OF = dict(IterBasedTrainLoop='ExactTrainLoop', CheckpointHook='SafeCheckpointHook')


@RUNNERS.register_module()
class DomainAdaptationRunner(Runner):
    """mmengine's runner, with the checks that adaptation needs and a resume that is exact.

    Chosen by ``runner_type='DomainAdaptationRunner'``, which mmseg's own ``tools/train.py`` obeys.
    Where a config says ``IterBasedTrainLoop`` or ``CheckpointHook`` it takes
    :class:`~mmseg_da.engine.ExactTrainLoop` and :class:`~mmseg_da.engine.SafeCheckpointHook`.
    A checkpoint is written under another name and renamed when it is whole. ``resume`` without a
    file takes the newest one that can be read.
    """

    accumulated: Mapping[str, Tensor] = MappingProxyType({})
    """Gradients on their way to the next update, in the checkpoint that is written or was read."""

    _is_resuming = False

    @property
    def _plain_model(self) -> nn.Module:
        return getattr(self.model, 'module', self.model)

    @classmethod
    def from_cfg(cls, cfg: Any) -> 'DomainAdaptationRunner':
        """Build from a config.

        Raises:
            UserError: Data that a training reads is missing, or its processes do not fit it; found
                before any model is built.
        """
        prepare(cfg)
        check_data(cfg)
        return super().from_cfg(cfg)

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """Move the model to its device and wrap it, also where processes train on the CPU."""
        return super().wrap_model(model_wrapper_cfg, fit_for_cpus(model, self.logger))

    @staticmethod
    def build_dataloader(*args: Any, **kwargs: Any) -> DataLoader:
        """Build a data loader, with workers that SIGTERM to all processes leaves alone."""
        loader = Runner.build_dataloader(*args, **kwargs)
        spare_workers(loader)
        return loader

    def build_optim_wrapper(self, optim_wrapper: Any) -> OptimWrapper | OptimWrapperDict:
        """Build the optimizers.

        Raises:
            UserError: One optimizer for a model of several parts: it would train rivals together
                with the segmentor.
        """
        if isinstance(optim_wrapper, Mapping) and 'constructor' not in optim_wrapper:
            optim_wrapper = for_this_machine(optim_wrapper)
        built = super().build_optim_wrapper(optim_wrapper)
        model = self._plain_model
        parts = sorted(model.parts()) if hasattr(model, 'parts') else []
        if len(parts) > 1 and not isinstance(built, OptimWrapperDict):
            raise UserError(
                f'optim_wrapper is one optimizer, but this model trains {parts}, each with its '
                "own: set optim_wrapper=dict(constructor='PartwiseOptimWrapperConstructor', "
                f'{", ".join(part + "=dict(optimizer=...)" for part in parts)})'
            )
        return built

    def scale_lr(self, optim_wrapper: OptimWrapper, auto_scale_lr: dict | None = None) -> None:
        """Scale learning rates with the batch, linearly or by ``auto_scale_lr.rule``."""
        if auto_scale_lr and auto_scale_lr.get('enable'):
            batch = self.world_size * self.train_dataloader.batch_size
            auto_scale_lr = as_linear(auto_scale_lr, batch)
        super().scale_lr(optim_wrapper, auto_scale_lr)

    def build_train_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """Build the training loop, ours for mmengine's.

        Raises:
            UserError: The model has another number of classes than the training data, pairs are
                drawn by a sampler of plain indices, or ``activation_checkpointing`` names no module.
        """
        require_modules(self._plain_model, self.cfg.get('activation_checkpointing') or [])
        built = super().build_train_loop(_ours(loop))
        check_pairing(built.dataloader)
        check_classes(self.model, built.dataloader.dataset)
        name_classes(self.model, built.dataloader.dataset)
        name_files(built.dataloader.dataset)
        return built

    def register_default_hooks(self, hooks: dict[str, Hook | dict] | None = None) -> None:
        """Register mmengine's default hooks, and ours; ``None`` leaves one out."""
        super().register_default_hooks(with_our_hooks(hooks or {}))

    def build_val_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """Build the validation loop; its data names a file that it cannot read."""
        built = super().build_val_loop(loop)
        name_files(built.dataloader.dataset)
        return built

    def build_test_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """Build the test loop; its data names a file that it cannot read."""
        built = super().build_test_loop(loop)
        name_files(built.dataloader.dataset)
        return built

    def register_hook(
        self, hook: Hook | dict, priority: str | int | Priority | None = None
    ) -> None:
        """Register a hook, ours for mmengine's."""
        super().register_hook(_ours(hook), priority)

    def save_checkpoint(self, out_dir: str, filename: str, *args: Any, **kwargs: Any) -> None:
        """Write a checkpoint; every process must call it.

        Raises:
            UserError: It cannot be written; nothing of it is left, and the older ones are.
        """
        self.accumulated = gather_gradients(self.model)
        share_buffers(self.model)
        if '://' in str(out_dir) or kwargs.get('backend_args'):
            super().save_checkpoint(out_dir, filename, *args, **kwargs)
            return
        final = Path(out_dir, filename)
        partial = final.with_name(final.name + PARTIAL)
        try:
            super().save_checkpoint(out_dir, partial.name, *args, **kwargs)  # the main process only
            if is_main_process():
                put_in_place(partial, final)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise UserError(
                f'{final}: cannot write the checkpoint ({error}). Make room, then continue with '
                '--resume from the one before.'
            ) from error

    def load_checkpoint(self, filename: str, *args: Any, **kwargs: Any) -> dict:
        """Load weights, and note the gradients beside them.

        A plain segmentor takes those of an adaptor, too.

        Raises:
            UserError: It holds none of the model's weights, or its classifier is of other classes
                than the training data and no ``ClassSurgeryHook`` says what to do about that.
        """
        if self._is_resuming:
            checkpoint = super().load_checkpoint(filename, *args, **kwargs)
            self._check_resumable(filename, checkpoint)
        else:
            if len(args) < 3:
                kwargs.setdefault('revise_keys', renaming(self.model))
            checkpoint = super().load_checkpoint(filename, *args, **kwargs)
            check_start(self.model, checkpoint, filename)
            check_meaning(self, checkpoint, filename)
        self.accumulated = checkpoint.get('gradients', {})
        return checkpoint

    def resume(self, filename: str, *args: Any, **kwargs: Any) -> None:
        """Continue from a checkpoint, also from between two updates.

        Raises:
            OtherTrainingError: It is of a training with other parts, as of another method, of
                another network or with other optimizers, or holds weights alone.
        """
        self._is_resuming = True
        try:
            super().resume(filename, *args, **kwargs)
            require_settings(self.optim_wrapper)
        except (KeyError, ValueError) as error:  # of an optimizer or scheduler that differs
            raise OtherTrainingError(
                f'{filename}: cannot resume, because its optimizers or schedulers differ from '
                f'those of this config ({error}). Resume it with its own config.'
            ) from error
        finally:
            self._is_resuming = False
        restore_gradients(self.model, self.accumulated)

    def _check_resumable(self, filename: str, checkpoint: Mapping[str, Any]) -> None:
        """See that a checkpoint is of a training of these parts and this network."""
        meta = checkpoint.get('meta')
        if not isinstance(meta, Mapping) or 'iter' not in meta or 'message_hub' not in checkpoint:
            raise OtherTrainingError(
                f'{filename}: cannot resume, because it holds weights without a training. Leave '
                '--resume out and set load_from to start from them.'
            )
        if 'optimizer' in checkpoint:
            self._check_parts(filename, checkpoint['optimizer'])
        misfits = differences(self.model, checkpoint)
        if any(misfits):
            raise OtherTrainingError(
                f'{filename}: cannot resume, because it is of another network ({misfits}). Resume '
                'it with its own config, or give this one another --work-dir.'
            )

    def _check_parts(self, filename: str, saved: Mapping[str, Any]) -> None:
        """Compare the parts that a checkpoint has optimizers of with those of this training."""
        self.optim_wrapper = self.build_optim_wrapper(self.optim_wrapper)
        several = isinstance(self.optim_wrapper, OptimWrapperDict)
        ours = sorted(self.optim_wrapper.keys()) if several else []
        theirs = sorted(
            name
            for name, state in saved.items()
            if isinstance(state, Mapping) and 'param_groups' in state
        )
        if ours != theirs:
            raise OtherTrainingError(
                f'{filename}: cannot resume, because it has optimizers of {theirs or "the whole model"}, '
                f'but this config trains {ours or "the whole model"}: it is of another method. Resume '
                'it with its own config, or give this one another --work-dir (load_from starts from '
                'its weights alone).'
            )

    def _init_model_weights(self) -> None:
        """Initialise, unless a resume brings every weight: no other file has to be there then."""
        if not (self._resume and (self._load_from or any(newest_first(Path(self.work_dir))))):
            super()._init_model_weights()

    def load_or_resume(self) -> None:
        """Load or resume what the config says; without a file, the newest that can be read.

        Raises:
            UserError: There are checkpoints to resume from, but none can be read, or the newest
                is of another method.
        """
        # Here, as mmengine has just turned its own on, which moves BatchNorm's statistics twice.
        checkpoint_activations(self._plain_model, self.cfg.get('activation_checkpointing') or [])
        if self._has_loaded or not self._resume or self._load_from is not None:
            super().load_or_resume()
            return
        refused = []
        for path in newest_first(Path(self.work_dir)):
            try:
                self.resume(str(path))
            except OtherTrainingError:
                raise
            except UserError as error:
                refused.append(str(path))
                self.logger.warning(f'{error} Trying the checkpoint before it.')
            else:
                self._has_loaded = True
                return
        if refused:
            raise UserError(f'none of these checkpoints can be read: {", ".join(refused)}')
        self.logger.info(f'No checkpoint in {self.work_dir} to resume from: starting anew.')

    def save_now(self, told: bool = True) -> None:
        """Save between two iterations, with the hook that saves at other times.

        Args:
            told: The training was told to end and is to go on later; else it has come to its end.
        """
        why, then = ('Told to end', ' Continue with --resume.') if told else ('Stopped early', '')
        for hook in self.hooks:
            if isinstance(hook, SafeCheckpointHook):
                hook.save_now(self)
                self.logger.info(f'{why}: saved {hook.last_ckpt}.{then}')


def _ours(component: Any) -> Any:
    """The config of our loop or hook for that of mmengine's; anything else as it is."""
    if isinstance(component, Mapping) and component.get('type') in _INSTEAD_OF:
        return dict(component, type=_INSTEAD_OF[component['type']])
    return component
