"""The figures of ``measure`` in sentences, which claim only what the figures support."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .angular_order import SIGNIFICANT
from .measure import EXTENT_PERCENTILES
from .shape import LEFT_OUT


def headline(figures: Mapping[str, Any]) -> str:
    """One sentence that claims only what the figures support."""
    if figures.get("explained") is False:
        return (
            f"Point cloud of {_extents(figures)}. The fit is not appreciably better than that of a structureless control; "
            "no shape or symmetry is reported."
        )
    symmetry = figures["symmetry"]
    parts = [_shape_in_words(figures)]
    if symmetry is not None and symmetry["p_value"] is not None:
        parts.append(
            f"{symmetry['order']}-fold angular modulation (p = {symmetry['p_value']:.1g}, independent half sets)"
        )
    elif symmetry is not None:
        parts.append(f"C{symmetry['order']} symmetry of the points (RMSD {symmetry['rmsd']:.2g} nm)")
    if not figures["flat"]:  # where all is in one plane, so is the mirror image
        parts.append("achiral" if figures["mirror_image"] else "handedness undetermined")
    return "; ".join(parts) + "."


def explain(figures: Mapping[str, Any]) -> str:
    """All figures as text, on one screen, and the warnings if they come with some."""
    low, high = EXTENT_PERCENTILES
    nearest = figures["nearest_neighbour_nm"]
    extents = " x ".join(
        _with_error(*pair) for pair in zip(figures["axes_nm"], figures["axes_interval_nm"], strict=True)
    )
    lines = [
        headline(figures),
        "",
        f"Extent      {extents} nm along the principal axes (percentiles {low} to {high})",
        f"Gyration    {_sized(figures, 'gyration_nm')}, root mean square distance from the centroid",
        "Neighbours  {:.1f} nm to the nearest point (median; quartiles {:.1f} and {:.1f} nm)".format(
            nearest["median"], *nearest["quartiles"]
        ),
    ]
    if figures.get("explained") is not False:
        lines.append(f"Shape       {_fit_in_words(figures)}")
        lines.append(f"Symmetry    {_symmetry_in_words(figures)}")
    lines.append(f"Errors      {_errors_in_words(figures)}")
    if figures["left_out"]:
        lines.append(f"Left out    {figures['left_out']} points over {LEFT_OUT:g} times the median distance away")
    lines.extend(f"Warning: {warning}" for warning in figures.get("warnings", ()))
    return "\n".join(lines)


def _with_error(value: float, interval: Sequence[float] | None, unit: str = "") -> str:
    """Such as ``98 ± 4``: the error is rounded up, and stated in words where it is as large as the value."""
    if interval is None:
        return f"{value:.0f}{unit}" if value >= 1 else f"{value:.2g}{unit}"
    half = interval[1] - value
    if half >= value:
        return f"{value:.0f}{unit} (very uncertain)"
    digits = 0 if half > 1 else 1
    return f"{value:.{digits}f} ± {abs(np.ceil(half * 10**digits - 1e-9)) / 10**digits:.{digits}f}{unit}"


def _sized(figures: Mapping[str, Any], name: str) -> str:
    return _with_error(figures[name], figures[name.replace("_nm", "_interval_nm")], " nm")


def _extents(figures: Mapping[str, Any]) -> str:
    return " x ".join(f"{extent:.0f}" if extent >= 1 else f"{extent:.2g}" for extent in figures["axes_nm"]) + " nm"


def _shape_in_words(figures: Mapping[str, Any]) -> str:
    seen = figures.get("height_seen") is not False
    unseen = "seen from one side" if figures["flat"] else "its height uncertain"
    if figures["model"] is None:
        size = f"A {'flat ' if figures['flat'] else ''}structure of {_extents(figures)}"
        return size if seen else f"{size}, {unseen}"
    across = f"{_sized(figures, 'diameter_nm')} across"
    if figures["model"] == "torus":
        words, height = f"A torus, {across} its middle line", f"its tube {_sized(figures, 'thickness_nm')} thick"
    elif figures["model"] == "cylinder":
        words, height = f"A hollow cylinder, {across}", f"{_sized(figures, 'height_nm')} long"
    elif figures["height_nm"] is None:
        words, height = f"A ring, {across}", ""
    else:
        words, height = f"A ring, {across}", f"of two layers {_sized(figures, 'height_nm')} apart"
    height = height if seen else unseen
    return words + (f", {height}" if height else "")


def _fit_in_words(figures: Mapping[str, Any]) -> str:
    if figures["model"] is not None:
        return f"{figures['model']} (heuristic choice); points lie {figures['residual_nm']:.1f} nm from it (root mean square)"
    if figures["nearest_model"] is None:
        return "none fitted: too few points for a ring, torus or cylinder"
    return (
        f"no ring, torus or cylinder; points lie {figures['residual_nm']:.1f} nm (root mean square) from the nearest, "
        f"a {figures['nearest_model']}, but {figures['against_model']}"
    )


def _symmetry_in_words(figures: Mapping[str, Any]) -> str:
    symmetry, turns, confirmed, parts = figures["symmetry"], figures["turns"], figures["confirmed"], []
    if turns is not None:
        parts.append(
            f"about the axis, order {turns['order']} has the largest amplitude, {turns['amplitude']:.2f} of 1 (order "
            f"{turns['next_order']}: {turns['next_strength'] ** 0.5:.2f})"
        )
        parts.append(_tested_in_words(confirmed))
    if symmetry is not None and symmetry["verdict"] == "symmetric":
        parts.append(f"points coincide after rotation by {360 / symmetry['order']:.4g} degrees")
        known = symmetry["positional_error"]
        parts.append(
            f"RMSD {symmetry['rmsd']:.2g} nm, point spacing {symmetry['spacing']:.1f} nm"
            + ("" if known is None else f", positional error about {known:.2g} nm")
        )
    elif turns is None:
        parts.append("no C2-C12 rotational symmetry of the points was detected")
    if symmetry is not None and symmetry["supported"]:
        change = symmetry["loss_change"]
        parts.append("compatible with the data" + ("" if change is None else f" (loss {change:+.0%} when imposed)"))
    elif symmetry is not None:
        parts.append("not tested against the pictures")
    return "; ".join(parts)


def _tested_in_words(confirmed: Mapping[str, Any] | None) -> str:
    if confirmed is None:
        return "no p-value from these data: train with --half-sets"
    first, second = confirmed["amplitudes"]
    if confirmed["order"] is None:
        return f"the half sets differ (orders {confirmed['orders'][0]} and {confirmed['orders'][1]}): not significant"
    return (
        f"held-out half sets give order {confirmed['order']} with amplitudes {first:.2f} and {second:.2f} (p = "
        f"{confirmed['p_value']:.1g} after {confirmed['orders_tried']} orders; {SIGNIFICANT:g} is required)"
    )


def _errors_in_words(figures: Mapping[str, Any]) -> str:
    kind, count = figures["errors_from"], figures["members"]
    if kind is None:
        return (
            "not known from a single run. --repeats 5 gives the reconstruction variability, --half-sets the agreement of\n"
            "            independent halves."
        )
    if kind == "repeats":
        return (
            f"± is the reconstruction variability ({count} runs of the same data; 95 % interval, Student's t); systematic\n"
            "            errors, which the runs share, are not included."
        )
    return (
        f"± is from {count} half sets, each with half of the particles (95 % interval, Student's t with one degree of\n"
        "            freedom, hence wide)."
    )
