"""Errors in units of what they should be: of the Cramér-Rao bound, and of the uncertainties that a method states."""

import numpy as np

from holly_triton.core.types import Array, Figures

AXES = "xyz"
COVERED = {"68": 1.0, "95": 1.959964}
"""Half widths, in standard deviations, within which 68.3 and 95 % of Gaussian errors lie."""
UNRESOLVABLE_NM = 250.0
"""A bound above the challenge's tolerance: such an emitter cannot be told from its neighbours, and is counted apart."""


def bound_of(errors: Array, deviations: Array, isolated: Array) -> Figures:
    """Root mean square of error over Cramér-Rao bound along each axis: 1 is the limit of any unbiased method.

    A biased method may lie below 1, so that the mean error belongs beside this figure.

    Args:
        errors: Localisation minus emitter ``[K, 3]``, nm.
        deviations: The bound of each emitter along x, y and z as a standard deviation ``[K, 3]``, nm; not finite where
            the emitter cannot be resolved.
        isolated: Emitters without a near neighbour ``[K]``.

    Returns:
        For ``isolated`` emitters and for ``all``: the number of pairs, the ratio along ``x``, ``y`` and ``z``, and the
        root mean square of the bound there; and how many pairs of all are ``unresolvable``.
    """
    bounded = np.isfinite(deviations[:, :2]).all(axis=1) & (deviations[:, :2] > 0).all(axis=1)
    resolved = bounded & (np.where(np.isfinite(deviations), deviations, 0).max(axis=1, initial=0) <= UNRESOLVABLE_NM)
    figures: Figures = {}
    for name, chosen in (("isolated", resolved & isolated), ("all", resolved)):
        of = deviations[chosen]
        figures[name] = {"pairs": int(chosen.sum()), **dict(zip(AXES, _rms(errors[chosen] / of), strict=True))}
        figures[name]["bound"] = dict(zip(AXES, _rms(of), strict=True))
    return {**figures, "unresolvable": int((~resolved).sum())}


def pull_of(errors: Array, sigma: Array) -> Figures | None:
    """Pull: errors over stated uncertainties, along each axis for which any are stated; None if none are.

    Honest uncertainties give a standard deviation of 1 and a coverage of 0.68 and 0.95.

    Args:
        errors: ``[K, 3]``, nm.
        sigma: Standard deviations that the method states ``[K, 3]``, nm; NaN where it states none.
    """
    figures: Figures = {}
    for axis, error, deviation in zip(AXES, errors.T, sigma.T, strict=True):
        stated = np.isfinite(deviation) & (deviation > 0) & np.isfinite(error)
        if stated.any():
            pull = error[stated] / deviation[stated]
            covered = {f"within_{name}": float(np.mean(np.abs(pull) <= width)) for name, width in COVERED.items()}
            mean, spread = float(pull.mean()), float(pull.std())
            figures[axis] = {"pairs": len(pull), "mean": mean, "deviation": spread, **covered}
    return figures or None


def _rms(values: Array) -> list[float]:
    """Root mean square of each column; NaN for one without values."""
    if len(values) == 0:
        return [float("nan")] * values.shape[1]
    return [float(value) for value in np.sqrt(np.mean(np.square(values), axis=0))]
