"""The feature stage of CyCADA: ADDA with a gate, in the order of the released code.

Tzeng et al., "Adversarial Discriminative Domain Adaptation", CVPR 2017; Hoffman et al., CyCADA,
ICML 2018.
"""

import copy
from typing import Any

import torch
import torch.nn.functional as F
from literal.source_only import LiteralSourceOnly
from torch import Tensor, nn


def two_way(verdict: Tensor, domain: int) -> Tensor:
    """Cross-entropy of a verdict of two channels, of which the second means source."""
    label = torch.full(verdict[:, 0].shape, domain, dtype=torch.long)
    return F.cross_entropy(verdict, label)


class LiteralAdda(LiteralSourceOnly):
    """Discriminator, fooling and task: three updates, each from forwards of its own.

    Args:
        net: The segmentor.
        rival: Judges raw scores at image size; two channels, of which the second means source.
        weight: Of the fooling loss.
        gate: The accuracy above which the segmentor is trained.
        window: Iterations that the accuracy is averaged over.
        shared: Whether the segmentor sees both domains. If not, a copy from before the first
            iteration sees the source, in evaluation mode, and there is no task.
        **others: As in :class:`LiteralSourceOnly`.
    """

    def __init__(
        self,
        net: nn.Module,
        rival: nn.Module,
        weight: float,
        gate: float,
        window: int,
        shared: bool = True,
        **others: Any,
    ) -> None:
        super().__init__(net, **others)
        self.rival, self.weight, self.gate, self.window = rival, weight, gate, window
        self.adam = torch.optim.Adam(rival.parameters(), lr=1e-3, betas=(0.9, 0.99))
        self.source_net = self if shared else LiteralSourceOnly(copy.deepcopy(net).eval(), **others)
        self.accuracies: list[float] = []
        self.updates = 0

    def step(self, batch: dict) -> dict[str, float]:
        """One iteration on a collated batch of uint8 images; gives the losses."""
        with torch.no_grad():
            source, target = (self.scores(batch, domain) for domain in ('source', 'target'))
        says_source, says_target = self.rival(source), self.rival(target)
        loss_d = two_way(says_source, 1) / 2 + two_way(says_target, 0) / 2
        self.adam.zero_grad()
        loss_d.backward()
        self.adam.step()
        right = [(says_source.argmax(1) == 1), (says_target.argmax(1) == 0)]
        self.accuracies.append(sum(each.float().mean().item() for each in right) / 2)
        recent = self.accuracies[-self.window :]
        logs = dict(rival=loss_d.item())
        if sum(recent) / len(recent) <= self.gate:
            return logs

        self.updates += 1
        fooling = self.weight * two_way(self.rival(self.scores(batch, 'target')), 1)
        self.sgd.zero_grad()
        fooling.backward()
        self.sgd.step()
        logs |= dict(fooling=fooling.item())
        if self.source_net is not self:
            return logs
        task = self.supervised(self.forward(self.images(batch, 'source')), batch)
        self.sgd.zero_grad()
        task.backward()
        self.sgd.step()
        return logs | dict(task=task.item())

    def scores(self, batch: dict, domain: str) -> Tensor:
        """Logits at image size."""
        seer = self.source_net if domain == 'source' else self
        return seer.forward(self.images(batch, domain))['decode']
