"""Bias within a pixel, which shows as a checkerboard in a rendered picture: symptoms and cause, relative to the truth.

A structure has phases of its own, so that nothing is compared with a uniform distribution. With f the phase of a position
within its pixel, 0 to 1, along x or y:

- Histogram. p and q are the shares of localisations and of emitters in bin b of B = 20. The amplitude is the root of
  ``sum (p - q)² / q``, from which the part that chance adds was subtracted: the difference is a sum over pairs (and over
  localisations and emitters without a partner), so that the sum of its terms' squares estimates its variance. It is an
  effect size and does not grow with the number of emitters. ``chi2`` is Pearson's statistic over B - 1.
- Fourier. ``c_k = mean exp(2 pi i k x)`` with x in pixels and k = 1, 2, 4; reported is ``|c_k|`` less that of the truth.
- Bias curve, the cause. ``error = m + a sin(2 pi f) + b sin(4 pi f)`` is fitted to the pairs, f the true phase; reported
  is the curve from its lowest to its highest point, nm.
"""

from typing import Any, NamedTuple

import numpy as np

from holly_triton.core.types import Array, Figures
from holly_triton.frames.config.scoring import Scoring

from .intervals import intervals_of

BINS = 20
ORDERS = (1, 2, 4)
"""Multiples of the pixel's frequency: the pixel itself, halves, and quarters, the grid of networks that upsample by 4."""
FEWEST = 50
"""Pairs below which nothing is reported."""
PHASES = np.linspace(0, 1, 201)
CURVE = np.stack([np.ones_like(PHASES), np.sin(2 * np.pi * PHASES), np.sin(4 * np.pi * PHASES)])


class Positions(NamedTuple):
    """Positions in the scored field along one axis, nm: K pairs and the localisations and emitters without a partner."""

    found: Array
    true: Array
    false: Array
    missed: Array


def checkerboard(axes: dict[str, Positions], frame: Array, settings: Scoring, bound: dict[str, float]) -> Figures:
    """Bias within a pixel along each axis; an axis is None where there are fewer than 50 pairs.

    Args:
        axes: The positions, by axis.
        frame: Frame of each pair ``[K]``.
        settings: The pixel, the number of resamplings, and the seed.
        bound: Root mean square of the Cramér-Rao bound by axis, nm, where it is known.
    """
    figures = {
        axis: None if len(of.found) < FEWEST else _along(of, frame, settings, bound.get(axis))
        for axis, of in axes.items()
    }
    return {"pixel": settings.pixel_nm, **figures}


def _along(of: Positions, frame: Array, settings: Scoring, bound: float | None) -> Figures:
    pixel = settings.pixel_nm
    found, true = of.found / pixel, of.true / pixel
    error = of.found - of.true
    none = np.empty(0)
    chi2, amplitude = _histograms(found, true, none, none)
    _, amplitude_all = _histograms(found, true, of.false / pixel, of.missed / pixel)
    sums = _sums(found, true, error, frame)
    total = {name: float(value) for name, value in _fitted(sums.sum(axis=0)).items()}
    ends = intervals_of(sums, settings, _fitted)
    fourier = {f"c{k}": {"difference": total[f"c{k}"], "interval": _ends(ends, f"c{k}")} for k in ORDERS}
    bias: Figures = {"peak_to_peak": total["peak_to_peak"], "interval": _ends(ends, "peak_to_peak")}
    bias["p_value"] = _p_value(true, error)
    bias["relative_to_bound"] = total["peak_to_peak"] / bound if bound else None
    return {"chi2": chi2, "amplitude": amplitude, "amplitude_all": amplitude_all, **fourier, "bias": bias} | {
        "curve": _curve(true, error)
    }


def _ends(intervals: dict[str, tuple[float, float]], name: str) -> list[float] | None:
    return list(intervals[name]) if name in intervals else None


def _bin(positions: Array) -> Array:
    return np.asarray(np.minimum((np.mod(positions, 1) * BINS).astype(int), BINS - 1))


