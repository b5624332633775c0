"""Particles as pictures: each pixel is an emitter, so any grid and any extra blur are one formula."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import LongTensor, Tensor

from holly_triton.core.types import Array
from holly_triton.core.words import part_of
from holly_triton.geometry import Grid
from holly_triton.io.images.stacks import ImageStack
from holly_triton.io.tables.reading import Reading
from holly_triton.kernels.gaussians.separable import axis_gaussians, pixel_centres

from .localisations import HELD
from .own_blur import NO_BLUR, OwnBlur, own_blur, sharpened
from .picture_checks import CHUNK, inside, looks_dark, neighbour_doubt, without_dust

NOISE_FACTOR = 3.0
"""Pixels less than this many standard deviations of the frame above the background are background."""
LATTICE = 0.7
"""Sigma in pixels at which a row of Gaussians, one a pixel, is even to 0.03 %."""
BRIGHTEST = 1e30
"""A picture with more in a pixel counts as not finite: its sums would not be, in float32."""


LOOKS_DARK = (
    "shows particles that are darker than the ground about them; invert the pictures with --contrast dark (or take them "
    "as they are with --contrast bright)"
)


@dataclass(frozen=True)
class Pictures:
    """P pictures of one size. None is empty.

    Attributes:
        images: ``[P, H, W]`` float32, not normalised, never negative.
        centroids: ``[P, 2]`` (x, y) float32, pixels from the picture's centre.
        pixel_nm: Side of a pixel, nm.
        names: The pictures' own ids.
        source: The format.
        blur: What they bring along.
        notes: What was skipped and why, what was assumed.
        doubts: Those notes that make any result from the pictures doubtful.
        unfit: Why they can't be trained on as they are, if so.
        parts: ``[P, C, H, W]`` of several channels, as bright as each other in the mean, whose sum ``images`` is.
        channels: Their names.
    """

    images: Tensor
    centroids: Tensor
    pixel_nm: float
    names: list[str]
    source: str
    blur: OwnBlur = NO_BLUR
    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    unfit: str | None = None
    parts: Tensor | None = None
    channels: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def centres(self) -> Tensor:
        """Centroids ``[P, 2]`` (x, y), nm from the picture's centre."""
        return self.centroids * self.pixel_nm

    @property
    def own_blur_nm(self) -> float:
        """Standard deviation of the blur that the pictures bring along, nm: see ``own_blur``."""
        return self.blur.sigma * self.pixel_nm

    @property
    def finest_nm(self) -> float:
        """Smallest sigma that ``draw`` reaches, nm: as far as the pictures can be sharpened, and as hides their pixels."""
        unsharpened = math.hypot(self.blur.sigma, LATTICE)
        return max(LATTICE, min(unsharpened, self.blur.sharpest)) * self.pixel_nm

    @property
    def radius_nm(self) -> float:
        """Circle about the centroids that holds 99.5 % of the intensity, nm; no more than a picture shows along a side."""
        return min(self._reach_nm, max(self.images.shape[1:]) / 2 * self.pixel_nm)

    @property
    def counts(self) -> None:
        """Not known: pixels do not say how many localisations they hold."""
        return None

    @cached_property
    def _reach_nm(self) -> float:
        """The same circle, to half a pixel, though it may be larger than the picture."""
        held = torch.zeros(1, dtype=torch.float64)
        for start in range(0, len(self), CHUNK):
            images = without_dust(self.images[start : start + CHUNK])
            x, y = _positions(images, self.centroids[start : start + CHUNK])
            ring = (2 * torch.hypot(x[:, None, :], y[:, :, None])).ceil().long().cpu()
            share = (images / images.sum((1, 2), keepdim=True)).double().cpu()
            added = torch.bincount(ring.flatten(), share.flatten(), minlength=len(held))
            held = added + torch.nn.functional.pad(held, (0, len(added) - len(held)))
        inside = held.cumsum(0) / held.sum()
        return float((inside < HELD).sum()) / 2 * self.pixel_nm

    def dark_channels(self) -> list[str]:
        """Names of the channels without light."""
        if self.parts is None:
            return []
        lit = self.parts.amax((0, 2, 3)) > 0
        return [name for name, is_lit in zip(self.channels, lit.tolist(), strict=True) if not is_lit]

    def filled(self) -> list[str]:
        """What to say where light lies in the corners, too far out for a particle that the pictures hold whole."""
        if self._reach_nm <= self.radius_nm:
            return []
        return [
            f"There is light in the corners of the pictures, so the particles' size is not known: {2 * self.radius_nm:.4g} nm, "
            "a picture's side, was taken. Noise or background is left, or the pictures cut into the particles."
        ]

    @cached_property
    def gyration_nm(self) -> float:
        """Radius of gyration of the structure, 3D, nm: 3 / 2 of the mean square that pictures show, since they hide one axis of three."""
        squares = 0.0
        for start in range(0, len(self), CHUNK):
            images = without_dust(self.images[start : start + CHUNK])
            x, y = _positions(images, self.centroids[start : start + CHUNK])
            spread = (images.sum(1) * x**2).sum(1) + (images.sum(2) * y**2).sum(1)
            squares += float((spread / images.sum((1, 2))).sum())
        return float((1.5 * squares / len(self)) ** 0.5 * self.pixel_nm)

    @property
    def noun(self) -> str:
        """What one of them is called."""
        return "picture"

    def to(self, device: torch.device | str) -> "Pictures":
        """The same data on another device."""
        parts = None if self.parts is None else self.parts.to(device)
        return replace(self, images=self.images.to(device), centroids=self.centroids.to(device), parts=parts)

    def select(self, index: Tensor) -> "Pictures":
        """Some pictures ``[B]``, in the order of the index."""
        names = [self.names[picture] for picture in index.tolist()]
        parts = None if self.parts is None else self.parts[index]
        return replace(self, images=self.images[index], centroids=self.centroids[index], names=names, parts=parts)

    def draw(self, index: LongTensor | Tensor, grid: Grid, sigma_nm: float, channel: int | None = None) -> Tensor:
        """Pictures moved to their centroid, resampled onto a grid and blurred.

        A Gaussian about each input pixel separates into x and y, so a picture is two matrix products:
        ``gy.T @ image @ gx``. Intensity is conserved to 3e-4 for a sigma of at least 0.7 grid pixels, where
        the grid samples a Gaussian without aliasing. Where that would end wider than asked for, pictures are sharpened first.

        Args:
            index: ``[B]`` int64.
            grid: The picture's size and field of view.
            sigma_nm: Width that a point source ends with, nm, of which the pictures' own blur is a part; at least
                ``finest_nm``, or that is what it is.
            channel: Place of one of several channels; None draws all.

        Returns:
            ``[B, S, S]`` float32, not normalised.
        """
        images = self.images[index] if channel is None or self.parts is None else self.parts[index, channel]
        sigma = max(sigma_nm, self.finest_nm) / self.pixel_nm
        added = math.sqrt(max(LATTICE**2, sigma**2 - self.blur.sigma**2))
        left = math.sqrt(sigma**2 - added**2)
        if left < self.blur.sigma:
            images = sharpened(images, self.blur, left)
        x, y = (
            _gaussians(p * self.pixel_nm, grid, added * self.pixel_nm)
            for p in _positions(images, self.centroids[index])
        )
        return (y.transpose(1, 2) @ images @ x).clamp_min(0)

    def summary(self) -> dict[str, str]:
        """Rows of the ``info`` screen."""
        height, width = self.images.shape[1:]
        return {
            "format": self.source,
            "pictures": f"{len(self)} of {width} x {height} px",
            "emitters per particle": "unknown: pixels, not positions",
            "pixel size": f"{self.pixel_nm:.6g} nm",
            "extent": f"{2 * self.radius_nm:.4g} nm across",
            "own blur": f"{self.own_blur_nm:.3g} nm (standard deviation), {self.finest_nm:.3g} nm where sharpened"
            if self.blur.sigma
            else "hidden by noise",
            "localisation precision": "not stated",
            "photons": "not stated",
            "third dimension": "no",
            **({"channels": ", ".join(self.channels)} if self.channels else {}),
            "notes": " ".join(self.notes) or "nothing was skipped",
        }


