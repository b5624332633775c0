"""Atomic models in PDB and mmCIF, packed or not: heavy atoms of the biological assembly."""

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign, missing
from holly_triton.core.optional import require
from holly_triton.core.types import Array
from holly_triton.core.words import counted, part_of

from .tables.budget import LARGEST_RATIO

SUFFIXES = (".pdb", ".ent", ".cif", ".mmcif")
"""Of atomic models, lower case; each may be followed by ``.gz``."""
DEPOSITED = "deposited"
"""Stands for the atoms of the file as they are, without assembly."""
MOST_ATOMS = 20_000_000
LARGEST_ANGSTROM = 1e5
"""A coordinate beyond this is damage: the largest virus capsids are of 3000 Å."""
CONTINUED = re.compile(r"^REMARK 350 (\w(?:, \w)*),? *$", re.MULTILINE)
"""A further line of an assembly's chains in files of before 2006, which lacks the words of later ones."""
UNKNOWN_MASS = 12.011
"""Of atoms without a known element, Da: that of carbon."""


@dataclass(frozen=True)
class Atoms:
    """The heavy atoms of a model.

    Attributes:
        points: ``[N, 3]`` float64, x, y, z in Å, where the file has them.
        masses: ``[N]`` float64, Da.
        names: name of each atom ``[N]``, such as ``CA``.
        chains: chain of each atom ``[N]``.
        remarks: which assembly was taken and what was left out, one sentence each.
    """

    points: Array
    masses: Array
    names: Array
    chains: Array
    remarks: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.points)


def is_atoms(path: Path) -> bool:
    """Whether a file is an atomic model by its suffix."""
    return path.name.lower().removesuffix(".gz").endswith(SUFFIXES)


def read_atoms(path: Path, assembly: str | None = None) -> Atoms:
    """Read an atomic model.

    Taken are: of several models the first; of alternative conformations the first; no hydrogens, no waters, no atoms of
    occupancy 0. Ligands and ions stay.

    Args:
        path: ``.pdb``, ``.ent``, ``.cif`` or ``.mmcif``, with or without ``.gz``.
        assembly: Name of a biological assembly of the file; ``deposited`` for the atoms as they are. The default is the
            first assembly, where the file states one (REMARK 350, ``_pdbx_struct_assembly``), else the atoms as they are.

    Raises:
        HollyError: The file can't be read, has no atoms or none of an occupancy above 0, or lacks the assembly.
        MissingExtraError: gemmi is not installed.
    """
    if not path.is_file():
        raise missing(path, "an atomic model")
    if not is_atoms(path):
        raise HollyError(f"{path}: is not an atomic model by its suffix; give {', '.join(SUFFIXES)}")
    gemmi = require("gemmi", f"{path}: an atomic model")
    remarks: list[str] = []
    with foreign(path, "an atomic model"):
        structure = _parsed(gemmi, path)
        if len(structure) == 0 or structure[0].count_atom_sites() == 0:
            raise HollyError(f"{path}: holds no atoms; give a PDB or mmCIF file with coordinates")
        if len(structure) > 1:
            remarks.append(f"The first of {len(structure)} models was taken.")
        model = _assembled(gemmi, path, structure, assembly, remarks)
        return _heavy(path, model, remarks)


def _parsed(gemmi: Any, path: Path) -> Any:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    most = path.stat().st_size * LARGEST_RATIO
    with gzip.open(path) if packed else path.open("rb") as file:
        text = file.read(most).decode("utf-8", errors="replace")
    mmcif = path.name.lower().removesuffix(".gz").endswith("cif")
    if not mmcif:
        text = CONTINUED.sub(_as_later, text)
    return gemmi.read_structure_string(text, format=gemmi.CoorFormat.Mmcif if mmcif else gemmi.CoorFormat.Pdb)


def _as_later(line: re.Match[str]) -> str:
    """Chains of an assembly as files of later than 2006 have them, one to a line: long lines would be cut."""
    return "\n".join(f"REMARK 350{'AND CHAINS: ':>32}{chain}," for chain in line[1].split(", "))


def _assembled(gemmi: Any, path: Path, structure: Any, wanted: str | None, remarks: list[str]) -> Any:
    """The first model, with the copies of an assembly, still with hydrogens and waters: an assembly may name a chain of waters."""
    # Subchains, by which assemblies of mmCIF name what they copy, get names where a PDB file has none.
    structure.setup_entities()
    model = structure[0]
    known = {one.name: one for one in structure.assemblies}
    if wanted == DEPOSITED or (wanted is None and not known):
        reason = "as asked" if wanted else "the file states no assembly"
        remarks.append(f"The atoms were taken as they are in the file ({reason}).")
        return model
    name = next(iter(known)) if wanted is None else wanted
    if name not in known:
        listed = ", ".join([*known, DEPOSITED])
        raise HollyError(f"{path}: has no assembly {name!r}; it has {listed}")
    copies = sum(len(generator.operators) for generator in known[name].generators)
    if copies * model.count_atom_sites() > MOST_ATOMS:
        raise HollyError(f"{path}: assembly {name} has more than {MOST_ATOMS} atoms; take assembly={DEPOSITED!r}")
    whole = gemmi.make_assembly(known[name], model, gemmi.HowToNameCopiedChain.Short)
    of = f" of {len(known)}" if len(known) > 1 else ""
    remarks.append(f"Assembly {name}{of} was taken: {counted(len(whole), 'chain')} from {len(model)} in the file.")
    return whole


def _first_conformations(model: Any) -> Iterator[tuple[Any, str]]:
    """Atoms with the names of their chains; of a residue with alternatives those of the first one that it lists."""
    taken: dict[tuple[str, str], str] = {}
    for cra in model.all():
        if not cra.atom.has_altloc() or cra.atom.altloc == taken.setdefault(
            (cra.chain.name, str(cra.residue.seqid)), cra.atom.altloc
        ):
            yield cra.atom, cra.chain.name


def _heavy(path: Path, model: Any, remarks: list[str]) -> Atoms:
    model.remove_hydrogens()
    model.remove_waters()
    found = [*_first_conformations(model)]
    if not found:
        raise HollyError(f"{path}: holds no heavy atoms apart from water; give a file with all atoms")
    kept = [(atom, chain) for atom, chain in found if atom.occ > 0]
    if not kept:
        raise HollyError(f"{path}: all {len(found)} atoms have occupancy 0; set the occupancies to 1")
    if len(kept) < len(found):
        remarks.append(
            part_of(len(found) - len(kept), len(found), "atom", "{have} occupancy 0 and {were} left out") + "."
        )
    points = np.array([atom.pos.tolist() for atom, _ in kept], dtype=np.float64)
    if not np.all(np.abs(points) <= LARGEST_ANGSTROM):
        raise HollyError(f"{path}: has coordinates that are no numbers or beyond {LARGEST_ANGSTROM:g} Å; it is damaged")
    masses = np.array([atom.element.weight for atom, _ in kept], dtype=np.float64)
    if unknown := int((masses <= 0).sum()):
        remarks.append(
            part_of(unknown, len(kept), "atom", "{are} of no known element and {were} taken for carbon") + "."
        )
        masses[masses <= 0] = UNKNOWN_MASS
    names = np.array([atom.name for atom, _ in kept], dtype=np.str_)
    return Atoms(points, masses, names, np.array([chain for _, chain in kept], dtype=np.str_), remarks)
