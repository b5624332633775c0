"""The figures of ``measure`` as labelled sentences, for a terminal and for the report."""

from collections.abc import Mapping
from typing import Any

from holly_triton.core.words import counted
from holly_triton.validation.measure import EXTENT_PERCENTILES
from holly_triton.validation.shape import LEFT_OUT

from .deformation import deformation_in_words
from .headline import headline, sized, with_error
from .symmetry import explain_order


def explain(figures: Mapping[str, Any]) -> str:
    """All figures as text, on one screen, and the warnings if they come with some."""
    found = rows(figures)
    indent = 2 + max(len(label) for label, _ in found)
    lines = [headline(figures), "", *(f"{label:<{indent}}{value}" for label, value in found)]
    lines.extend(f"Warning: {warning}" for warning in figures.get("warnings", ()))
    return "\n".join(lines)


def rows(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Label and value of each figure, without the headline."""
    low, high = EXTENT_PERCENTILES
    nearest = figures["nearest_neighbour_nm"]
    axes = zip(figures["axes_nm"], figures["axes_interval_nm"], strict=True)
    extents = " x ".join(with_error(*pair) for pair in axes)
    found = [
        ("Extent", f"{extents} nm along the principal axes (percentiles {low} to {high})"),
        ("Gyration", f"{sized(figures, 'gyration_nm')}, root mean square distance from the centroid"),
        ("Neighbours", "{:.1f} nm to the nearest point (median; quartiles {:.1f} and {:.1f} nm)".format(
            nearest["median"], *nearest["quartiles"])),
    ]  # fmt: skip
    if figures.get("explained") is not False:
        # Several channels have no common shape.
        found += [] if figures.get("channels") else [("Shape", _fit_in_words(figures))]
        found.append(("Symmetry", explain_order(figures)))
    for name, channel in (figures.get("channels") or {}).items():
        found.append((f"Channel {name}", _channel_in_words(channel, figures.get("explained") is not False)))
    found.append(("Errors", _errors_in_words(figures)))
    if left_out := figures["left_out"]:
        found.append(
            ("Left out", f"{counted(left_out, 'point')} more than {LEFT_OUT:g} times the median distance away")
        )
    if deformation := figures.get("deformation"):
        found.append(("Deformation", deformation_in_words(deformation)))
    return found


def _channel_in_words(channel: Mapping[str, Any], explained: bool) -> str:
    said = counted(channel["points"], "point")
    if "axes_nm" in channel:
        axes = zip(channel["axes_nm"], channel["axes_interval_nm"], strict=True)
        said += f", {' x '.join(with_error(*pair) for pair in axes)} nm, gyration {sized(channel, 'gyration_nm')}"
        if explained and channel["model"] is not None:
            said += f", {channel['model']} {sized(channel, 'diameter_nm')} across"
            said += "" if channel["height_nm"] is None else f" and {sized(channel, 'height_nm')} high"
    return f"{said}; its centroid {channel['from_centre_nm']:.1f} nm from that of all points"


def _fit_in_words(figures: Mapping[str, Any]) -> str:
    if figures["model"] is not None:
        return f"{figures['model']} (heuristic choice); points lie {figures['residual_nm']:.1f} nm from it (root mean square)"
    if figures["nearest_model"] is None:
        return "none fitted: too few points for a ring, torus or cylinder"
    return (
        f"no ring, torus or cylinder; points lie {figures['residual_nm']:.1f} nm (root mean square) from the nearest, "
        f"a {figures['nearest_model']}, but {figures['against_model']}"
    )


def _errors_in_words(figures: Mapping[str, Any]) -> str:
    kind, count = figures["errors_from"], figures["members"]
    if kind is None:
        return (
            "not known from a single run. --repeats 5 gives the reconstruction variability, --half-sets the agreement of "
            "independent halves."
        )
    if kind == "repeats":
        return (
            f"± is the reconstruction variability ({count} runs of the same data; 95 % interval, Student's t); systematic "
            "errors, which the runs share, are not included."
        )
    return (
        f"± is from {count} half sets, each with half of the particles (95 % interval, Student's t with one degree of "
        "freedom, hence wide)."
    )
