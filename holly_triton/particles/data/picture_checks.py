"""Checks of stacks of pictures: contrast, neighbouring particles, and hot pixels."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from holly_triton.core.types import Array
from holly_triton.core.words import counted

BORDER = 2
"""Width, in pixels, of the border from which the background is estimated."""
CHUNK = 256
"""Pictures treated at a time, so that temporaries stay small beside the data."""

SURE = 4.0
"""Standard errors by which the mean of the pictures must be below that of the border to count as darker. For 100 simulated
pictures of each of six structures, inverted ones reached 5 to 10^4 (with noise as strong as the brightest pixel, 2 to 10),
bright ones none."""
MOSTLY = 0.6
"""Least share of the difference from the border, in the mean picture, that is darker. Inverted pictures reached 0.67 to 1,
with that noise 0.59 or more; bright ones at most 0.41, including a ring that fills its picture."""
FEWEST_CONTRAST = 8
"""Least number of pictures for which the contrast is tested."""

BAND = 0.85
"""Start of the border, as a fraction of half a picture's side."""
NEIGHBOUR = 0.05
"""Share of a picture's light near the border, in excess of that of the typical picture, above which it is taken to come from
a neighbour."""
APART = 5.0
"""Standard deviations over the pictures by which the share of light near the border must also exceed the typical share."""
MANY_NEIGHBOURS = 0.1
"""Least share of the pictures with such a neighbour that is reported."""

DUST = 0.99
"""Quantile of a picture's pixels to which hot pixels are clipped where sizes and centroids are measured."""
HOT = 3.0
"""Times its brightest neighbour above which a pixel is hot. A hot pixel, 20 times as bright as all others, made particles 20
to 100 % larger before."""
SAMPLED = 2048
"""Pixels from which the quantile is computed."""


def looks_dark(images: Array) -> bool:
    """Whether particles are darker than their background, in the mean of pictures ``[P, H, W]``.

    The background is taken from the border of each picture. A ring has a dark centre, yet in the mean it is brighter than
    the background; so are particles in noise as strong as their signal, where no single picture would show it.
    """
    if len(images) < FEWEST_CONTRAST or min(images.shape[1:]) <= 2 * BORDER:
        return False
    inner = inside(images.shape[1:])
    total, differences = np.zeros(int(inner.sum())), []
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK]
        above = chunk[:, inner].astype(np.float64) - np.median(chunk[:, ~inner], axis=1)[:, None]
        scale = np.abs(chunk).max(axis=(1, 2))[:, None]  # otherwise one bright picture would dominate the mean
        above = np.divide(above, scale, out=np.zeros_like(above), where=scale > 0)
        total += above.sum(axis=0)
        differences.append(above.mean(axis=1))
    each = np.concatenate(differences)
    error = each.std() / np.sqrt(len(each))
    darker, differing = -total[total < 0].sum(), np.abs(total).sum()
    return bool(each.mean() < -SURE * error and darker > MOSTLY * differing)


def inside(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The pixels ``[H, W]`` of a picture that are not of its border."""
    inner = np.zeros(shape, dtype=bool)
    inner[BORDER:-BORDER, BORDER:-BORDER] = True
    return inner


def without_dust(images: Tensor) -> Tensor:
    """Pictures ``[B, H, W]`` with clipped hot pixels: those far above all their neighbours and among the brightest.

    No point source has them: the neighbours of a Gaussian's peak hold a third of it even at a sigma of 0.7 pixel.
    """
    pixels = images.flatten(1)
    if pixels.shape[1] > SAMPLED:
        some = np.random.default_rng(0).permutation(pixels.shape[1])[:SAMPLED]
        pixels = pixels[:, torch.from_numpy(some).to(images.device)]
    brightest = max(1, round((1 - DUST) * pixels.shape[1]))
    limit = pixels.topk(brightest, dim=1).values[:, -1]
    # With very few bright pixels, none of them is taken for dust.
    limit = torch.where(limit > 0, limit, images.amax((1, 2)))
    return torch.minimum(images, torch.maximum(limit[:, None, None], HOT * _brightest_neighbour(images)))


def _brightest_neighbour(images: Tensor) -> Tensor:
    """Of each pixel of pictures ``[B, H, W]`` the largest value among the 8 around it; there are zeros beyond the border."""
    height, width = images.shape[1:]
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1))
    shifts = [(row, column) for row in range(3) for column in range(3) if (row, column) != (1, 1)]
    largest = torch.zeros_like(images)
    for row, column in shifts:
        torch.maximum(largest, padded[:, row : row + height, column : column + width], out=largest)
    return largest


def neighbour_doubt(images: Tensor) -> str | None:
    """A sentence where some of the background-free pictures ``[P, H, W]`` have light at their border and most do not; else None."""
    height, width = images.shape[1:]
    outwards = _outwards(height, width)
    near_border = torch.from_numpy(outwards > BAND).to(images.device)
    shares = []
    for start in range(0, len(images), CHUNK):
        chunk = without_dust(images[start : start + CHUNK])
        shares.append((chunk[:, near_border].sum(1) / chunk.sum((1, 2))).cpu())
    share = torch.cat(shares).numpy()
    typical = float(np.median(share))
    spread = 1.4826 * float(np.median(np.abs(share - typical)))
    crowded = share > typical + max(NEIGHBOUR, APART * spread)
    if crowded.mean() < MANY_NEIGHBOURS:
        return None
    side = _free_side(images, ~crowded, outwards)
    return (
        f"In {int(crowded.sum())} of {counted(len(images), 'picture')} there is light at the border, as from a second particle in the "
        f"box; it is treated as part of the structure. --crop {side} crops the pictures to the extent of the others, "
        "or leave these pictures out."
    )


def _outwards(height: int, width: int) -> Array:
    """Distance of each pixel ``[H, W]`` from the centre, as a fraction of that of the border, 0 to 1."""
    y, x = (np.abs(np.arange(n) - (n - 1) / 2) / (n / 2) for n in (height, width))
    outwards: Array = np.maximum(y[:, None], x[None, :])
    return outwards


def _free_side(images: Tensor, free: NDArray[np.bool_], outwards: Array) -> int:
    """Side in pixels of the square about the centre that holds 99 % of the light of the pictures without a neighbour."""
    some = np.flatnonzero(free)[:CHUNK]
    mean = without_dust(images[torch.from_numpy(some)]).mean(0).cpu().numpy().ravel()
    mean = (mean - np.median(mean[outwards.ravel() > BAND])).clip(min=0)  # noise is everywhere
    order = np.argsort(outwards.ravel())
    held = np.cumsum(mean[order]) / mean.sum()
    reach = outwards.ravel()[order][int(np.searchsorted(held, 0.99))]
    return 2 * int(np.ceil(reach * min(images.shape[1:]) / 2))
