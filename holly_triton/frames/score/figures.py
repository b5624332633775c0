"""The figures of the SMLM challenge 2016 from what was matched in each frame (Sage et al. 2019; its ``loc_metrics``).

With TP matched, FN missed and FP false: Jaccard index JI = TP / (TP + FN + FP), recall TP / (TP + FN), precision
TP / (TP + FP), F1 = 2 TP / (2 TP + FN + FP). The RMSE is the root of the mean squared distance of the pairs, which no
number of dimensions divides: lateral dx² + dy², axial dz², volume their sum. The efficiency is

    1 - sqrt((1 - JI)² + (alpha RMSE / 100)²),    alpha 1/nm laterally and 0.5/nm axially,

and that in 3D the mean of both, as DECODE (Speiser et al. 2021) and LUENN report it. It may be negative.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from holly_triton.core.types import Array, Figures
from holly_triton.frames.config.scoring import Scoring

from .against_z import AgainstZ
from .matching import Pairs

COUNTED = ("matched", "missed", "false")


class PerFrame(NamedTuple):
    """What was counted and summed in each of F frames that hold an emitter or a localisation."""

    frame: Array
    """Their numbers ``[F]``, ascending."""
    sums: Array
    """``[F, 5]``: matched, missed, false, and the sums of the squared lateral and axial errors, nm²."""


@dataclass(frozen=True)
class Score:
    """Localisations compared with the truth; lengths in nm, shares and efficiencies as fractions, NaN where undefined.

    Attributes:
        settings: How they were compared.
        dimensions: 3, or 2 where z was left out.
        emitters: Emitters in the scored field, without those set aside.
        localisations: Localisations in the scored field.
        set_aside: Emitters that are too dim to be scored.
        on_dim: Localisations that were matched with these, and count neither as right nor as false.
        at_border: Emitters, and localisations, that were left out near the border or outside of the field.
        main: The figures of ``main_figures``, by name.
        mean_error: Mean of localisation minus emitter along x, y and z.
        mean_absolute: Mean of the sum of absolute errors: lateral, axial, volume (the challenge's MAD).
        photon_correlation: Pearson's correlation of the photons of the pairs.
        photon_ratio: Median ratio of photons found and true.
        against_z: Figures as a function of the emitter's z; None in 2D.
        pull: Errors in units of the stated uncertainties, as ``calibration.pull_of`` gives them; None without any.
        bound: Errors in units of the Cramér-Rao bound, as ``calibration.bound_of`` gives them; None where none was given.
        checkerboard: Bias within a pixel along x and y, as ``checkerboard.checkerboard`` gives it.
        intervals: 95 % intervals over the frames of the figures in ``main``; empty where they were not asked for.
        pairs: The scored pairs, as rows of the two tables.
        errors: Localisation minus emitter ``[K, 3]``; z is NaN in 2D.
        limits: The Cramér-Rao bounds of these pairs as standard deviations ``[K, 3]``, nm; None where they are not known.
        per_frame: Counts and sums of each frame, for comparisons of two tables.
    """

    settings: Scoring
    dimensions: int
    emitters: int
    localisations: int
    set_aside: int
    on_dim: int
    at_border: tuple[int, int]
    main: dict[str, float]
    mean_error: tuple[float, float, float]
    mean_absolute: tuple[float, float, float]
    photon_correlation: float
    photon_ratio: float
    against_z: AgainstZ | None
    pull: Figures | None
    bound: Figures | None
    checkerboard: Figures
    intervals: dict[str, tuple[float, float]]
    pairs: Pairs = field(repr=False)
    errors: Array = field(repr=False)
    per_frame: PerFrame = field(repr=False)
    limits: Array | None = field(repr=False, default=None)

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of matched and missed emitters, and of false localisations."""
        return dict(zip(COUNTED, self.per_frame.sums[:, : len(COUNTED)].sum(axis=0).astype(int).tolist(), strict=True))

    def figures(self) -> Figures:
        """All figures, as JSON has them."""
        lateral, axial, volume = self.mean_absolute
        return {
            **self.main,
            **self.counts,
            "emitters": self.emitters,
            "localisations": self.localisations,
            "set_aside": self.set_aside,
            "matched_to_set_aside": self.on_dim,
            "emitters_at_border": self.at_border[0],
            "localisations_at_border": self.at_border[1],
            "frames": len(self.per_frame.frame),
            "dimensions": self.dimensions,
            "mean_error": dict(zip("xyz", self.mean_error, strict=True)),
            "mad_lateral": lateral,
            "mad_axial": axial,
            "mad_volume": volume,
            "photon_correlation": self.photon_correlation,
            "photon_ratio": self.photon_ratio,
            "intervals": {name: list(interval) for name, interval in self.intervals.items()},
            "against_z": None if self.against_z is None else self.against_z.figures(),
            "pull": self.pull,
            "bound": self.bound,
            "checkerboard": self.checkerboard,
            "settings": self.settings.table(),
            "unit": "nm",
        }


def main_figures(sums: Array, settings: Scoring, *, flat: bool) -> dict[str, Array]:
    """The figures of the challenge from sums over frames, NaN where they are undefined.

    Args:
        sums: ``[..., 5]`` as in ``PerFrame``, summed over frames; any leading shape, which each figure takes.
        settings: The two alphas.
        flat: Whether the data are 2D: axial and volume figures are NaN.
    """
    matched, missed, false, lateral, axial = np.moveaxis(np.asarray(sums, dtype=np.float64), -1, 0)
    if flat:
        axial = np.full_like(lateral, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        jaccard = matched / (matched + missed + false)
        rmse = {"lateral": np.sqrt(lateral / matched), "axial": np.sqrt(axial / matched)}
        efficiency = {
            "lateral": efficiency_of(jaccard, settings.lateral_per_nm * rmse["lateral"]),
            "axial": efficiency_of(jaccard, settings.axial_per_nm * rmse["axial"]),
        }
        return {
            "jaccard": jaccard,
            "recall": matched / (matched + missed),
            "precision": matched / (matched + false),
            "f1": 2 * matched / (2 * matched + missed + false),
            "rmse_lateral": rmse["lateral"],
            "rmse_axial": rmse["axial"],
            "rmse_volume": np.sqrt((lateral + axial) / matched),
            "efficiency_lateral": efficiency["lateral"],
            "efficiency_axial": efficiency["axial"],
            "efficiency_3d": (efficiency["lateral"] + efficiency["axial"]) / 2,
        }


def efficiency_of(jaccard: Array, cost: Array) -> Array:
    """Efficiency as a fraction, from the Jaccard index and the cost of the error in per cent."""
    return np.asarray(1 - np.sqrt((1 - jaccard) ** 2 + (cost / 100) ** 2))


def sums_per_frame(emitters: Array, found: Array, localisations: Array, wrong: Array, squares: Array) -> PerFrame:
    """Counts and sums of each frame.

    Args:
        emitters: Frame of each scored emitter ``[T]``.
        found: Which of them were matched ``[T]``.
        localisations: Frame of each localisation in the field ``[L]``.
        wrong: Which of them are false ``[L]``.
        squares: Squared lateral and axial error of each matched emitter ``[found.sum(), 2]``, in the order of ``emitters``.
    """
    frame, place = np.unique(np.concatenate([emitters, localisations]), return_inverse=True)
    of_emitters, of_localisations = place[: len(emitters)], place[len(emitters) :]

    def total(places: Array, weights: Any = None) -> Array:
        return np.bincount(places, weights, minlength=len(frame))

    at = of_emitters[found]
    columns = [total(at), total(of_emitters[~found]), total(of_localisations[wrong])]
    columns += [total(at, squares[:, 0]), total(at, squares[:, 1])]
    return PerFrame(frame, np.stack(columns, axis=1).astype(np.float64))
