"""The iteration of AdaptSegNet in plain torch, term by term, as the paper's algorithm reads.

Tsai et al., "Learning to Adapt Structured Output Space for Semantic Segmentation", CVPR 2018, with
the representation of Vu et al. (ADVENT, CVPR 2019) as a choice. Shares nothing with the package:
it takes bare networks and writes its own losses, preprocessing and optimizers.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def entropy_of(logits: Tensor) -> Tensor:
    """ADVENT's weighted self-information, as its released code writes it."""
    probs = F.softmax(logits, dim=1)
    return -probs * torch.log2(probs + 1e-30) / math.log2(probs.shape[1])


REPRESENTATIONS = dict(
    softmax=lambda logits: F.softmax(logits, dim=1),
    logits=lambda logits: logits,
    entropy=entropy_of,
)


def bce(verdict: Tensor, label: float) -> Tensor:
    """Binary cross-entropy of a sigmoid, spelled out."""
    return -(label * F.logsigmoid(verdict) + (1 - label) * F.logsigmoid(-verdict)).mean()


def squares(verdict: Tensor, label: float) -> Tensor:
    """LS-GAN's loss."""
    return ((verdict - label) ** 2).mean()


class LiteralAdaptSegNet:
    """One segmentor, one discriminator per level, an optimizer each.

    Args:
        net: Backbone, ``decode_head`` and ``auxiliary_head``.
        rivals: The discriminator of each level by name, ``'aux'`` and ``'decode'``.
        weights: The weight of each level's adversarial loss.
        aux_weight: The weight of the auxiliary head's cross-entropy.
        of: A representation, or ``'features'``: the backbone's last, not up-sampled.
        lsgan: Squared error instead of cross-entropy.
    """

    def __init__(
        self,
        net: nn.Module,
        rivals: dict[str, nn.Module],
        weights: dict[str, float],
        aux_weight: float,
        of: str = 'softmax',
        lsgan: bool = False,
    ) -> None:
        self.net, self.rivals, self.weights, self.aux_weight = net, rivals, weights, aux_weight
        self.of, self.loss = of, squares if lsgan else bce
        heads = [*net.decode_head.parameters(), *net.auxiliary_head.parameters()]
        groups = [
            dict(params=list(net.backbone.parameters()), lr=0.01),
            dict(params=heads, lr=0.1),
        ]
        self.sgd = torch.optim.SGD(groups, lr=0.01, momentum=0.9, weight_decay=5e-4)
        self.adams = {
            name: torch.optim.Adam(rival.parameters(), lr=1e-3, betas=(0.9, 0.99))
            for name, rival in rivals.items()
        }

    def step(self, batch: dict) -> dict[str, float]:
        """One iteration on a collated batch of uint8 images; gives the losses."""
        source, target = (self.normalise(batch[name]['inputs']) for name in ('source', 'target'))
        labels = torch.cat([each.gt_sem_seg.data for each in batch['source']['data_samples']])
        for optimizer in (self.sgd, *self.adams.values()):
            optimizer.zero_grad()

        for rival in self.rivals.values():
            rival.requires_grad_(False)
        outputs = self.forward(source)
        seen_source = self.seen(outputs)
        supervised = self.cross_entropy(outputs['decode'], labels)
        supervised = supervised + self.aux_weight * self.cross_entropy(outputs['aux'], labels)
        supervised.backward()

        outputs = self.forward(target)
        seen_target = self.seen(outputs)
        fooling = sum(
            self.weights[name] * self.loss(rival(seen_target[name]), 0.0)
            for name, rival in self.rivals.items()
        )
        fooling.backward()

        logs = dict(supervised=supervised.item(), fooling=fooling.item())
        for name, rival in self.rivals.items():
            rival.requires_grad_(True)
            judged_source = self.loss(rival(seen_source[name].detach()), 0.0) / 2
            judged_source.backward()
            judged_target = self.loss(rival(seen_target[name].detach()), 1.0) / 2
            judged_target.backward()
            logs[f'rival {name}'] = judged_source.item() + judged_target.item()

        for optimizer in (self.sgd, *self.adams.values()):
            optimizer.step()
        return logs

    def normalise(self, pixels: list[Tensor]) -> Tensor:
        """BGR bytes to normalised RGB."""
        dtype = next(self.net.parameters()).dtype
        images = torch.stack(pixels).flip(1).to(dtype)
        mean = torch.tensor([128.0, 112.0, 96.0], dtype=dtype)[:, None, None]
        return (images - mean) / torch.tensor([64.0, 64.0, 32.0], dtype=dtype)[:, None, None]

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Scores at image size of both heads, and the features."""
        feats = self.net.backbone(images)
        size = images.shape[-2:]
        outputs = {}
        for name, head in (('decode', self.net.decode_head), ('aux', self.net.auxiliary_head)):
            outputs[name] = F.interpolate(head(feats), size, mode='bilinear', align_corners=False)
        return outputs | dict(features=feats[-1])

    def seen(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """What each rival looks at."""
        if self.of == 'features':
            return dict.fromkeys(self.rivals, outputs['features'])
        return {name: REPRESENTATIONS[self.of](outputs[name]) for name in self.rivals}

    @staticmethod
    def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
        """The mean over the labelled pixels."""
        labelled = labels != 255
        log_probs = F.log_softmax(logits, dim=1)
        chosen = log_probs.gather(1, labels.where(labelled, 0).unsqueeze(1)).squeeze(1)
        return -chosen[labelled].mean()
