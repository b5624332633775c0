"""Built-in structures, given by formulas."""

import difflib
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import missing
from holly_triton.core.types import Array
from holly_triton.io.clouds import Cloud, read_cloud
from holly_triton.io.units import UNIT_NM

SMALLEST_NM = 10.0
"""A cloud without a unit that would be smaller in nm is probably in another unit."""
COLUMNS = 8
SPACING = 0.075


def cep152() -> Array:
    """The CEP152/HsSAS-6 model of the paper: a wide cylinder and, at a right angle to it, a narrow one.

    Each has eight columns. They stand for the CEP152 torus about a centriole and the HsSAS-6 cartwheel of its
    daughter (Blundell et al. 2021). The only symmetry of the pair is the reflection x -> -x, so it is achiral.

    Returns:
        Sites ``[112, 3]`` float64, nm, in the frame of the paper's mesh (not centred).
    """
    torus = _cylinder(radius=0.6, rings=9, first=-0.3)[:, [0, 2, 1]]  # axis along y
    cartwheel = _cylinder(radius=0.21, rings=5, first=-0.796216) + [0, 0.0628, 0]  # axis along z
    return UNIT_NM * np.concatenate([torus, cartwheel])


def _cylinder(radius: float, rings: int, first: float) -> Array:
    """Sites ``[8 * rings, 3]`` on a cylinder about z with its lowest ring at z = ``first``, paper's unit."""
    angle = 2 * np.pi * np.arange(COLUMNS) / COLUMNS
    height, angle = np.meshgrid(first + SPACING * np.arange(rings), angle, indexing="ij")
    return _cylindrical(np.full(height.size, radius), angle.ravel(), height.ravel())


def nuclear_pore() -> Array:
    """Nup107 in the nuclear pore: two copies in each of eight corners of each of two rings.

    A two-fold axis in the plane of the pore maps one ring onto the other, so that the symmetry is D8 and the pore is
    chiral. Radii, heights and angles are those of the model that comes with the simulated pores of Heydarian et al. 2021
    (Nature Communications 12, 2847): the copies lie at radii of 46.6 and 49.7 nm, 28.05 and 31.05 nm from the middle
    plane, 13.59 degrees apart; the rings are rotated by 0.59 degrees relative to each other.

    Returns:
        Sites ``[32, 3]`` float64, nm.
    """
    radius, height, angle = np.array([46.6, 49.7]), np.array([28.05, 31.05]), np.deg2rad([0.0, -13.59])
    twist = np.deg2rad(-0.59)
    corner = np.concatenate([_cylindrical(radius, angle, height), _cylindrical(radius, twist - angle, -height)])
    return _around_z(corner, 8)


def torus() -> Array:
    """A torus of 200 nm diameter along the centre of its tube, which is 60 nm thick, with sites of equal density.

    The dimensions were chosen. The sites form a Fibonacci lattice of equal areas, which is periodic in both directions.

    Returns:
        Sites ``[233, 3]`` float64, nm.
    """
    sites, turns, ring, tube = 233, 144, 100.0, 30.0  # neighbours in the Fibonacci series
    # The area within an angle v of the tube grows as v + (tube / ring) sin(v): invert that by interpolation.
    v = np.linspace(0, 2 * np.pi, 2000)
    around_tube = np.interp((np.arange(sites) + 0.5) / sites, (v + tube / ring * np.sin(v)) / (2 * np.pi), v)
    around_axis = np.arange(sites) * (2 * np.pi * turns / sites)
    return _cylindrical(ring + tube * np.cos(around_tube), around_axis, tube * np.sin(around_tube))


def microtubule() -> Array:
    """A segment of a microtubule: 13 protofilaments of 16 tubulin dimers on a cylinder 25 nm wide.

    Dimers are 8 nm long. Neighbouring protofilaments are shifted by 12/13 nm, so that the pitch is three monomers of
    4 nm: the left-handed three-start helix of the B lattice, with its seam (Nogales et al. 1999, Cell 96, 79). It is
    chiral and has no symmetry. Each dimer has one site, on the outer surface.

    Returns:
        Sites ``[208, 3]`` float64, nm.
    """
    filaments, dimers = 13, 16
    turn, dimer = np.meshgrid(np.arange(filaments) / filaments, np.arange(dimers), indexing="ij")
    height = 8.0 * dimer + 12.0 * turn
    radius = np.full(turn.size, 12.5)
    return _cylindrical(radius, -2 * np.pi * turn.ravel(), (height - height.mean()).ravel())


