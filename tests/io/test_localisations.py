"""Particles as ragged lists of emitters: centred, drawn and seen from other sides."""

import numpy as np
import pytest
import torch

from holly_triton.core.errors import HollyError
from holly_triton.geometry import Grid
from holly_triton.particles.data import localisations
from holly_triton.particles.data.grouping import localisations_from_rows
from holly_triton.particles.data.localisations import Localisations
from holly_triton.particles.data.ragged import runs


def particles(counts: list[int], dimensions: int = 3, seed: int = 0, **columns: np.ndarray) -> Localisations:
    xyz = np.random.default_rng(seed).normal(scale=50, size=(sum(counts), dimensions)) + 1e5
    names = [f"p{i}" for i in range(len(counts))]
    return localisations_from_rows(xyz, np.array(counts), names, source="test", **columns)


def draw_densely(xy_nm: np.ndarray, grid: Grid, sigma_nm: float) -> np.ndarray:
    """The formula of the design, emitter by emitter, float64."""
    axis = (np.arange(grid.size) - (grid.size - 1) / 2) * grid.pixel_nm
    squared = (axis[None, None, :] - xy_nm[:, 0, None, None]) ** 2 + (
        axis[None, :, None] - xy_nm[:, 1, None, None]
    ) ** 2
    density = np.exp(-squared / (2 * sigma_nm**2)) / (2 * np.pi * sigma_nm**2)
    return density.sum(axis=0) * grid.pixel_nm**2


def test_every_particle_is_about_its_own_centroid_and_the_centres_give_the_positions_back() -> None:
    xyz = np.random.default_rng(1).uniform(0, 1e5, (60, 3))
    data = localisations_from_rows(xyz, np.array([10, 20, 30]), list("abc"), source="test")
    for p in range(3):
        own = data.emitters(torch.tensor([p]))[0]
        # float32 of positions up to 1e5 nm apart
        torch.testing.assert_close(own.mean(0), torch.zeros(3), rtol=0, atol=0.05)
    absolute = data.xyz.double() + data.centres.repeat_interleave(data.counts, dim=0)
    np.testing.assert_allclose(absolute.numpy(), xyz, rtol=0, atol=0.01)


def test_draw_is_the_sum_of_gaussians_of_the_chosen_particles_in_their_order() -> None:
    data = particles([5, 1, 9, 3])
    grid, index = Grid(24, 480.0), torch.tensor([2, 0, 2])
    images = data.draw(index, grid, sigma_nm=30.0)
    for image, p in zip(images, index, strict=True):
        own = data.emitters(torch.tensor([p]))[0].double().numpy()
        # float32 sums of values near 0.1
        np.testing.assert_allclose(image.numpy(), draw_densely(own, grid, 30.0), rtol=1e-4, atol=1e-6)


def test_photons_do_not_weigh_in_a_picture() -> None:
    bright = particles([5, 7], photons=np.linspace(100, 5000, 12))
    torch.testing.assert_close(
        bright.draw(torch.arange(2), Grid(16, 400.0), 20.0),
        particles([5, 7]).draw(torch.arange(2), Grid(16, 400.0), 20.0),
    )


