"""Atomic models: assemblies, what is left out, and what is refused."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from holly_triton.core.errors import HollyError
from holly_triton.io.atoms import read_atoms

pytest.importorskip("gemmi", reason="gemmi reads atomic models")
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
BIOMT = """\
REMARK 350 BIOMOLECULE: 1
REMARK 350 APPLY THE FOLLOWING TO CHAINS: A
REMARK 350   BIOMT1   1  1.000000  0.000000  0.000000        0.00000
REMARK 350   BIOMT2   1  0.000000  1.000000  0.000000        0.00000
REMARK 350   BIOMT3   1  0.000000  0.000000  1.000000        0.00000
REMARK 350   BIOMT1   2 -1.000000  0.000000  0.000000      100.00000
REMARK 350   BIOMT2   2  0.000000 -1.000000  0.000000        0.00000
REMARK 350   BIOMT3   2  0.000000  0.000000  1.000000        0.00000
REMARK 350 BIOMOLECULE: 2
REMARK 350 APPLY THE FOLLOWING TO CHAINS: B
REMARK 350   BIOMT1   1  1.000000  0.000000  0.000000        0.00000
REMARK 350   BIOMT2   1  0.000000  1.000000  0.000000        0.00000
REMARK 350   BIOMT3   1  0.000000  0.000000  1.000000        0.00000
"""


def atom(serial: int, name: str, x: float, *, chain: str = "A", residue: str = "ALA", number: int = 1, altloc: str = " ", occupancy: float = 1, element: str = "C", record: str = "ATOM") -> str:  # fmt: skip
    place = f"{x:8.3f}{2.0:8.3f}{3.0:8.3f}{occupancy:6.2f}{10.0:6.2f}"
    return f"{record:<6}{serial:5d} {name:<4}{altloc}{residue} {chain}{number:4d}    {place}          {element:>2}\n"


ATOMS = (
    atom(1, " N", 1, element="N")
    + atom(2, " CA", 2, altloc="A", occupancy=0.4)
    + atom(3, " CA", 2.5, altloc="B", occupancy=0.6)
    + atom(4, " HA", 3, element="H")
    + atom(5, " CB", 4, occupancy=0)
    + atom(6, " O", 5, residue="HOH", number=90, element="O", record="HETATM")
    + atom(7, "ZN", 6, residue=" ZN", number=91, element="ZN", record="HETATM")
    + atom(8, " CA", 7, chain="B")
)


def pdb(folder: Path, text: str, name: str = "a.pdb") -> Path:
    (folder / name).write_text(text + "END\n")
    return folder / name


def test_heavy_atoms_of_the_first_conformation_are_read(tmp_path: Path) -> None:
    """No hydrogen, water or atom of occupancy 0; the ion stays."""
    atoms = read_atoms(pdb(tmp_path, ATOMS))
    np.testing.assert_allclose(atoms.points[:, 0], [1, 2, 6, 7])
    np.testing.assert_allclose(atoms.masses, [14.007, 12.011, 65.38, 12.011], atol=0.01)
    assert [*atoms.names] == ["N", "CA", "ZN", "CA"] and [*atoms.chains] == ["A", "A", "A", "B"]
    assert any(remark.startswith("1 of 5 atoms has occupancy 0") for remark in atoms.remarks)


def test_the_first_assembly_is_the_default(tmp_path: Path) -> None:
    path = pdb(tmp_path, BIOMT + ATOMS)
    np.testing.assert_allclose(sorted(read_atoms(path).points[:, 0]), [1, 2, 6, 94, 98, 99])
    np.testing.assert_allclose(read_atoms(path, "2").points[:, 0], [7])
    assert len(read_atoms(path, "deposited")) == 4
    with pytest.raises(HollyError, match="has no assembly '3'; it has 1, 2, deposited"):
        read_atoms(path, "3")


@pytest.mark.parametrize("words", ["", "                   AND CHAINS: "], ids=["before 2006", "since"])
def test_further_lines_of_chains_belong_to_the_assembly(words: str, tmp_path: Path) -> None:
    """Files of before 2006 have no words on them, such as 1MNF with its 28 chains on two lines."""
    others = "BCDEFGHIJ" if words else "BCDEFGHIJKLMNO"
    biomt = BIOMT.replace("CHAINS: A\n", f"CHAINS: A,\nREMARK 350 {words}{', '.join(others)}\n", 1)
    atoms = ATOMS + "".join(atom(9 + i, " CA", 7, chain=chain) for i, chain in enumerate(others[1:]))
    read = read_atoms(pdb(tmp_path, biomt + atoms))
    assert len(read) == 2 * (3 + len(others))


def test_of_several_models_the_first_is_taken(tmp_path: Path) -> None:
    text = "".join(f"MODEL     {n}\n{atom(1, ' CA', 10 * n)}ENDMDL\n" for n in (1, 2))
    atoms = read_atoms(pdb(tmp_path, text))
    np.testing.assert_allclose(atoms.points[:, 0], [10])
    assert "The first of 2 models was taken." in atoms.remarks


@pytest.mark.parametrize("suffix", [".pdb", ".pdb.gz", ".cif", ".cif.gz"])
def test_pdb_and_mmcif_packed_or_not_give_the_same(tmp_path: Path, suffix: str) -> None:
    import gemmi

    path = pdb(tmp_path, BIOMT + ATOMS)
    expected = read_atoms(path)
    if ".cif" in suffix:
        structure = gemmi.read_structure(str(path))
        structure.setup_entities()
        content = structure.make_mmcif_document().as_string().encode()
    else:
        content = path.read_bytes()
    other = tmp_path / f"other{suffix}"
    other.write_bytes(gzip.compress(content) if suffix.endswith(".gz") else content)
    atoms = read_atoms(other)
    np.testing.assert_allclose(atoms.points, expected.points)
    np.testing.assert_allclose(atoms.masses, expected.masses)


REFUSED = {
    "no atoms": ("HEADER    NOTHING\n", "holds no atoms"),
    "empty": ("", "holds no atoms"),
    "occupancy 0": (atom(1, " CA", 1, occupancy=0) + atom(2, " CB", 2, occupancy=0), "all 2 atoms have occupancy 0"),
    "water": (atom(1, " O", 1, residue="HOH", element="O", record="HETATM"), "no heavy atoms apart from water"),
    "no number": (atom(1, " CA", float("nan")), r"a\.pdb"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_model_without_usable_atoms_is_refused(tmp_path: Path, name: str) -> None:
    text, says = REFUSED[name]
    with pytest.raises(HollyError, match=says):
        read_atoms(pdb(tmp_path, text))


def test_files_that_are_no_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HollyError, match="there is no such file"):
        read_atoms(tmp_path / "a.pdb")
    (tmp_path / "a.cif").write_text("loop_\n_atom_site.id\n")
    with pytest.raises(HollyError, match=r"a\.cif"):
        read_atoms(tmp_path / "a.cif")
    (tmp_path / "a.txt").touch()
    with pytest.raises(HollyError, match="not an atomic model by its suffix"):
        read_atoms(tmp_path / "a.txt")
    (tmp_path / "a.pdb.gz").write_bytes(gzip.compress(ATOMS.encode())[:-9])
    with pytest.raises(HollyError, match="cannot be read as an atomic model"):
        read_atoms(tmp_path / "a.pdb.gz")


@pytest.mark.parametrize(
    ("name", "atoms", "chains"),
    [("complexes-pdb/1aon.pdb.gz", 58870, 21), ("complexes-pdb/4v1w.cif.gz", 32736, 24), ("complexes-pdb/1eqr.pdb.gz", 0, 4)],
)  # fmt: skip
def test_published_models_are_read(name: str, atoms: int, chains: int) -> None:
    path = SHARED / name
    if not path.is_file():
        pytest.skip("the published models are not beside this repository")
    read = read_atoms(path)
    assert len({*read.chains}) == chains and read.remarks
    assert len(read) == atoms or not atoms
