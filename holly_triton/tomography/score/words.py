"""The figures of an evaluation as text, on one screen."""

from collections.abc import Sequence

import numpy as np

from .evaluate import BACKGROUND, ClassScore, Score

HEAD = ("class", "particles", "picks", "matched", "recall", "precision", "F1", "error, Å", "angle")


def explain(score: Score) -> str:
    """All figures as text."""
    lines = [headline(score), ""]
    lines += columns(table(score))
    blind = score.blind
    lines += [
        "",
        f"Mean over the classes (macro): recall {shown(score.macro['recall'])}, precision {shown(score.macro['precision'])}, "
        f"F1 {shown(score.macro['f1'])}",
        f"Without regard to classes: recall {shown(blind.recall)}, precision {shown(blind.precision)}, F1 {shown(blind.f1)}",
    ]
    if np.isfinite(score.offset).all():
        offset = ", ".join(f"{axis} {value:+.1f}" for axis, value in zip("xyz", score.offset, strict=True))
        lines.append(f"Offset of the matched picks: {offset} Å on average; their errors are medians above")
    if len(score.tomograms) > 1:
        lines += ["", *columns([("tomogram", "particles", "picks", "matched", "F1"), *_tomograms(score)])]
    if len(score.classes) > 1 or score.overall.counts.matched:
        lines += [
            "",
            "Confusion: particles of the class of each row, picked as the class of each column",
            *_confusion(score),
        ]
    return "\n".join(lines)


def table(score: Score) -> list[tuple[str, ...]]:
    """The figures of each class and of all as rows of cells, the first one the head."""
    return [HEAD, *(_row(name, each) for name, each in score.classes.items()), _row("all", score.overall)]


def headline(score: Score) -> str:
    """The result in one sentence."""
    counts, tolerance = score.overall.counts, f"{score.settings.tolerance_angstrom:g} Å"
    if counts.matched + counts.missed == 0:
        return f"The truth has no particles to compare; {counts.false} picks are false."
    return (
        f"{counts.matched} of {counts.matched + counts.missed} particles were picked within {tolerance} under the right class, and "
        f"{counts.false} of {counts.matched + counts.false} picks are false: F1 {counts.f1:.3f}."
    )


def _row(name: str, each: ClassScore) -> tuple[str, ...]:
    counts, figures = each.counts, each.figures()
    angle = figures["median_angle_deg"]
    return (
        name, str(counts.matched + counts.missed), str(counts.matched + counts.false), str(counts.matched),
        *(shown(figures[key]) for key in ("recall", "precision", "f1")),
        _number(figures["median_error_angstrom"]), f"{angle:.1f}°" if np.isfinite(angle) else "-",
    )  # fmt: skip


def _tomograms(score: Score) -> list[tuple[str, ...]]:
    return [
        (name, str(each.matched + each.missed), str(each.matched + each.false), str(each.matched), shown(each.f1))
        for name, each in score.tomograms.items()
    ]


def _confusion(score: Score) -> list[str]:
    labels = [*score.classes, BACKGROUND]
    rows = [(label, *map(str, row)) for label, row in zip(labels, score.confusion.tolist(), strict=True)]
    return columns([("", *labels), *rows])


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines: the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()  # fmt: skip
        for row in rows
    ]


def shown(value: float) -> str:
    """A share between 0 and 1, or a dash where it is not defined."""
    return f"{value:.3f}" if np.isfinite(value) else "-"


def _number(value: float) -> str:
    return f"{value:.1f}" if np.isfinite(value) else "-"
