"""Simulated particles: each noise model against its formula, and the folder that is written."""

from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch

from holly_triton.core.errors import HollyError
from holly_triton.geometry import rotation_from_axis_angle
from holly_triton.io.clouds import read_cloud
from holly_triton.particles.config import PHOTOPHYSICS
from holly_triton.particles.data import Localisations, Pictures, open_dataset
from holly_triton.particles.simulate import simulate
from holly_triton.particles.simulated_files import write_simulation
from holly_triton.structures import cep152

SITES = np.random.default_rng(0).normal(scale=50, size=(60, 3))
SITES -= SITES.mean(axis=0)

DEVIATIONS = 6.0
"""A test of a mean fails by chance once in 500 million runs."""


@pytest.fixture
def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_without_noise_every_site_is_where_the_pose_puts_it(generator: torch.Generator) -> None:
    made = simulate(SITES + 1000, 20, shift_nm=40.0, generator=generator)
    expected = np.einsum("pij,nj->pni", made.rotation.numpy()[:, :2], SITES) + made.shift.numpy()[:, None]
    np.testing.assert_allclose(made.positions.numpy().reshape(20, 60, 2), expected, atol=1e-3)
    np.testing.assert_allclose(made.points, SITES, atol=1e-9)


def test_directions_are_uniform(generator: torch.Generator) -> None:
    rotation = simulate(SITES, 4000, generator=generator).rotation.double().numpy()
    np.testing.assert_allclose(
        rotation @ rotation.transpose(0, 2, 1), np.broadcast_to(np.eye(3), (4000, 3, 3)), atol=1e-5
    )
    angle = np.arccos(np.clip((np.trace(rotation, axis1=1, axis2=2) - 1) / 2, -1, 1))
    # The angle of a uniform rotation has the density (1 - cos a) / pi.
    angles = scipy.stats.kstest(angle, lambda a: (a - np.sin(a)) / np.pi)
    # The viewing axis is uniform on the sphere, so its height is uniform.
    heights = scipy.stats.kstest(rotation[:, 2, 2], scipy.stats.uniform(-1, 2).cdf)
    assert angles.pvalue > 1e-7 and heights.pvalue > 1e-7


def test_missing_sites_are_binomial(generator: torch.Generator) -> None:
    counts = simulate(SITES, 2000, missing=0.3, generator=generator).offsets.diff().double()
    expected, variance = 60 * 0.7, 60 * 0.7 * 0.3
    assert abs(counts.mean() - expected) < DEVIATIONS * (variance / 2000) ** 0.5
    assert float(counts.var()) == pytest.approx(variance, rel=DEVIATIONS * (2 / 2000) ** 0.5)


def test_spawn_is_binomial_and_may_leave_a_site_empty(generator: torch.Generator) -> None:
    made = simulate(np.zeros((1, 3)), 20_000, max_spawn=4, spawn_rate=0.4, missing=0.25, generator=generator)
    counts = made.offsets.diff().numpy()
    share = np.bincount(counts, minlength=5) / len(counts)
    expected = 0.75 * scipy.stats.binom.pmf(np.arange(5), 4, 0.4) + np.array([0.25, 0, 0, 0, 0])
    assert np.all(np.abs(share - expected) < DEVIATIONS * np.sqrt(expected * (1 - expected) / len(counts)))


def test_every_fluorophore_has_its_own_scatter(generator: torch.Generator) -> None:
    made = simulate(SITES, 300, scatter_nm=12.0, max_spawn=2, generator=generator)
    sites = np.einsum("pij,nj->pni", made.rotation.numpy()[:, :2], SITES)
    off = made.positions.numpy().reshape(300, 60, 2, 2) - sites[:, :, None]  # picture, site, fluorophore, axis
    count = off.size
    assert abs(off.mean()) < DEVIATIONS * 12 / count**0.5
    assert off.std() == pytest.approx(12, rel=DEVIATIONS / (2 * count) ** 0.5)
    assert scipy.stats.kstest(off.ravel() / 12, "norm").pvalue > 1e-7
    correlation = np.corrcoef(off[:, :, 0].ravel(), off[:, :, 1].ravel())[0, 1]
    assert abs(correlation) < DEVIATIONS * (2 / count) ** 0.5


