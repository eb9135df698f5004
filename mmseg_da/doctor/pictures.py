"""What the images themselves say: sizes, colours, copies, and how easily domains are told apart."""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from mmseg_da.datasets.parallel import in_parallel, progress
from mmseg_da.datasets.reading import what_is_wrong
from mmseg_da.doctor.domains import Domain, settings_of
from mmseg_da.doctor.findings import Finding

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
    chosen = np.unique(np.linspace(0, len(domain.images) - 1, most).astype(int)).tolist()
    files = [domain.images[i] for i in chosen]
    seen = list(
        progress(in_parallel(_see, files, nproc), f'Images of {domain.name}', total=len(files))
    )
    broken = [each for each in seen if isinstance(each, str)]
    found = [Finding('bad', 'data', _listed(domain.name, broken))] if broken else []
    whole = [each for each in seen if not isinstance(each, str)]
    if not whole:
        return None, found
    sizes, features, sums, squares = zip(*whole, strict=True)
    mean = np.mean(sums, axis=0)
    std = np.sqrt(np.maximum(np.mean(squares, axis=0) - mean**2, 0))
    look = Look(Counter(sizes), np.stack(features), mean, std)
    return look, found + _sizes(domain, look)


def _listed(name: str, broken: Sequence[str]) -> str:
    more = f', and {len(broken) - _NAMED} more' if len(broken) > _NAMED else ''
    return f'{name}: {"; ".join(broken[:_NAMED])}{more}: repair or remove them'


def _see(file: str) -> tuple | str:
    """Size, features, and the mean colour and mean squared colour of an image, or what is wrong."""
    wrong = what_is_wrong(file, 'image')
    if wrong:
        return wrong
    with Image.open(file) as image:
        size = image.height, image.width
        small = image.convert('RGB').resize((SIDE, SIDE), Image.BOX)
    pixels = np.asarray(small, dtype=np.float64)
    grey = pixels.mean(axis=2)
    edges = np.hypot(np.diff(grey, axis=0)[:, :-1], np.diff(grey, axis=1)[:-1])
    counts = [np.histogram(pixels[..., c], BINS, (0, 256))[0] for c in range(3)]
    counts.append(np.histogram(edges, BINS, (0, 64))[0])
    features = np.concatenate(counts) / SIDE**2
    flat = pixels.reshape(-1, 3)
    return size, features, flat.mean(axis=0), (flat**2).mean(axis=0)


def _sizes(domain: Domain, look: Look) -> list[Finding]:
    heights, widths = zip(*look.sizes, strict=True)
    span = f'{min(heights)} x {min(widths)}'
    if len(look.sizes) > 1:
        span += f' to {max(heights)} x {max(widths)}, {len(look.sizes)} sizes'
    found = [Finding('good', 'data', f'{domain.name}: images of {span} (height x width)')]
    crop = settings_of(domain).get('crop_size')
    resized = any(
        'Resize' in type(each).__name__
        for each in getattr(domain.dataset.pipeline, 'transforms', ())
    )
    if crop and not resized and (min(heights) < crop[0] or min(widths) < crop[1]):
        text = (
            f'{domain.name}: crops are {crop[0]} x {crop[1]}, larger than some images, which are '
        )
        found.append(
            Finding('warning', 'data', text + 'padded: take smaller crops, or resize before')
        )
    return found


def copies(domains: Sequence[Domain]) -> list[Finding]:
    """Images that are in the training and in the validation, byte by byte."""
    files: dict[int, dict[str, str]] = defaultdict(
        dict
    )  # by size in bytes: alike ones alone are read
    for domain in domains:
        for file in domain.images:
            if os.path.isfile(file):
                files[os.path.getsize(file)][file] = domain.name
    seen: dict[bytes, tuple[str, str]] = {}
    found = []
    for alike in files.values():
        if len({_side(name) for name in alike.values()}) < 2:
            continue
        for file, name in alike.items():
            digest = _digest(file)
            other = seen.setdefault(digest, (file, name))
            if _side(other[1]) != _side(name):
                found.append(f'{other[0]} ({other[1]}) and {file} ({name})')
    if not found:
        return []
    more = f', and {len(found) - _NAMED} more' if len(found) > _NAMED else ''
    text = f'the same images are in training and validation: {"; ".join(found[:_NAMED])}{more}: scores '
    return [Finding('warning', 'data', text + 'flatter; take them out of one of both')]


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
    text = f'colours and edges alone tell the domains apart in {accuracy:.0%} of the images (50 % is guessing)'
    if accuracy >= _EASY:
        text += ': a large gap in look, to which FDA, CyCADA or jitter answer'
    else:
        text += ': their look is not what differs most; methods on outputs or self-training may help more'
    return [*found, Finding('good', 'gap', text)]


def rgb(values: np.ndarray) -> str:
    """A colour as text."""
    return '(' + ', '.join(f'{value:.0f}' for value in values) + ')'
