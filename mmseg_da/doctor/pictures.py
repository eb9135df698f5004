"""What the images themselves say: sizes, colours, copies, and how easily domains are told apart."""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from mmcv.transforms import LoadImageFromFile
from PIL import Image

from mmseg_da.datasets.parallel import in_parallel, progress
from mmseg_da.datasets.reading import what_is_wrong
from mmseg_da.doctor.domains import Domain, crop_of
from mmseg_da.doctor.findings import Finding
from mmseg_da.doctor.loading import image_loader, read_pixels

SIDE = 64  # of the thumbnails that colours and texture are measured on
BINS = 8
_NAMED = 5
_EASY = 0.9


@dataclass
class Look:
    """What was seen of the images of a domain.

    Attributes:
        sizes: Number of images by (height, width).
        features: Of each image: histograms of the three channels and of edges.
        mean: RGB, 0 to 255.
        std: The same.
    """

    sizes: Counter
    features: np.ndarray
    mean: np.ndarray
    std: np.ndarray


def look_at(domain: Domain, most: int, nproc: int) -> tuple[Look | None, list[Finding]]:
    """Open images of a domain, spread evenly, up to a number.

    Args:
        domain: The data set.
        most: Number of images.
        nproc: Processes.
    """
    files = [domain.images[number] for number in domain.some(most)]
    found = in_parallel(_See(image_loader(domain.dataset)), files, nproc)
    seen = list(progress(found, f'Images of {domain.name}', total=len(files)))
    broken = [each for each in seen if isinstance(each, str)]
    found = []
    if broken:
        text = f'{domain.name}: {_listed(broken)}: repair or remove them'
        found.append(Finding('bad', 'data', text))
    whole = [each for each in seen if not isinstance(each, str)]
    if not whole:
        return None, found
    sizes, features, sums, squares = zip(*whole, strict=True)
    mean = np.mean(sums, axis=0)
    std = np.sqrt(np.maximum(np.mean(squares, axis=0) - mean**2, 0))
    look = Look(Counter(sizes), np.stack(features), mean, std)
    return look, found + _sizes(domain, look)


def _listed(texts: Sequence[str]) -> str:
    more = f', and {len(texts) - _NAMED:,} more' if len(texts) > _NAMED else ''
    return '; '.join(texts[:_NAMED]) + more


@dataclass(frozen=True)
class _See:
    """Size, features, and the mean colour and mean squared colour of an image, or what is wrong."""

    loader: LoadImageFromFile

    def __call__(self, file: str) -> tuple | str:
        try:
            problem = what_is_wrong(file, 'image')
            return problem or _features(read_pixels(self.loader, file))
        except ValueError as error:
            return str(error)


def _features(image: np.ndarray) -> tuple:
    small = Image.fromarray(image).resize((SIDE, SIDE), Image.BOX)
    pixels = np.asarray(small, dtype=np.float64)
    grey = pixels.mean(axis=2)
    edges = np.hypot(np.diff(grey, axis=0)[:, :-1], np.diff(grey, axis=1)[:-1])
    counts = [np.histogram(pixels[..., c], BINS, (0, 256))[0] for c in range(3)]
    counts.append(np.histogram(edges, BINS, (0, 64))[0])
    features = np.concatenate(counts) / SIDE**2
    flat = pixels.reshape(-1, 3)
    return image.shape[:2], features, flat.mean(axis=0), (flat**2).mean(axis=0)


def _sizes(domain: Domain, look: Look) -> list[Finding]:
    heights, widths = zip(*look.sizes, strict=True)
    span = f'{min(heights)} x {min(widths)}'
    if len(look.sizes) > 1:
        span += f' to {max(heights)} x {max(widths)}, {len(look.sizes)} sizes'
    found = [Finding('good', 'data', f'{domain.name}: images of {span} (height x width)')]
    crop = crop_of(domain)
    resized = any('Resize' in type(each).__name__ for each in domain.transforms)
    if crop and not resized and (min(heights) < crop[0] or min(widths) < crop[1]):
        text = (
            f'{domain.name}: crops are {crop[0]} x {crop[1]}, larger than some images, which are '
        )
        found.append(
            Finding('warning', 'data', text + 'padded: take smaller crops, or resize before')
        )
    return found


