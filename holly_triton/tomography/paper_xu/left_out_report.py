"""The report of Table 3: discrepancies beside the published ones, where the right cluster ranked, and pictures."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from holly_triton.core.files import replacing
from holly_triton.core.origin import written_here
from holly_triton.core.types import Array
from holly_triton.report.charts import new_figure
from holly_triton.tomography.average.fsc import soft_sphere
from holly_triton.tomography.average.imaging import Imaging
from holly_triton.tomography.average.refinement import Plan, register, turned_volume
from holly_triton.tomography.config.averaging import ANGLE_PER_DETAIL, COARSEST_ANGLE_DEG, Averaging
from holly_triton.tomography.config.pictures import DPI
from holly_triton.tomography.discover.pictures import PLANE
from holly_triton.tomography.discover.records import read_map
from holly_triton.tomography.pictures.averages import draw_averages
from holly_triton.tomography.structures import draw_map, read_density
from holly_triton.view.colours import CATEGORIES

from .config import ARMS, DISCREPANCIES, LARGE, LEFT_OUT, RECOVERED_NM, SHOWN, Arm, TableScale
from .report import lines_of_table

BLUE = CATEGORIES[6]


class Left(NamedTuple):
    """A class that was left out, and what was found."""

    seed: int
    name: str
    figures: dict[str, Any]
    found: Path
    """Folder of the search."""
    truth: Path
    """File of the structure."""

    @property
    def discrepancy(self) -> float | None:
        """Of the average that was chosen without the truth, nm; None where it does not agree at all."""
        value = self.figures["chosen"]["discrepancy_nm"]
        return None if value is None else float(value)

    @property
    def recovered(self) -> bool:
        """Whether that is within the bound of the paper."""
        return self.discrepancy is not None and self.discrepancy <= RECOVERED_NM


def write_left_out(out: Path, name: str, scale: TableScale, arm: Arm, found: Sequence[Left]) -> Path:
    """Write ``table-3-NAME.md`` and its pictures beside it; return the report's path.

    Raises:
        HollyError: A file can't be read or written.
    """
    path = out / f"table-3-{name}.md"
    surfaces, plane, sizes = (out / f"table-3-{name}-{kind}.png" for kind in ("structures", "features", "sizes"))
    first = [one for one in found if one.seed == 0]
    if first:
        draw_averages(surfaces, _pairs(first, scale), scale.voxel)
        _draw_sizes(sizes, first)
        shown = next((one for one in first if one.name == SHOWN), first[0])
        with replacing(plane) as partial:
            shutil.copyfile(shown.found / PLANE, partial)
    with replacing(path) as partial:
        partial.write_text(
            "\n".join(_lines(name, scale, arm, found, (surfaces, plane, sizes) if first else None)) + "\n",
            encoding="utf-8",
        )
    return path


def _lines(
    name: str, scale: TableScale, arm: Arm, found: Sequence[Left], pictures: tuple[Path, Path, Path] | None
) -> Iterator[str]:
    kinds = len(scale.classes)
    yield from (f"# Table 3 of Xu et al. 2017, scale {name}", "")
    yield (
        f"Each class in turn was left out of the training of a network ({ARMS[arm][1]}) on {scale.train} subtomograms of each of "
        f"{kinds - 1} structures and of noise, at SNR {LEFT_OUT[0]:g} and tilts to {LEFT_OUT[1]:g} degrees, in boxes of {scale.size} "
        f"voxels of {scale.voxel:.2f} Å. Among {scale.test} subtomograms of each of all {kinds} structures and of noise, "
        f"`tomo discover` then averaged the {scale.averaged} most novel clusters. Its first row is the choice without the truth; the "
        "paper chose the cluster, and the class in it, by the truth. The discrepancy is where the FSC of the average and the "
        f"structure first falls below 0.5, but for dips in the shells next to a zero of the CTF; up to {RECOVERED_NM:g} nm a structure "
        "counts as recovered, as in the paper. The figures of the paper are of 23 classes, 500 subtomograms of each, and boxes of 40 voxels of 9.2 Å, and of the entries that our classes "
        "stand for."
    )
    yield ""
    count = sum(one.recovered for one in found)
    yield f"Recovered without the truth: {count} of {len(found)}. The paper, with the truth: 18 of 22 (DSRF3D), 16 of 22 (Inception3D)."
    yield ""
    head = [
        "left out", "stands for", "seed", "paper, nm", "chosen without truth, nm", "of it the class", "halves agree, nm", "chosen by truth, nm",
        "novelty rank of the class", "clusters", "largest cluster",
    ]  # fmt: skip
    yield from lines_of_table(head, (_row(one) for one in found))
    if pictures is not None:
        yield from ("", "## Structures", "", f"![True and found structures]({pictures[0].name})", "")
        yield "Seed 0; slices and surfaces of each structure, and of the average that was chosen without it, laid on it."
        yield from (
            "",
            "## Features (figure 3)",
            "",
            f"![Subtomograms in the plane of their features]({pictures[1].name})",
            "",
        )
        yield f"Test subtomograms of the search for {SHOWN} where that was left out, else of the first."
        yield from ("", "## Sizes of clusters (figure 5)", "", f"![Sizes of clusters]({pictures[2].name})")
    yield from ("", written_here())


def _row(one: Left) -> list[str]:
    chosen, best = one.figures["chosen"], one.figures["by_truth"]
    stands = {stand.name: stand.stands_for for stand in LARGE}
    paper = DISCREPANCIES.get(one.name)
    share = chosen["purity"] if chosen["label"] == one.name else 0.0
    return [
        one.name, stands.get(one.name, ""), str(one.seed), "-" if paper is None else f"{paper:.1f}", _nm(chosen["discrepancy_nm"]),
        f"{100 * share:.0f} %" if share else f"no, {chosen['label'] or 'none'}", _nm(chosen["resolution_nm"]),
        "no cluster of it" if best is None else _nm(best["discrepancy_nm"]), str(one.figures["novelty_rank"] or "-"),
        str(one.figures["clusters"]), f"{100 * one.figures['largest_share']:.1f} %",
    ]  # fmt: skip


def _nm(value: float | None) -> str:
    return "does not agree" if value is None else f"{value:.1f}"


def _pairs(found: Sequence[Left], scale: TableScale) -> dict[str, Array]:
    """For each class the true density and, laid on it, the average that was chosen."""
    volumes: dict[str, Array] = {}
    mask = soft_sphere(scale.size)
    plan = Plan(Averaging(), mask, None, False, Imaging(scale.voxel))
    for one in found:
        true = draw_map(read_density(one.truth), scale.size, scale.voxel, 2 * scale.voxel)
        average = torch.from_numpy(read_map(one.found, one.figures["chosen"]["cluster"]))
        lies = register(
            average,
            true,
            mask,
            plan.first_highest,
            min(COARSEST_ANGLE_DEG, ANGLE_PER_DETAIL * plan.crowther(plan.first_highest)),
        )
        volumes[f"{one.name}, true"] = true.numpy()
        volumes[f"{one.name}, found"] = turned_volume(average, lies).numpy()
    return volumes


def _draw_sizes(path: Path, found: Sequence[Left]) -> None:
    figure = new_figure(6.4, 3.6, facecolor="white")
    axes = figure.subplots()
    sizes = np.array([size for one in found for size in one.figures["sizes"]])
    axes.hist(sizes, bins=20, color=BLUE)
    axes.set_xlabel("subtomograms of a cluster", fontsize=9)
    axes.set_ylabel(f"clusters of {len(found)} searches", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    with replacing(path) as partial:
        figure.savefig(partial, format="png", dpi=DPI)
