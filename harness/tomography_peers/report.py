"""The table of the comparison in Markdown."""

from collections.abc import Sequence

import numpy as np

from holly_triton.core.words import counted

from .config import PARTICLES, SHAPE, TILT_DEG, TOLERANCE_A, VOXEL_A
from .records import Row

INTRODUCTION = f"""# Template matching: ours and pytme

Simulated tomograms of {" x ".join(map(str, reversed(SHAPE)))} voxels of {VOXEL_A:g} Å, tilts to ±{TILT_DEG:g} degrees, {PARTICLES}
particles of each structure. Each program got the same tomogram, the same template, a sphere as its mask, and the same angle; the
numbers of rotations that it makes of an angle differ. No template has a CTF. F1 is that of one structure by itself, a pick right
within {TOLERANCE_A:g} Å: at the threshold that maximises it (oracle), and at the program's own for one expected false positive.
Times are processor time of one thread in one run, with all steps and without the program's start; ours holds the refinement of
the peaks too. Means over {{seeds}} of each signal-to-noise ratio. {{device}}.

| SNR | structure | program | rotations | F1, oracle | F1, own threshold | picks, own threshold | median distance, Å | seconds | ms a rotation |
|---|---|---|---|---|---|---|---|---|---|
"""


def write_report(rows: Sequence[Row], skipped: Sequence[str]) -> str:
    """All rows, means over the tomograms."""
    seeds = len({row.seed for row in rows})
    lines = [INTRODUCTION.format(seeds=counted(seeds, "tomogram"), device=rows[0].device)]
    for kind in dict.fromkeys((row.snr, row.structure, row.program) for row in rows):
        some = [row for row in rows if (row.snr, row.structure, row.program) == kind]
        lines.append(_line(" | ".join(str(word) for word in kind), some))
    lines.append("\n")
    programs = list(dict.fromkeys(row.program for row in rows))
    for program in programs:
        some = [row for row in rows if row.program == program]
        lines.append(f"- {program} ({_version_of(some)}): mean F1 {_mean(some, 'f1_oracle'):.3f} (oracle), {_mean(some, 'f1_own'):.3f} (own threshold), {_mean(some, 'milliseconds_per_rotation'):.2f} ms a rotation, {_mean(some, 'seconds'):.1f} s a template\n")  # fmt: skip
    if len(programs) == 2:
        ours, other = ([row for row in rows if row.program == program] for program in programs)
        ratio = _mean(other, "milliseconds_per_rotation") / _mean(ours, "milliseconds_per_rotation")
        whole = _mean(other, "seconds") / _mean(ours, "seconds")
        lines.append(f"\n{programs[0]} takes a rotation in 1/{ratio:.1f} of the time of {programs[1]}, and a template at equal angle, with {_mean(ours, 'rotations') / _mean(other, 'rotations'):.1f} times the rotations, in 1/{whole:.1f}.\n")  # fmt: skip
    lines += [f"\n{sentence}\n" for sentence in skipped]
    return "".join(lines)


def _version_of(rows: Sequence[Row]) -> str:
    """Of another program its release; of ours, which is measured from a checkout, the commits."""
    if rows[0].program == "holly-triton":
        return f"commit {', '.join(sorted({row.commit for row in rows}))}"
    return rows[0].version


def _line(name: str, rows: Sequence[Row]) -> str:
    return (
        f"| {name} | {_mean(rows, 'rotations'):.0f} | {_mean(rows, 'f1_oracle'):.3f} | {_mean(rows, 'f1_own'):.3f} | "
        f"{_mean(rows, 'picks_own'):.1f} | {_mean(rows, 'distance_a'):.1f} | {_mean(rows, 'seconds'):.1f} | "
        f"{_mean(rows, 'milliseconds_per_rotation'):.2f} |\n"
    )


def _mean(rows: Sequence[Row], field: str) -> float:
    return float(np.nanmean([getattr(row, field) for row in rows]))
