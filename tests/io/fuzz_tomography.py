"""A small whole file of every kind that the tomography family reads, for ``fuzz.py`` to damage, and what reads it."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from holly_triton.geometry.euler import rotation_from_euler
from holly_triton.io.atoms import read_atoms
from holly_triton.io.particle_lists import ParticleList, read_particles, write_particles
from holly_triton.io.volumes import read_volume, write_volume
from holly_triton.tomography.inspection.command import describe

SHAPE, VOXEL = (17, 20, 23), 10.0
ATOM = "ATOM  {:5d}  CA  ALA {}{:4d}    {:8.3f}{:8.3f}{:8.3f}  1.00 10.00           C\n"
BIOMT = """\
REMARK 350 BIOMOLECULE: 1
REMARK 350 APPLY THE FOLLOWING TO CHAINS: A, B
REMARK 350   BIOMT1   1  1.000000  0.000000  0.000000        0.00000
REMARK 350   BIOMT2   1  0.000000  1.000000  0.000000        0.00000
REMARK 350   BIOMT3   1  0.000000  0.000000  1.000000        0.00000
"""


def use_volume(path: Path) -> None:
    describe(path)
    read_volume(path, VOXEL)


def use_list(path: Path) -> None:
    describe(path)
    read_particles(path, voxel_size=VOXEL, shape=SHAPE, class_names=["70S"])


def tomography_files(folder: Path) -> Iterator[tuple[str, Path, Callable[[Path], object]]]:
    """A small valid file of every kind, and its reader."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=SHAPE).astype(np.float32)
    for name, kept in (("map.mrc", values), ("labels.mrc", values > 1), ("map.em", values), ("map.h5", values)):
        write_volume(folder / name, kept, VOXEL)
        yield f"volume {name}", folder / name, use_volume
    packed = folder / "packed.map.gz"
    packed.write_bytes(gzip.compress((folder / "map.mrc").read_bytes()))
    yield "volume, packed", packed, use_volume
    listed = ParticleList.of(
        rng.choice(["70S", "FAS"], 6), 150 * rng.random((6, 3)), rotations=rotation_from_euler(90 * rng.random((6, 3)), "relion"),
        scores=rng.random(6), tomogram="TS_1",
    )  # fmt: skip
    for name, style in (
        ("a.csv", None),
        ("n.csv", "napari"),
        ("a.star", None),
        ("five.star", "relion5"),
        ("a.xml", None),
        ("a.tbl", None),
    ):
        write_particles(folder / name, listed, voxel_size=VOXEL, shape=SHAPE, style=style)
        yield f"list {name}", folder / name, use_list
    write_particles(folder / "a.json", listed.take(listed.labels == "70S"))
    yield "list a.json", folder / "a.json", use_list
    (folder / "a.txt").write_text("".join(f"1bxn {z:.0f} {y:.0f} {x:.0f} 10 20 30\n" for x, y, z in listed.positions))
    yield "list a.txt", folder / "a.txt", use_list
    atoms = "".join(ATOM.format(n, "AB"[n % 2], n, *place) for n, place in enumerate(listed.positions, start=1))
    (folder / "a.pdb").write_text(BIOMT + atoms + "END\n")
    yield "atoms a.pdb", folder / "a.pdb", read_atoms
    import gemmi

    structure = gemmi.read_structure(str(folder / "a.pdb"))
    structure.setup_entities()
    structure.make_mmcif_document().write_file(str(folder / "a.cif"))
    yield "atoms a.cif", folder / "a.cif", read_atoms
