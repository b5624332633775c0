"""The tables of the comparisons in Markdown."""

from collections.abc import Sequence

import numpy as np

from .config import DISPLAY_NM, FSC, ITERATIONS, MISSING, SCATTER, SIDE, UNIT_NM
from .records import AverageRow, MeshRow

Fields = tuple[tuple[str, int], ...]
TITLE = "# Reconstruction of particles: ours and other programs\n"
AVERAGES = f"""
## Nuclear pores: ours and Picasso's averages

Every particle was turned at random first, flat ones in their plane, others in space, and both programs got the same. The figures
are those of the localisations of all particles in the poses that a program found, about the axis around which their distances
vary least: median distance (radius), its standard deviation (width), |mean exp(8 i angle)| (eightfold amplitude), and the distance
of the rings' medians along the axis. Picasso: its function `average` with its defaults, pixels of {DISPLAY_NM:g} nm and {ITERATIONS}
iterations, for flat data; for the others the window Average3, which needed two repairs to run at all (in `run_picasso.py`), with the same
pixels and as many rounds of rotation about z and x. About y it shifts by the wrong axis and in the wrong unit, so that particles
leave the field. Time is of a processor, one thread, all steps; Picasso's without import and compilation; for flat data half of it
is its main process, which waits for the worker in a loop. Poses are judged by the same localisations that they were found with, so
that an amplitude holds some of what noise aligns; it is so for both programs.

| particles | program | seeds | radius, nm | width, nm | eightfold amplitude | rings apart, nm | seconds |
|---|---|---|---|---|---|---|---|
"""
MESH = f"""
## Noisy pictures of a mesh: ours and RELION

Pictures of {SIDE} px, labels scattered by {SCATTER:g} units (of {UNIT_NM:g} nm) and {100 * MISSING:.0f} % of the sites without one, in random
orientations. RELION: initial model, refinement over all orientations, then about the best; no CTF; the true diameter was given for its
mask, and its volume was turned into points in five ways of which the best counts. Both have as many points as there are sites. Distances
are symmetric and nearest-neighbour (root mean square); the resolution is where the Fourier shell correlation with the truth falls to
{FSC:g}, and is left out where it does not at any resolution of the pictures. Time is of a processor, one thread, all steps.

| structure | pictures | program | seeds | distance, units | resolution, nm | seconds | points by |
|---|---|---|---|---|---|---|---|
"""
OF_AVERAGES: Fields = (("radius_nm", 1), ("width_nm", 1), ("amplitude", 3), ("layers_nm", 1), ("seconds", 0))
OF_MESHES: Fields = (("rms_units", 4), ("fsc_half_nm", 1), ("seconds", 0))
"""Columns of both tables, with the digits after the point."""


def write_report(averages: Sequence[AverageRow], meshes: Sequence[MeshRow], skipped: Sequence[str]) -> str:
    """All rows, medians over the seeds."""
    lines = [TITLE, AVERAGES if averages else ""]
    for kind in dict.fromkeys((row.particles, row.program) for row in averages):
        some = [row for row in averages if (row.particles, row.program) == kind]
        lines.append(_line([*kind, len(some)], some, OF_AVERAGES))
    lines.append(MESH if meshes else "")
    for mesh in dict.fromkeys((row.structure, row.pictures, row.program) for row in meshes):
        several = [row for row in meshes if (row.structure, row.pictures, row.program) == mesh]
        lines.append(_line([*mesh, len(several)], several, OF_MESHES, several[0].points_by))
    rows: list[AverageRow | MeshRow] = [*averages, *meshes]
    versions = sorted({f"{row.program} {version_of(row)}" for row in rows if row.version})
    devices = sorted({row.device for row in rows})
    lines.append(f"\nPrograms: {', '.join(versions)}. Device: {', '.join(devices)}. Medians over the seeds.\n")
    lines += [f"\n{sentence}\n" for sentence in skipped]
    return "".join(lines)


def version_of(row: AverageRow | MeshRow) -> str:
    """Of another program its release; of ours, which is measured from a checkout, the commit."""
    return f"(commit {row.commit})" if row.program == "holly-triton" else row.version


def _line(names: Sequence[object], rows: Sequence[object], fields: Fields, *more: str) -> str:
    values = [(float(np.median([getattr(row, name) for row in rows])), digits) for name, digits in fields]
    numbers = ["" if np.isnan(value) else f"{value:.{digits}f}" for value, digits in values]
    return f"| {' | '.join([*map(str, names), *numbers, *more])} |\n"