def copies(domains: Sequence[Domain]) -> list[Finding]:
    """Images that are in the training and in the validation: the same file, or byte by byte."""
    owners: dict[str, dict[str, str]] = defaultdict(dict)  # of each file, a domain by its side
    for domain in domains:
        for file in domain.images:
            owners[file].setdefault(_side(domain.name), domain.name)
    found = [
        f'{file} ({" and ".join(own.values())})' for file, own in owners.items() if len(own) > 1
    ]
    found += _equal({file: own for file, own in owners.items() if len(own) == 1})
    if not found:
        return []
    text = (
        f'the same images are in training and validation: {_listed(found)}: scores are too high; '
    )
    return [Finding('warning', 'data', text + 'take them out of one of both')]


def _equal(owners: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Files of one side that have a copy on the other."""
    by_size: dict[int, list[str]] = defaultdict(list)  # files of another size are not read
    for file in owners:
        if os.path.isfile(file):
            by_size[os.path.getsize(file)].append(file)
    seen: dict[bytes, str] = {}
    found = []
    for files in by_size.values():
        if len({side for file in files for side in owners[file]}) < 2:
            continue
        for file in files:
            first = seen.setdefault(_digest(file), file)
            if owners[first].keys() != owners[file].keys():
                both = (f'{each} ({"".join(owners[each].values())})' for each in (first, file))
                found.append(' and '.join(both))
    return found


def _side(name: str) -> str:
    return 'validation' if name.startswith('validation') else 'training'


def _digest(file: str) -> bytes:
    digest = hashlib.sha256()
    with open(file, 'rb') as content:
        while block := content.read(1 << 20):
            digest.update(block)
    return digest.digest()


def told_apart(source: np.ndarray, target: np.ndarray, seed: int = 0) -> float:
    """How well a linear classifier tells two domains apart by colours and edges.

    Logistic regression on half of the images of each, scored on the other half: 0.5 is guessing, and
    1 is without a mistake.

    Args:
        source: Features (N, K).
        target: Features (M, K).
        seed: Of the halves.

    Returns:
        Mean of the two domains' accuracies.
    """
    rng = np.random.default_rng(seed)
    halves = []
    for label, features in enumerate((source, target)):
        order = rng.permutation(len(features))
        labels = np.full(len(features), float(label))
        halves.append([(features[o], labels[o]) for o in (order[::2], order[1::2])])
    (x, y), (held, held_y) = (
        (np.concatenate([a[i][0], b[i][0]]), np.concatenate([a[i][1], b[i][1]]))
        for a, b in [halves]
        for i in range(2)
    )
    mean, std = x.mean(axis=0), x.std(axis=0) + 1e-6
    x, held = (torch.from_numpy((each - mean) / std) for each in (x, held))
    y = torch.from_numpy(y)
    # Both domains count alike, however many images they have.
    share = torch.where(y > 0, 0.5 / y.sum(), 0.5 / (1 - y).sum())
    weight = torch.zeros(x.shape[1] + 1, dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight], max_iter=100)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        scores = x @ weight[1:] + weight[0]
        total = F.binary_cross_entropy_with_logits(scores, y, weight=share, reduction='sum')
        total = total + 1e-3 * weight.square().sum()
        total.backward()
        return total

    optimizer.step(loss)
    right = ((held @ weight.detach()[1:] + weight.detach()[0]) > 0).numpy() == (held_y > 0)
    return float(np.mean([right[held_y == label].mean() for label in (0.0, 1.0)]))


def gap(source: Look, target: Look) -> list[Finding]:
    """How far apart two domains look."""
    shift = np.abs(source.mean - target.mean).mean()
    text = f'mean colours (RGB) are {rgb(source.mean)} and {rgb(target.mean)}, spreads {rgb(source.std)} '
    found = [
        Finding(
            'good', 'gap', f'{text}and {rgb(target.std)}; the means differ by {shift:.0f} of 255'
        )
    ]
    if min(len(source.features), len(target.features)) < 8:
        return found
    accuracy = told_apart(source.features, target.features)
    text = f'colours and edges alone tell the domains apart in {100 * accuracy:.0f} % of the images (50 % is guessing)'
    if accuracy >= _EASY:
        text += ': a large gap in look, to which FDA, CyCADA or jitter answer'
    else:
        text += ': their look is not what differs most; methods on outputs or self-training may help more'
    return [*found, Finding('good', 'gap', text)]


def rgb(values: np.ndarray) -> str:
    """A colour as text."""
    return '(' + ', '.join(f'{value:.0f}' for value in values) + ')'
