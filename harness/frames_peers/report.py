"""The report: a table of all rows in Markdown, with what was tuned for which program."""

import itertools
import math
from collections.abc import Sequence

from .config import EDGE_NM, LEVELS_OF_A_FILTER, SPREAD, TUNED
from .records import Row

HEADER = (
    "photons, background", "emitters a frame", "program", "JI", "JI inside", "lateral nm", "axial nm", "E3D",
    "filtered: JI", "lateral nm", "axial nm", "E3D", "frames a second",
)  # fmt: skip

INTRODUCTION = f"""# Programs that localise emitters, on the same frames

Each program localised the same frames of 64 x 64 pixels of 100 nm: emitters on {{positions}}, the default
PSF (an astigmatic Gaussian), Poisson noise, an even background, photons of the emitters varying by {100 * SPREAD:g} %, and
each frame independent of the others.
The scores are those of the SMLM challenge 2016: matching within 250 nm laterally and 500 nm axially, a border of 450 nm left
out, all other emitters scored. JI is the Jaccard index, E3D the 3D efficiency (1 is perfect; it can be negative). Frames a
second are for one thread and the program's processor time, without reading files, after a first call on a few frames. The
machine had other work, so that ratios between programs of one run are safer than the figures themselves.
"JI inside" leaves out a border of {EDGE_NM:g} nm: SMAPpy and Picasso find nothing nearer to an edge than half a region.

All programs that need a calibration had the same simulated bead stack, of which each made its own. The model of
`frames localise` was trained on frames with this PSF, and never on these positions.

The left group of figures is of each program as it comes, with the options that are named below. For the
right group, limits of two of the program's own columns were tuned: of {LEVELS_OF_A_FILTER} for each column, those of the
highest 3D efficiency that keep at least half of the localisations, on about {TUNED} emitters in other frames of the same condition, for each condition anew.
"""
REAL = """
## Real frames of the challenge

The first {frames} frames of MT0.N1.LD, astigmatic, with {emitters} scored emitters: a check on a real camera, and too few for a
statistic. Each program calibrated on the challenge's bead stack; nothing was tuned; the dimmest quarter of the emitters was
set aside.
"""
TUNING = """
## What was tuned for which program

{sentences}

Constant offsets between the programs' conventions and ours were measured as the median error of the matched localisations,
on the sparsest frames for tuning, and taken off before the scores: of x, y and z, nm, {offsets}. Our own two commands had none
taken off.
"""
OURS = "frames "
"""Beginning of the names of our own commands."""
TUNED_FOR = {
    "smappy": "the side of the region (of 9 to 15 pixels, by E3D on the frames for tuning), else default settings; limits of logl_rel and xy_err_nm",
    "picassosr": "the method (gaussmle or spline-mle) and the least net gradient, in the same way; limits of lpz, and of lpx with lpy",
    "frames fit": "nothing, default settings; limits of --max-misfit and --max-sigma",
    "frames localise": "nothing, the threshold that its training chose, with the polish; limits of --threshold, above that, and of --max-sigma",
}
"""As it comes, and for the right group of figures."""
MACHINE = """
Measured on {device}, {runs}; commit {commit}. Raw figures: [peers.csv](peers.csv). To measure again:
`python -m holly_triton.harness.frames_peers --positions activations.csv --model MODEL`.
"""


def write_report(rows: Sequence[Row], skipped: Sequence[str]) -> str:
    """The report's text.

    Args:
        rows: Of all programs; filtered and not filtered.
        skipped: A sentence for each program that could not be run.
    """
    simulated = [row for row in rows if row.photons > 0]
    real = [row for row in rows if row.photons == 0]
    first = (simulated or real)[0]
    versions = sorted({f"{row.program} {row.version}" for row in rows if not row.program.startswith(OURS)})
    parts = [
        INTRODUCTION.format(positions=first.frames_of),
        f"Versions: {', '.join(versions) or 'none'}; {OURS}fit and {OURS}localise are of the commit below.\n",
    ]
    parts += [f"{sentence}\n" for sentence in skipped]
    parts.append(_table(simulated))
    if real:
        parts += [REAL.format(frames=real[0].frames, emitters=real[0].scored), _table(real)]
    offsets = {row.program: row.offset_nm for row in simulated if row.offset_nm}
    parts.append(
        TUNING.format(
            sentences="\n".join(
                f"- {name}: {TUNED_FOR.get(name, 'limits')}." for name in dict.fromkeys(row.program for row in rows)
            ),
            offsets="; ".join(f"{program} {offset}" for program, offset in offsets.items()) or "none",
        )
    )
    parts.append(
        MACHINE.format(
            runs="; ".join(_runs(rows)),
            device=first.device,
            commit=" and ".join(dict.fromkeys(row.commit for row in rows)),
        )
    )
    return "\n".join(parts)


def _table(rows: Sequence[Row]) -> str:
    key = lambda row: (row.photons, row.background, row.emitters)  # noqa: E731
    lines = [HEADER, ("---",) * len(HEADER)]
    for (photons, background, emitters), group in itertools.groupby(sorted(rows, key=key), key):
        both: dict[str, dict[bool, Row]] = {}
        for row in group:
            both.setdefault(row.program, {})[row.filtered] = row
        for program, pair in both.items():
            condition = (f"{photons:g}, {background:g}" if photons else "as recorded", f"{emitters:g}")
            lines.append(
                (
                    *condition,
                    program,
                    *_figures(pair[False]),
                    *(_figures(pair[True]) if True in pair else [""] * 4),
                    _speed(pair[False]),
                )
            )
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _figures(row: Row) -> list[str]:
    values = [_two(row.jaccard), _whole(row.rmse_lateral), _whole(row.rmse_axial), _two(row.efficiency_3d)]
    return values if row.filtered else [values[0], _two(row.jaccard_inside), *values[1:]]


def _two(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"


def _whole(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.0f}"


def _speed(row: Row) -> str:
    return f"{float(f'{row.frames_per_second:.2g}'):g}"


def _runs(rows: Sequence[Row]) -> list[str]:
    """When each run began, with its programs."""
    runs: dict[str, list[str]] = {}
    for row in rows:
        programs = runs.setdefault(row.started, [])
        if row.program not in programs:
            programs.append(row.program)
    return [f"{', '.join(programs)} from {started} UTC" for started, programs in runs.items()]
