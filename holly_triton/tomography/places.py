"""Whether a command can write where it is asked to, checked before the work whose result goes there."""

from pathlib import Path

from holly_triton.core.errors import HollyError
from holly_triton.core.files import check_new, check_writable
from holly_triton.io.particle_lists.writing import check_list_suffix
from holly_triton.io.volumes.writing import check_volume_suffix


def check_place(place: Path, *, overwrite: bool) -> None:
    """Check where a file is to be written.

    Raises:
        HollyError: It is there already, or its folder is absent or can't be written.
    """
    if place.is_dir():
        raise HollyError(f"{place}: is a folder; give the name of a file in it")
    if not overwrite:
        check_new(place)
    if not place.parent.is_dir():
        raise HollyError(f"{place}: there is no folder {place.parent}; make it first, or choose another place")
    check_writable(place.parent)


def check_places(picks: Path, scores: Path | None, *, overwrite: bool) -> None:
    """Check where a list of picks, and a volume of scores if there is one, are to be written.

    Raises:
        HollyError: As ``check_place`` does, or a suffix is not written.
    """
    for place in (picks, scores):
        if place is not None:
            check_place(place, overwrite=overwrite)
    check_list_suffix(picks)
    if scores is not None:
        check_volume_suffix(scores)
