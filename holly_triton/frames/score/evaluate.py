"""All figures of a table of localisations against the truth."""

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array, Figures
from holly_triton.frames.config.scoring import Scoring

from .against_z import against_z
from .calibration import bound_of, pull_of
from .checkerboard import Positions, checkerboard
from .figures import PerFrame, Score, main_figures, sums_per_frame
from .intervals import intervals_of
from .matching import Pairs, in_field, match, neighbour_nm

AXES = "xyz"
FEWEST_EQUAL = 10
"""Localisations that all have one z, where the emitters differ in theirs, are of a 2D method."""


def is_flat(localisations: Array, truth: Array) -> bool:
    """Whether there is nothing to compare along z: a table has none, or the same value throughout as 2D methods write."""
    found, true = (table["z"][np.isfinite(table["z"])] for table in (localisations, truth))
    if len(true) == 0 or (len(localisations) > 0 and len(found) == 0):
        return True
    return len(found) >= FEWEST_EQUAL and np.ptp(found) == 0 and np.ptp(true) > 0


def evaluate(
    localisations: Array,
    truth: Array,
    settings: Scoring | None = None,
    *,
    flat: bool | None = None,
    deviations: Array | None = None,
) -> Score:
    """Compare localisations with the truth as the SMLM challenge 2016 does, and beyond.

    The border is left out on both sides; what remains is matched greedily within the cylinder, dim emitters included;
    these then count neither as missed nor as found, nor do localisations matched with them count as false.

    Args:
        localisations: Table of ``localisations.KIND`` ``[L]``; rows without a position are left out, and one without a z
            is false where there are three dimensions.
        truth: Table of the same kind ``[T]``; photons may be NaN where none are set aside as dim.
        settings: The field, the border, the tolerances and the like; None takes the challenge's.
        flat: Whether z is left out; None decides by ``is_flat``.
        deviations: The Cramér-Rao bound of each emitter of the truth, ``[T, 3 or more]``: standard deviations along x, y
            and z, nm.

    Raises:
        HollyError: Emitters are to be set aside as dim, and the truth states no photons.
    """
    settings = settings or Scoring()
    flat = is_flat(localisations, truth) if flat is None else flat
    field = settings.width_nm, settings.height_nm, settings.border_nm
    inside, there = in_field(localisations, *field), in_field(truth, *field)
    near = localisations[inside]
    emitters = truth[there]
    pairs = match(near, emitters, lateral_nm=settings.lateral_nm, axial_nm=settings.axial_nm, flat=flat)
    bright = _bright(emitters, settings.dim_quantile)
    scored = bright[pairs.emitter]
    right = Pairs(pairs.localisation[scored], pairs.emitter[scored])
    errors = np.stack([near[axis][right.localisation] - emitters[axis][right.emitter] for axis in AXES], axis=1)
    if flat:
        errors[:, 2] = np.nan
    per_frame = _per_frame(near, emitters, bright, pairs, right, errors)
    place = np.flatnonzero(inside)[right.localisation], np.flatnonzero(there)[right.emitter]
    bound = None if deviations is None else _bound(errors, deviations[place[1]], truth, place[1], settings)
    found = np.zeros(len(emitters), bool)
    found[right.emitter] = True
    photons = near["photons"][right.localisation], emitters["photons"][right.emitter]
    return Score(
        settings=settings,
        dimensions=2 if flat else 3,
        emitters=int(bright.sum()),
        localisations=len(near),
        set_aside=int((~bright).sum()),
        on_dim=len(pairs.emitter) - len(right.emitter),
        at_border=(len(truth) - len(emitters), len(localisations) - len(near)),
        main=_floats(main_figures(per_frame.sums.sum(axis=0), settings, flat=flat)),
        mean_error=_mean(errors),
        mean_absolute=_mean_absolute(errors),
        photon_correlation=_correlation(*photons),
        photon_ratio=_ratio(*photons),
        against_z=None if flat else against_z(emitters["z"][bright], found[bright], errors),
        pull=pull_of(errors, np.stack([near[f"sigma_{axis}"][right.localisation] for axis in AXES], axis=1)),
        bound=bound,
        checkerboard=_checkerboard(near, emitters[bright], pairs, right, emitters, found[bright], settings, bound),
        intervals=intervals_of(per_frame.sums, settings, lambda sums: main_figures(sums, settings, flat=flat)),
        pairs=Pairs(*place),
        errors=errors,
        per_frame=per_frame,
        limits=None if deviations is None else deviations[place[1], :3],
    )


def _bright(emitters: Array, quantile: float) -> Array:
    """Which emitters ``[T]`` are scored: those above the quantile of all in the field, rounded down to whole photons."""
    if quantile == 0 or len(emitters) == 0:
        return np.ones(len(emitters), bool)
    photons = emitters["photons"]
    if not np.isfinite(photons).all():
        raise HollyError(
            "the truth states no photons, so that no emitters can be set aside as dim; leave --dim-quantile out"
        )
    return np.asarray(photons > np.floor(np.quantile(photons, quantile, method="hazen")))  # as MATLAB's quantile


def _per_frame(near: Array, emitters: Array, bright: Array, pairs: Pairs, right: Pairs, errors: Array) -> PerFrame:
    found = np.zeros(len(emitters), bool)
    found[right.emitter] = True
    wrong = np.ones(len(near), bool)
    wrong[pairs.localisation] = False
    squares = np.stack([(errors[:, :2] ** 2).sum(axis=1), np.nan_to_num(errors[:, 2]) ** 2], axis=1)
    return sums_per_frame(emitters["frame"][bright], found[bright], near["frame"], wrong, squares)


def _bound(errors: Array, deviations: Array, truth: Array, emitter: Array, settings: Scoring) -> Figures:
    placed = np.isfinite(truth["x"]) & np.isfinite(truth["y"])
    lone = np.zeros(len(truth), bool)
    lone[placed] = neighbour_nm(truth[placed]) > settings.isolated_nm
    return bound_of(errors, deviations[:, :3], lone[emitter])


def _checkerboard(
    near: Array, scored: Array, pairs: Pairs, right: Pairs, emitters: Array, found: Array, settings: Scoring,
    bound: Figures | None,
) -> Figures:  # fmt: skip
    wrong = np.ones(len(near), bool)
    wrong[pairs.localisation] = False
    axes = {
        axis: Positions(
            near[axis][right.localisation], emitters[axis][right.emitter], near[axis][wrong], scored[axis][~found]
        )
        for axis in "xy"
    }
    return checkerboard(axes, emitters["frame"][right.emitter], settings, bound["all"]["bound"] if bound else {})


def _floats(figures: dict[str, Array]) -> dict[str, float]:
    return {name: float(value) for name, value in figures.items()}


def _mean(errors: Array) -> tuple[float, float, float]:
    if len(errors) == 0:
        return (float("nan"),) * 3
    x, y, z = errors.mean(axis=0).tolist()
    return x, y, z


def _mean_absolute(errors: Array) -> tuple[float, float, float]:
    x, y, z = _mean(np.abs(errors))
    return x + y, z, x + y + z


def _correlation(found: Array, true: Array) -> float:
    known = np.isfinite(found) & np.isfinite(true)
    if known.sum() < 2 or np.ptp(found[known]) == 0 or np.ptp(true[known]) == 0:
        return float("nan")
    return float(np.corrcoef(found[known], true[known])[0, 1])


def _ratio(found: Array, true: Array) -> float:
    known = np.isfinite(found) & np.isfinite(true) & (true > 0)
    return float(np.median(found[known] / true[known])) if known.any() else float("nan")
