"""CyCADA's complete objective in one loss.

Hoffman et al., "CyCADA: Cycle-Consistent Adversarial Domain Adaptation", ICML 2018, equation 5.
"""

from collections.abc import Callable
from typing import Any

from literal.adaptsegnet import REPRESENTATIONS
from literal.adda import two_way
from literal.cyclegan import LiteralCycleGAN
from literal.segmentor import LiteralSegmentor
from torch import Tensor, nn


class LiteralJoint(LiteralCycleGAN):
    """Both generators and the segmentor with one Adam, all discriminators with another.

    Args:
        segmentor: Learns from the labels on translated source images; an eighth of the rate.
        rival: Judges its scores at image size.
        weight: Of fooling the rival.
        of: A representation: what of the scores the rival sees.
        call: The loss of a verdict that should name the source (1) or the target (0).
        networks: The generators and the discriminators of images, as in :class:`LiteralCycleGAN`.
        **others: As in :class:`LiteralCycleGAN`.
    """

    def __init__(
        self,
        segmentor: LiteralSegmentor,
        rival: nn.Module,
        *networks: nn.Module,
        weight: float,
        of: str = 'logits',
        call: Callable[[Tensor, int], Tensor] = two_way,
        lr: float = 2e-4,
        **others: Any,
    ) -> None:
        super().__init__(*networks, lr=lr, **others)
        self.segmentor, self.rival, self.weight, self.of = segmentor, rival, weight, of
        self.call = call
        learning = [p for p in segmentor.net.parameters() if p.requires_grad]
        self.adam_g.add_param_group(dict(params=learning, lr=lr / 8))
        self.adam_d.add_param_group(dict(params=list(rival.parameters())))
        self.judges += rival.parameters()

    def step(self, batch: dict) -> dict[str, float]:
        """One iteration on a collated batch of uint8 BGR images; gives the losses."""
        source, target = self.images(batch, 'source'), self.images(batch, 'target')
        for parameter in self.judges:
            parameter.requires_grad_(False)
        loss_g, fake_target, fake_source = self.translated(source, target)
        outputs = self.segmentor.forward(self.seen(fake_target))
        supervised = self.segmentor.supervised(outputs, batch)
        shown_source = self.shown(outputs).detach()
        shown_target = self.shown(self.segmentor.forward(self.seen(target), ('decode',)))
        fooling = self.call(self.rival(shown_target), 1)
        loss_g = loss_g + supervised + self.weight * fooling
        self.adam_g.zero_grad()
        loss_g.backward()
        self.adam_g.step()
        del outputs

        for parameter in self.judges:
            parameter.requires_grad_(True)
        loss_d = self.judged(source, target, fake_target.detach(), fake_source.detach())
        for shown, domain in ((shown_source, 1), (shown_target.detach(), 0)):
            loss_d = loss_d + self.call(self.rival(shown), domain) / 2
        self.adam_d.zero_grad()
        loss_d.backward()
        self.adam_d.step()
        return dict(networks=loss_g.item(), discriminators=loss_d.item())

    def seen(self, unit: Tensor) -> Tensor:
        """The segmentor's images of images in [-1, 1]."""
        return self.segmentor.normalised((unit + 1) * 127.5)

    def shown(self, outputs: dict[str, Tensor]) -> Tensor:
        """What the rival looks at."""
        return REPRESENTATIONS[self.of](outputs['decode'])
