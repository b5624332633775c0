"""Figures 7, 8 and 11 of the study as pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from holly_triton.core.files import replacing
from holly_triton.core.types import Array
from holly_triton.report.charts import new_figure
from holly_triton.tomography.config.pictures import DPI
from holly_triton.tomography.pictures.confusion import draw_confusion
from holly_triton.tomography.pictures.curves import draw_thresholds
from holly_triton.view.colours import CATEGORIES

from .config import ARMS, AVERAGED, METHODS, REFERENCE, Condition
from .results import Results, middle

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLE = {
    "network": (CATEGORIES[6], "o", "-"),
    "deepfinder": (CATEGORIES[2], "s", "-"),
    "matching": (CATEGORIES[4], "^", "-"),
    "matching-oracle": (CATEGORIES[0], "v", "--"),
    "pytme": (CATEGORIES[5], "D", "-"),
    "pytme-oracle": (CATEGORIES[1], "d", "--"),
}
"""Colour, mark and line of each arm."""
WIDTH = 0.8
"""Of the bars of a class together."""


def draw_all(folder: Path, results: Results) -> list[str]:
    """Write the pictures of what is there; return their names.

    Raises:
        HollyError: A file can't be written.
    """
    drawn = []
    if REFERENCE in results.conditions:
        _draw_classes(folder / "figure7.png", results)
        draw_confusion(folder / "figure7_confusion.png", {ARMS[arm]: _summed(results, arm) for arm in results.arms})
        drawn += ["figure7.png", "figure7_confusion.png"]
    if len(results.conditions) > 1:
        _draw_conditions(folder / "figure8.png", results)
        drawn.append("figure8.png")
    curves = {}
    for method in METHODS:
        score = results.everything(method, results.seeds[0], REFERENCE) if results.seeds else None
        if score is not None and AVERAGED in score.classes:
            curves[f"{ARMS[method]}, {AVERAGED}"] = score.classes[AVERAGED].curve
            curves[f"{ARMS[method]}, all"] = score.overall.curve
    if curves:
        draw_thresholds(folder / "figure11.png", curves)
        drawn.append("figure11.png")
    return drawn


def _draw_classes(path: Path, results: Results) -> None:
    """F1 of each class: a bar for each arm, a dot for each seed."""
    labels = sorted(
        {label for arm in results.arms for score in results.scores(arm, REFERENCE) for label in score.classes}
    )
    figure = new_figure(1.15 * len(labels) + 2.5, 4.2, facecolor="white")
    axes = figure.subplots()
    width = WIDTH / len(results.arms)
    for i, arm in enumerate(results.arms):
        place = np.arange(len(labels)) + (i - (len(results.arms) - 1) / 2) * width
        values = [results.class_f1(arm, REFERENCE, label) for label in labels]
        axes.bar(place, [middle(each) for each in values], 0.92 * width, color=STYLE[arm][0], label=ARMS[arm])
        for x, each in zip(place, values, strict=True):
            axes.plot([x] * len(each), each, ".", color="black", markersize=4)
    axes.set_xticks(range(len(labels)), labels, fontsize=9, parse_math=False)
    axes.set_ylabel("F1")
    axes.set_ylim(0, 1.02)
    axes.legend(fontsize=8, frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    _plain(axes)
    with replacing(path) as partial:
        figure.savefig(partial, format="png", dpi=DPI)


def _summed(results: Results, arm: str) -> tuple[list[str], Array]:
    """The classes of all seeds, and their confusion matrices added up."""
    scores = list(results.scores(arm, REFERENCE))
    labels = sorted({label for score in scores for label in score.classes})
    total = np.zeros((len(labels) + 1, len(labels) + 1), np.int64)
    for score in scores:
        place = [*(labels.index(label) for label in score.classes), len(labels)]
        total[np.ix_(place, place)] += score.confusion
    return labels, total


def _draw_conditions(path: Path, results: Results) -> None:
    """Mean F1 of each arm over the SNR and over the range of tilts."""
    figure = new_figure(9.4, 4.0, facecolor="white")
    left, right = figure.subplots(1, 2, sharey=True)
    lines = (
        (left, "signal to noise ratio", "snr", [each for each in results.conditions if each.tilt == REFERENCE.tilt]),
        (right, "largest tilt, degrees", "tilt", [each for each in results.conditions if each.snr == REFERENCE.snr]),
    )
    for axes, label, name, conditions in lines:
        ordered = sorted(conditions, key=lambda condition: getattr(condition, name))
        for arm in results.arms:
            _line(axes, results, arm, ordered, [getattr(condition, name) for condition in ordered])
        axes.set_xlabel(label)
        axes.set_xticks([getattr(condition, name) for condition in ordered])
        _plain(axes)
    left.set_ylabel("F1, mean over the classes")
    left.set_ylim(0, 1.02)
    left.legend(fontsize=8, frameon=False)
    with replacing(path) as partial:
        figure.savefig(partial, format="png", dpi=DPI)


def _line(axes: "Axes", results: Results, arm: str, conditions: Sequence[Condition], places: Sequence[float]) -> None:
    colour, mark, line = STYLE[arm]
    values = [results.mean_f1(arm, condition) for condition in conditions]
    axes.plot(places, [middle(each) for each in values], line, color=colour, marker=mark, markersize=5, label=ARMS[arm])
    for place, each in zip(places, values, strict=True):
        axes.plot([place] * len(each), each, "_", color=colour, markersize=8)


def _plain(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
