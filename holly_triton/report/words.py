"""Numbers for readers, and tables of figures."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from holly_triton.particles.config import Config

LABELS = {
    "seconds": "Time, s",
    "energy_wh": "Energy, Wh",
    "sigma_nm": "Sigma of the last drawing, nm",
    "blur_nm": "Label scatter (s.d.) about the points, nm",
    "loss": "Loss at the end",
    "steps": "Steps planned",
    "step": "Steps done",
    "points_outside": "Points outside the field of view",
    "rmsd": "Nearest-neighbour RMSD, both directions, nm",
    "rmsd_truth_to_cloud": "Nearest-neighbour RMSD, truth to result, nm",
    "rmsd_cloud_to_truth": "Nearest-neighbour RMSD, result to truth, nm",
    "rmsd_assigned": "RMSD of points assigned one to one, nm",
    "unmatched": "Share of points unmatched one to one",
    "hausdorff_95": "95th percentile of the distances (Hausdorff), nm",
    "sampling_floor": "Nearest-neighbour RMSD of two samplings of the truth, nm",
    "median": "Median distance, both directions, nm",
    "largest_truth_to_cloud": "Largest distance, truth to result, nm",
    "largest_cloud_to_truth": "Largest distance, result to truth, nm",
    "mirrored": "Mirror image fits better",
    "loss_of_ball": "Loss of a structureless control",
    "loss_of_structure": "Loss of the structure",
    "held_out": "Held-out particles",
    "loss_training": "Loss of training particles, posed alike",
    "unexplained": "Share unexplained",
    "unexplained_training": "Share unexplained of training particles, posed alike",
    "pictures_training": "Training particles compared",
    "positional_error": "Positional error between runs (3D, root mean square), nm",
    "median_spread": "Median positional error of a point between runs, nm",
    "resolution": "Half-set reproducibility (FSC 0.143), nm",
    "positional_sd": "Positional standard deviation along each axis, nm",
    "angular_order": "Angular order in independent half sets",
    "truth_points": "Points of the truth",
}
"""Labels for keys of metrics.json; any other key is its own label."""
SMALLEST_SCATTER = 0.25
"""Least resolvable label scatter, as a fraction of the last sigma: smaller scatter widens the drawn points by 3 % or less and
is not distinguishable from none. Runs on data without any scatter (CEP152, bunny, teapot) ended at 0.08 to 0.23."""
ONE_SIDE = (
    "All particles were assumed to share one viewing direction (--tilt 0), so the axial dimension is undetermined. "
    "Inverted particles, if any, are averaged in as mirror images."
)
"""The limitation of a structure from a single viewing direction."""
ELSEWHERE = {"history", "notes", "doubts", "unit", "rmsd_units", "unit_nm", "names", "schema_version"}
"""Keys that the tables leave out: other parts of the page show them."""


def number(value: Any) -> str:
    """A value with thousands separated and four significant digits; yes and no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) or (isinstance(value, float) and 1000 <= abs(value) < np.inf):
        return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def length(value_nm: float) -> str:
    """Three significant digits, without a unit."""
    if 0 < value_nm < 0.01:
        return f"{value_nm:.2g}"
    decimals = 2 - int(np.floor(np.log10(value_nm))) if value_nm > 0 else 3
    return f"{value_nm:,.{max(decimals, 0)}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def scatter(blur_nm: float, sigma_nm: float | None) -> str:
    """Label scatter about the points, two digits without a unit; a bound where a run's last sigma resolves no less."""
    least = SMALLEST_SCATTER * (sigma_nm or 0)
    return ("less than " if blur_nm < least else "") + number(float(f"{max(blur_nm, least):.2g}"))


def tables(metrics: Mapping[str, Any], name: str = "The run") -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Groups of rows (label, value): a table's own values, then each table within it."""
    rows = list(_rows(metrics))
    if rows:
        yield name, rows
    for key, part in metrics.items():
        if isinstance(part, dict):
            yield from tables(part, _label(key))


def _rows(part: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in part.items():
        if key not in ELSEWHERE and value is not None and not isinstance(value, dict | list):
            yield _label(key), scatter(value, part.get("sigma_nm")) if key == "blur_nm" else number(value)


def _label(key: str) -> str:
    return LABELS.get(key, key[:1].upper() + key[1:].replace("_", " "))


def changed_settings(settings: Mapping[str, Any]) -> list[str]:
    """Those of a run's settings that are not the defaults, as TOML would name them."""
    defaults = dict(_flat(dataclasses.asdict(Config())))
    return [f"{name} = {value}" for name, value in _flat(settings) if value != defaults.get(name)]


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield above + name, list(value) if isinstance(value, tuple) else value
