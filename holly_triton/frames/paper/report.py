"""The report of the study: figure3.md with its tables and verdict, two pictures, and every figure in figure3.csv."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from holly_triton.core.files import replacing
from holly_triton.core.origin import written_here
from holly_triton.frames.localise import read_model

from .cells import Bench, Cell, by_snr
from .comparison import Difference, Results, figures_of
from .config import APART_NM, ARMS, DENSITIES, FOREIGN, LINE_NM, NEIGHBOUR_NM, SPAN_NM, SPARSE, Arm
from .evaluations import Evaluation
from .hallucination import figures_of as structure_of
from .nets import Net, is_finished
from .pictures import Ceilings, draw_figure3, draw_uniform
from .verdict import verdict

COLUMNS = ("jaccard", "recall", "precision", "rmse_lateral", "rmse_axial", "rmse_volume", "efficiency_lateral", "efficiency_axial", "efficiency_3d")  # fmt: skip
PAIRS: tuple[tuple[Arm, Arm], ...] = (("structure", "equal-count"), ("structure", "random"), ("mixed", "random"), ("mixed", "structure"))  # fmt: skip
"""Arms whose differences are in the tables."""
HOW = """\
Each arm is one network per seed, trained alike but for the positions of the emitters: at random, as many as on the structure
(`random, equal count`, the paper's comparison as far as it can be read); at random and as crowded (`random, equal nominal
density`); on microtubules that are new in every frame (`structure`); on either, half of the frames each (`mixed`). Microtubules
of the training: three strands about a centre-line, or tubes with labelled walls, half of the frames each (the paper gives no
geometry). PSF: the default astigmatic Gaussian; camera: ideal counting of photons. One network serves all densities and
photons (the paper trains one for each level of noise). Its threshold was chosen on validation frames of its own arm.

A cell holds "Jaccard index, lateral / axial RMSE in nm, 3D efficiency" as the SMLM challenge 2016 defines them (tolerance
250/500 nm, border 450 nm, all emitters scored). Photons 1000/10 means 1000 photons an emitter, 5 % s.d., and 10 background
photons a pixel. All arms see the same frames. The column Cramér-Rao takes emitters whose multi-emitter bound is below 125 nm laterally and 250 nm axially as found with that error, and
all others as missed. It is a rough guide and no strict limit: pairs that cannot be resolved may be matched by chance, so that
networks exceed it where few emitters are left.
The paper states no absolute figures; for structure minus random it states, at high, medium and low signal, Jaccard index +20,
+7.2 and +2.2 %, volume RMSE -35 %, -28.3 nm and -30.7 nm, and 3D efficiency +20 % on average.
In brackets: 95 % intervals over the frames (paired bootstrap, 1000 resamplings); in braces: the difference of each seed.
"""


CAPTIONS = {
    "figure3.png": "Microtubules: a row for each figure, a column for each level of noise.",
    "figure3_random.png": "The same for random frames.",
}
LINES = (
    "Lines are means over the seeds of an arm, ticks its seeds, bands 95 % intervals over the frames; the dashed line is the guide that the "
    "column Cramér-Rao holds."
)


def write_report(
    out: Path, title: str, nets: Sequence[Net], results: Results, ceilings: Ceilings, bench: Bench
) -> Path:
    """Write ``figure3.md``, ``figure3.csv``, ``figure3.png`` and ``figure3_random.png`` from what is finished.

    Args:
        out: Folder.
        title: In words, the scale.
        nets: Those of the study; trained ones are listed.
        results: All evaluations.
        ceilings: Of the cells' figures.
        bench: Drew the frames.

    Raises:
        HollyError: A file can't be written.
    """
    pictures = [
        name
        for name, draw in (("figure3.png", draw_figure3), ("figure3_random.png", draw_uniform))
        if draw(out / name, results, ceilings)
    ]
    parts = [f"# Figure 3 of Abdehkakha and Snoeyink 2023, with controls: scale {title}\n", "## Verdict\n"]
    parts += [f"{paragraph}\n" for paragraph in verdict(results)]
    parts += ["## How it was measured\n", HOW, _positions(bench), _networks(nets)]
    parts += [f"![{Path(name).stem}]({name})\n\n{CAPTIONS[name]} {LINES}\n" for name in pictures]
    parts += ["## Microtubules\n", *_tables(results, ceilings, [SPARSE, *DENSITIES], "figure3")]
    parts += ["## Random frames\n", *_tables(results, ceilings, None, "uniform")]
    parts += [
        "## Structures that no arm was trained on\n",
        *(part for kind in FOREIGN for part in _tables(results, ceilings, None, kind)),
    ]
    parts += [
        "## Invented structure\n",
        _invented(results),
        "## Empty frames\n",
        _empty(results),
        f"{written_here()}\n",
    ]
    with replacing(out / "figure3.md") as partial:
        partial.write_text("\n".join(part for part in parts if part), encoding="utf-8")
    _write_csv(out / "figure3.csv", results, ceilings)
    return out / "figure3.md"


def _positions(bench: Bench) -> str:
    if bench.positions is None:
        return "Microtubules of the test: walls of tubes as in the challenge, new in every frame; --positions takes those of a truth.\n"
    return f"Microtubules of the test: the distinct positions of {bench.positions.name}, on which no network was trained.\n"


def _networks(nets: Sequence[Net]) -> str:
    rows = []
    for net in nets:
        if net.model.is_file():
            model = read_model(net.model)
            if not is_finished(model):
                continue
            width, figures = model.training.network.features, model.figures
            name = f"{ARMS[net.arm]}, seed {net.seed}"
            rows.append([name, f"{width}", f"{figures['steps']}", f"{figures['seconds']:.0f}", f"{model.threshold:g}"])
    return _table(["network", "width", "steps", "seconds", "threshold"], rows)


def _tables(results: Results, ceilings: Ceilings, densities: Sequence[float] | None, kind: str) -> Iterator[str]:
    """For each level of noise the absolute figures, then the differences of the 3D efficiency."""
    cells = [cell for cell in results.cells if densities is None or cell.density in densities]
    for snr, line in by_snr(cells, kind):
        arms = [arm for arm in ARMS if any(results.of(arm, cell) for cell in line)]
        yield f"### {snr}{'' if kind in ('figure3', 'uniform') else f', {kind}'}\n"
        head = ["per µm²", "emitters a frame", "scored", *(ARMS[arm] for arm in arms), "Cramér-Rao"]
        rows = [[*_first(results, cell, arms), *(_absolute(results, arm, cell) for arm in arms), _figures(ceilings.get(cell))] for cell in line]  # fmt: skip
        yield _table(head, rows)
        pairs = [pair for pair in PAIRS if any(results.difference(*pair, cell) for cell in line)]
        if pairs:
            yield "3D efficiency, difference:\n"
            names = [f"{ARMS[arm]} − {ARMS[other]}" for arm, other in pairs]
            yield _table(
                ["per µm²", *names],
                [
                    [f"{cell.density:g}", *(_difference(results.difference(*pair, cell)) for pair in pairs)]
                    for cell in line
                ],
            )


def _first(results: Results, cell: Cell, arms: Iterable[Arm]) -> list[str]:
    each = next(found for arm in arms for found in results.of(arm, cell))
    return [f"{cell.density:g}", f"{each.crowd:.1f}", f"{each.emitters} in {each.frames}"]


def _absolute(results: Results, arm: Arm, cell: Cell) -> str:
    figures = results.figures(arm, cell)
    if not figures:
        return ""
    low, high = results.interval(arm, cell, "efficiency_3d")
    return f"{_figures(figures)} [{low:.3f}, {high:.3f}]"


def _figures(figures: Mapping[str, float] | None) -> str:
    if figures is None:
        return ""
    return f"{figures['jaccard']:.3f}, {figures['rmse_lateral']:.1f} / {figures['rmse_axial']:.1f}, **{figures['efficiency_3d']:.3f}**"


def _difference(found: Difference | None) -> str:
    if found is None:
        return ""
    seeds = ", ".join(f"{value:+.3f}" for value in found.seeds)
    return f"{found.value:+.3f} [{found.interval[0]:+.3f}, {found.interval[1]:+.3f}] {{{seeds}}}"


def _invented(results: Results) -> str:
    rows = []
    for each in results.evaluations:
        if each.structure is not None:
            found = structure_of(each.structure)
            (low, high), (least, most) = found.line_ratio_95, found.depth_rise_95
            rows.append(
                [
                    f"{ARMS[each.arm]}, seed {each.seed}",
                    f"{each.cell.snr}",
                    f"{each.cell.density:g}",
                    ", ".join(f"{share:.3f}" for share in found.line),
                    f"{found.line_ratio:.2f} [{low:.2f}, {high:.2f}]",
                    ", ".join(f"{correlation:+.2f}" for correlation in found.depth),
                    f"{found.depth_rise:+.2f} [{least:+.2f}, {most:+.2f}]",
                ]
            )
    of = "detections, matched, all"
    head = ["network", "photons", "per µm²", f"in line: {of}", "ratio", f"depths of neighbours: {of}", "rise"]
    about = (
        f"On random frames: the share of triplets within {SPAN_NM:g} nm, no two of them nearer than {APART_NM:g} nm, of which one "
        f"lies within {LINE_NM:g} nm of the line through the others; and the correlation of the depths of neighbours "
        f"{NEIGHBOUR_NM[0]:g} to {NEIGHBOUR_NM[1]:g} nm apart. Each is given of the detections, of the emitters that they were "
        "matched with (at their true positions), and of all emitters. What is missed changes the second against the third; what "
        "is invented changes the first against the second: a ratio of 1 and a rise of 0 are right.\n"
    )
    return f"{about}\n{_table(head, rows)}"


def _empty(results: Results) -> str:
    rows = [
        [
            f"{ARMS[each.arm]}, seed {each.seed}",
            f"{each.cell.snr.background:g}",
            f"{each.frames}",
            f"{1000 * each.detections / each.frames:.2g}",
        ]
        for each in results.evaluations
        if each.cell.kind == "empty"
    ]
    return _table(["network", "background", "frames", "false in 1000 frames"], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join([_cells(head), _cells(["---"] * len(head)), *map(_cells, rows)]) + "\n"


def _cells(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _write_csv(path: Path, results: Results, ceilings: Ceilings) -> None:
    """One row for each network and cell, and one of each cell's ceiling."""
    head = ["arm", "seed", "positions", "nominal_per_um2", "photons", "background", "frames", "emitters", "matched", "missed", "false", *COLUMNS, "pull_x", "pull_y", "pull_z"]  # fmt: skip
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        for each in results.evaluations:
            writer.writerow([each.arm, each.seed, *_where(each.cell), each.frames, each.emitters, *_counts(each), *(f"{figures_of(each)[name]:.5f}" for name in COLUMNS), *_pull(each)])  # fmt: skip
        for cell, figures in ceilings.items():
            writer.writerow(
                ["ceiling", "", *_where(cell), "", "", "", "", "", *(f"{figures[name]:.5f}" for name in COLUMNS)]
            )


def _where(cell: Cell) -> list[str]:
    return [cell.kind, f"{cell.density:g}", f"{cell.snr.photons:g}", f"{cell.snr.background:g}"]


def _counts(each: Evaluation) -> list[int]:
    return [int(value) for value in each.per_frame.sums[:, :3].sum(axis=0)]


def _pull(each: Evaluation) -> list[str]:
    pull = each.figures.get("pull")
    return [f"{pull[axis]['deviation']:.3f}" if pull and pull[axis]["deviation"] is not None else "" for axis in "xyz"]
