"""Whether structure-based training helps, where, and at what price: sentences that follow from the figures."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from .cells import Cell
from .comparison import Difference, Results
from .config import ARMS, DENSITIES, FOREIGN, SNRS, SPARSE, Arm
from .hallucination import figures_of

CONTROLS: tuple[Arm, ...] = ("equal-count", "random")
SHOWN = (("jaccard", "Jaccard index", 1, ""), ("rmse_lateral", "lateral error", 0, " nm"), ("rmse_axial", "axial error", 0, " nm"))  # fmt: skip
"""Figures beside the efficiency, with their names, whether they are shares, and their units."""
LARGE = 0.03
"""Difference of the 3D efficiency on random frames that is called a price: the issue's limit for mixed training."""


class Tally(NamedTuple):
    """One arm against another in several cells."""

    better: list[Cell]
    worse: list[Cell]
    differences: dict[Cell, Difference]

    @property
    def mean(self) -> float:
        """Of the differences."""
        return float(np.mean([each.value for each in self.differences.values()]))

    def seeds(self) -> list[float]:
        """The mean over the cells, of each seed."""
        return np.mean([each.seeds for each in self.differences.values()], axis=0).tolist()


def tally(results: Results, arm: Arm, other: Arm, cells: Sequence[Cell], figure: str = "efficiency_3d") -> Tally | None:
    """Where one arm has a higher figure than another; None where no cell has both."""
    found = {cell: each for cell in cells if (each := results.difference(arm, other, cell, figure)) is not None}
    if not found:
        return None
    better, worse = ([cell for cell, each in found.items() if each.sign == sign] for sign in (1, -1))
    return Tally(better, worse, found)


def verdict(results: Results) -> list[str]:
    """Paragraphs, of which the first is the answer in short."""
    parts = [_answer(results), *_by_snr(results), _sparse(results), _uniform(results), _foreign(results), _empty(results), _invented(results), _limits(results)]  # fmt: skip
    return [part for part in parts if part]


def _figure3(results: Results) -> list[Cell]:
    return [cell for cell in results.cells if cell.kind == "figure3" and cell.density in DENSITIES]


def _uniform_cells(results: Results) -> list[Cell]:
    return [cell for cell in results.cells if cell.kind == "uniform"]


def _answer(results: Results) -> str:
    """Whether it helps, against each control that is there, and the price."""
    cells = _figure3(results)
    against = {other: found for other in CONTROLS if (found := tally(results, "structure", other, cells))}
    if not against:
        return "There is no verdict yet: it needs the arm structure and one of the random arms."
    words = [_helps(other, found) for other, found in against.items()]
    price = tally(results, "structure", "random", _uniform_cells(results))
    if price:
        words.append(_price("Structure-based training", price))
    mixed = tally(results, "mixed", "random", _uniform_cells(results))
    if mixed:
        words.append(_price("Training on both, half of the frames each,", mixed))
    return " ".join(words)


def _helps(other: Arm, found: Tally) -> str:
    """One sentence about a control; "helps" needs most cells better and none worse."""
    better, worse, cells = len(found.better), len(found.worse), len(found.differences)
    if better > cells / 2 and not worse:
        said = "Structure-based training helps"
    elif worse > cells / 2 and not better:
        said = "Structure-based training harms"
    elif better or worse:
        said = "Structure-based training helps in part"
    else:
        said = "Structure-based training makes no difference that these frames show"
    where = f"better in {better} and worse in {worse} of {cells} cells of microtubules"
    return f"{said} against training on {ARMS[other]}: {where}, 3D efficiency {found.mean:+.3f} on average."


def _price(who: str, found: Tally) -> str:
    worse, better, cells = len(found.worse), len(found.better), len(found.differences)
    lowest = min(each.value for each in found.differences.values())
    has = (
        "has its price"
        if worse and lowest < -LARGE
        else "costs little"
        if worse
        else "costs nothing that these frames show"
    )
    return f"{who} {has} on random frames: worse than {ARMS['random']} in {worse} and better in {better} of {cells} cells, 3D efficiency {found.mean:+.3f} on average, {lowest:+.3f} at worst."


def _by_snr(results: Results) -> Iterator[str]:
    """One paragraph for each control: what changes at each level of noise, and at which densities."""
    for arm, other in (("structure", "equal-count"), ("structure", "random"), ("mixed", "random")):
        lines = [
            line
            for snr in SNRS
            if (line := _at_snr(results, arm, other, [cell for cell in _figure3(results) if cell.snr == snr]))
        ]  # type: ignore[arg-type]
        if lines:
            yield f"{ARMS[arm].capitalize()} minus {ARMS[other]}, mean over the densities. " + " ".join(lines)  # type: ignore[index]


def _at_snr(results: Results, arm: Arm, other: Arm, cells: Sequence[Cell]) -> str:
    found = tally(results, arm, other, cells)
    if found is None:
        return ""
    low, high = min(found.differences, key=_density), max(found.differences, key=_density)
    first, last = found.differences[low].value, found.differences[high].value
    others = [
        f"{name} {_signed(each.mean, share)}{unit} ({_per_cent(results, other, cells, figure, each.mean)})"
        for figure, name, share, unit in SHOWN
        if (each := tally(results, arm, other, cells, figure))
    ]
    return (
        f"At {cells[0].snr}: 3D efficiency {found.mean:+.3f} ({first:+.3f} at {low.density:g}, {last:+.3f} at {high.density:g} per "
        f"um2; better at {_densities(found.better)}, worse at {_densities(found.worse)}), {', '.join(others)}."
    )


