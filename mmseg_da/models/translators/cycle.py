"""CycleGAN with semantic consistency: the pixel-level stage of CyCADA."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from mmengine.model import ModuleDict
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmseg_da.errors import UserError
from mmseg_da.functional import FAKE, REAL, domain_loss, from_unit_range, full_precision
from mmseg_da.models.data_preprocessor import require_domains, require_whole
from mmseg_da.models.phased import Phase, PhasedModel, Stage
from mmseg_da.models.translators.image_pool import ImagePool
from mmseg_da.models.translators.semantics import SemanticConsistency
from mmseg_da.registry import MODELS

GENERATORS, DISCRIMINATORS, CLASSIFIER = 'generators', 'discriminators', 'classifier'
DOMAINS = ('source', 'target')
_OTHER = dict(source='target', target='source')


@dataclass(eq=False)
class Round:
    """What one iteration of translation knows.

    Attributes:
        images: Per domain (N, 3, H, W), RGB in [-1, 1].
        labels: Of the source (N, H, W), or ``None`` if they were not loaded.
        fakes: Images made to look like a domain, without graph, from before the update.
    """

    images: dict[str, Tensor]
    labels: Tensor | None
    fakes: dict[str, Tensor] = field(default_factory=dict)


def labels_of(samples: list[SegDataSample]) -> Tensor | None:
    """Ground truth (N, H, W), or ``None`` if it was not loaded."""
    if not all('gt_sem_seg' in sample for sample in samples):
        return None
    return torch.stack([each.gt_sem_seg.data for each in samples]).squeeze(1)


@MODELS.register_module()
class CycleTranslator(PhasedModel):
    """Learns to translate each domain into the other from unpaired images.

    CycleGAN (Zhu et al., 2017, section 3) with the semantic consistency of CyCADA (Hoffman et al.,
    2018, section 3). Phase ``generators`` trains both by

    ``gan * l(D_T(G_ST x_s), real) + cycle * |G_TS G_ST x_s - x_s| + identity * cycle * |G_TS x_s - x_s|``

    and the same for x_t, with means over pixels; phase ``discriminators`` trains both rivals on real
    images and on a pool of earlier translations, each by half the sum of the two losses; phase
    ``classifier`` trains the segmentor of ``semantics`` if it is not frozen. In inference it
    translates source images.

    Args:
        generator: Config of both generators, which map [-1, 1] to [-1, 1].
        discriminator: Config of both rivals.
        data_preprocessor: A ``DomainPreprocessor`` with ``mean`` and ``std`` of 127.5 and RGB
            order, so that images arrive in [-1, 1].
        gan: ``'lsgan'`` or ``'vanilla'``.
        gan_weight: Weight of the adversarial term; a dict gives each translated domain its own.
        cycle_weight: Weight of the reconstruction. 0 costs no forward.
        identity_weight: Relative to ``cycle_weight``, as in CycleGAN. 0 costs no forward.
        pool_size: Earlier translations kept per domain.
        semantics: Arguments of :class:`SemanticConsistency`; ``None`` leaves it out.
        backward: ``'stages'`` back-propagates the two directions and the identity one after the
            other, so that memory holds the largest; ``'summed'`` sums them first. The gradients
            are the same.
        init_cfg: As in mmengine.

    Raises:
        UserError: An unknown option, or images that do not arrive in [-1, 1].
    """

    def __init__(
        self,
        generator: dict,
        discriminator: dict,
        data_preprocessor: dict,
        gan: str = 'lsgan',
        gan_weight: float | Mapping[str, float] = 1.0,
        cycle_weight: float = 10.0,
        identity_weight: float = 0.5,
        pool_size: int = 50,
        semantics: dict | None = None,
        backward: str = 'stages',
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        _require(gan in ('lsgan', 'vanilla'), f"gan={gan!r} is neither 'lsgan' nor 'vanilla'")
        _require(
            backward in ('stages', 'summed'),
            f"backward={backward!r} is neither 'stages' nor 'summed'",
        )
        if not isinstance(gan_weight, Mapping):
            gan_weight = dict.fromkeys(DOMAINS, gan_weight)
        _require(set(gan_weight) == set(DOMAINS), f'gan_weight={gan_weight!r} needs {DOMAINS}')
        require_domains(self.data_preprocessor)
        self._require_unit_range()
        self.generators = ModuleDict(
            dict(source_to_target=MODELS.build(generator), target_to_source=MODELS.build(generator))
        )
        self.discriminators = ModuleDict({name: MODELS.build(discriminator) for name in DOMAINS})
        self.pools = ModuleDict({name: ImagePool(pool_size) for name in DOMAINS})
        self.semantics = None if semantics is None else SemanticConsistency(**semantics)
        self.gan, self.cycle_weight, self.identity_weight = gan, cycle_weight, identity_weight
        self.gan_weight = dict(gan_weight)
        self._phases = self._plan(backward == 'stages')

    def parts(self) -> dict[str, nn.Module]:
        parts = {GENERATORS: self.generators, DISCRIMINATORS: self.discriminators}
        if self.semantics is not None and not self.semantics.frozen:
            parts[CLASSIFIER] = self.semantics.segmentor
        return parts

    def phases(self) -> tuple[Phase, ...]:
        return self._phases

    @property
    def has_identity(self) -> bool:
        """Whether the identity term counts."""
        return self.identity_weight * self.cycle_weight != 0

    def _plan(self, by_stages: bool) -> tuple[Phase, ...]:
        terms = (*DOMAINS, 'identity') if self.has_identity else DOMAINS
        groups = [(term,) for term in terms] if by_stages else [terms]
        stages = tuple(Stage(GENERATORS, (), group) for group in groups)
        phases = [Phase(GENERATORS, GENERATORS, stages)]
        for name in list(self.parts())[1:]:
            phases.append(Phase(name, name, (Stage(name, (), (name,)),)))
        return tuple(phases)

    def begin_step(self, data: dict) -> Round:
        require_whole(data)
        images = {name: data[name]['inputs'] for name in DOMAINS}
        return Round(images, labels_of(data['source']['data_samples']))

    def stage_losses(self, step: Round, stage: Stage) -> dict[str, Tensor]:
        compute = {
            DISCRIMINATORS: self.discriminator_losses,
            CLASSIFIER: self._classifier_losses,
        }
        if stage.phase in compute:
            return compute[stage.phase](step)
        losses: dict[str, Tensor] = {}
        for term in stage.terms:
            if term == 'identity':
                losses |= self.identity_losses(step)
            else:
                losses |= self.translation_losses(step, term, self.translate(step, term))
        return losses

    def pictures(self, data: dict) -> dict[str, dict[str, Tensor]]:
        """Per domain: images, translated, back again, and what the segmentor sees in them."""
        rows = {}
        for domain in DOMAINS:
            image = data[domain]['inputs']
            translated = self._generator(domain)(image)
            back = self._generator(_OTHER[domain])(translated)
            looks = {'image': image, 'translated': translated, 'back again': back}
            rows[domain] = {title: from_unit_range(look) for title, look in looks.items()}
            if self.semantics is not None and self.semantics.covers(domain):
                for title in ('image', 'translated'):
                    seen = self.semantics.logits(looks[title]).argmax(dim=1)
                    rows[domain][f'classes in {title}'] = seen
        return rows

    def forward_inference(
        self, inputs: Tensor, data_samples: list | None, mode: str
    ) -> Tensor | list:
        if mode == 'predict':
            raise UserError(
                'CycleTranslator translates images and predicts no classes: leave val_cfg, '
                'val_dataloader and val_evaluator out (None), and use tools/translate_dataset.py'
            )
        return self.generators['source_to_target'](inputs)

    def translate(self, step: Round, domain: str) -> Tensor:
        """A domain's images in the look of the other, with their graph; the step keeps the values."""
        fake = self._generator(domain)(step.images[domain])
        step.fakes[_OTHER[domain]] = fake.detach()
        return fake

    def translation_losses(self, step: Round, domain: str, fake: Tensor) -> dict[str, Tensor]:
        """Judge a domain's translated images, and translate them back."""
        real, other = step.images[domain], _OTHER[domain]
        verdict = self.discriminators[other](fake)
        losses = {
            f'{domain}.loss_gan': self.gan_weight[domain] * domain_loss(verdict, REAL, self.gan)
        }
        if self.cycle_weight:
            back = self._generator(other)(fake)
            losses[f'{domain}.loss_cycle'] = self.cycle_weight * F.l1_loss(
                full_precision(back), real
            )
        if self.semantics is not None and self.semantics.covers(domain):
            term = self.semantics.consistency(real, fake, domain, self._labels(step))
            losses[f'{domain}.loss_semantic'] = term
        return losses

    def identity_losses(self, step: Round) -> dict[str, Tensor]:
        """A generator leaves images alone that have its output's look already."""
        weight = self.identity_weight * self.cycle_weight
        return {
            f'{name}.loss_identity': weight
            * F.l1_loss(full_precision(self._generator(_OTHER[name])(image)), image)
            for name, image in reversed(step.images.items())
        }

    def discriminator_losses(self, step: Round) -> dict[str, Tensor]:
        losses = {}
        for name in reversed(DOMAINS):  # the target's first, as in the released code
            rival, fakes = self.discriminators[name], self.pools[name].query(step.fakes[name])
            real = domain_loss(rival(step.images[name]), REAL, self.gan)
            losses[f'{name}.loss_real'] = 0.5 * real
            losses[f'{name}.loss_fake'] = 0.5 * domain_loss(rival(fakes), FAKE, self.gan)
        return losses

    def _classifier_losses(self, step: Round) -> dict[str, Tensor]:
        labels = self._labels(step, needed=True)
        return dict(loss_classifier=self.semantics.supervision(step.images['source'], labels))

    def _labels(self, step: Round, needed: bool = False) -> Tensor | None:
        if step.labels is None and (needed or self.semantics.target == 'gt'):
            raise UserError(
                "model.semantics needs the source's labels: add dict(type='LoadAnnotations') to the "
                'source pipeline'
            )
        return step.labels

    def _generator(self, domain: str) -> nn.Module:
        """The generator that reads images of this domain."""
        return self.generators[f'{domain}_to_{_OTHER[domain]}']

    def _require_unit_range(self) -> None:
        look = self.data_preprocessor
        if not ((look.mean == 127.5).all() and (look.std == 127.5).all() and look.is_rgb):
            raise UserError(
                'model.data_preprocessor: generators work on RGB in [-1, 1]: set mean=[127.5] * 3, '
                'std=[127.5] * 3, bgr_to_rgb=True'
            )


def _require(fits: bool, otherwise: str) -> None:
    if not fits:
        raise UserError(f'model (CycleTranslator): {otherwise}')
