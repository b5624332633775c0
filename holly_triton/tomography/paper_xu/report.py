"""The report of Table 2: our figures beside the published ones, and the confusion matrices."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import numpy as np

from holly_triton.core.files import replacing
from holly_triton.core.origin import written_here
from holly_triton.core.types import Figures
from holly_triton.tomography.pictures.confusion import draw_matrices, shown_class

from .cells import Cell
from .config import ARMS, FIRST, PUBLISHED, Arm, TableScale


class Record(NamedTuple):
    """The figures of one network."""

    seed: int
    cell: Cell
    arm: Arm
    figures: Figures


def write_report(out: Path, name: str, scale: TableScale, records: Sequence[Record]) -> Path:
    """Write ``table-2-NAME.md`` and, beside it, the confusion matrices of the first cell; return the report's path.

    Raises:
        HollyError: A file can't be written.
    """
    path = out / f"table-2-{name}.md"
    picture = out / f"table-2-{name}-confusion.png"
    first = {
        ARMS[record.arm][1]: record.figures for record in records if _place(record.cell) == FIRST and record.seed == 0
    }
    if first:
        matrices = {
            title: ([shown_class(label) for label in figures["classes"]], np.array(figures["confusion"]))
            for title, figures in first.items()
        }
        draw_matrices(picture, matrices, "classified as")
    with replacing(path) as partial:
        partial.write_text("\n".join(_lines(name, scale, records, picture if first else None)) + "\n", encoding="utf-8")
    return path


def _lines(name: str, scale: TableScale, records: Sequence[Record], picture: Path | None) -> Iterator[str]:
    yield f"# Table 2 of Xu et al. 2017, scale {name}"
    yield ""
    yield (
        f"Accuracy on {scale.test} subtomograms of each of {len(scale.classes) + 1} classes, after a training on {scale.train} of "
        f"each, a tenth of which served for the temperature alone. Boxes have {scale.size} voxels of {scale.voxel:.2f} Å; chance "
        f"is {1 / (len(scale.classes) + 1):.3f}. The figures of the paper, in brackets, are of 23 classes with 500 subtomograms "
        "of each in either set and boxes of 40 voxels of 9.2 Å, so that the two are of different tasks. "
        "The SNR is Var(signal) / Var(noise) in the box, behind optics and wedge."
    )
    yield ""
    arms = [arm for arm in ARMS if any(record.arm == arm for record in records)]
    yield from lines_of_table(["SNR", "tilts", *(ARMS[arm][1] for arm in arms), "seeds"], _accuracies(arms, records))
    yield ""
    yield "## What the networks cost"
    yield ""
    head = [
        "network",
        "values kept",
        "million multiply-adds",
        "training, s",
        "classified a second",
        "top-2",
        "calibration error",
    ]
    yield from lines_of_table(head, _costs(arms, records))
    yield ""
    devices = sorted({record.figures.get("device", "a machine that was not recorded") for record in records})
    yield (
        f"Times are of {' and '.join(devices)}, which may have been busy with other work; the four last columns are means over all "
        "cells."
    )
    if picture is not None:
        yield from (
            "",
            f"## Confusion at SNR {FIRST[0]:g}, tilts to {FIRST[1]:g} degrees",
            "",
            f"![Confusion matrices]({picture.name})",
        )
    yield ""
    yield "## Classes"
    yield ""
    yield "The entries of the paper are at hand in part only; the others are stand-ins of like size and symmetry."
    yield ""
    yield from lines_of_table(["class", "structure"], ([stand.name, stand.stands_for] for stand in scale.classes))
    yield from ("", written_here())


def _place(cell: Cell) -> tuple[float, float]:
    return cell.snr, cell.tilt


def _accuracies(arms: Sequence[Arm], records: Sequence[Record]) -> Iterator[list[str]]:
    for cell in dict.fromkeys(
        record.cell for record in sorted(records, key=lambda one: (-one.cell.tilt, -one.cell.snr))
    ):
        here = [record for record in records if record.cell == cell]
        published = PUBLISHED.get(_place(cell), {})
        row = [f"{cell.snr:g}", f"±{cell.tilt:g}°"]
        for arm in arms:
            found = [record.figures["accuracy"] for record in here if record.arm == arm]
            paper = f" ({published[arm]:.3f})" if arm in published else ""
            row.append((_spread(found) if found else "-") + paper)
        yield [*row, str(len({record.seed for record in here}))]


def _spread(values: Sequence[float]) -> str:
    several = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{mean(values):.3f}{several}"


def _costs(arms: Sequence[Arm], records: Sequence[Record]) -> Iterator[list[str]]:
    for arm in arms:
        figures = [record.figures for record in records if record.arm == arm]
        training = [one["training"].get("seconds") for one in figures]
        work = figures[0]["multiply_adds"]
        yield [
            ARMS[arm][1],
            f"{figures[0]['parameters']:,}",
            f"{work / 1e6:.0f}" if work else "-",
            f"{mean(training):.0f}" if all(training) else "-",
            *(f"{mean(one[key] for one in figures):{form}}" for key, form in (("per_second", ".0f"), ("top2", ".3f"), ("calibration_error", ".3f"))),
        ]  # fmt: skip


def lines_of_table(head: Sequence[str], rows: Any) -> Iterator[str]:
    """A table in Markdown, line by line."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + " --- |" * len(head)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
