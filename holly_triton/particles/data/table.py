"""Particles of a file or folder of localisations, and the description of a field of view without marked particles."""

from dataclasses import replace
from pathlib import Path
from shlex import quote

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.words import counted, spanned
from holly_triton.io.tables.fields import FIELD_NM, ONE_PARTICLE_NM, is_field, width_of
from holly_triton.io.tables.reading import Reading
from holly_triton.io.tables.rows import Rows
from holly_triton.io.tables.table import read_folder, read_rows

from .grouping import Tally, particles_of
from .localisations import Localisations

SMALLEST_NM, LARGEST_NM = 4.0, 1e7
"""Extents outside these bounds are probably not in nm."""
IN_METRES_NM = 1e-3
"""Below this extent, positions are probably in metres: no field of view is wider than a millimetre."""
DEEPEST_NM, FLATTEST_NM = 5000.0, 1.0
"""Axial extents of a field of view outside these bounds are probably not in nm: an objective covers 1 to 2 um at a time,
and no localisation is as precise as 1 nm along z."""
DEEPER, DEEPER_FIELD = 10.0, 3.0
"""Ratio of axial to lateral extent that no particle, and no field of view, reaches, unlike a z that was multiplied by the
pixel size."""
SHALLOW_NM = 100.0
"""Axial extent, nm, that noise alone can produce, whatever the width."""

NOT_MARKED = "not marked"
"""What the description of a field of view says of its particles."""
MOST_JUDGED = 32
"""Approximate number of files of a folder that are examined to decide whether it holds fields of view or particles."""


def read_localisations(path: Path, reading: Reading) -> Localisations:
    """Particles of a file that marks them, or of a folder whose files hold one each (or several that are marked).

    Raises:
        HollyError: There are no particles, or ``read_rows`` fails; for a folder only if it fails for all files.
    """
    if path.is_file():
        return particles_of([marked(read_rows(path, reading))])
    files = read_folder(path, reading)
    if fields_among(files):
        raise HollyError(f"{path}: {unmarked_fields(path, files)}")
    named = [
        replace(rows, prefix=f"{rows.path.stem}/") if "particle" in rows.roles else rows.as_one(rows.path.stem)
        for rows in files
    ]
    return particles_of(named, [Tally.of(rows) for rows in named])


def marked(rows: Rows) -> Rows:
    """The rows, if they mark particles.

    Raises:
        HollyError: They do not.
    """
    if "particle" not in rows.roles:
        raise HollyError(
            f"{rows.path}: holds one field of view with no particle column; find its particles first: "
            f"holly-triton pick {quote(str(rows.path))} OUT (or name the column: --columns particle=...)"
        )
    return rows


def fields_among(files: list[Rows]) -> bool:
    """Whether most files of a folder are whole fields of view, though each would be taken as one particle."""
    some = files[:: -(-len(files) // MOST_JUDGED)]
    alone = [rows for rows in some if "particle" not in rows.roles]
    fields = sum(is_field(rows.whole().xyz[:, :2]) for rows in alone)
    return 2 * fields > len(some)


def unmarked_fields(path: Path, files: list[Rows]) -> str:
    """The message about a folder of fields of view."""
    width = np.median([width_of(rows.whole().xyz[:, :2]) for rows in files[:MOST_JUDGED]])
    return (
        f"holds {counted(len(files), 'field')} of view, about {width:.0f} nm wide, whose localisations lie in several clusters or spread "
        f"over more than {FIELD_NM:.0f} nm, and not one particle a file; find their particles first: "
        f"holly-triton pick {quote(str(path))} OUT (or add a column particle, if each file is one)"
    )


def describe_field(rows: Rows) -> dict[str, str]:
    """Rows of the ``info`` screen, for a field of view whose particles are not marked.

    Raises:
        HollyError: There is no localisation.
    """
    rows = rows.held()
    field, whole = rows.whole(), particles_of([rows.as_one("field")])
    if not len(whole):
        raise HollyError(f"{rows.path}: holds no localisations ({' '.join(whole.notes)})")
    extent = np.ptp(whole.xyz.numpy(), axis=0)
    lateral = float(extent[:2].max())
    depth = float(np.diff(np.quantile(whole.xyz[:, 2].numpy(), (0.005, 0.995)))[0]) if whole.has_z else 0.0
    doubts = (scale_doubt(lateral), depth_doubt(depth, lateral, field=True))
    whole.notes.extend(doubt for doubt in doubts if doubt)
    if lateral < ONE_PARTICLE_NM:
        whole.notes.append(
            "A field this small may be one particle; a 3D reconstruction needs hundreds, in many orientations."
        )
    said = whole.summary()
    frames = np.empty(0) if field.frame is None else field.frame[np.isfinite(field.frame)]
    counted = rows.selection.counts.kept if rows.selection is not None else len(field.xyz)
    return {
        "format": said["format"],
        "particles": NOT_MARKED,
        "localisations": str(counted),
        "extent": " x ".join(f"{length:.4g}" for length in extent) + " nm",
        "localisation precision": said["localisation precision"],
        "photons": said["photons"],
        "frames": "not stated" if not len(frames) else spanned(frames.min(), frames.max(), ".0f"),
        "third dimension": "yes" if whole.has_z else "no",
        "notes": said["notes"],
        "can be trained on": "no: its particles are not marked; holly-triton pick finds them",
    }


def scale_doubt(extent_nm: float) -> str | None:
    """A sentence about an implausible extent, or None; nothing is converted."""
    if 0 < extent_nm < IN_METRES_NM:
        return (
            f"Positions span {extent_nm:.2g} nm, or {extent_nm * 1e9:.3g} nm if they are in metres; check the unit "
            "(--unit m)."
        )
    if 0 < extent_nm < SMALLEST_NM:
        return "Extent below the resolution of light microscopy; check the unit (--unit um or px)."
    if extent_nm > LARGEST_NM:
        return f"Positions span {extent_nm * 1e-6:.3g} mm, wider than a field of view; check the unit."
    return None


def depth_doubt(depth_nm: float, lateral_nm: float, *, field: bool) -> str | None:
    """A sentence where the extent of z is implausible beside those of x and y, or None; nothing is converted.

    Args:
        depth_nm: Extent along z; 0 where there is no third dimension.
        lateral_nm: Extent along x and y.
        field: Whether the extents are those of a field of view, not of a typical particle.
    """
    factor, most = (DEEPER_FIELD, DEEPEST_NM) if field else (DEEPER, np.inf)
    too_deep = lateral_nm > 0 and depth_nm > max(SHALLOW_NM, min(most, factor * lateral_nm))
    too_flat = 0 < depth_nm < FLATTEST_NM < lateral_nm / DEEPER
    if not (too_deep or too_flat):
        return None
    return (
        f"z spans {depth_nm:.4g} nm and x and y {lateral_nm:.4g} nm: is z in another unit than x and y? "
        '(--columns "z=NAME[nm]", or another unit, says so)'
    )