def read_pictures(path: Path, reading: Reading, read: Callable[[Path, Reading], ImageStack]) -> Pictures:
    """Pictures of a file or a folder of pixels.

    Args:
        path: As ``read`` takes it.
        reading: What the user says of it.
        read: Of the format.

    Raises:
        HollyError: what ``read`` raises.
    """
    stack = read(path, reading)
    return pictures_from_pixels(
        stack.images, stack.names, stack.pixel_nm, source=stack.source, notes=stack.notes,
        background=reading.background, contrast=reading.contrast, channels=stack.channels,
    )  # fmt: skip


def pictures_from_pixels(
    images: Array,
    names: Sequence[str],
    pixel_nm: float,
    *,
    source: str,
    notes: Sequence[str] = (),
    background: str = "subtract",
    contrast: str | None = None,
    channels: tuple[str, ...] = (),
) -> Pictures:
    """Pictures from raw pixels: background subtracted or kept, pictures without light skipped, and the notes say so.

    Args:
        images: ``[P, H, W]`` float32, or ``[P, C, H, W]`` of several channels; changed in place, since it may be most of the memory.
        names: ``[P]``.
        pixel_nm: Side of a pixel, nm.
        source: The format.
        notes: What the reader already has to say.
        background: ``"subtract"`` or ``"keep"``. Light is never negative: what is below 0 becomes 0 either way.
        contrast: ``"dark"`` inverts the pictures, ``"bright"`` takes them as they are; if None they are taken as they are
            and, where they look dark, ``unfit`` says so.
        channels: Names of the C channels.
    """
    notes, pixels_of = [*notes], tuple(range(1, images.ndim))
    # NaN is the maximum where there is one, and below nothing.
    usable = (images.max(axis=(-2, -1)) < BRIGHTEST) & (images.min(axis=(-2, -1)) > -BRIGHTEST)
    usable = usable.reshape(len(images), max(1, len(channels)))
    lost = (name for name, some in zip(channels, usable.any(axis=0), strict=False) if not some)
    notes.extend(f"No picture of channel {name} is finite; read another one with --channel." for name in lost)
    finite: Array = np.asarray(usable.all(axis=1))
    if not finite.all():
        notes.append(
            part_of(int((~finite).sum()), len(images), "picture", "{hold} NaN or infinity and {were} skipped.")
        )
    images, names = _keep(finite, images, names)
    each = images.reshape(-1, *images.shape[-2:])  # every picture of every channel, in the same memory
    dark = looks_dark(each)
    if contrast == "dark":
        np.subtract(each.max(axis=(1, 2), keepdims=True), each, out=each)
        notes.append("The pictures were inverted (--contrast dark).")
    if background == "keep":
        negative = int((images.min(axis=pixels_of) < 0).sum())
        np.maximum(images, 0, out=images)
        said = "Background was kept in the pictures."
        said += f" Pixels below 0, in {negative} of them, count as 0." if negative else ""
    else:
        for chunk in np.split(each, range(CHUNK, len(each), CHUNK)):
            _subtract_background(chunk)
        said = "Background (median of each picture's border) was subtracted; noise below 3 sigma of it is 0."
    lit: Array = np.asarray(images.max(axis=pixels_of) > images.min(axis=pixels_of))
    if not lit.all():
        notes.append(part_of(int((~lit).sum()), len(images), "picture", "{show} no light and {were} skipped."))
    images, names = _keep(lit, images, names)
    notes.append(said)
    parts = torch.from_numpy(images) if channels else None
    if parts is not None:
        factors = zip(channels, _even(parts), strict=True)
        told = ", ".join(f"{name} by {factor:.3g}" for name, factor in factors)
        notes.append(f"Channels were multiplied to be as bright as each other in the mean: {told}.")
    pixels = torch.from_numpy(images) if parts is None else parts.sum(1)
    blur = own_blur(pixels) if len(pixels) else NO_BLUR
    data = Pictures(pixels, _centroids(pixels), pixel_nm, [*names], source, blur, notes, parts=parts, channels=channels)
    if contrast is None and dark:
        return replace(data, unfit=LOOKS_DARK)
    if len(data):
        data.notes.extend(f"There is no light in channel {name}." for name in data.dark_channels())
        if contrast == "dark" and not dark:
            data.doubts.append("The pictures were inverted (--contrast dark), though they look bright as they are.")
        if found := neighbour_doubt(pixels):
            data.doubts.append(found)
        data.notes.extend(data.doubts)
        data.notes.extend(data.filled())
        if blur.sigma:
            data.notes.append(
                f"The pictures' own blur, {blur.sigma * pixel_nm:.3g} nm (standard deviation), was measured from their power "
                "spectrum; it is not part of the label scatter."
            )
    return data


