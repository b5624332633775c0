"""Makes the shipped structures: beads of an atomic model's asymmetric unit, in the frame of its point group.

    python -m holly_triton.tomography.structures.making NAME MODEL GROUP OUT

writes ``OUT/NAME.csv``. ``beads/SOURCE.md`` holds the commands that were used.
"""

import math
import sys
from pathlib import Path

import numpy as np
import torch
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.geometry.groups import point_group
from holly_triton.geometry.volumes import centre, frequencies
from holly_triton.io.atoms import Atoms, read_atoms
from holly_triton.tomography.config.structures import (
    BEAD_DA,
    FITTED_A,
    FITTING_STEPS,
    MOST_BEADS,
    SAME_CHAIN_A,
    SIGMA_PER_RESOLUTION,
)

from .density import Density
from .drawing import draw_map, draw_spectrum, sum_of_waves


def make(name: str, model: Path, group: str, out: Path) -> str:
    """Write the beads of a model; returns a line with their number and error.

    Raises:
        HollyError: The model can't be read or has not this symmetry.
    """
    atoms = read_atoms(model)
    points = atoms.points - (atoms.points * atoms.masses[:, None]).sum(0) / atoms.masses.sum()
    operators = point_group(group).double().numpy()
    points = points @ _frame(atoms, points, group).T
    unit = _asymmetric_unit(atoms, points, operators)
    count = min(MOST_BEADS, max(1, round(float(atoms.masses[unit].sum()) / BEAD_DA)))
    beads, masses, variance = _clustered(points[unit], atoms.masses[unit], count)
    resolution = variance**0.5 / SIGMA_PER_RESOLUTION
    fine = Density.of(name, points, atoms.masses)
    beads, masses = _fitted(beads, masses, resolution, operators, fine)
    title = f"{name}: {model.name}; {group}; a row for each bead of the asymmetric unit"
    rows = "\n".join(f"{x:.1f},{y:.1f},{z:.1f},{mass:.0f}" for (x, y, z), mass in zip(beads, masses, strict=True))
    (out / f"{name}.csv").write_text(
        f"# {title}\n# symmetry {group}\n# resolution {resolution:.2f}\nx,y,z,mass\n{rows}\n"
    )
    whole = np.concatenate([beads @ operator.T for operator in operators])
    coarse = Density.of(name, whole, np.tile(masses, len(operators)), resolution=resolution)
    errors = ", ".join(f"{100 * _difference(coarse, fine, at):.1f} % at {at:g} Å" for at in (FITTED_A, 20.0, 27.0))
    return f"{name}: {len(beads)} beads of {len(atoms)} atoms, {group}, blur {resolution:.1f} Å, error {errors}"


def _difference(one: Density, two: Density, resolution: float) -> float:
    size = int(1.2 * two.diameter / (resolution / 2)) + 4
    drawn, other = (draw_map(density, size, resolution / 2, resolution) for density in (one, two))
    return float((drawn - other).norm() / other.norm())


def _operators(atoms: Atoms, points: Array) -> list[Array]:
    """The rotations about the centre of mass that carry the first chain onto others like it."""
    chains = [np.flatnonzero(atoms.chains == name) for name in dict.fromkeys(atoms.chains.tolist())]
    first = chains[0]
    found = [np.eye(3)]
    for other in chains[1:]:
        if len(other) == len(first) and (atoms.names[other] == atoms.names[first]).all():
            rotation, distance = Rotation.align_vectors(points[other], points[first])
            if distance / len(first) ** 0.5 < SAME_CHAIN_A:
                found.append(rotation.as_matrix())
    return found


def _frame(atoms: Atoms, points: Array, group: str) -> Array:
    """The rotation ``[3, 3]`` that turns a model into the frame in which its group is defined."""
    wanted = point_group(group).double().numpy()
    if len(wanted) == 1:
        return np.eye(3)
    found = _operators(atoms, points)
    vectors = Rotation.from_matrix(found).as_rotvec()
    angles = np.linalg.norm(vectors, axis=1)
    largest = 2 * np.pi / int(group[1:]) if group[0] in "CD" else 2 * np.pi / {"T": 2, "O": 4, "I": 2}[group[0]]
    main = [
        vector / angle for vector, angle in zip(vectors, angles, strict=True) if angle and abs(angle - largest) < 0.02
    ]
    twofold = [
        vector / angle for vector, angle in zip(vectors, angles, strict=True) if angle and abs(angle - np.pi) < 0.02
    ]
    if len(found) != len(wanted) or not main:
        raise HollyError(
            f"the chains of the model map onto each other by {len(found)} rotations, and {group} has {len(wanted)}"
        )
    z = main[0]
    second = main if group[0] in "TOI" else twofold
    across = next((one for one in second if abs(one @ z) < 0.02), np.cross(z, np.eye(3)[np.argmin(np.abs(z))]))
    x = across - (across @ z) * z
    x /= np.linalg.norm(x)
    rough = np.stack([x, np.cross(z, x), z])
    # Then the frame that brings all axes closest to those of the group; a rotation by 180 degrees has either sign.
    axes = Rotation.from_matrix(wanted).as_rotvec()
    nearest = np.abs(rough @ np.array(found) @ rough.T - wanted[:, None]).sum((2, 3)).argmin(1)
    own = vectors[nearest] * np.where((vectors[nearest] @ rough.T * axes).sum(1, keepdims=True) < 0, -1, 1)
    fine: Array = Rotation.align_vectors(axes[1:], own[1:])[0].as_matrix()
    return fine


