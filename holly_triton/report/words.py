"""Numbers as a reader wants them, and tables of figures."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from holly_triton.particles.config import Config

LABELS = {
    "seconds": "Time, s",
    "energy_wh": "Energy, Wh",
    "sigma_nm": "Sigma of the last drawing, nm",
    "blur_nm": "Scatter of the labels about the points, nm",
    "loss": "Loss at the end",
    "steps": "Steps planned",
    "step": "Steps done",
    "points_outside": "Points outside the field of view",
    "rmsd": "RMSD, both directions, nm",
    "rmsd_truth_to_cloud": "RMSD, truth to result, nm",
    "rmsd_cloud_to_truth": "RMSD, result to truth, nm",
    "median": "Median distance, both directions, nm",
    "largest_truth_to_cloud": "Largest distance, truth to result, nm",
    "largest_cloud_to_truth": "Largest distance, result to truth, nm",
    "mirrored": "Mirror image fits better",
    "rmsd_units": "RMSD, units of the truth's file",
    "unit_nm": "One such unit, nm",
    "truth_points": "Points of the truth",
}
"""Plain words for keys of metrics.json; any other key speaks for itself."""
SMALLEST_SCATTER = 0.25
"""Of the last sigma: scatter below this widens what is drawn by 3 % or less and can't be told from none. Runs on data
without any scatter (CEP152, bunny, teapot) ended at 0.08 to 0.23."""
ONE_SIDE = (
    "Every particle was taken to show the same side (--tilt 0), so nothing is known of the depth. Left and right are as "
    "in the pictures; were some particles face down, their reverse is mixed in."
)
"""What to know of a structure that was seen from one side only."""
ELSEWHERE = {"history", "notes", "doubts", "unit"}
"""Keys that the tables leave out: other parts of the page show them."""


def number(value: Any) -> str:
    """A value as a reader wants it: thousands apart, four significant digits, yes and no."""
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
    """How far labels scatter about the points, two digits without a unit, by what a run's last sigma can tell."""
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
