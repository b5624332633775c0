"""Particle lists in STAR: RELION 4 (pixels), RELION 5 (Å from the centre of the tomogram), Warp, and what writes like them."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.geometry.euler import euler_from_rotation, rotation_from_euler

from .particle_list import ParticleList
from .raw import RawList, numbers_of
from .star_table import StarTable, read_star, star_text

Style = Literal["relion4", "relion5", "warp"]

CENTRED = tuple(f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ")
PIXELS = tuple(f"rlnCoordinate{axis}" for axis in "XYZ")
SHIFT_ANGSTROM = tuple(f"rlnOrigin{axis}Angst" for axis in "XYZ")
SHIFT_PIXELS = tuple(f"rlnOrigin{axis}" for axis in "XYZ")
ANGLES = tuple(f"rlnAngle{angle}" for angle in ("Rot", "Tilt", "Psi"))
BOX_ANGLES = tuple(f"rlnTomoSubtomogram{angle}" for angle in ("Rot", "Tilt", "Psi"))
"""Of the box in which a particle was extracted: the particle's own rotation acts first."""
PIXEL_SIZES = ("rlnTomoTiltSeriesPixelSize", "rlnImagePixelSize", "rlnPixelSize")
"""Å; the first is that of the coordinates of RELION 4, the others stand for it in files of other programs."""
DETECTOR, MAGNIFICATION, ANGSTROM_PER_UM = "rlnDetectorPixelSize", "rlnMagnification", 1e4
CLASS_NAME = "hollyClassName"
"""A column of ours; RELION has numbers only."""
CLASSES = (CLASS_NAME, "rlnClassNumber")
SCORES = ("rlnAutopickFigureOfMerit", "rlnLCCmax", "rlnMaxValueProbDistribution")
"""Of picking, of template matching by PyTom, of a refinement."""
TOMOGRAMS = ("rlnTomoName", "rlnMicrographName")
OPTICS = "rlnOpticsGroup"
FEWEST_FRACTIONS = 3
"""Rows from which coordinates that all lie between 0 and 1 are taken for fractions, as Warp's template matching writes."""


def read_star_list(path: Path) -> RawList:
    """The particles of a file; shifts of an alignment (``rlnOrigin..``) are subtracted from the positions.

    Raises:
        HollyError: No block has positions, or a needed column is missing or holds what is not a number.
    """
    blocks = read_star(path)
    table = _particles(path, blocks)
    boxes = _rotations(path, table, BOX_ANGLES)
    turns = _rotations(path, table, ANGLES)
    raw = _placed(path, table, blocks.get("optics", StarTable()))
    places, remarks = _without_shifts(path, table, boxes, raw)
    return replace(
        raw,
        positions=places,
        labels=_words(table, CLASSES),
        rotations=turns if boxes is None else boxes if turns is None else boxes @ turns,
        scores=next((table.numbers(path, name) for name in SCORES if name in table), None),
        tomograms=_tomograms(table),
        remarks=remarks,
    )


def _placed(path: Path, table: StarTable, optics: StarTable) -> RawList:
    """The positions, with their unit."""
    centred = _vector(path, table, CENTRED)
    if centred is not None:
        return RawList(centred, "centred", f"STAR of RELION 5 ({CENTRED[0]}, ...)")
    places = _vector(path, table, PIXELS)
    assert places is not None  # _particles has looked for one of the two
    if len(places) >= FEWEST_FRACTIONS and places.min() >= 0 and places.max() <= 1 and np.any(places % 1):
        return RawList(places, "fraction", "STAR of Warp's template matching (coordinates from 0 to 1)")
    side, source = _side(path, table, optics)
    return RawList(places, "voxel", f"STAR ({PIXELS[0]}, ...; pixel size {source})", side=side)


def _without_shifts(path: Path, table: StarTable, boxes: Array | None, raw: RawList) -> tuple[Array, list[str]]:
    """The positions less the shifts of an alignment, which are along the axes of the extracted box; and a remark."""
    subtracted = "Shifts of the alignment (rlnOrigin..) were subtracted from the positions."
    shift, unit = _vector(path, table, SHIFT_ANGSTROM), raw.side if raw.unit == "voxel" else 1.0
    if shift is None:
        shift, unit = _vector(path, table, SHIFT_PIXELS), 1.0
        if raw.unit != "voxel":
            shift = None
    if shift is None or not np.any(shift):
        return raw.positions, []
    if unit is None or raw.unit == "fraction":
        return raw.positions, ["Shifts of the alignment (rlnOrigin..) were not used: the pixel size is not stated."]
    turned = shift if boxes is None else np.einsum("nij,nj->ni", boxes, shift)
    return raw.positions - turned / unit, [subtracted]


def _particles(path: Path, blocks: dict[str, StarTable]) -> StarTable:
    """The block with positions: that named particles, else the first."""
    wanted = [blocks["particles"]] if "particles" in blocks else [*blocks.values()]
    for table in wanted:
        for names in (CENTRED, PIXELS):
            if all(name in table for name in names):
                return table
    partly = [name for table in wanted for names in (CENTRED, PIXELS) if any(one in table for one in names) for name in names if name not in table]  # fmt: skip
    if partly:
        raise HollyError(f"{path}: lacks {', '.join(partly)}; positions need all three axes")
    found = ", ".join(wanted[0].names[:12]) or "no columns"
    raise HollyError(f"{path}: lacks {', '.join(PIXELS)} (or {CENTRED[0]}, ...); found {found}")