def _even(parts: Tensor) -> list[float]:
    """Make each channel of pictures ``[P, C, H, W]`` as bright in the mean as the brightest, by these factors: dyes and cameras differ."""
    light = parts.sum((0, 2, 3), dtype=torch.float64)
    factor = torch.where(light > 0, light.max() / light, 1.0)
    parts.mul_(factor.to(parts.dtype)[:, None, None])
    return [float(one) for one in factor]


def _keep(chosen: Array, images: Array, names: Sequence[str]) -> tuple[Array, Sequence[str]]:
    if chosen.all():
        return images, names  # no copy of what may be most of the memory
    return images[chosen], [names[int(picture)] for picture in np.flatnonzero(chosen)]


def _subtract_background(images: Array) -> None:
    """Subtract each picture's background in place; what does not stand out from the noise becomes 0."""
    frame = images[:, ~inside(images.shape[1:])]
    background = np.median(frame, axis=1)
    # Median absolute deviation: a structure that touches the frame must not count as noise.
    noise = 1.4826 * np.median(np.abs(frame - background[:, None]), axis=1)
    images -= background[:, None, None]
    images[images <= NOISE_FACTOR * noise[:, None, None]] = 0


def _positions(images: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
    """Where the columns ``[B, W]`` and rows ``[B, H]`` of pictures lie, pixels from their centroids."""
    height, width = images.shape[1:]
    columns, rows = pixel_centres(width, images), pixel_centres(height, images)
    return columns - centroids[:, :1], rows - centroids[:, 1:]


def _centroids(images: Tensor) -> Tensor:
    """Centroids ``[P, 2]`` (x, y), pixels from the picture's centre."""
    x, y = _positions(images, torch.zeros(1, 2))
    found = torch.zeros(len(images), 2)
    for start in range(0, len(images), CHUNK):
        chunk = without_dust(images[start : start + CHUNK]).double()
        columns, rows = chunk.sum(1), chunk.sum(2)
        moments = torch.stack([(columns * x).sum(1), (rows * y).sum(1)], dim=1)
        found[start : start + CHUNK] = moments / columns.sum(1, keepdim=True)
    return found


def _gaussians(positions_nm: Tensor, grid: Grid, sigma_nm: float) -> Tensor:
    """Gaussians of integral 1 about positions ``[B, n]`` along one axis of the grid: ``[B, n, S]``."""
    positions = grid.to_pixels(positions_nm)
    sigma = positions.new_full((), grid.to_pixels(sigma_nm))
    peak = 1 / (sigma * (2 * torch.pi) ** 0.5)
    return axis_gaussians(positions, sigma, pixel_centres(grid.size, positions)).mul_(peak)
