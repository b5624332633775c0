"""Writing particle lists: the format by the suffix, the program by a word where a suffix stands for several."""

from pathlib import Path
from typing import cast

from holly_triton.core.errors import HollyError
from holly_triton.core.files import replacing

from .copick import write_json
from .deepfinder import write_xml
from .dynamo import write_tbl
from .markers import write_cmm
from .particle_list import ParticleList
from .star import Style, write_star_list
from .text import write_csv, write_napari

STYLES = {".csv": ("holly", "napari"), ".star": ("relion4", "relion5", "warp"), ".xml": (), ".tbl": (), ".json": (), ".cmm": ()}  # fmt: skip
"""Suffixes that are written, and the programs whose way of writing can be chosen; the first is the default."""
IN_VOXELS = (".xml", ".tbl")


def check_list_suffix(path: Path) -> None:
    """Check that lists of particles are written under this suffix.

    Raises:
        HollyError: They are not.
    """
    if path.suffix.lower() not in STYLES:
        raise HollyError(f"{path}: is not a list of particles by its suffix; write {', '.join(STYLES)}")


def write_particles(
    path: Path,
    particles: ParticleList,
    *,
    voxel_size: float | None = None,
    shape: tuple[int, ...] | None = None,
    style: str | None = None,
) -> list[Path]:
    """Write a list of particles.

    Args:
        path: ``.csv``, ``.star`` (RELION, Warp), ``.xml`` (DeepFinder), ``.tbl`` (Dynamo), ``.json`` (copick) or ``.cmm``
            (markers of ChimeraX).
        particles: What to write.
        voxel_size: Of the tomogram, Å; needed where positions are written in voxels. A STAR file has pixels of 1 Å without.
        shape: Of the tomogram, ``[Z, Y, X]``; needed for RELION 5.
        style: ``holly`` or ``napari`` for ``.csv``; ``relion4``, ``relion5`` or ``warp`` for ``.star``.

    Returns:
        The files written: one, but for copick one a class and tomogram.

    Raises:
        HollyError: The suffix or style is unknown, a size is missing, or the file can't be written.
    """
    check_list_suffix(path)
    suffix = path.suffix.lower()
    if style is not None and style not in STYLES[suffix]:
        known = f"styles of {suffix} are {', '.join(STYLES[suffix])}" if STYLES[suffix] else f"{suffix} has no styles"
        raise HollyError(f"{path}: there is no style {style!r}; {known}")
    chosen = style or next(iter(STYLES[suffix]), "")
    if voxel_size is None and (suffix in IN_VOXELS or chosen in ("napari", "relion5")):
        raise HollyError(f"{path}: positions are written in voxels; give their size in Å, such as by --voxel-size")
    if shape is None and chosen == "relion5":
        raise HollyError(f"{path}: positions are written from the centre of the tomogram; give its shape")
    if suffix == ".json":
        return write_json(path, particles)
    side = voxel_size or 1.0
    with replacing(path) as partial:
        if suffix == ".star":
            write_star_list(partial, particles, cast(Style, chosen), side, shape)
        elif suffix == ".xml":
            write_xml(partial, particles, side)
        elif suffix == ".tbl":
            write_tbl(partial, particles, side)
        elif suffix == ".cmm":
            write_cmm(partial, particles)
        elif chosen == "napari":
            write_napari(partial, particles, side)
        else:
            write_csv(partial, particles)
    return [path]