def _density(cell: Cell) -> float:
    return cell.density


def _signed(value: float, share: int) -> str:
    return f"{value:+.3f}" if share else f"{value:+.1f}"


def _per_cent(results: Results, other: Arm, cells: Sequence[Cell], figure: str, change: float) -> str:
    """The change relative to the mean of the other arm."""
    before = np.mean([figures[figure] for cell in cells if (figures := results.figures(other, cell))])
    return f"{100 * change / before:+.0f} %"


def _densities(cells: Sequence[Cell]) -> str:
    return ", ".join(f"{cell.density:g}" for cell in sorted(cells, key=_density)) or "none"


def _sparse(results: Results) -> str:
    cells = [cell for cell in results.cells if cell.kind == "figure3" and cell.density == SPARSE]
    lines = [_change(results, other, cells, "per um2, where most emitters have no neighbour") for other in CONTROLS]
    return " ".join(line for line in lines if line)


def _change(results: Results, other: Arm, cells: Sequence[Cell], where: str) -> str:
    found = tally(results, "structure", other, cells)
    if found is None:
        return ""
    values = ", ".join(f"{each.value:+.3f} at {cell.snr}" for cell, each in found.differences.items())
    return f"At {cells[0].density:g} {where}, the 3D efficiency of structure minus {ARMS[other]} is {values}."


def _uniform(results: Results) -> str:
    lines = []
    for arm in ("structure", "mixed", "equal-count"):
        found = tally(results, arm, "random", _uniform_cells(results))  # type: ignore[arg-type]
        if found:
            values = ", ".join(f"{each.value:+.3f} at {cell.density:g} per um2 and {cell.snr}" for cell, each in found.differences.items())  # fmt: skip
            lines.append(f"{ARMS[arm].capitalize()}: {values}.")  # type: ignore[index]
    return (
        "On random frames, 3D efficiency minus that of random, equal nominal density. " + " ".join(lines)
        if lines
        else ""
    )


def _foreign(results: Results) -> str:
    lines = []
    for kind in FOREIGN:
        cells = [cell for cell in results.cells if cell.kind == kind]
        for other in CONTROLS:
            found = tally(results, "structure", other, cells)
            if found:
                values = ", ".join(
                    f"{each.value:+.3f} at {cell.density:g} per um2" for cell, each in found.differences.items()
                )
                lines.append(f"{kind}, minus {ARMS[other]}: {values}.")
    head = "On structures that no arm was trained on, 3D efficiency of structure. "
    return head + " ".join(lines) if lines else ""


def _empty(results: Results) -> str:
    rates = [
        f"{ARMS[arm]} {1000 * sum(each.detections for each in found) / sum(each.frames for each in found):.2g}"
        for arm in results.arms
        if (found := _all(results, arm, lambda cell: cell.kind == "empty"))
    ]
    return f"False localisations in 1000 empty frames: {', '.join(rates)}." if rates else ""


def _all(results: Results, arm: Arm, chosen: Callable[[Cell], bool]) -> list:  # type: ignore[type-arg]
    return [each for each in results.evaluations if each.arm == arm and chosen(each.cell)]


def _invented(results: Results) -> str:
    """Which arms find more lines, or more equal depths, in random frames than there are."""
    inventing, ranges = [], []
    for arm in results.arms:
        found = [figures_of(each.structure[:, :4], each.structure[:, 4:]) for each in _all(results, arm, lambda cell: True) if each.structure is not None]  # fmt: skip
        if not found:
            continue
        ratios, depths = [each["line_ratio"] for each in found], [each["depth_found"] for each in found]
        ranges.append(
            f"{ARMS[arm]} {min(ratios):.2f} to {max(ratios):.2f} and {min(depths):+.2f} to {max(depths):+.2f}"
        )  # type: ignore[type-var]
        if any(each["line_ratio_95"][0] > 1 for each in found):  # type: ignore[index]
            inventing.append(ARMS[arm])
    if not ranges:
        return ""
    said = (
        f"Lines that are not there are found by {', '.join(inventing)}"
        if inventing
        else "No arm finds lines that are not there"
    )
    return f"{said}: on random frames, the ratio of the shares of triplets in line (detections over truth) and the correlation of the depths of neighbours are {'; '.join(ranges)}."


def _limits(results: Results) -> str:
    seeds = {arm: len({each.seed for each in results.evaluations if each.arm == arm}) for arm in results.arms}
    if min(seeds.values(), default=0) > 1:
        return "A cell counts as better or worse where the interval over the frames and every seed are on the same side of 0."
    one = ", ".join(ARMS[arm] for arm, number in seeds.items() if number == 1)
    return f"Of {one} there is one training only: the intervals are over the frames, and do not hold the spread between trainings."
