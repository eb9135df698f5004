"""Domain confusion with a gate: the feature-level stage of CyCADA."""

from collections.abc import Sequence

import torch
from mmengine.dist import all_reduce
from torch import Tensor

from mmseg_da.errors import UserError
from mmseg_da.functional import domain_accuracy, domain_loss
from mmseg_da.functional.adversarial import DOMAIN_LABELS
from mmseg_da.models.objectives.alignment import OutputAlignment
from mmseg_da.registry import MODELS
from mmseg_da.structures import Step


@MODELS.register_module()
class FeatureAlignment(OutputAlignment):
    """Adversarial alignment that waits until its discriminator is worth fooling.

    ADDA as CyCADA uses it (Tzeng et al., 2017; Hoffman et al., 2018, section 3): the discriminator
    sees raw scores at image size, or features, point by point, and its verdict has two channels.
    The segmentor's loss is ``loss_weight * CE(D(target), source)``, the discriminator's
    ``CE(D([source, target]), [source, target])`` on detached outputs.

    The gate is open while the discriminator's accuracy, averaged over the last ``gate_window``
    iterations, is above ``gate``. :class:`~mmseg_da.models.AlternatingAdaptor` then trains the
    segmentor; in a ``DomainAdaptor`` the fooling term alone is 0 while it is closed.

    Args:
        discriminator: Config of the rival; ``in_channels`` is filled in for scores.
        of: ``'logits'`` or ``'features'``, or what else ``OutputAlignment`` takes.
        kind: ``'two_way'``, or ``'vanilla'`` for a verdict of one channel.
        loss_weight: Weight of the segmentor's loss; the released script has 0.1.
        gate: Accuracy in [0, 1] above which the segmentor is trained; ``None`` always trains it.
        gate_window: Iterations that the accuracy is averaged over.
        **others: As ``OutputAlignment``.

    Raises:
        UserError: As ``OutputAlignment``, or a gate that is no accuracy.
    """

    def __init__(
        self,
        discriminator: dict,
        of: str = 'logits',
        kind: str = 'two_way',
        loss_weight: float = 0.1,
        gate: float | None = 0.6,
        gate_window: int = 100,
        **others: object,
    ) -> None:
        super().__init__(discriminator, of=of, kind=kind, loss_weight=loss_weight, **others)
        if (gate is not None and not 0 <= gate < 1) or gate_window < 1:
            raise UserError(
                f'FeatureAlignment: gate={gate!r} must be an accuracy in [0, 1) or None, '
                f'gate_window={gate_window!r} at least 1'
            )
        self.gate = gate
        self.register_buffer('accuracies', torch.zeros(gate_window))
        self._right: dict[str, Tensor] = {}  # of this iteration, until both domains are judged
        self.register_buffer('judged', torch.zeros((), dtype=torch.long))
        self.register_buffer('closed_for', torch.zeros((), dtype=torch.long))

    def losses(self, step: Step) -> dict[str, Tensor]:
        losses = super().losses(step)
        if self.gate is None:
            return losses
        return dict(loss_fool=torch.where(self.gate_state(), losses['loss_fool'], 0.0))

    def discriminator_losses(
        self, step: Step, domains: Sequence[str] = tuple(DOMAIN_LABELS)
    ) -> dict[str, Tensor]:
        losses = {}
        for name in domains:
            verdict = self._verdict_on_values(getattr(step, name))
            losses[f'loss_{name}'] = 0.5 * domain_loss(verdict, DOMAIN_LABELS[name], self.kind)
            self._right[name] = domain_accuracy(verdict, DOMAIN_LABELS[name], self.kind)
        if len(self._right) < len(DOMAIN_LABELS):
            return losses
        accuracy = torch.stack([self._right.pop(name) for name in DOMAIN_LABELS]).mean()
        all_reduce(accuracy, op='mean')  # every process must open its gate at once
        self._note(accuracy)
        return losses | dict(accuracy=accuracy)

    def gate_state(self) -> Tensor:
        """Whether the gate is open, a boolean scalar on the device."""
        seen = self.judged.clamp(min=1, max=len(self.accuracies))
        return self.accuracies.sum() / seen > self.gate

    def is_open(self) -> bool:
        """The same for the control flow. This waits for the device, as the paper's gate has to."""
        return self.gate is None or bool(self.gate_state())

    def _note(self, accuracy: Tensor) -> None:
        at = (self.judged % len(self.accuracies)).unsqueeze(0)
        self.accuracies.index_copy_(0, at, accuracy.to(self.accuracies).unsqueeze(0))
        self.judged += 1
        if self.gate is not None:
            self.closed_for.copy_((self.closed_for + 1) * ~self.gate_state())
