"""The confusion matrix as a picture."""

from pathlib import Path

import numpy as np

from holly_triton.core.files import replacing
from holly_triton.report.charts import new_figure
from holly_triton.tomography.config.pictures import DPI
from holly_triton.tomography.score.evaluate import BACKGROUND, Score


def draw_confusion(path: Path, scores: dict[str, Score]) -> None:
    """Write a PNG of one or several matrices side by side.

    Colours are shares of a row, so that rare classes are seen as well; numbers are counts. The last row holds picks without a
    particle, the last column particles without a pick.

    Raises:
        HollyError: The file can't be written.
    """
    most = max(len(score.classes) + 1 for score in scores.values())
    side = max(3.6, 0.52 * most + 1.6)
    figure = new_figure(side * len(scores), side + 0.3, facecolor="white")
    for axes, (name, score) in zip(figure.subplots(1, len(scores), squeeze=False)[0], scores.items(), strict=True):
        labels, counts = [*score.classes, BACKGROUND], score.confusion
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(share, cmap="cividis", vmin=0, vmax=1)
        for row, column in np.argwhere(counts > 0):
            ink = "white" if share[row, column] < 0.55 else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=8, color=ink)
        axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right", fontsize=8, parse_math=False)
        axes.set_yticks(range(len(labels)), labels, fontsize=8, parse_math=False)
        axes.set_xlabel("picked as", fontsize=9)
        axes.set_ylabel("true class", fontsize=9)
        axes.set_title(name, fontsize=10, parse_math=False)
    with replacing(path) as partial:
        figure.savefig(partial, format="png", dpi=DPI)