def test_labels_are_drawn_anew_for_every_picture(generator: torch.Generator) -> None:
    made = simulate(np.eye(3) * 100, 500, missing=0.5, generator=generator)
    assert len(np.unique(made.offsets.diff().numpy())) == 4


def test_shifts_are_uniform_along_both_axes(generator: torch.Generator) -> None:
    shift = simulate(SITES[:4], 4000, shift_nm=30.0, generator=generator).shift.numpy()
    for axis in (0, 1):
        assert scipy.stats.kstest(shift[:, axis], scipy.stats.uniform(-30, 60).cdf).pvalue > 1e-7


def test_in_plane_copies_are_the_same_emitters_turned(generator: torch.Generator) -> None:
    made = simulate(SITES, 5, scatter_nm=10, missing=0.4, shift_nm=50, in_plane=3, generator=generator)
    assert made.rotation.shape == (15, 3, 3)
    for copy in range(15):
        turn = rotation_from_axis_angle(torch.tensor([0.0, 0.0, 2 * torch.pi * (copy % 3) / 3]))
        first = copy - copy % 3
        one, other = (made.positions[made.offsets[p] : made.offsets[p + 1]] for p in (first, copy))
        torch.testing.assert_close(other, one @ turn[:2, :2].T, rtol=0, atol=1e-3)
        torch.testing.assert_close(made.shift[copy], turn[:2, :2] @ made.shift[first], rtol=0, atol=1e-4)
        torch.testing.assert_close(made.rotation[copy], turn @ made.rotation[first], rtol=0, atol=1e-5)


def test_the_same_seed_gives_the_same_particles() -> None:
    noise = {"scatter_nm": 5.0, "missing": 0.2, "max_spawn": 3, "spawn_rate": 0.5}
    one, same, other = (simulate(SITES, 9, **noise, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2))  # type: ignore[arg-type]
    assert torch.equal(one.positions, same.positions) and not torch.equal(one.rotation, other.rotation)


