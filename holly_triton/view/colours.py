"""Colours of spheres and of kinds, chosen to be distinguishable with any colour vision."""

import numpy as np

from holly_triton.core.types import Array

Ramp = tuple[tuple[float, float, float], ...]

BLUE: Ramp = ((0.020, 0.145, 0.380), (0.180, 0.440, 0.750), (0.740, 0.850, 0.945))
ORANGE: Ramp = ((0.700, 0.240, 0.000), (0.950, 0.500, 0.080), (0.995, 0.850, 0.660))
"""Near, middle and far: two hues that are distinguishable with any colour vision and lose saturation at the same rate."""
CATEGORIES = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#d55e00", "#cc79a7", "#0072b2")
"""Colours of kinds, distinguishable with any colour vision (Okabe & Ito 2008); their black is left out, which grey pictures hold."""
SPREAD_MAP = "viridis"
"""Perceptually uniform, with increasing lightness also in red-green colour blindness (Smith & van der Walt 2015)."""
SPREAD_QUANTILE = 0.98
"""The colours end at this quantile of the spread: otherwise a few outliers would leave all else in one colour."""


def ramp_of(colour: str) -> Ramp:
    """Near, middle and far of a colour ``#rrggbb``."""
    middle = np.array([*bytes.fromhex(colour[1:])]) / 255
    near, far = 0.72 * middle, 1 - 0.35 * (1 - middle)
    return tuple(near.tolist()), tuple(middle.tolist()), tuple(far.tolist())


def by_depth(depth: Array, ramp: Ramp) -> Array:
    """Depth ``[N]``, 0 near to 1 far, to colours ``[N, 3]`` uint8."""
    colours = [np.interp(depth, [0.0, 0.5, 1.0], channel) for channel in np.transpose(ramp)]
    return (255 * np.stack(colours, axis=1)).round().astype(np.uint8)


def by_spread(spread_nm: Array, limit_nm: float) -> Array:
    """Spread ``[N]`` nm, from 0 to the limit and beyond, to colours ``[N, 3]`` uint8."""
    from matplotlib import colormaps

    rgba = colormaps[SPREAD_MAP](np.minimum(spread_nm / limit_nm, 1.0), bytes=True)
    return np.asarray(rgba)[:, :3]


def spread_limit(spread_nm: Array) -> float:
    """Upper end of the colours, nm: about the largest spread, rounded to two digits."""
    limit = max(float(np.quantile(spread_nm, SPREAD_QUANTILE)), 1e-9)
    step = 10.0 ** (np.floor(np.log10(limit)) - 1)
    return float(np.ceil(limit / step) * step)
