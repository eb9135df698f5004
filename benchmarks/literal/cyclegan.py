"""The iteration of CycleGAN, with CyCADA's semantic consistency.

Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", ICCV
2017; Hoffman et al., "CyCADA: Cycle-Consistent Adversarial Domain Adaptation", ICML 2018.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from literal.segmentor import rgb_pixels
from torch import Tensor, nn


class Pool:
    """The history of fakes, as a list. A draw of two numbers per image decides its fate."""

    def __init__(self, size: int) -> None:
        self.size, self.images = size, []

    def query(self, fakes: Tensor) -> Tensor:
        draws = torch.rand(2, len(fakes))
        returned = []
        for i, fake in enumerate(fakes):
            if len(self.images) < self.size:
                self.images.append(fake.clone())
                returned.append(fake)
            elif draws[0, i] < 0.5:
                returned.append(fake)
            else:
                at = int(draws[1, i] * self.size)
                returned.append(self.images[at])
                self.images[at] = fake.clone()
        return torch.stack(returned)


class LiteralCycleGAN:
    """Two generators with one Adam, two discriminators with another.

    Args:
        to_target: Generator from the source's look to the target's.
        to_source: The other one.
        judge_target: Discriminator of target images.
        judge_source: The other one.
        cycle: Weight of the reconstruction.
        identity: Weight of the identity, relative to ``cycle``.
        pool_size: Fakes that each pool keeps.
        see: A frozen segmentor's logits on images in [-1, 1]; none, no semantic term.
        lr: Of both Adams.
    """

    def __init__(
        self,
        to_target: nn.Module,
        to_source: nn.Module,
        judge_target: nn.Module,
        judge_source: nn.Module,
        cycle: float = 10.0,
        identity: float = 0.5,
        pool_size: int = 50,
        see: Callable[[Tensor], Tensor] | None = None,
        lr: float = 2e-4,
    ) -> None:
        self.to_target, self.to_source = to_target, to_source
        self.judge_target, self.judge_source = judge_target, judge_source
        self.cycle, self.identity, self.see = cycle, identity, see
        self.generators = [*to_target.parameters(), *to_source.parameters()]
        self.judges = [*judge_source.parameters(), *judge_target.parameters()]
        self.adam_g = torch.optim.Adam(self.generators, lr=lr, betas=(0.5, 0.999))
        self.adam_d = torch.optim.Adam(self.judges, lr=lr, betas=(0.5, 0.999))
        self.pool_target, self.pool_source = Pool(pool_size), Pool(pool_size)

    def step(self, batch: dict) -> dict[str, float]:
        """One iteration on a collated batch of uint8 BGR images; gives the losses."""
        source, target = self.images(batch, 'source'), self.images(batch, 'target')
        for parameter in self.judges:
            parameter.requires_grad_(False)
        loss_g, fake_target, fake_source = self.translated(source, target)
        self.adam_g.zero_grad()
        loss_g.backward()
        self.adam_g.step()

        for parameter in self.judges:
            parameter.requires_grad_(True)
        loss_d = self.judged(source, target, fake_target.detach(), fake_source.detach())
        self.adam_d.zero_grad()
        loss_d.backward()
        self.adam_d.step()
        return dict(generators=loss_g.item(), discriminators=loss_d.item())

    def translated(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The generators' loss, source images made to look like the target, and target images."""
        fake_target, fake_source = self.to_target(source), self.to_source(target)
        loss = self.real(self.judge_target(fake_target)) + self.real(self.judge_source(fake_source))
        if self.cycle:
            loss = loss + self.cycle * (self.to_source(fake_target) - source).abs().mean()
            loss = loss + self.cycle * (self.to_target(fake_source) - target).abs().mean()
        if self.identity:
            same = (self.to_target(target) - target).abs().mean()
            same = same + (self.to_source(source) - source).abs().mean()
            loss = loss + self.identity * self.cycle * same
        if self.see is not None:
            for real, fake in ((source, fake_target), (target, fake_source)):
                seen = self.see(real).argmax(dim=1)
                loss = loss + F.cross_entropy(self.see(fake), seen)
        return loss, fake_target, fake_source

    def judged(
        self, source: Tensor, target: Tensor, fake_target: Tensor, fake_source: Tensor
    ) -> Tensor:
        """The discriminators' loss."""
        loss = 0.0
        for judge, pool, real, fake in (
            (self.judge_target, self.pool_target, target, fake_target),
            (self.judge_source, self.pool_source, source, fake_source),
        ):
            shown = pool.query(fake)
            loss = loss + (self.real(judge(real)) + (judge(shown) ** 2).mean()) / 2
        return loss

    def images(self, batch: dict, domain: str) -> Tensor:
        """RGB in [-1, 1], in the networks' precision."""
        return (rgb_pixels(batch, domain, self.generators[0].dtype) - 127.5) / 127.5

    @staticmethod
    def real(verdict: Tensor) -> Tensor:
        return ((verdict - 1) ** 2).mean()
