"""The command ``tomo info``: what is in a volume, a particle list or an atomic model, in one screen."""

from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import missing
from holly_triton.core.words import counted
from holly_triton.io.atoms import is_atoms, read_atoms
from holly_triton.io.volumes.reading import format_of

from .volumes import Rows, describe_volume


def describe(path: Path, *, voxel_size: float | None = None, picks: Path | None = None) -> Rows:
    """What is in a file, as rows of a name and a sentence.

    Args:
        path: A volume, a list of particles, or an atomic model.
        voxel_size: Å; takes precedence over what a volume states.
        picks: A list of particles of that volume.

    Raises:
        HollyError: A file can't be read, is of no known kind, or picks are given with what is no volume.
    """
    if not path.is_file():
        raise missing(path, "a volume, a list of particles or an atomic model")
    first: Rows = [("file", str(path))]
    if format_of(path) == "EM" and _is_motl(path):
        from .lists import describe_list

        return first + describe_list(path, voxel_size)
    if format_of(path) is not None:
        rows, raw, voxel = describe_volume(path, voxel_size)
        if picks is None:
            return first + rows
        if voxel is None:
            raise HollyError(f"{path}: does not state its voxel size, without which picks have no place; give it with --voxel-size A")  # fmt: skip
        from .lists import describe_over  # imports PyTorch, which takes seconds

        return first + rows + describe_over(picks, raw.values.shape, voxel)
    if picks is not None:
        raise HollyError(f"{path}: is no volume, and --picks are shown over one; give the tomogram")
    if is_atoms(path):
        return first + _atoms(path)
    from holly_triton.io.particle_lists.reading import READERS, is_list  # as does this

    from .lists import describe_list

    if is_list(path):
        return first + describe_list(path, voxel_size)
    raise HollyError(
        f"{path}: is of no known kind by its suffix; give a volume (.mrc, .em, .h5), a list ({', '.join(READERS)}) or an "
        "atomic model (.pdb, .cif)"
    )


def _is_motl(path: Path) -> bool:
    from holly_triton.io.particle_lists.motl import is_motl

    return is_motl(path)


def _atoms(path: Path) -> Rows:
    atoms = read_atoms(path)
    sides = np.ptp(atoms.points, axis=0)
    middle = np.average(atoms.points, axis=0, weights=atoms.masses)
    reach = float(np.linalg.norm(atoms.points - middle, axis=1).max())
    return [
        ("content", f"{counted(len(atoms), 'heavy atom')} in {counted(len({*atoms.chains.tolist()}), 'chain')}, {atoms.masses.sum() / 1000:.4g} kDa"),
        ("extent", f"{sides[0]:.4g} x {sides[1]:.4g} x {sides[2]:.4g} Å; {2 * reach:.4g} Å across about the centre of mass"),
        *(("remark", remark) for remark in atoms.remarks),
    ]  # fmt: skip
