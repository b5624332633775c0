"""What ``info`` says of a file of particles."""

from pathlib import Path
from typing import Any

from holly_triton.core.errors import HollyError
from holly_triton.io.tables.fields import side_by_side
from holly_triton.io.tables.reading import Reading
from holly_triton.io.tables.table import read_folder, read_rows

from .data import Localisations, Pictures
from .data.dataset import as_seen, depth_doubt_of, format_for, found_at, lacking_in, truths_beside
from .data.grouping import particles_of
from .data.table import describe_field, fields_among, read_localisations, unmarked_fields
from .spatial.choice import how_channels, how_depth

MOST_DESCRIBED = 2**16
"""Localisations that ``describe`` keeps: they suffice for all its figures and take a few MiB."""


def describe(path: str | Path, **options: Any) -> dict[str, str]:
    """Rows of the ``info`` screen: the content of a file, even if it can't be used for training in this form.

    Only part of a large file is kept while it is read, and the notes say so.

    Args:
        path: As for ``open_dataset``.
        **options: As for ``open_dataset``.

    Raises:
        HollyError: There is nothing at the path, the format is unknown, or the file can't be read.
    """
    path, reading = found_at(path), Reading(**options)
    known, every = format_for(path, reading), 1
    if path.is_file() and known.read is read_localisations:
        rows = read_rows(path, reading, MOST_DESCRIBED)
        if "particle" not in rows.roles:
            return describe_field(rows)
        particles = particles_of([rows.held() if rows.every > 1 else rows])
        if rows.every > 1 and not len(particles):  # the numbers of its few particles are all left out
            rows = read_rows(path, reading)
            particles = particles_of([rows])
        data, every = as_seen(particles, reading), rows.every
    elif known.read is read_localisations and fields_among(files := read_folder(path, reading)):
        return describe_field(side_by_side(path, files)) | {"can be trained on": f"no: {unmarked_fields(path, files)}"}
    else:
        data = as_seen(known.read(path, reading), reading)
    if not len(data):
        unfit = data.unfit if isinstance(data, Pictures) else None
        why = unfit or f"holds no usable particles ({' '.join(data.notes) or 'it has no rows'})"
        raise HollyError(f"{path}: {why}")
    screen = data.summary()
    if every > 1:
        screen["particles"] = f"about {every * len(data)}"
    elif isinstance(data, Localisations):
        screen["third dimension"] = how_depth(data)
    if every == 1 and len(data.channels) > 1:
        screen["channels"] = how_channels(data)
    if len(truths := truths_beside(path)) > 1:
        screen["structures"] = f"{len(truths)} were simulated: {', '.join(truth.name for truth in truths)}"
    return screen | {"can be trained on": _verdict(data, reading, every)}


def classified_into(rows: dict[str, str]) -> int:
    """Into how many structures ``train`` can classify the particles that ``describe`` found, of a simulation of several; else 1."""
    if "structures" not in rows or rows["third dimension"] != "yes":
        return 1
    from .run.enough import enough_to_classify  # imports all of train

    structures, particles = int(rows["structures"].split()[0]), int(rows["particles"].split()[-1])
    return structures if enough_to_classify(particles, structures) else 1


def _verdict(data: Localisations | Pictures, reading: Reading, every: int) -> str:
    """Whether data, of which one row in ``every`` was kept, can be used for training, and why not or with what in doubt."""
    if lacking := lacking_in(data, reading, every):
        return f"no: {lacking}"
    if isinstance(data, Localisations) and depth_doubt_of(data):
        return (
            "yes, projected along z; its z is in doubt (see the notes), so --views random and another --axis would give a "
            "wrong structure"
        )
    return "yes, but with doubts (see the notes)" if data.doubts else "yes"
