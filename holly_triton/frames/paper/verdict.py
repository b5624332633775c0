"""Whether structure-based training helps, where, and at what price: paragraphs that follow from the figures."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from .cells import Cell
from .comparison import Difference, Results
from .config import ARMS, DENSITIES, FOREIGN, SNRS, SPARSE, Arm
from .hallucination import figures_of

CONTROLS: tuple[Arm, ...] = ("equal-count", "random")
SHOWN = (
    ("jaccard", "Jaccard index", "+.3f", ""), ("rmse_lateral", "lateral RMSE", "+.1f", " nm"),
    ("rmse_axial", "axial RMSE", "+.1f", " nm"), ("rmse_volume", "volume RMSE", "+.1f", " nm"),
)  # fmt: skip
"""Figures beside the 3D efficiency: their names, formats and units."""
LARGE = 0.03
"""A loss of 3D efficiency on random frames above this is called a price."""


class Tally(NamedTuple):
    """One arm against another in several cells."""

    better: list[Cell]
    worse: list[Cell]
    differences: dict[Cell, Difference]
    """Where both have a figure."""

    @property
    def mean(self) -> float:
        """Of the differences."""
        return float(np.mean([each.value for each in self.differences.values()]))

    @property
    def lowest(self) -> Cell:
        """Where the difference is lowest."""
        return min(self.differences, key=lambda cell: self.differences[cell].value)


def tally(results: Results, arm: Arm, other: Arm, cells: Sequence[Cell], figure: str = "efficiency_3d") -> Tally | None:
    """Where one arm has a higher figure than another; None where no cell has a figure of both."""
    found = {}
    for cell in cells:
        difference = results.difference(arm, other, cell, figure)
        if difference is not None and np.isfinite(difference.value):
            found[cell] = difference
    if not found:
        return None
    better, worse = ([cell for cell, each in found.items() if each.sign == sign] for sign in (1, -1))
    return Tally(better, worse, found)


def verdict(results: Results) -> list[str]:
    """The paragraphs; the first is the answer in short."""
    parts = [
        _answer(results), *_by_snr(results), _sparse(results), _uniform(results), _foreign(results), _empty(results),
        _invented(results), _limits(results),
    ]  # fmt: skip
    return [part for part in parts if part]


def _cells(results: Results, kind: str) -> list[Cell]:
    """Those of a kind; of the microtubules, the nine of the figure."""
    return [cell for cell in results.cells if cell.kind == kind and (kind != "figure3" or cell.density in DENSITIES)]


def _answer(results: Results) -> str:
    """Whether it helps, against each control that is there, and the price."""
    cells = _cells(results, "figure3")
    against = {other: found for other in CONTROLS if (found := tally(results, "structure", other, cells))}
    if not against:
        return "There is no verdict yet: it needs networks of the arm structure and of one of the random arms."
    words = [_helps(other, found) for other, found in against.items()]
    arms: tuple[tuple[Arm, str], ...] = (("structure", "Structure-based training"), ("mixed", "Mixed training"))
    for arm, who in arms:
        price = tally(results, arm, "random", _cells(results, "uniform"))
        if price:
            words.append(_price(who, price))
    return " ".join(words)


def _helps(other: Arm, found: Tally) -> str:
    """One sentence about a control; "helps" needs most cells better and none worse."""
    better, worse, cells = len(found.better), len(found.worse), len(found.differences)
    if better > cells / 2 and not worse:
        said = "Structure-based training helps on microtubules"
    elif worse > cells / 2 and not better:
        said = "Structure-based training harms on microtubules"
    elif better or worse:
        said = "Structure-based training helps on microtubules in part"
    else:
        said = "Structure-based training makes no difference on microtubules that these frames show"
    return (
        f"{said}, compared with {ARMS[other]}: better in {better} and worse in {worse} of {cells} cells, 3D efficiency "
        f"{found.mean:+.3f} on average."
    )


def _price(who: str, found: Tally) -> str:
    worse, better, cells = len(found.worse), len(found.better), len(found.differences)
    lowest = found.differences[found.lowest].value
    if not worse:
        said = "costs nothing that these frames show on random frames"
    elif lowest < -LARGE:
        said = "has its price on random frames"
    else:
        said = "costs little on random frames"
    return (
        f"{who} {said}, compared with {ARMS['random']}: worse in {worse} and better in {better} of {cells} cells, 3D efficiency "
        f"{found.mean:+.3f} on average, {lowest:+.3f} at worst ({found.lowest.density:g} per µm², {found.lowest.snr})."
    )


def _by_snr(results: Results) -> Iterator[str]:
    """One paragraph for each comparison: what changes at each level of noise, and at which densities."""
    pairs: tuple[tuple[Arm, Arm], ...] = (("structure", "equal-count"), ("structure", "random"), ("mixed", "random"))
    for arm, other in pairs:
        lines = []
        for snr in SNRS:
            cells = [cell for cell in _cells(results, "figure3") if cell.snr == snr]
            found = tally(results, arm, other, cells)
            if found:
                lines.append(f"At {snr}: {_change(found)}, {_beside(results, arm, other, cells)}.")
        if lines:
            yield f"{ARMS[arm].capitalize()} minus {ARMS[other]} on microtubules, mean over the densities. {' '.join(lines)}"


def _change(found: Tally) -> str:
    cells = sorted(found.differences, key=_density)
    first, last = cells[0], cells[-1]
    return (
        f"3D efficiency {found.mean:+.3f} ({found.differences[first].value:+.3f} at {first.density:g}, "
        f"{found.differences[last].value:+.3f} at {last.density:g} per µm²; better at {_densities(found.better)}, worse at "
        f"{_densities(found.worse)})"
    )


def _beside(results: Results, arm: Arm, other: Arm, cells: Sequence[Cell]) -> str:
    """The other figures, with the change relative to the mean of the other arm."""
    words = []
    for figure, name, form, unit in SHOWN:
        found = tally(results, arm, other, cells, figure)
        if found:
            before = np.mean([results.figures(other, cell)[figure] for cell in found.differences])
            share = f" ({100 * found.mean / before:+.0f} %)" if before > 0 else ""
            words.append(f"{name} {found.mean:{form}}{unit}{share}")
    return ", ".join(words)


def _density(cell: Cell) -> float:
    return cell.density


def _densities(cells: Sequence[Cell]) -> str:
    if len(cells) == len(DENSITIES):
        return "all nine"
    return ", ".join(f"{cell.density:g}" for cell in sorted(cells, key=_density)) or "none"


def _listed(found: Tally, *, snr: bool) -> str:
    return ", ".join(
        f"{each.value:+.3f} at {cell.density:g}{f' and {cell.snr}' if snr else ''}"
        for cell, each in found.differences.items()
    )


def _by_density(found: Tally) -> str:
    """Means over the levels of noise."""
    values: dict[float, list[float]] = {}
    for cell, each in found.differences.items():
        values.setdefault(cell.density, []).append(each.value)
    return ", ".join(f"{np.mean(each):+.3f} at {density:g}" for density, each in sorted(values.items()))


def _sparse(results: Results) -> str:
    cells = [cell for cell in results.cells if cell.kind == "figure3" and cell.density == SPARSE]
    lines = [
        f"minus {ARMS[other]}: {_listed(found, snr=True)}"
        for other in CONTROLS
        if (found := tally(results, "structure", other, cells))
    ]
    head = "Where most emitters have no neighbour, 3D efficiency of structure (per µm²) "
    return f"{head}{'; '.join(lines)}." if lines else ""


def _uniform(results: Results) -> str:
    arms: tuple[Arm, ...] = ("structure", "mixed", "equal-count")
    lines = [
        f"{ARMS[arm]} {_by_density(found)}"
        for arm in arms
        if (found := tally(results, arm, "random", _cells(results, "uniform")))
    ]
    head = f"On random frames, 3D efficiency minus that of {ARMS['random']}, mean over the levels of noise (per µm²): "
    return f"{head}{'; '.join(lines)}." if lines else ""


def _foreign(results: Results) -> str:
    lines = [
        f"{kind} minus {ARMS[other]} {_listed(found, snr=False)}"
        for kind in FOREIGN
        for other in CONTROLS
        if (found := tally(results, "structure", other, _cells(results, kind)))
    ]
    head = "On structures that no arm was trained on, 3D efficiency of structure (per µm²): "
    return f"{head}{'; '.join(lines)}." if lines else ""


def _empty(results: Results) -> str:
    rates = []
    for arm in results.arms:
        found = [each for each in results.evaluations if each.arm == arm and each.cell.kind == "empty"]
        if found:
            rate = 1000 * sum(each.detections for each in found) / sum(each.frames for each in found)
            rates.append(f"{ARMS[arm]} {rate:.2g}")
    return f"False localisations in 1000 empty frames: {'; '.join(rates)}." if rates else ""


def _invented(results: Results) -> str:
    """Which arms find lines, or neighbours at one depth, that are not there; all such frames of an arm together."""
    lines, depths, values = [], [], []
    for arm in results.arms:
        sums = [each.structure for each in results.evaluations if each.arm == arm and each.structure is not None]
        if not sums:
            continue
        found = figures_of(np.concatenate(sums))
        (low, high), (least, most) = found.line_ratio_95, found.depth_rise_95
        ratio, rise = (
            f"{found.line_ratio:.2f} [{low:.2f}, {high:.2f}]",
            f"{found.depth_rise:+.3f} [{least:+.3f}, {most:+.3f}]",
        )
        values.append(f"{ARMS[arm]} {ratio} and {rise}")
        lines += [ARMS[arm]] if low > 1 else []
        depths += [ARMS[arm]] if least > 0 else []
    if not values:
        return ""
    return (
        f"Lines that are not there are found by: {_or_none(lines)}. Neighbours at more equal depths than they have are found by: "
        f"{_or_none(depths)}. On random frames, the share of triplets in line (detections over matched emitters, 1 is right) and "
        f"the rise of the correlation of the depths of neighbours (0 is right) are: {'; '.join(values)}."
    )


def _or_none(names: Sequence[str]) -> str:
    return "; ".join(names) or "none"


def _limits(results: Results) -> str:
    rule = (
        "A cell counts as better or worse where the interval over the frames and every seed are on the same side of 0."
    )
    single = [
        ARMS[arm] for arm in results.arms if len({each.seed for each in results.evaluations if each.arm == arm}) == 1
    ]
    if not single:
        return rule
    return f"{rule} There is one training only of {'; '.join(single)}: the intervals do not hold the spread between trainings."
