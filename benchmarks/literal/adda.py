"""The feature stage of CyCADA: ADDA with a gate, in the order of the released code.

Tzeng et al., "Adversarial Discriminative Domain Adaptation", CVPR 2017; Hoffman et al., CyCADA,
ICML 2018.
"""

from typing import Any

import torch
import torch.nn.functional as F
from literal.source_only import LiteralSourceOnly
from torch import Tensor, nn


class LiteralAdda(LiteralSourceOnly):
    """Discriminator, fooling and task: three updates, each from forwards of its own.

    Args:
        net: The segmentor.
        rival: Judges raw scores at image size; two channels, of which the second means source.
        weight: Of the fooling loss.
        gate: The accuracy above which the segmentor is trained.
        window: Iterations that the accuracy is averaged over.
        **others: As in :class:`LiteralSourceOnly`.
    """

    def __init__(
        self,
        net: nn.Module,
        rival: nn.Module,
        weight: float,
        gate: float,
        window: int,
        **others: Any,
    ) -> None:
        super().__init__(net, **others)
        self.rival, self.weight, self.gate, self.window = rival, weight, gate, window
        self.adam = torch.optim.Adam(rival.parameters(), lr=1e-3, betas=(0.9, 0.99))
        self.accuracies: list[float] = []
        self.updates = 0

    def step(self, batch: dict) -> dict[str, float]:
        """One iteration on a collated batch of uint8 images; gives the losses."""
        with torch.no_grad():
            source, target = (self.scores(batch, domain) for domain in ('source', 'target'))
        says_source, says_target = self.rival(source), self.rival(target)
        loss_d = self.called(says_source, 1) / 2 + self.called(says_target, 0) / 2
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
        fooling = self.weight * self.called(self.rival(self.scores(batch, 'target')), 1)
        self.sgd.zero_grad()
        fooling.backward()
        self.sgd.step()
        task = self.supervised(self.forward(self.images(batch, 'source')), batch)
        self.sgd.zero_grad()
        task.backward()
        self.sgd.step()
        return logs | dict(fooling=fooling.item(), task=task.item())

    def scores(self, batch: dict, domain: str) -> Tensor:
        """Logits at image size."""
        return self.forward(self.images(batch, domain))['decode']

    @staticmethod
    def called(verdict: Tensor, domain: int) -> Tensor:
        label = torch.full(verdict[:, 0].shape, domain, dtype=torch.long)
        return F.cross_entropy(verdict, label)