def _asymmetric_unit(atoms: Atoms, points: Array, operators: Array) -> Array:
    """Atoms ``[M]`` of chains that no operator maps onto each other, one of each kind, which together make up the whole."""
    chains = [np.flatnonzero(atoms.chains == name) for name in dict.fromkeys(atoms.chains.tolist())]
    centres = np.stack([points[chain].mean(0) for chain in chains])
    taken = np.zeros(len(chains), dtype=bool)
    unit = []
    for number, chain in enumerate(chains):
        if not taken[number]:
            unit.append(chain)
            images = operators @ centres[number]
            near = np.linalg.norm(images[:, None] - centres, axis=2)
            taken |= (near < 2 * SAME_CHAIN_A).any(0)
    rows = np.concatenate(unit)
    if len(rows) * len(operators) != len(points):
        raise HollyError(
            f"{len(rows)} atoms under {len(operators)} rotations are not the {len(points)} atoms of the model"
        )
    return rows


def _clustered(points: Array, masses: Array, count: int) -> tuple[Array, Array, float]:
    """K-means of atoms: centres of mass ``[K, 3]``, masses ``[K]``, and the mean variance along an axis within a cluster."""
    random = np.random.default_rng(0)
    centres = points[random.choice(len(points), count, replace=False)]
    for _ in range(40):
        nearest = KDTree(centres).query(points)[1]
        mass = np.bincount(nearest, masses, count)
        kept = mass > 0
        sums = np.stack([np.bincount(nearest, masses * axis, count) for axis in points.T], axis=1)
        centres = sums[kept] / mass[kept, None]
        count = len(centres)
    nearest = KDTree(centres).query(points)[1]
    mass = np.bincount(nearest, masses, count)
    lost = (masses[:, None] * (points - centres[nearest]) ** 2).sum() / (3 * masses.sum())
    return centres, mass, float(lost)


def _fitted(beads: Array, masses: Array, resolution: float, operators: Array, fine: Density) -> tuple[Array, Array]:
    """Positions and masses of beads that fit the density of all atoms at ``FITTED_A`` by least squares."""
    voxel = FITTED_A / 2
    size = int(1.2 * fine.diameter / voxel) + 4
    target = draw_spectrum(fine, size, voxel, FITTED_A)[0] * voxel**3
    grid = frequencies((size,) * 3)
    variance = ((SIGMA_PER_RESOLUTION / voxel) ** 2) * (FITTED_A**2 - resolution**2)
    blur = torch.exp(-2 * math.pi**2 * variance * (grid[0] ** 2 + grid[1] ** 2 + grid[2] ** 2))
    places = torch.tensor(beads, dtype=torch.float32, requires_grad=True)
    weights = torch.tensor(masses, dtype=torch.float32)
    share = torch.ones_like(weights, requires_grad=True)
    turns = torch.from_numpy(operators).float()
    optimiser = torch.optim.Adam([{"params": [places], "lr": 0.2}, {"params": [share], "lr": 0.02}])
    for _ in range(FITTING_STEPS):
        optimiser.zero_grad()
        whole = torch.einsum("gij,nj->gni", turns, places).flatten(0, 1) / voxel + centre(size)
        drawn = sum_of_waves(whole, (weights * share).repeat(len(turns)), *grid) * blur
        loss = (drawn - target).abs().square().sum() / target.abs().square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return places.detach().double().numpy(), (weights * share.detach()).double().numpy()


if __name__ == "__main__":
    torch.set_num_threads(1)
    named, file, symmetry, folder = sys.argv[1:]
    print(make(named, Path(file), symmetry, Path(folder)))