@pytest.mark.parametrize("backend", ["triton", "separable"])
def test_rows_go_uncounted_only_where_tritons_kernel_draws_them(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other backends refuse rows beyond the last offset, as on a GPU without Triton."""
    data, drawn = particles([5, 1, 9]), []

    def draw(xy: torch.Tensor, offsets: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
        drawn.append((len(xy), int(offsets[-1])))
        return torch.zeros(2, 16, 16)

    monkeypatch.setattr(localisations, "choose_backend", lambda *_: backend)
    monkeypatch.setattr(localisations, "splat_emitters", draw)
    data.draw(torch.tensor([0, 1]), Grid(16, 400.0), 20.0)
    assert drawn == [(18 if backend == "triton" else 6, 6)]


def test_views_turn_the_centred_particle_and_drop_z() -> None:
    data = particles([5, 8, 2])
    views = data.views(4, torch.Generator().manual_seed(3))
    assert views.names[:5] == ["p0/0", "p0/1", "p0/2", "p0/3", "p1/0"]
    assert not views.has_z and len(views) == 12 and views.view_rotation is not None
    for view in range(12):
        own = data.emitters(torch.tensor([view // 4]))[0]
        seen = views.emitters(torch.tensor([view]))[0]
        torch.testing.assert_close(seen, (own @ views.view_rotation[view].T)[:, :2], rtol=0, atol=1e-3)
        torch.testing.assert_close(seen.mean(0), torch.zeros(2), rtol=0, atol=1e-4)


def test_views_repeat_with_the_generator_s_seed_and_keep_the_columns() -> None:
    data = particles([4, 6], photons=np.arange(10.0), precision=np.arange(10.0))
    one, same, other = (data.views(2, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    every = torch.arange(4)
    assert torch.equal(one.emitters(every)[0], same.emitters(every)[0])
    assert not torch.equal(one.emitters(every)[0], other.emitters(every)[0])
    expected = torch.tensor([*range(4), *range(4), *range(4, 10), *range(4, 10)], dtype=torch.float32)
    rows = runs(one.starts, one.counts)[0]
    assert one.photons is not None and torch.equal(one.photons[rows], expected)
    assert one.precision is not None and torch.equal(one.precision[rows], expected)
    assert one.xyz is data.xyz  # however many views there are


def test_views_of_flat_data_are_refused() -> None:
    with pytest.raises(HollyError, match="no z"):
        particles([4, 4], dimensions=2).views(2, torch.Generator())


def test_the_radius_holds_nearly_all_emitters_and_leaves_strays_out() -> None:
    angle = np.linspace(0, 2 * np.pi, 1000, endpoint=False)
    ring = 40 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    ring[::500] *= 10  # two strays on opposite sides, so that the centroid stays
    data = localisations_from_rows(ring, np.array([1000]), ["ring"], source="test")
    assert data.radius_nm == pytest.approx(40, rel=1e-4)


def test_precision_is_the_median_of_what_the_fits_gave() -> None:
    data = particles([2, 4], precision=np.array([3.0, 4, 5, 0, np.nan, np.inf]))
    assert data.precision_nm == pytest.approx(4)
    assert particles([2, 4]).precision_nm is None
    assert particles([2], precision=np.zeros(2)).precision_nm is None


def test_a_z_that_never_changes_is_no_third_dimension() -> None:
    xyz = np.random.default_rng(0).normal(size=(6, 3))
    xyz[:, 2] = 7
    assert not localisations_from_rows(xyz, np.array([6]), ["flat"], source="test").has_z


def test_rows_without_a_position_and_particles_without_emitters_are_skipped_and_said() -> None:
    xyz = np.random.default_rng(0).normal(size=(9, 2))
    xyz[[0, 4, 5]] = np.nan
    xyz[8, 1] = np.inf
    data = localisations_from_rows(xyz, np.array([4, 2, 0, 3]), list("abcd"), source="test", photons=np.arange(9.0))
    assert data.names == ["a", "d"] and data.counts.tolist() == [3, 2]
    assert data.photons is not None and data.photons.tolist() == [1, 2, 3, 6, 7]
    assert data.notes == [
        "4 of 9 localisations have no finite position and were dropped.",
        "2 of 4 particles hold no emitter and were skipped.",
    ]


def test_the_summary_says_what_was_found_in_plain_words() -> None:
    rows = particles([3, 5, 10], photons=np.full(18, 900.0)).summary()
    assert rows["particles"] == "3"
    assert rows["emitters per particle"] == "3 to 10, median 5"
    assert rows["photons"] == "900 (median)"
    assert rows["localisation precision"] == "not stated"
    assert rows["third dimension"].startswith("yes")
    assert rows["notes"] == "nothing was skipped"


def test_to_moves_every_tensor() -> None:
    data = particles([3, 5], photons=np.ones(8), precision=np.ones(8)).views(2, torch.Generator()).to("meta")
    for name in ("xyz", "starts", "counts", "centres", "photons", "precision", "view_rotation"):
        assert getattr(data, name).device.type == "meta", name


def test_registered_particles_are_pooled_where_they_lie_and_scattered_ones_about_their_own_centres():
    rng = np.random.default_rng(0)
    sites = rng.normal(size=(6, 3)) * (60, 40, 25)
    labelled = [sites[rng.random(6) < 0.6] for _ in range(40)]
    labelled = [particle if len(particle) else sites for particle in labelled]
    counts, names = np.array([len(particle) for particle in labelled]), [str(number) for number in range(40)]
    registered = localisations_from_rows(np.concatenate(labelled), counts, names, source="test").pooled()
    assert len(np.unique(registered.round(2), axis=0)) == 6
    offsets = np.repeat(rng.uniform(0, 5000, size=(40, 3)), counts, axis=0)
    apart = localisations_from_rows(np.concatenate(labelled) + offsets, counts, names, source="test").pooled()
    assert np.abs(apart).max() < 200
