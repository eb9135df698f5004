"""All looks together, and the page that they make."""

from dataclasses import dataclass, field

import numpy as np
from matplotlib.figure import Figure
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

from mmseg_da.doctor.appearance import class_colours, image_of, labels_of
from mmseg_da.doctor.domains import Domain, compare, domains_of
from mmseg_da.doctor.findings import Finding, worst
from mmseg_da.doctor.machine import check_machine
from mmseg_da.doctor.pictures import BINS, Look, copies, gap, look_at, rgb
from mmseg_da.doctor.plan import check_plan, trains, wrong_settings
from mmseg_da.engine.memory import trainings
from mmseg_da.visualization import Page, paint

_SHOWN, _WIDTH = 4, 360
_SAYS = dict(
    good='nothing stands in the way of this training',
    warning='it will train; look at the warnings first',
    bad='mend what is bad before you start',
)


@dataclass
class Visit:
    """What was found, and what the page shows of it."""

    path: str
    findings: list[Finding] = field(default_factory=list)
    domains: list[Domain] = field(default_factory=list)
    looks: dict[str, Look] = field(default_factory=dict)
    memory: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """The worst level, and what it means."""
        level = worst(self.findings)
        return f'{level}: {_SAYS[level]}'

    def page(self) -> Page:
        """Everything on one page."""
        page = Page(f'Doctor: {self.path}', self.verdict)
        page.section('Verdict')
        for level in ('bad', 'warning', 'good'):
            for each in self.findings:
                if each.level == level:
                    page.verdict(level, f'{each.topic}: {each.text}')
        if any(domain.pixels is not None for domain in self.domains):
            page.section('Classes')
            _classes(page, self.domains)
        if self.looks:
            page.section('Images')
            _images(page, self.domains, self.looks)
            _appearance(page, self.domains)
        if self.memory:
            page.section('Memory')
            page.text(
                'Computed from the shapes of the networks, in float32; temporary buffers come on top.'
            )
            for stage, rows in self.memory.items():
                page.table([stage, 'GiB'], rows.items())
        return page


def examine(cfg: Config, path: str, most: int = 500, nproc: int = 1) -> Visit:
    """Look at a config, its data and the machine; nothing is trained.

    Nothing is changed, either, but what was counted of labels is kept, see
    :class:`mmseg_da.datasets.pixel_cache.PixelCache`.

    Args:
        cfg: As the tools read it.
        path: Its file, for the page.
        most: Images of each domain to open.
        nproc: Processes that open them, and that count labels.
    """
    scope = cfg.get('default_scope', 'mmseg')
    init_default_scope(scope if isinstance(scope, str) else 'mmseg')
    visit, stages = Visit(path), trainings(cfg)
    sound = []
    for stage in stages:
        wrong = wrong_settings(stage)
        visit.findings += wrong or check_plan(stage)
        sound += [] if wrong or not trains(stage) else [stage]
    visit.domains, found = domains_of(stages[0].cfg, nproc)
    visit.findings += found + compare(visit.domains)
    for domain in visit.domains:
        look, found = look_at(domain, most, nproc)
        visit.findings += found
        if look is not None:
            visit.looks[domain.name] = look
    visit.findings += copies(visit.domains)
    sources = [look for name, look in visit.looks.items() if name.startswith('source')]
    targets = [look for name, look in visit.looks.items() if name.startswith('target')]
    if sources and targets:
        visit.findings += gap(sources[0], targets[0])
    found, visit.memory = check_machine(sound)
    visit.findings += found
    return visit


def _classes(page: Page, domains: list[Domain]) -> None:
    counted = [domain for domain in domains if domain.pixels is not None]
    names = counted[0].classes
    same = [domain for domain in counted if domain.classes == names]
    rows = [[name, *(100 * domain.shares[name] for domain in same)] for name in names]
    page.table(
        ['class', *(f'{domain.name}, %' for domain in same)], rows, 'Share of the labelled pixels.'
    )
    figure = Figure(figsize=(7.4, 1 + 0.32 * len(names)), layout='constrained')
    axes, places = figure.subplots(), np.arange(len(names))
    width = 0.8 / len(same)
    for number, domain in enumerate(same):
        shares = [100 * max(domain.shares[name], 1e-6) for name in names]
        axes.barh(places + (number - (len(same) - 1) / 2) * width, shares, width, label=domain.name)
    axes.set_yticks(places, names, parse_math=False)  # a $ in a name is one
    axes.invert_yaxis()
    axes.set(xscale='log', xlabel='% of the labelled pixels, logarithmic')
    axes.legend(fontsize=8)
    axes.grid(axis='x', alpha=0.3)
    page.figure(figure)


def _appearance(page: Page, domains: list[Domain]) -> None:
    """The mean colour of each class in the source and in the validation images, the farthest first."""
    pair = [
        next((d for d in domains if d.name.startswith(name) and d.pixels is not None), None)
        for name in ('source', 'validation')
    ]
    if None in pair or pair[0].classes != pair[1].classes:
        return
    source, target = (class_colours(domain) for domain in pair)
    apart = np.abs(source - target).mean(axis=1)
    rows = [
        [name, rgb(source[i]), rgb(target[i]), round(float(apart[i]))]
        for i, name in enumerate(pair[0].classes)
        if np.isfinite(apart[i])
    ]
    rows.sort(key=lambda row: -row[-1])
    page.heading('Appearance of each class')
    page.table(
        ['class', 'source, mean RGB', 'validation, mean RGB', 'difference'],
        rows,
        'Of some images of both. Nothing is tuned on the labels of the validation.',
    )


def _images(page: Page, domains: list[Domain], looks: dict[str, Look]) -> None:
    for domain in domains:
        page.heading(domain.name)
        shown = {}
        for place, number in enumerate(domain.some(_SHOWN)):
            shown |= _sample(domain, number, f'{domain.name} {place}')
        page.pictures(shown)
    page.heading('Colours')
    figure = Figure(figsize=(10, 2.6), layout='constrained')
    for channel, (axes, title) in enumerate(
        zip(figure.subplots(1, 3), ('red', 'green', 'blue'), strict=True)
    ):
        for name, look in looks.items():
            values = look.features[:, channel * BINS : (channel + 1) * BINS].mean(axis=0)
            axes.stairs(100 * values, np.linspace(0, 256, BINS + 1), label=name)
        axes.set(title=title, xlabel='value')
    figure.axes[0].set_ylabel('% of the pixels')
    figure.axes[-1].legend(fontsize=7)
    page.figure(figure, 'How often each value of red, green and blue is, in the mean over images.')


def _sample(domain: Domain, number: int, title: str) -> dict[str, np.ndarray]:
    """An image and, where there is one, its label, as a training reads them."""
    pixels = image_of(domain, number)
    if pixels is None:
        return {}
    picture = Image.fromarray(pixels)
    picture.thumbnail((_WIDTH, _WIDTH))
    found = {title: np.asarray(picture)}
    palette = domain.dataset.metainfo.get('palette')
    ids = labels_of(domain, number) if domain.has_labels and palette else None
    if ids is not None:
        step = max(1, ids.shape[1] // _WIDTH)
        found[f'{title}, label'] = paint(ids[::step, ::step], palette)
    return found
