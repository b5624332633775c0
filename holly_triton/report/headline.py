"""The first line of the report and of ``measure``: one sentence that claims only what the figures support."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from holly_triton.core.types import Figures

from .numbers import length


def first_line(figures: Mapping[str, Any], resolution: Figures | None) -> str:
    """The headline and, from the figures of ``validation.fsc`` of two halves that agree, their reproducibility."""
    if resolution is None:
        return headline(figures)
    limited = resolution["verdict"] == "limited"
    value = length(resolution["limit" if limited else "resolution"])
    return f"{headline(figures)} Half-set reproducibility (FSC 0.143): {value} nm{' or finer' if limited else ''}."


def headline(figures: Mapping[str, Any]) -> str:
    """The sentence, from the figures of ``measure``."""
    if figures.get("explained") is False:
        said = (
            f"Point cloud of {_extents(figures)}. The fit is not appreciably better than that of a structureless control; "
            "no shape or symmetry is reported."
        )
    else:
        symmetry = figures["symmetry"]
        parts = [_shape_in_words(figures)]
        if figures.get("imposed"):
            parts.append(f"{figures['imposed']} symmetry imposed")
        elif symmetry is not None and symmetry["p_value"] is not None:
            parts.append(
                f"{symmetry['order']}-fold angular modulation (p = {symmetry['p_value']:.1g}, independent half sets)"
            )
        elif symmetry is not None:
            parts.append(f"C{symmetry['order']} symmetry of the points (RMSD {symmetry['rmsd']:.2g} nm)")
        if not figures["flat"]:  # where all is in one plane, so is the mirror image
            known = "handedness from the z of the data" if figures.get("handed") else "handedness undetermined"
            parts.append("achiral" if figures["mirror_image"] else known)
        said = "; ".join(parts) + "."
    alone = figures.get("without_consensus")
    if alone is None:
        return said
    return f"No two of {alone['runs']} runs agree, so there is no consensus; this is run {alone['run']} alone. {said}"


def with_error(value: float, interval: Sequence[float] | None, unit: str = "") -> str:
    """Such as ``98 ± 4``: the error is rounded up, and stated in words where it is as large as the value."""
    if interval is None:
        return f"{value:.0f}{unit}" if value >= 1 else f"{value:.2g}{unit}"
    half = interval[1] - value
    if half >= value:
        return f"{value:.0f}{unit} (very uncertain)"
    digits = 0 if half > 1 else 1
    return f"{value:.{digits}f} ± {abs(np.ceil(half * 10**digits - 1e-9)) / 10**digits:.{digits}f}{unit}"


def sized(figures: Mapping[str, Any], name: str) -> str:
    """A length of the figures with its unit and, where it is known, its error."""
    return with_error(figures[name], figures[name.replace("_nm", "_interval_nm")], " nm")


def _extents(figures: Mapping[str, Any]) -> str:
    return " x ".join(f"{extent:.0f}" if extent >= 1 else f"{extent:.2g}" for extent in figures["axes_nm"]) + " nm"


def _shape_in_words(figures: Mapping[str, Any]) -> str:
    seen = figures.get("height_seen") is not False
    unseen = "seen from one side" if figures["flat"] else "its height uncertain"
    channels = figures.get("channels") or {}
    if figures["model"] is None or channels:  # a shape is that of a channel, not of all of them together
        size = f"A {'flat ' if figures['flat'] else ''}structure of {_extents(figures)}"
        size += f", of the channels {' and '.join(channels)}" if channels else ""
        return size if seen else f"{size}, {unseen}"
    across = f"{sized(figures, 'diameter_nm')} across"
    if figures["model"] == "torus":
        words, height = f"A torus, {across} its middle line", f"its tube {sized(figures, 'thickness_nm')} thick"
    elif figures["model"] == "cylinder":
        words, height = f"A hollow cylinder, {across}", f"{sized(figures, 'height_nm')} long"
    elif figures["height_nm"] is None:
        words, height = f"A ring, {across}", ""
    else:
        words, height = f"A ring, {across}", f"of two layers {sized(figures, 'height_nm')} apart"
    height = height if seen else unseen
    return words + (f", {height}" if height else "")