def test_chunks_change_nothing_but_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = simulate(SITES, 20, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr("holly_triton.particles.simulate.CHUNK_SITES", 7 * len(SITES))
    parts = simulate(SITES, 20, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(whole.positions, parts.positions)


@pytest.mark.parametrize(
    "wrong",
    [
        {"images": 0},
        {"missing": 1.5},
        {"missing": float("nan")},
        {"spawn_rate": -0.1},
        {"max_spawn": 0},
        {"scatter_nm": -1.0},
        {"shift_nm": float("inf")},
        {"in_plane": 0},
    ],
    ids=str,
)
def test_a_parameter_out_of_range_is_refused(wrong: dict) -> None:
    with pytest.raises(HollyError, match="must be|probability"):
        simulate(SITES, **({"images": 5} | wrong), generator=torch.Generator())


def test_the_folder_holds_the_table_and_the_truth(tmp_path: Path, generator: torch.Generator) -> None:
    made = simulate(cep152(), 12, scatter_nm=5, missing=0.3, shift_nm=20, generator=generator)
    folder = write_simulation(tmp_path / "deep" / "sim", made)
    assert {file.name for file in folder.iterdir()} == {"localisations.csv", "truth.ply", "truth_poses.csv"}
    # No photons and no precision: nobody measured them.
    assert (folder / "localisations.csv").read_text().splitlines()[0] == '"id","x [nm]","y [nm]","particle"'
    np.testing.assert_array_equal(read_cloud(folder / "truth.ply").points, made.points)
    poses = np.genfromtxt(folder / "truth_poses.csv", delimiter=",", names=True)
    axis_angle = torch.from_numpy(np.stack([poses["rx"], poses["ry"], poses["rz"]], axis=1))
    torch.testing.assert_close(rotation_from_axis_angle(axis_angle).float(), made.rotation, rtol=0, atol=1e-4)
    np.testing.assert_allclose(np.stack([poses["tx_nm"], poses["ty_nm"]], axis=1), made.shift, atol=1e-4)
    assert poses["picture"].tolist() == [*range(12)]


def test_what_is_written_is_what_was_simulated(tmp_path: Path, generator: torch.Generator) -> None:
    made = simulate(cep152(), 12, scatter_nm=5, missing=0.3, shift_nm=20, generator=generator)
    read = open_dataset(write_simulation(tmp_path, made))
    assert isinstance(read, Localisations) and read.names == made.localisations.names
    torch.testing.assert_close(read.xyz, made.localisations.xyz, rtol=0, atol=2e-4)


def test_particles_without_emitters_are_possible_and_left_out_of_the_data(
    tmp_path: Path, generator: torch.Generator
) -> None:
    made = simulate(SITES[:8], 200, missing=0.9, generator=generator)
    empty = int((made.offsets.diff() == 0).sum())
    assert 0 < empty < 200
    assert f"{empty} of 200 particles hold no emitter and were skipped." in made.localisations.notes
    assert open_dataset(write_simulation(tmp_path, made)).names == made.localisations.names


def test_pictures_hold_every_emitter_and_are_not_centred(tmp_path: Path, generator: torch.Generator) -> None:
    made = simulate(cep152(), 10, scatter_nm=5, shift_nm=60, generator=generator)
    data = open_dataset(write_simulation(tmp_path, made, tiff=True))
    assert isinstance(data, Pictures) and data.images.shape == (10, 128, 128)
    assert data.pixel_nm == pytest.approx(made.grid.pixel_nm, rel=1e-6)
    # Emitters of integral 1, the last 4 sigma of noise aside.
    torch.testing.assert_close(data.images.sum((1, 2)), torch.full((10,), 112.0), rtol=1e-2, atol=0)
    centroid = data.centroids * data.pixel_nm
    torch.testing.assert_close(centroid, made.localisations.centres.float(), rtol=0, atol=0.1)


def test_a_folder_written_again_is_read_as_written_last(tmp_path: Path, generator: torch.Generator) -> None:
    made = simulate(cep152(), 8, generator=generator)
    for tiff, kind in ((False, Localisations), (True, Pictures), (False, Localisations)):
        assert isinstance(open_dataset(write_simulation(tmp_path, made, tiff=tiff)), kind)


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path, generator: torch.Generator) -> None:
    (tmp_path / "file").touch()
    made = simulate(SITES, 8, generator=generator)
    with pytest.raises(HollyError, match="cannot be written"):
        write_simulation(tmp_path / "file" / "sim", made)
    (tmp_path / "taken" / "truth.ply").mkdir(parents=True)
    with pytest.raises(HollyError, match=r"truth\.ply: cannot be written"):
        write_simulation(tmp_path / "taken", made)


def test_more_pictures_than_a_tiff_can_hold_are_refused_before_drawing(
    tmp_path: Path, generator: torch.Generator
) -> None:
    made = simulate(SITES[:4], 70_000, generator=generator)
    with pytest.raises(HollyError, match="70000 pictures exceed the 4 GiB of a TIFF"):
        write_simulation(tmp_path, made, tiff=True)


def test_fluorophores_blink_as_was_measured_of_the_dye():
    dye = PHOTOPHYSICS["alexa647"]
    one = np.array([[0.0, 0, 0], [1e6, 0, 0], [0, 1e6, 0], [0, 0, 1e6]])  # so far apart that all are told apart
    made = simulate(one, 4000, photophysics=dye, generator=torch.Generator().manual_seed(0))
    true = simulate(one, 4000, generator=torch.Generator().manual_seed(0))
    assert made.offsets[-1] / true.offsets[-1] == pytest.approx(14.8, rel=0.1)
    nearest = torch.cdist(made.positions[:2000].double(), true.positions[:4000].double()).min(dim=1).values
    assert nearest.square().mean().div(2).sqrt() == pytest.approx(dye.precision_nm, rel=0.1)
    assert len(made.localisations) == 4000
