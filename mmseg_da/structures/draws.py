"""A counter as the key of random numbers."""

import torch
from torch import Tensor, nn


class Draws(nn.Module):
    """Counts iterations, as the key of what is drawn in each: a resume draws on exactly.

    The host knows the number, so that it can decide without waiting for the device; it is read
    from the buffers once after they were made or loaded.
    """

    seed: Tensor
    steps: Tensor

    def __init__(self) -> None:
        super().__init__()
        seed = torch.initial_seed() & 0x7FFFFFFF  # of the run; nothing is drawn from its generator
        self.register_buffer('seed', torch.tensor(seed))
        self.register_buffer('steps', torch.zeros((), dtype=torch.long))
        self._known: tuple[int, int] | None = None

    def next(self) -> tuple[int, int]:
        """The seed and the number of this iteration; the next call is of the next one."""
        if self._known is None:
            self._known = int(self.seed), int(self.steps)
        key = self._known
        self._known = key[0], key[1] + 1
        self.steps += 1
        return key

    def _load_from_state_dict(self, *args: object, **kwargs: object) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._known = None
