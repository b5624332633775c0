"""Structures: read, centred, weighed, and drawn exactly where they are."""

import math
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial import KDTree

from holly_triton.core.errors import HollyError
from holly_triton.geometry import random_rotations
from holly_triton.geometry.groups import point_group
from holly_triton.geometry.volumes import splat_centred
from holly_triton.io.clouds import write_cloud
from holly_triton.io.volumes.volume import Volume
from holly_triton.tomography.config.structures import PROTEIN_DA, SIGMA_PER_RESOLUTION
from holly_triton.tomography.structures import DECOYS, Density, draw_map, draw_spectrum, from_map, read_density, shipped
from holly_triton.tomography.structures.drawing import fitting

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def cloud(seed: int, count: int = 40, reach: float = 60.0) -> Density:
    generator = torch.Generator().manual_seed(seed)
    points = reach * (2 * torch.rand(count, 3, generator=generator) - 1)
    return Density.of("cloud", points, 1 + torch.rand(count, generator=generator))


def centroid(volume: torch.Tensor) -> torch.Tensor:
    """Centre of mass in voxels x, y, z from voxel 0."""
    axes = [torch.arange(side, dtype=volume.dtype) for side in volume.shape]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    return torch.stack([(volume * axis).sum() for axis in (x, y, z)]) / volume.sum()


@pytest.mark.parametrize("size", [32, 33])
def test_drawn_as_the_sum_of_gaussians(size: int, seed: int) -> None:
    # 24 Å at 4 Å a voxel: a sigma of 1.35 voxels, whose samples barely alias, so that real space gives the same picture.
    density, voxel, resolution = cloud(seed, 12, 25.0), 4.0, 24.0
    drawn = draw_map(density, size, voxel, resolution)
    sigma = SIGMA_PER_RESOLUTION * resolution
    axis = (torch.arange(size, dtype=torch.float64) - size // 2) * voxel
    factor = [torch.exp(-((axis - place[:, None]) ** 2) / (2 * sigma**2)) for place in density.points.double().T]
    direct = torch.einsum("n,nz,ny,nx->zyx", density.weights.double(), factor[2], factor[1], factor[0])
    direct /= (2 * math.pi * sigma**2) ** 1.5
    assert (drawn - direct).norm() / direct.norm() < 0.02  # points are joined to a lattice
    assert float(drawn.sum()) * voxel**3 == pytest.approx(density.mass, rel=1e-4)


@pytest.mark.parametrize("size", [40, 41])
def test_centre_of_mass_lies_at_half_the_size_and_moves_with_the_shift(size: int, seed: int) -> None:
    density, shift = cloud(seed, reach=40.0), torch.tensor([[0.0, 0.0, 0.0], [7.5, -11.0, 3.2]])
    rotation = random_rotations(2, torch.Generator().manual_seed(seed))
    for drawn, moved in zip(draw_map(density, size, 5.0, 20.0, rotation=rotation, shift=shift), shift, strict=True):
        assert torch.allclose(centroid(drawn), moved / 5.0 + size // 2, atol=2e-3)


def test_a_rotation_is_active(seed: int) -> None:
    pair = Density.of("pair", torch.tensor([[50.0, 0, 0], [-10.0, 0, 0]]), torch.tensor([1.0, 5.0]))
    quarter = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])  # x goes to y
    drawn = draw_map(pair, 32, 5.0, 15.0, rotation=quarter, shift=torch.zeros(3))
    far = drawn[16].clone()
    far[:20] = 0
    assert divmod(int(far.argmax()), 32) == (26, 16)  # row 26 is y = 50 Å


def test_points_outside_the_box_are_left_out() -> None:
    pair = Density.of("pair", torch.tensor([[90.0, 0, 0], [-10.0, 0, 0]]), torch.tensor([1.0, 9.0]))
    drawn = draw_map(pair, 24, 5.0, 15.0)
    assert float(drawn.sum()) * 125 == pytest.approx(9.0, rel=1e-4)


