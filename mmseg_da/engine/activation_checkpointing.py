"""Activation checkpointing that leaves BatchNorm's statistics alone."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial, wraps
from operator import attrgetter
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from mmseg_da.errors import UserError


def require_modules(model: nn.Module, names: str | Sequence[str]) -> None:
    """Check the names that the config lists as ``activation_checkpointing``.

    Raises:
        UserError: There is no module of this name in the model, or it is a container, whose
            forward nobody calls.
    """
    for name in _listed(names):
        try:
            module = attrgetter(name)(model)
        except AttributeError:
            known = [n for n, _ in model.named_modules() if n and n.count('.') <= name.count('.')]
            raise UserError(
                f'activation_checkpointing: the model has no module {name!r}. Some that it has: '
                f'{", ".join(known[:12])}'
            ) from None
        if isinstance(module, nn.ModuleList | nn.ModuleDict):
            kind = type(module).__name__
            first = next(iter(dict(module.named_children())), '0')
            raise UserError(
                f'activation_checkpointing: {name!r} is a {kind}, which runs nothing itself: name '
                f'what is in it, as {name}.{first}'
            )


def checkpoint_activations(model: nn.Module, names: str | Sequence[str]) -> None:
    """Have modules forget their activations and compute them anew in the backward.

    Parameters move as without; so do BatchNorm's running statistics, which mmengine's own way of
    doing this moves twice. Chen et al., 2016. What a module does within a context only, as masking,
    is done again, if it has a method ``as_now``, which returns a context of what it does now.

    Args:
        model: The model, wrapped for distribution or not.
        names: Names of modules within it. Where mmengine has wrapped one already, ours replaces
            its wrapping.
    """
    for name in _listed(names):
        module = attrgetter(name)(model)
        forward = getattr(module.forward, '__wrapped__', module.forward)
        module.forward = _guarded(forward, module)


def _listed(names: str | Sequence[str]) -> Sequence[str]:
    return [names] if isinstance(names, str) else names


def _guarded(forward: Callable, module: nn.Module) -> Callable:
    @wraps(forward)
    def run(*args: Any, **kwargs: Any) -> Any:
        contexts = partial(_contexts, module)
        return checkpoint(forward, *args, use_reentrant=False, context_fn=contexts, **kwargs)

    return run


def _contexts(module: nn.Module) -> tuple[Any, Any]:
    """What the first forward and the one in the backward run within."""
    states = [each.as_now() for each in module.modules() if hasattr(each, 'as_now')]
    return nullcontext(), _recomputing(module, states)


@contextmanager
def _recomputing(module: nn.Module, states: list[AbstractContextManager]) -> Iterator[None]:
    with _statistics_kept(module), ExitStack() as stack:
        for state in states:
            stack.enter_context(state)
        yield


@contextmanager
def _statistics_kept(module: nn.Module) -> Iterator[None]:
    """Let BatchNorm normalise by the batch without moving its running statistics.

    A momentum of 0 keeps them, and autograd saves the same tensors as in the first forward, which
    checkpointing asks for.
    """
    norms = [each for each in module.modules() if isinstance(each, _BatchNorm)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    try:
        for norm in norms:
            norm.momentum, norm.num_batches_tracked = 0.0, None
        yield
    finally:
        for norm, (momentum, counter) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, counter
