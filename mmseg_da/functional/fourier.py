"""The colour and light of one image on the content of another, by its low frequencies."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mmseg_da.functional.precision import full_precision, no_autocast

SWAP_WINDOWS = ('symmetric', 'legacy')
_FEW = 0.035  # of the mean side, the radius up to which they are faster: benchmarks/fourier.py


def swap_low_frequencies(
    source: Tensor,
    target: Tensor,
    beta: float,
    window: str = 'symmetric',
    radius: int | None = None,
    clip: bool = False,
) -> Tensor:
    """Give source images the low-frequency amplitudes of target images (FDA).

    Yang and Soatto, "FDA: Fourier Domain Adaptation for Semantic Segmentation", CVPR 2020: with
    amplitudes A and phases p of each channel's Fourier transform F, and a window M around the zero
    frequency, the result is the real part of ``F^-1((M A_target + (1 - M) A_source) exp(i p_source))``.

    Args:
        source: Pixels (N, C, H, W) in [0, 255], not normalised: see the note.
        target: Pixels of the same shape and range, image by image the model of the look.
        beta: Half the side of the window as a share of the images' shorter side, in [0, 0.5); its
            ``floor(min(H, W) * beta)`` is the radius b.
        window: ``'symmetric'`` swaps the frequencies -b to b of both axes, ``(2b + 1)^2`` of them;
            with b = 0 the mean colour alone. ``'legacy'`` swaps -b to b - 1, as the released training
            code does; with b = 0 nothing.
        radius: b itself, instead of ``beta``.
        clip: Cut the result to [0, 255].

    Returns:
        Pixels (N, C, H, W) in float32, or float64 if the source is. May leave [0, 255] unless clipped.

    Raises:
        ValueError: The shapes differ, ``beta`` or ``radius`` is out of range, or ``window`` unknown.

    Note:
        After the mean of a data set is subtracted, the zero frequency of an image can be negative. Its
        sign is phase, so that the swap would mirror the brightness instead of copying it.
    """
    if source.shape != target.shape:
        raise ValueError(f'source {tuple(source.shape)} and target {tuple(target.shape)} differ')
    side = min(source.shape[-2:])
    radius = window_radius(side, beta) if radius is None else radius
    if not 0 <= 2 * radius < side:
        raise ValueError(f'radius={radius} is not in [0, {side} / 2), half the shorter side')
    partial = few_are_faster(source.shape[-2:], radius)
    swapped = swap_window(source, target, radius, window, partial)
    return swapped.clamp(0, 255) if clip else swapped


def window_radius(side: int, beta: float) -> int:
    """The radius b of a window that is a share ``beta``, in [0, 0.5), of the shorter side.

    Raises:
        ValueError: ``beta`` is out of range.
    """
    if not 0 <= beta < 0.5:
        raise ValueError(f'beta={beta} is not in [0, 0.5)')
    return math.floor(side * beta)


def few_are_faster(size: Sequence[int], radius: int) -> bool:
    """Whether to transform the window's frequencies alone, by images' height and width.

    Those cost more the more there are, an FFT of all does not.
    """
    return radius <= _FEW * math.sqrt(size[0] * size[1])


def swap_window(source: Tensor, target: Tensor, radius: int, window: str, partial: bool) -> Tensor:
    """Swap the amplitudes in a window, as :func:`swap_low_frequencies`, by one of two ways.

    The rest of the spectrum stays, so that the result is the source plus the inverse transform of
    the window's change alone.

    Args:
        source: Pixels (N, C, H, W).
        target: The same.
        radius: b, less than half the shorter side.
        window: One of ``SWAP_WINDOWS``.
        partial: Transform the window's frequencies alone, by two products of matrices, instead of
            all frequencies by an FFT. The results are equal but for rounding.

    Raises:
        ValueError: ``window`` is unknown.
    """
    transform, invert = (_some, _from_some) if partial else (_all, _from_all)
    with no_autocast(source):
        source = full_precision(source)
        ours = transform(source, radius)
        amplitudes = transform(target.to(source), radius).abs()
        phases = torch.polar(torch.ones_like(amplitudes), ours.angle())
        change = (amplitudes - ours.abs()) * window_weights(radius, window, amplitudes) * phases
        return source + invert(change, source)


def window_weights(radius: int, window: str, like: Tensor) -> Tensor:
    """How far frequencies are swapped: rows -b to b, columns 0 to b, of the type of ``like``.

    An image is real: frequency -k holds the conjugate of k. At its border the legacy window holds
    only one of the two. The real part of the inverse transform is then that of both, swapped by half.

    Raises:
        ValueError: ``window`` is unknown.
    """
    if window not in SWAP_WINDOWS:
        raise ValueError(f'window={window!r} is none of {list(SWAP_WINDOWS)}')
    end = radius if window == 'legacy' else radius + 1
    rows, columns = _rows(radius, like)[:, None], torch.arange(radius + 1, device=like.device)

    def holds(row: Tensor, column: Tensor) -> Tensor:
        return ((-radius <= row) & (row < end) & (-radius <= column) & (column < end)).to(like)

    return (holds(rows, columns) + holds(-rows, -columns)) / 2


def _rows(radius: int, like: Tensor) -> Tensor:
    return torch.arange(-radius, radius + 1, device=like.device)


def _all(images: Tensor, radius: int) -> Tensor:
    """Rows -b to b and columns 0 to b of the spectra of images (N, C, H, W), by an FFT.

    They are few and hold sums over all pixels, hence double precision.
    """
    return torch.fft.rfft2(images)[..., _rows(radius, images), : radius + 1].to(torch.complex128)


def _from_all(change: Tensor, like: Tensor) -> Tensor:
    """Images such as ``like`` whose spectra hold these rows and columns, their mirror, and no more."""
    size = like.shape[-2:]
    spectra = torch.view_as_complex(like.new_zeros(*like.shape[:-1], size[1] // 2 + 1, 2))
    radius = change.shape[-1] - 1
    spectra[..., _rows(radius, like), : radius + 1] = change.to(spectra)
    return torch.fft.irfft2(spectra, size)


def _some(images: Tensor, radius: int) -> Tensor:
    """The same as :func:`_all`, of these frequencies alone."""
    down, across = _waves(images, radius)
    real, imaginary = (images @ _stacked(across).to(images).T).double().chunk(2, dim=-1)
    return down.conj() @ torch.complex(real, -imaginary)


def _from_some(change: Tensor, like: Tensor) -> Tensor:
    """The same as :func:`_from_all`, of these frequencies alone."""
    down, across = _waves(like, change.shape[-1] - 1)
    columns = down.T @ change / like[0, 0].numel()
    columns[..., 1:] *= 2  # their mirror
    parts = torch.cat([columns.real, -columns.imag], dim=-1)
    return parts.to(like) @ _stacked(across).to(like)


def _stacked(waves: Tensor) -> Tensor:
    return torch.cat([waves.real, waves.imag])


def _waves(images: Tensor, radius: int) -> tuple[Tensor, Tensor]:
    """``exp(2 pi i k n / length)`` (frequencies, length) of rows -b to b, of columns 0 to b."""
    rows = _rows(radius, images)
    height, width = images.shape[-2:]
    return _wave(rows, height), _wave(rows[radius:], width)


def _wave(frequencies: Tensor, length: int) -> Tensor:
    positions = torch.arange(length, device=frequencies.device)
    turns = frequencies[:, None] * positions % length  # a whole turn more would cost precision
    angles = turns.double() * (2 * math.pi / length)
    return torch.polar(torch.ones_like(angles), angles)
