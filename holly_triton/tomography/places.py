"""Whether a command can write where it is asked to, checked before the work whose result goes there."""

import os
from pathlib import Path

from holly_triton.core.errors import HollyError
from holly_triton.io.particle_lists.writing import check_list_suffix
from holly_triton.io.volumes.writing import check_volume_suffix


def check_places(picks: Path, scores: Path | None, *, overwrite: bool) -> None:
    """Check where a list of picks, and a volume of scores if there is one, are to be written.

    Raises:
        HollyError: A file is there already, has a suffix that is not written, or lies in a folder that is absent or read-only.
    """
    for place in (picks, scores):
        if place is None:
            continue
        if place.exists() and not overwrite:
            raise HollyError(f"{place}: exists already; choose another name, or pass --overwrite")
        if not place.parent.is_dir():
            raise HollyError(f"{place}: there is no folder {place.parent}; make it first, or choose another place")
        if not os.access(place.parent, os.W_OK):
            raise HollyError(f"{place}: the folder {place.parent} is read-only; choose one with write permission")
    check_list_suffix(picks)
    if scores is not None:
        check_volume_suffix(scores)
