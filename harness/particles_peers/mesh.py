"""Noisy pictures of a known structure: our cloud and RELION's volume against the truth."""

from pathlib import Path
from typing import NamedTuple

import mrcfile
import numpy as np
import torch
from scipy import fft

import holly_triton
from holly_triton.core.origin import machine, short_commit
from holly_triton.core.types import Array
from holly_triton.geometry import Grid
from holly_triton.kernels import splat_emitters
from holly_triton.particles.simulate import simulate
from holly_triton.structures import read_structure
from holly_triton.validation.alignment import align
from holly_triton.validation.comparison import Alignment
from holly_triton.validation.fsc import crossing, shell_correlation

from .config import DIAMETER_MARGIN, FSC, LIMIT_S, MASK_EDGE_PX, MISSING, PICTURES, SCATTER, SIDE, UNIT_NM
from .processes import train
from .records import MeshRow
from .relion import points_of, reconstruct, relion_version


class Scene(NamedTuple):
    """Pictures of a structure, and what is known of it."""

    name: str
    truth: Array  # [M, 3] nm
    pictures: Array  # [B, n, n]
    pixel_nm: float
    seed: int

    @property
    def diameter_px(self) -> float:
        """Of a sphere that holds the structure."""
        centred = self.truth - self.truth.mean(0)
        return float(2 * np.linalg.norm(centred, axis=1).max() / self.pixel_nm)


def make_scene(
    structure: Path, seed: int, pictures: int = PICTURES, *, scatter: float = SCATTER, missing: float = MISSING
) -> Scene:
    """Pictures with scattered and missing labels, each label a Gaussian of one pixel; ``scatter`` in units of the paper."""
    points = read_structure(structure, UNIT_NM).points
    generator = torch.Generator().manual_seed(seed)
    simulation = simulate(points, pictures, scatter_nm=scatter * UNIT_NM, missing=missing, generator=generator)
    grid = Grid(SIDE, simulation.grid.field_nm)
    drawn = splat_emitters(grid.to_pixels(simulation.positions), simulation.offsets, 1.0, grid.shape).numpy()
    return Scene(structure.stem, points, drawn, grid.pixel_nm, seed)


def run_ours(scene: Scene, folder: Path) -> MeshRow:
    """``holly-triton train`` with its defaults and, as RELION's volume is divided into points, the true number of them.

    Raises:
        UnavailableError: It fails or takes too long.
    """
    data = write_pictures(scene, folder)
    cloud, seconds = train(data, folder / "run", scene.seed, LIMIT_S, "--points", str(len(scene.truth)))
    fit, middle = align(cloud, scene.truth), scene.truth.mean(0)
    volume = drawn(fit.aligned - middle, SIDE, scene.pixel_nm)
    return _row("holly-triton", holly_triton.__version__, scene, fit, volume, scene.truth - middle, seconds)


def write_pictures(scene: Scene, folder: Path) -> Path:
    """The file of the pictures, as ``train`` reads it."""
    data = folder / "pictures.mrcs"
    with mrcfile.new(data, overwrite=True) as file:
        file.set_data(scene.pictures)
        file.set_image_stack()
        file.voxel_size = 10 * scene.pixel_nm
    return data


def run_relion(scene: Scene, folder: Path) -> MeshRow:
    """RELION, helped by the true diameter for its mask, and by the best of several ways to make points of its volume.

    Raises:
        UnavailableError: It is not installed, fails or takes too long.
    """
    diameter = DIAMETER_MARGIN * scene.diameter_px
    volume, seconds = reconstruct(scene.pictures, diameter, folder / "relion", scene.seed, LIMIT_S)
    middle = len(volume) // 2
    ways = points_of(volume, len(scene.truth), scene.seed).items()
    fits = {way: align((points - middle) * scene.pixel_nm, scene.truth) for way, points in ways}
    way = min(fits, key=lambda way: fits[way].rmsd)
    # The truth is moved to the volume, which needs no interpolation.
    fit = fits[way]
    moved = (scene.truth - fit.translation) @ fit.rotation * (1, 1, -1 if fit.mirrored else 1)
    return _row("RELION", relion_version(), scene, fit, volume, moved, seconds, way)


def _row(
    program: str, version: str, scene: Scene, fit: Alignment, volume: Array, truth: Array, seconds: float, way: str = ""
) -> MeshRow:
    return MeshRow(
        program=program, version=version, structure=scene.name, seed=scene.seed, pictures=len(scene.pictures),
        points_by=way, rms_units=fit.rmsd / UNIT_NM, fsc_half_nm=half_correlation(volume, truth, scene.pixel_nm),
        seconds=seconds, device=machine(), commit=short_commit(),
    )  # fmt: skip


def half_correlation(volume: Array, truth: Array, voxel_nm: float) -> float:
    """Resolution at which a volume and the truth correlate by a half, nm; NaN where they do at every resolution it holds.

    Args:
        volume: ``[n, n, n]``, axes z, y, x; its centre is index ``n // 2``.
        truth: Points in the volume's frame ``[M, 3]``, nm from its centre.
        voxel_nm: Side of a voxel.
    """
    other = drawn(truth, len(volume), voxel_nm)
    place = np.indices(volume.shape)[::-1] - len(volume) // 2 - truth.mean(0)[:, None, None, None] / voxel_nm
    beyond = np.linalg.norm(place, axis=0) - np.linalg.norm(truth - truth.mean(0), axis=1).max() / voxel_nm
    mask = (1 + np.cos(np.pi * np.clip(beyond / MASK_EDGE_PX - 0.5, 0, 1))) / 2  # a raised cosine about the structure
    frequency, correlation = shell_correlation(fft.rfftn(volume * mask), fft.rfftn(other * mask), voxel_nm)
    found = crossing(frequency, correlation, FSC)
    return float("nan") if found is None else found


def drawn(points: Array, size: int, voxel_nm: float) -> Array:
    """Points ``[N, 3]``, nm from the centre, as Gaussians of one voxel in a volume ``[n, n, n]``."""
    ticks = np.arange(size) - size // 2
    x, y, z = np.exp(-0.5 * (points.T[:, :, None] / voxel_nm - ticks) ** 2)
    return np.asarray(np.einsum("nz,ny,nx->zyx", z, y, x, optimize=True))