def _histograms(found: Array, true: Array, false: Array, missed: Array) -> tuple[float, float]:
    """Pearson's statistic over its degrees of freedom, and the effect size; positions in pixels."""
    localisations, emitters = len(found) + len(false), len(true) + len(missed)
    here, there = _bin(found), _bin(true)
    p, q = (np.bincount(np.concatenate(pair), minlength=BINS) for pair in ((here, _bin(false)), (there, _bin(missed))))
    expected = q * localisations / emitters
    chi2 = float(((p - expected)[q > 0] ** 2 / expected[q > 0]).sum() / (BINS - 1))
    share = np.maximum(q, 0.5) / emitters
    # Pairs within one bin contribute the small rest of 1 / localisations - 1 / emitters, others both terms in full.
    same = np.bincount(here[here == there], minlength=BINS)
    apart = (p - same) / localisations**2 + (q - same) / emitters**2
    chance = apart + same * (1 / localisations - 1 / emitters) ** 2
    effect = (((p / localisations - q / emitters) ** 2 - chance) / share).sum()
    return chi2, float(np.sqrt(max(0.0, effect)))


def _design(true: Array) -> Array:
    return np.stack([np.ones_like(true), np.sin(2 * np.pi * true), np.sin(4 * np.pi * true)])


def _sums(found: Array, true: Array, error: Array, frame: Array) -> Array:
    """Sums of each frame ``[F, n]`` from which all figures but the histograms follow."""
    waves = [np.exp(2j * np.pi * k * x) for x in (found, true) for k in ORDERS]
    design = _design(true)
    columns = [part for wave in waves for part in (wave.real, wave.imag)]
    columns += [first * second for first in design for second in design]
    columns += [row * error for row in design]
    frames, place = np.unique(frame, return_inverse=True)
    return np.stack([np.bincount(place, column, len(frames)) for column in columns], axis=1)


def _fitted(totals: Array) -> dict[str, Any]:
    """Fourier amplitudes less the truth's, and the bias curve's height, from totals ``[..., n]`` of ``_sums``."""
    count = 2 * len(ORDERS)
    waves = totals[..., : 2 * count].reshape(*totals.shape[:-1], 2, len(ORDERS), 2)
    normal = totals[..., 2 * count : 2 * count + 9].reshape(*totals.shape[:-1], 3, 3)
    pairs = normal[..., 0, 0]
    size = np.hypot(waves[..., 0], waves[..., 1]) / pairs[..., None, None]
    change = size[..., 0, :] - size[..., 1, :]
    fit = _solved(normal, totals[..., 2 * count + 9 :])
    height = np.ptp((fit[..., 1:] @ CURVE[1:]), axis=-1)
    return {**{f"c{k}": change[..., i] for i, k in enumerate(ORDERS)}, "peak_to_peak": height}


def _solved(normal: Array, right: Array) -> Array:
    """Least squares from the normal equations; phases that are all the same leave the curve flat, and not singular."""
    inverse = np.linalg.pinv(normal, rcond=1e-10, hermitian=True)
    return np.asarray((inverse @ right[..., None])[..., 0])


def _p_value(true: Array, error: Array) -> float:
    """Probability of a curve as high as this without any bias (Wald's test of both sines)."""
    design = _design(true)
    normal = design @ design.T
    inverse = np.linalg.pinv(normal, rcond=1e-10, hermitian=True)
    fit = inverse @ (design @ error)
    variance = float(((error - fit @ design) ** 2).sum() / max(1, len(error) - 3))
    if variance == 0:
        return 1.0 if np.allclose(fit[1:], 0) else 0.0
    statistic = float(fit[1:] @ np.linalg.pinv(inverse[1:, 1:], hermitian=True) @ fit[1:]) / variance
    return float(np.exp(-statistic / 2))  # of chi-squared with two degrees of freedom


def _curve(true: Array, error: Array) -> Figures:
    """Mean error and its standard error in each of 20 bins of the true phase, nm."""
    place = _bin(true)
    number = np.bincount(place, minlength=BINS)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(place, error, BINS) / number
        variance = np.bincount(place, error**2, BINS) / number - mean**2
        spread = np.sqrt(np.maximum(variance, 0) / (number - 1))
    return {"phase": ((np.arange(BINS) + 0.5) / BINS).tolist(), "mean": mean.tolist(), "error": spread.tolist()}