def _vector(path: Path, table: StarTable, names: tuple[str, ...]) -> Array | None:
    """Three columns ``[N, 3]``; None where one is missing."""
    if not all(name in table for name in names):
        return None
    return np.stack([table.numbers(path, name) for name in names], axis=1)


def _rotations(path: Path, table: StarTable, names: tuple[str, ...]) -> Array | None:
    angles = _vector(path, table, names)
    if angles is None:
        partly = [name for name in names if name in table]
        if partly and names is BOX_ANGLES:
            raise HollyError(
                f"{path}: has {partly[0]} and lacks {', '.join(name for name in names if name not in table)}"
            )
        return None
    known = np.isfinite(angles).all(axis=1)
    rotations = np.full((len(angles), 3, 3), np.nan)
    rotations[known] = rotation_from_euler(angles[known], "relion")
    return rotations


def _side(path: Path, table: StarTable, optics: StarTable) -> tuple[float | None, str]:
    """The pixel size of the coordinates, Å, and where it is stated."""
    for block in (optics, table):
        for name in PIXEL_SIZES:
            if name in block and block.rows:
                return _only(path, block.numbers(path, name), name), f"from {name}"
    if DETECTOR in table and MAGNIFICATION in table and table.rows:
        sizes = table.numbers(path, DETECTOR) * ANGSTROM_PER_UM / table.numbers(path, MAGNIFICATION)
        return _only(path, sizes, DETECTOR), f"from {DETECTOR}"
    return None, "not stated"


def _only(path: Path, sizes: Array, name: str) -> float:
    if not (np.isfinite(sizes).all() and sizes.min() > 0):
        raise HollyError(f"{path}: has a {name} that is not above 0")
    if not np.allclose(sizes, sizes[0], rtol=1e-3):
        raise HollyError(f"{path}: has several pixel sizes in {name}; save the particles of each in a file of its own")
    return float(sizes[0])


def _words(table: StarTable, names: tuple[str, ...]) -> list[str] | None:
    return next((table.words(name) for name in names if name in table), None)


def _tomograms(table: StarTable) -> list[str] | None:
    words = _words(table, TOMOGRAMS)
    return None if words is None else [_stem(word) for word in words]


def _stem(name: str) -> str:
    """The name without folder and without the suffix of a file, where it has one."""
    last = name.replace("\\", "/").rpartition("/")[2]
    stem, dot, suffix = last.rpartition(".")
    return stem if dot and suffix.lower() in ("tomostar", "mrc", "rec", "mrcs", "st") else last


def write_star_list(
    path: Path, particles: ParticleList, style: Style, voxel_size: float, shape: tuple[int, ...] | None
) -> None:
    """Write the particles of one of the programs.

    Args:
        path: The file.
        particles: What to write.
        style: ``relion4``: pixels of ``voxel_size`` with the first voxel at 0. ``relion5``: Å from half the tomogram's
            sides, which needs its shape. ``warp``: as RELION 4, without optics groups, one ``.tomostar`` a tomogram.
        voxel_size: Of the tomogram, Å.
        shape: Of the tomogram, ``[Z, Y, X]``.
    """
    columns: dict[str, list[str]] = {}
    tomograms = particles.tomograms.tolist()
    columns[TOMOGRAMS[style == "warp"]] = [f"{name}.tomostar" if style == "warp" else name for name in tomograms]
    if style == "relion5":
        assert shape is not None
        places, names = particles.positions - np.array(shape[::-1]) * voxel_size / 2, CENTRED
    else:
        places, names = particles.positions / voxel_size, PIXELS
    columns |= {name: _numbers(places[:, axis]) for axis, name in enumerate(names)}
    if particles.rotations is not None:
        angles = euler_from_rotation(particles.rotations, "relion")
        columns |= {name: _numbers(angles[:, place]) for place, name in enumerate(ANGLES)}
    numbers, _ = numbers_of(particles.labels)
    columns["rlnClassNumber"] = [str(number) for number in numbers]
    columns[CLASS_NAME] = particles.labels.tolist()
    if np.isfinite(particles.scores).any():
        columns[SCORES[0]] = _numbers(particles.scores)
    text = "# version 30001\n\n"
    if style == "warp":
        columns["rlnPixelSize"] = [f"{voxel_size:.6g}"] * len(particles)
        text += star_text("", columns)
    else:
        columns[OPTICS] = ["1"] * len(particles)
        optics = {OPTICS: ["1"], f"{OPTICS}Name": ["opticsGroup1"], PIXEL_SIZES[0]: [f"{voxel_size:.6g}"]}
        text += star_text("optics", optics) + "# version 30001\n\n" + star_text("particles", columns)
    path.write_text(text, encoding="utf-8")


def _numbers(values: Array) -> list[str]:
    return [f"{value:.4f}" if np.isfinite(value) else "nan" for value in values]