@pytest.mark.parametrize("size", [24, 25])
def test_projection_slice(size: int, seed: int) -> None:
    """The transform of a projection is the plane through the transform of the volume."""
    density, sigma_px, voxel = cloud(seed, reach=20.0), 1.2, 4.0
    resolution = sigma_px * voxel / SIGMA_PER_RESOLUTION
    thin = fitting(density, resolution)
    rotation = random_rotations(3, torch.Generator().manual_seed(seed))
    wanted = (sigma_px**2 - (thin.sigma / voxel) ** 2) ** 0.5
    pictures = splat_centred(
        thin.points / voxel, rotation, torch.zeros(3, 2), wanted, (size, size), weights=thin.weights
    )
    planes = draw_spectrum(density, size, voxel, resolution, rotation=rotation)[:, 0] * voxel**3
    transforms = torch.fft.rfft2(torch.fft.ifftshift(pictures, dim=(1, 2)))
    x = torch.fft.rfftfreq(size)
    y = torch.fft.fftfreq(size)[:, None]
    # Both put the origin at index n // 2; the pictures were shifted to index 0.
    planes = planes * torch.exp(2j * math.pi * (x + y) * (size // 2))
    below = (x**2 + y**2).sqrt() < 0.35  # a Gaussian of 1.2 pixels, sampled, aliases above
    difference = (planes - transforms)[:, below].abs().max() / transforms.abs().max()
    assert difference < 1e-4


def test_thinning_keeps_mass_centre_and_second_moment(seed: int) -> None:
    density = cloud(seed, 5000)
    thin = density.thinned(12.0)
    assert len(thin.points) < 2500
    assert thin.mass == pytest.approx(density.mass, rel=1e-5)
    assert torch.allclose((thin.weights[:, None] * thin.points).sum(0) / thin.mass, torch.zeros(3), atol=1e-3)
    second = [
        float((one.weights[:, None] * one.points**2).sum()) / one.mass - 3 * one.sigma**2 for one in (density, thin)
    ]
    assert second[0] == pytest.approx(second[1], rel=1e-4)


@pytest.mark.parametrize("name", list(DECOYS))
def test_decoys_have_the_density_of_their_matter(name: str) -> None:
    decoy = read_density(name)
    inside = draw_map(decoy, 48, 6.0, 24.0)[24, 24, 24]
    matter = PROTEIN_DA * (10 if name == "gold" else 1)
    assert float(inside) == pytest.approx(matter, rel=0.1)


def test_a_map_is_centred_and_weighed() -> None:
    values = np.zeros((30, 30, 30), np.float32)
    values[6:14, 9:17, 12:24] = 3.0  # 8 x 8 x 12 voxels of 5 Å, away from the centre
    density = from_map("brick", Volume(values, 5.0))
    assert torch.allclose((density.weights[:, None] * density.points).sum(0), torch.zeros(3), atol=density.mass * 1e-3)
    assert density.points.amax(0).tolist() == pytest.approx([27.5, 17.5, 17.5])
    assert density.mass == pytest.approx(0.83 * 0.81 * 768 * 125, rel=1e-5)
    with pytest.raises(HollyError, match="no voxel is above 0"):
        from_map("empty", Volume(np.zeros((4, 4, 4), np.float32), 5.0))


@pytest.mark.skipif(not DATA.is_dir(), reason="the maps are not here")
@pytest.mark.parametrize(("name", "mass"), [("3j9i", 0.70e6), ("4v4r", 2.3e6), ("2uv8", 2.6e6)])
def test_masses_of_maps(name: str, mass: float) -> None:
    density = read_density(DATA / "complexes-5A" / f"{name}.mrc")
    assert density.mass == pytest.approx(mass, rel=0.1)
    assert 150 < density.diameter < 400


def test_clouds_are_read_in_nm(tmp_path: Path, seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(50, 3)) * 5
    write_cloud(tmp_path / "cloud.ply", points)
    density = read_density(tmp_path / "cloud.ply", mass=1e6)
    assert np.allclose(density.points, 10 * (points - points.mean(0)), atol=1e-3)
    assert density.mass == pytest.approx(1e6, rel=1e-5)


@pytest.mark.parametrize(("source", "words"), [("spere", "did you mean sphere"), ("gone.mrc", "no such file")])
def test_unknown_structures(source: str, words: str) -> None:
    with pytest.raises(HollyError, match=words):
        read_density(source)


def test_no_mass_is_refused() -> None:
    with pytest.raises(HollyError, match="holds no mass"):
        Density.of("nothing", torch.zeros(0, 3))
    with pytest.raises(HollyError, match="NaN or infinite"):
        Density.of("nan", torch.full((4, 3), math.nan))


@pytest.mark.parametrize("name", shipped())
def test_shipped_structures_have_their_symmetry(name: str) -> None:
    density = read_density(name)
    assert density.name == name
    points = density.points.double()
    tree = KDTree(points)
    for operator in point_group(density.symmetry).double():
        distance, _ = tree.query(points @ operator.T)
        assert distance.max() < 0.01  # beads are copied by the same operators
    assert torch.allclose((density.weights[:, None] * density.points).sum(0) / density.mass, torch.zeros(3), atol=1e-3)
    assert 5e4 < density.mass < 3e6 and 5 < density.resolution < 15


def test_shipped_structures_are_small() -> None:
    folder = files("holly_triton.tomography.structures") / "beads"
    assert len(shipped()) >= 4
    assert sum(len(item.read_bytes()) for item in folder.iterdir()) < 300_000


@pytest.mark.skipif(not DATA.is_dir(), reason="the models are not here")
@pytest.mark.parametrize(("name", "model"), [("groel", "1oel.pdb.gz"), ("apoferritin", "4v1w.cif.gz")])
def test_shipped_structures_agree_with_their_models(name: str, model: str) -> None:
    """Up to a rotation: radii of gyration, masses, and the powers of their densities over the frequency."""
    pytest.importorskip("gemmi")
    coarse, fine = read_density(name), read_density(DATA / "complexes-pdb" / model)
    assert coarse.mass == pytest.approx(fine.mass, rel=0.02)
    gyration = [
        (float((one.weights * one.points.square().sum(1)).sum()) / one.mass + 3 * one.sigma**2) ** 0.5
        for one in (coarse, fine)
    ]
    assert gyration[0] == pytest.approx(gyration[1], rel=0.01)
    assert coarse.symmetry != "C1" and fine.name == model.partition(".")[0]
