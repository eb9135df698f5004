"""A CycleTranslator learns a change of colours that is known, from unpaired images."""

import torch
import torch.nn.functional as F
from cycle_builders import build_cycle_wrappers, build_translator, unit_range
from mmseg.structures import SegDataSample
from torch import Tensor

SIZE = (32, 32)
SCALE, SHIFT = torch.tensor([0.5, 0.4, 0.6]), torch.tensor([0.0, 20.0, -20.0])
ITERATIONS = 60


def darker(pixels: Tensor) -> Tensor:
    """The known transform: RGB pixels (N, 3, H, W) of the source in the look of the target."""
    return pixels * SCALE[:, None, None] + SHIFT[:, None, None]


def scenes(num: int, rng: torch.Generator) -> Tensor:
    """Smooth bright images of the source (N, 3, H, W), RGB in [130, 250]."""
    coarse = 130 + 120 * torch.rand(num, 3, 4, 4, generator=rng)
    return F.interpolate(coarse, SIZE, mode='bilinear')


def batch(seed: int, num: int = 4) -> dict:
    """Other scenes in each domain, so that no pair shows what the transform is."""
    rng = torch.Generator().manual_seed(seed)

    def collated(pixels):
        samples = [SegDataSample(metainfo=dict(img_shape=SIZE)) for _ in pixels]
        return dict(inputs=list(pixels.round().byte().flip(1)), data_samples=samples)

    return dict(source=collated(scenes(num, rng)), target=collated(darker(scenes(num, rng))))


def contrast(pixels: Tensor) -> Tensor:
    """Pixels without the mean of each colour: the scene, where all images have one look."""
    return (pixels - pixels.mean((0, 2, 3), keepdim=True)).flatten()


def test_it_learns_the_transform_and_its_inverse():
    model = build_translator(
        generator=dict(type='ResnetGenerator', blocks=1, channels=8),
        discriminator=dict(type='PatchDiscriminator', channels=8, layers=2),
        data_preprocessor=unit_range() | dict(source=dict(size=SIZE), target=dict(size=SIZE)),
        pool_size=20,
    )
    wrappers = build_cycle_wrappers(model)
    for wrapper in wrappers.values():
        wrapper.optimizer.param_groups[0]['lr'] = 4e-3
    bright = scenes(8, torch.Generator().manual_seed(1000))  # none of them is trained on
    dark = darker(bright)
    tasks = dict(source_to_target=(bright, dark), target_to_source=(dark, bright))

    @torch.no_grad()
    def made(name):
        return (model.generators[name](tasks[name][0] / 127.5 - 1) + 1) * 127.5

    before = {name: made(name) for name in tasks}
    for seed in range(ITERATIONS):
        torch.manual_seed(seed)
        model.train_step(batch(seed), wrappers)
    for name, (given, wanted) in tasks.items():
        untouched, first, last = (
            (each - wanted).abs().mean() for each in (given, before[name], made(name))
        )
        assert last < 0.5 * first
        assert last < 0.25 * untouched
        scene = torch.corrcoef(torch.stack([contrast(made(name)), contrast(wanted)]))[0, 1]
        assert scene > 0.5  # it is the same scene, not the mean colour of the domain
