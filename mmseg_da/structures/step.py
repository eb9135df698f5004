"""What one training iteration knows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from mmseg.models.segmentors import EncoderDecoder
from mmseg.structures import SegDataSample
from torch import Tensor

from mmseg_da.structures.dense import Dense, dense_forward
from mmseg_da.structures.teaching import Look, Teaching


class View:
    """The images of one domain, and what the segmentor says about them.

    The forward runs once, on first use. While the stage that declared this view lasts, ``dense``
    carries the graph; when it ends, the graph is gone and only ``detached`` is left.

    Args:
        segmentor: The network that is adapted.
        images: Normalised images (N, 3, H, W).
        samples: One data sample per image; those of the target hold no ``gt_sem_seg``.
        keep_feats: Keep the detached features too, for rivals that look at them.

    Attributes:
        derived: What an objective made of the outputs, detached, for itself in a later phase.
    """

    def __init__(
        self,
        segmentor: EncoderDecoder,
        images: Tensor,
        samples: list[SegDataSample],
        keep_feats: bool = False,
    ) -> None:
        self.segmentor, self.images, self.samples = segmentor, images, samples
        self._keep_feats = keep_feats
        self.is_open = False
        self._dense: Dense | None = None
        self._detached: Dense | None = None
        self.derived: dict[object, Tensor] = {}

    @property
    def dense(self) -> Dense:
        """Features and logits with their graph.

        Raises:
            RuntimeError: Asked for outside a stage that back-propagates through this view; the
                gradient would be lost without a word.
        """
        if not self.is_open:
            raise RuntimeError(
                'an objective asked for the outputs of a view that it does not declare: list it in '
                "the objective's `views`, or use `.detached` if no gradient is needed"
            )
        if self._dense is None:
            self._dense = dense_forward(self.segmentor, self.images)
        return self._dense

    @property
    def detached(self) -> Dense:
        """The same outputs without a graph, from before the segmentor's update.

        Of a view that no stage has opened yet, this costs a forward of its own.
        """
        dense = self.dense if self.is_open else self._dense
        if dense is not None:
            return dense.detach(self._keep_feats)
        if self._detached is None:
            with torch.no_grad():
                self._detached = dense_forward(self.segmentor, self.images).detach(self._keep_feats)
        return self._detached

    @cached_property
    def labels(self) -> Tensor:
        """Ground truth (N, H, W) of train ids, 255 where ignored. Not of the target."""
        labels = torch.stack([sample.gt_sem_seg.data for sample in self.samples])
        for sample, own in zip(self.samples, labels, strict=True):
            sample.gt_sem_seg.data = own  # a part of the stack, so that one copy is held
        return labels.squeeze(1)

    @cached_property
    def valid(self) -> Tensor | None:
        """The pixels outside of marked margins (N, H, W), bool; ``None`` if none are marked."""
        if not any('valid_mask' in sample for sample in self.samples):
            return None
        size = self.images.shape[-2:]
        return torch.stack([self._valid(sample, size) for sample in self.samples])

    def _valid(self, sample: SegDataSample, size: torch.Size) -> Tensor:
        if 'valid_mask' not in sample:
            return self.images.new_ones(size, dtype=torch.bool)
        mask = sample.valid_mask.data[0]
        height, width = mask.shape
        return F.pad(mask, (0, size[1] - width, 0, size[0] - height))  # the padding is not valid

    @property
    def origin_numbers(self) -> list[int]:
        """Which of several sources each image is from, 0 where there is one; known to the host."""
        return origins_of(self.samples)

    @cached_property
    def origins(self) -> Tensor:
        """The same on the device of the images, (N,) long."""
        # Filled, not copied: a copy from the host would wait for the device.
        made = [self.images.new_full((), n, dtype=torch.long) for n in self.origin_numbers]
        return torch.stack(made)

    def close(self) -> None:
        """Let go of the graph, keep the values: the stage's losses hold what their backward needs."""
        self.is_open = False
        self.__dict__.pop('labels', None)
        if self._dense is not None:
            self._detached, self._dense = self._dense.detach(self._keep_feats), None

    def remember(self) -> None:
        """Have the values at hand from now on, with a forward only if there was none."""
        _ = self.detached

    def forget(self) -> None:
        """Free everything: the next question costs a forward of its own."""
        self._dense = self._detached = None
        self.derived.clear()


@dataclass(eq=False)
class Step:
    """One iteration: the network and its views. The list of attributes is closed.

    There is no target where no objective has a use for one, and ``labelled``, the labelled images
    of the target, only where one has.

    ``teaching`` is what the teacher says about the target, where the model has a teacher, and
    ``look`` how target images are normalised.

    A plain object, so that it passes through a distributed wrapper as itself, not as a copy.
    """

    segmentor: EncoderDecoder
    source: View
    target: View | None
    labelled: View | None = None
    teaching: Teaching | None = None
    look: Look | None = None

    def views(self) -> dict[str, View]:
        """The views that there are, by name."""
        named = dict(source=self.source, target=self.target, labelled=self.labelled)
        return {name: view for name, view in named.items() if view is not None}

    @contextmanager
    def opened(self, views: tuple[str, ...]) -> Iterator[None]:
        """Let the objectives of one stage back-propagate through these views."""
        chosen = self._views(views)
        try:
            for view in chosen:
                view.is_open = True
            yield
        finally:
            for view in chosen:
                view.close()

    def forget(self, views: tuple[str, ...]) -> None:
        """Free the values of these views, too."""
        for view in self._views(views):
            view.forget()

    def remember(self) -> None:
        """Keep the values of both domains for the rivals, before the segmentor moves."""
        for view in filter(None, (self.source, self.target)):
            view.remember()

    def _views(self, names: tuple[str, ...]) -> list[View]:
        """The views of these names; a name that is no view (an image of its own) has none."""
        known = self.views()
        return [known[name] for name in names if name in known]


def origins_of(samples: Sequence[SegDataSample]) -> list[int]:
    """The ``source_index`` of data samples, 0 where they have none."""
    return [sample.metainfo.get('source_index', 0) for sample in samples]