def centriole() -> Array:
    """A centriole: nine triplets of microtubules, 250 nm across and 500 nm long.

    Width and length as in Winey & O'Toole 2014 (Philosophical Transactions B 369, 20130457). Tubules are drawn as
    lines of sites 50 nm apart; the 20 nm between the tubules of a triplet and the 40 degrees between triplet and tangent
    were chosen. The symmetry is C9h: the horizontal mirror plane makes it achiral.

    Returns:
        Sites ``[297, 3]`` float64, nm.
    """
    tilt, outermost = np.deg2rad(40.0), 125.0
    along = 20.0 * np.arange(3)[:, None] * [-np.sin(tilt), np.cos(tilt)]  # inward and along the tangent
    triplet = [outermost, 0.0] + along
    height = np.arange(-250.0, 251.0, 50.0)
    blade = np.concatenate([np.column_stack([triplet, np.full(3, z)]) for z in height])
    return _around_z(blade, 9)


def tetrahedron() -> Array:
    """A wireframe tetrahedron of DNA origami with edges of 100 nm: its corners, and a site every 10 nm along the edges.

    It has the size of the origami that Iinuma et al. 2014 (Science 344, 65) built from tripods and imaged by DNA-PAINT,
    labelled at the corners; the sites along the edges were chosen. It is achiral.

    Returns:
        Sites ``[58, 3]`` float64, nm.
    """
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * (100 / np.sqrt(8))
    share = np.linspace(0, 1, 11)[1:-1, None]
    edges = [a + share * (b - a) for a, b in itertools.combinations(corners, 2)]
    return np.concatenate([corners, *edges])


def tripod() -> Array:
    """Three arms of 60, 90 and 120 nm along x, y and z from one origin, without symmetry and chiral.

    This synthetic shape tests whether a method recovers asymmetry, and which handedness it found.

    Returns:
        Sites ``[55, 3]`` float64, nm, 5 nm apart.
    """
    arms = [
        np.outer(np.arange(5.0, length + 1, 5.0), axis) for length, axis in zip((60, 90, 120), np.eye(3), strict=True)
    ]
    return np.concatenate([np.zeros((1, 3)), *arms])


def _cylindrical(radius: Array, angle: Array, height: Array) -> Array:
    """Sites ``[N, 3]`` from radius, angle about z in radians, and height, each ``[N]``."""
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=-1)


def _around_z(part: Array, times: int) -> Array:
    """The sites ``[N, 3]`` of a part and of its copies, rotated about z by equal steps: ``[times * N, 3]``."""
    angle = 2 * np.pi * np.arange(times) / times
    turns = np.zeros((times, 3, 3))
    turns[:, 0, 0] = turns[:, 1, 1] = np.cos(angle)
    turns[:, 1, 0], turns[:, 0, 1], turns[:, 2, 2] = np.sin(angle), -np.sin(angle), 1
    return (part @ turns.transpose(0, 2, 1)).reshape(-1, 3)


STRUCTURES: dict[str, Callable[[], Array]] = {
    "cep152": cep152,
    "nuclear-pore": nuclear_pore,
    "torus": torus,
    "microtubule": microtubule,
    "centriole": centriole,
    "tetrahedron": tetrahedron,
    "tripod": tripod,
}
"""Every structure by its name on the command line."""
OF_FOLDERS = ("truth.ply", "cloud.ply")
"""Files of a cloud in the folders of a simulation and of a run."""


def read_structure(cloud: str | Path, unit_nm: float | None = None) -> Cloud:
    """A cloud from its file or, where no such file exists, the structure of that name, in nm.

    Where a cloud without a unit would be smaller than light microscopy resolves, its notes name the unit of the paper's
    meshes.

    Args:
        cloud: A file as `read_cloud` takes it, or a name of ``STRUCTURES``.
        unit_nm: nm per unit, for a file that states none; nm if not given.

    Raises:
        HollyError: The cloud is neither a file nor a known name, or ``read_cloud`` fails.
    """
    name = str(cloud)
    if Path(cloud).is_file():
        found = read_cloud(cloud, unit_nm)
        extent = float(np.ptp(found.points, axis=0).max())
        if not found.stated and unit_nm is None and extent < SMALLEST_NM:
            found.notes.append(
                f"So it is {extent:.3g} nm across, below the resolution of light microscopy; the clouds of the HOLLy paper "
                f"have {UNIT_NM:g} nm a unit: --unit-nm {UNIT_NM:g}."
            )
        return found
    if name not in STRUCTURES and Path(cloud).is_dir():
        files = (Path(cloud) / file for file in OF_FOLDERS)
        hint = next((f", such as {file}" for file in files if file.is_file()), "")
        raise HollyError(f"{name}: is a folder; give the file of a cloud{hint}")
    if name not in STRUCTURES and Path(name).suffix:
        raise missing(Path(name), f"a cloud's file, or one of {', '.join(STRUCTURES)}")
    if name not in STRUCTURES:
        near = difflib.get_close_matches(name.lower(), STRUCTURES, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise HollyError(
            f"{name}: is neither a file nor a known structure; {hint}give a cloud's file or one of {', '.join(STRUCTURES)}"
        )
    return Cloud(STRUCTURES[name](), 1.0, name)
