"""What stacks of pictures show of themselves: contrast, neighbours beside the particles, and dust."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[Any]

BORDER = 2
"""Width of the frame of pixels that shows the background."""
CHUNK = 256
"""Pictures treated at a time, so that temporaries stay small beside the data."""

SURE = 4.0
"""Standard errors below its border at which the mean of the pictures is darker. Of 100 simulated pictures each of six
structures, inverted ones came to 5 to 10^4 (noise as strong as the brightest pixel: 2 to 10), bright ones to none."""
MOSTLY = 0.6
"""Least share of what differs from the border, in the mean picture, that is darker. Inverted pictures came to 0.67 to 1, under
that noise to 0.59 or more; bright ones to 0.41 at most, a ring that fills its picture among them."""
FEWEST_CONTRAST = 8
"""Pictures without which contrast is not judged."""

BAND = 0.85
"""Of half a picture's side: what lies farther out belongs to its border."""
NEIGHBOUR = 0.05
"""Of a picture's light: more of it near the border than the typical picture has there is a neighbour's."""
APART = 5.0
"""Standard deviations, of the share of light near the border over the pictures, by which it must also exceed the typical."""
MANY_NEIGHBOURS = 0.1
"""Of the pictures."""

DUST = 0.99
"""Of a picture's pixels: brighter ones count no more than that one where sizes and middles are measured. A hot pixel, 20
times as bright as all others, made particles 20 to 100 % larger; so limited it does not, and clean ones stay within 2 %."""
SAMPLED = 2048
"""Pixels that this is found from."""


def looks_dark(images: Array) -> bool:
    """Whether particles are darker than the ground about them, in the mean of pictures ``[P, H, W]``.

    The border of each picture shows its ground. A ring has a dark middle, yet is brighter than the ground in the mean;
    so are particles amid noise as strong as they are, of which no single picture would show it.
    """
    if len(images) < FEWEST_CONTRAST or min(images.shape[1:]) <= 2 * BORDER:
        return False
    inner = inside(images.shape[1:])
    total, differences = np.zeros(int(inner.sum())), []
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK]
        above = chunk[:, inner].astype(np.float64) - np.median(chunk[:, ~inner], axis=1)[:, None]
        scale = np.abs(chunk).max(axis=(1, 2))[:, None]  # else one bright picture would outvote the others
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
    """Pictures ``[B, H, W]`` in which no pixel is brighter than nearly all others: hot pixels and dust weigh little."""
    pixels = images.flatten(1)
    if pixels.shape[1] > SAMPLED:
        some = np.random.default_rng(0).permutation(pixels.shape[1])[:SAMPLED]
        pixels = pixels[:, torch.from_numpy(some).to(images.device)]
    brightest = max(1, round((1 - DUST) * pixels.shape[1]))
    limit = pixels.topk(brightest, dim=1).values[:, -1]
    # Where hardly a pixel is lit, none of them is dust.
    limit = torch.where(limit > 0, limit, images.amax((1, 2)))
    return torch.minimum(images, limit[:, None, None])


def neighbour_doubt(images: Tensor) -> str | None:
    """What to say where some of the pictures ``[P, H, W]``, without background, show light at their border and most do not."""
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
        f"In {int(crowded.sum())} of {len(images)} pictures there is light at the border, as of a second particle in the "
        f"box; it is taken for a part of the structure. --crop {side} cuts the pictures to where the others have theirs, "
        "or leave these pictures out."
    )


def _outwards(height: int, width: int) -> Array:
    """How far each pixel ``[H, W]`` is from the middle towards the border, 0 to 1."""
    y, x = (np.abs(np.arange(n) - (n - 1) / 2) / (n / 2) for n in (height, width))
    outwards: Array = np.maximum(y[:, None], x[None, :])
    return outwards


def _free_side(images: Tensor, free: NDArray[np.bool_], outwards: Array) -> int:
    """Side in pixels of the square about the middle that holds 99 % of the light of the pictures without a neighbour."""
    some = np.flatnonzero(free)[:CHUNK]
    mean = without_dust(images[torch.from_numpy(some)]).mean(0).cpu().numpy().ravel()
    mean = (mean - np.median(mean[outwards.ravel() > BAND])).clip(min=0)  # noise is everywhere
    order = np.argsort(outwards.ravel())
    held = np.cumsum(mean[order]) / mean.sum()
    reach = outwards.ravel()[order][int(np.searchsorted(held, 0.99))]
    return 2 * int(np.ceil(reach * min(images.shape[1:]) / 2))
