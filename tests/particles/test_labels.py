"""Labels that are localised repeatedly: what is merged, how many labels there are, and which data are left as they are."""

import dataclasses

import numpy as np
import pytest
import torch

from holly_triton.core.errors import HollyError
from holly_triton.harness.few_labels import rings
from holly_triton.particles.config import Config
from holly_triton.particles.data import Localisations
from holly_triton.particles.data.counts import dispersion_of
from holly_triton.particles.run.trainers import make_spatial_trainer, notes_of
from holly_triton.particles.simulate import Precision, Simulation, simulate
from holly_triton.particles.spatial import labels
from holly_triton.particles.spatial.config import Spatial
from holly_triton.particles.spatial.labels import Blinks, Labels, find_blinks, merged
from holly_triton.particles.spatial.particles import Particles
from holly_triton.particles.spatial.state import SpatialState

CONFIG = Config(points=32, device="cpu", spatial=Spatial(steps=6, batch=20))
OFTEN = Blinks(labels=3.0, localisations=4.0, volume=1e6)


def particles(count: int, missing: float, fluorophores: int) -> Simulation:
    """Two rings of 16 sites, of which a share is missing, each localised as often as it has fluorophores."""
    return simulate(
        rings(), count, missing=missing, max_spawn=fluorophores, precision=Precision(5.0, 8.0), dimensions=3,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip


def localisations(xyz: list[list[float]], counts: list[int], variance: float = 1.0) -> Labels:
    offsets = torch.tensor([0, *np.cumsum(counts)])
    places = torch.tensor(xyz)
    return Labels(places, torch.full_like(places, variance), offsets, torch.full((len(xyz),), -1))


def test_a_label_lies_at_the_weighed_mean_of_its_localisations() -> None:
    given = localisations([[0.0, 0, 0], [3, 0, 0], [90, 0, 0]], [3])
    given.variance[1] = torch.tensor([2.0, 4.0, 4.0])
    found = merged(given, OFTEN)
    assert found.xyz.tolist() == [[1.0, 0, 0], [90, 0, 0]]
    assert torch.allclose(found.variance, torch.tensor([[2 / 3, 0.8, 0.8], [1, 1, 1]]))
    assert found.offsets.tolist() == [0, 2]


def test_localisations_at_one_place_are_of_one_label() -> None:
    assert merged(localisations([[5.0, 5, 5]] * 7, [7]), OFTEN).variance.tolist() == [[pytest.approx(1 / 7)] * 3]


def test_particles_and_channels_are_kept_apart() -> None:
    given = localisations([[0.0, 0, 0]] * 5, [2, 3])
    assert merged(given, OFTEN).offsets.tolist() == [0, 1, 2]
    given.kind[:] = torch.tensor([0, 1, 1, 0, 1])
    found = merged(given, OFTEN)
    assert found.offsets.tolist() == [0, 2, 4] and found.kind.tolist() == [0, 1, 1, 0]


def test_labels_far_apart_are_not_merged() -> None:
    """At five standard deviations of their distance."""
    places = [[7.1 * number, 0.0, 0.0] for number in range(6)]
    assert len(merged(localisations(places, [6]), OFTEN).xyz) == 6


def test_a_very_large_particle_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "MOST_PAIRS", 9)
    assert merged(localisations([[0.0, 0, 0]] * 7, [3, 4]), OFTEN).offsets.tolist() == [0, 1, 5]


def test_particles_are_merged_alike_in_any_company(monkeypatch: pytest.MonkeyPatch) -> None:
    given = Particles.of(particles(30, 0.5, 4).localisations)
    whole = merged(Labels(given.xyz, given.variance, given.offsets, given.channel), OFTEN)
    monkeypatch.setattr(labels, "MOST_PAIRS", 10_000)
    parts = merged(Labels(given.xyz, given.variance, given.offsets, given.channel), OFTEN)
    assert torch.equal(whole.xyz, parts.xyz) and torch.equal(whole.offsets, parts.offsets)
    joined = dataclasses.replace(given, blinks=OFTEN).others(given.data)
    alone = joined.select(torch.tensor([7, 3]))
    for row, particle in enumerate((7, 3)):
        own, same = (one.xyz[one.offsets[at] : one.offsets[at + 1]] for one, at in ((alone, row), (joined, particle)))
        assert torch.equal(own, same)


@pytest.mark.parametrize(("missing", "fluorophores"), [(0.7, 4), (0.5, 5)])
def test_the_number_of_labels_is_found(missing: float, fluorophores: int) -> None:
    data = particles(300, missing, fluorophores).localisations
    found = Particles.of(data).by_label()
    assert found.blinks is not None
    assert found.blinks.localisations == pytest.approx(fluorophores, rel=0.1)
    # Labels that are seen or not vary by the share that is missing.
    assert dispersion_of(found.counts) == pytest.approx(missing, abs=0.1)
    assert float(found.counts.double().mean()) == pytest.approx(32 * (1 - missing), rel=0.1)


def test_nothing_is_merged_where_labels_are_localised_once() -> None:
    data = particles(300, 0.7, 1).localisations
    assert Particles.of(data).by_label().blinks is None
    given = Particles.of(data)
    assert find_blinks(Labels(given.xyz, given.variance, given.offsets, given.channel), 58.0) is None


def test_nothing_is_merged_without_a_stated_precision() -> None:
    data = dataclasses.replace(particles(100, 0.7, 4).localisations, precision=None, precision_z=None)
    trainer = make_spatial_trainer(CONFIG, data)
    assert trainer.particles.blinks is None and trainer.plan.power == pytest.approx(1 / 2.8, rel=0.2)


def test_labels_of_few_missing_sites_are_found_too() -> None:
    """The numbers of localisations vary by less than chance there."""
    data = simulate(
        rings()[::3], 200, missing=0.2, max_spawn=4, precision=Precision(5.0, 5.0), dimensions=3,
        generator=torch.Generator().manual_seed(0),
    ).localisations  # fmt: skip
    assert dispersion_of(data.counts) < 1
    found = Particles.of(data).by_label()
    assert found.blinks is not None and found.blinks.labels == pytest.approx(0.8 * 11, rel=0.1)


def test_labels_of_two_channels_stay_apart_where_these_are_pooled() -> None:
    data = particles(50, 0.5, 4).localisations
    twice = dataclasses.replace(data, channel=torch.arange(len(data.xyz)) % 2.0, channels=("a", "b"))
    pooled = dataclasses.replace(Particles.of(twice), blinks=OFTEN).others(twice)
    assert not pooled.channels and pooled.channel.unique().tolist() == [-1]
    alone = dataclasses.replace(Particles.of(data), blinks=OFTEN).others(data)
    assert len(pooled.xyz) > 1.7 * len(alone.xyz)
    apart = dataclasses.replace(Particles.of(twice, ("b", "a")), blinks=OFTEN).others(twice)
    assert torch.equal(apart.counts, pooled.counts) and apart.channel.unique().tolist() == [0, 1]


def test_nothing_is_merged_where_the_axial_precision_is_unknown() -> None:
    data = dataclasses.replace(particles(100, 0.7, 4).localisations, precision_z=None)
    assert Particles.of(data).by_label().blinks is None


def test_others_need_the_precision_by_which_labels_were_merged() -> None:
    data = particles(40, 0.7, 4).localisations
    trainer = make_spatial_trainer(CONFIG, data)
    with pytest.raises(HollyError, match="states no usable localisation precision along each axis.*--columns"):
        trainer.particles.others(dataclasses.replace(data, precision_z=None))


def test_a_precision_that_is_missing_is_the_median_of_all_rows() -> None:
    data = particles(30, 0.7, 4).localisations
    assert data.precision is not None
    precision = data.precision.clone()
    precision[: int(data.counts[0])] = torch.nan
    precision[int(data.counts[0])] = 1e-24  # whose square is no float32
    lacking = dataclasses.replace(data, precision=precision)
    whole = dataclasses.replace(Particles.of(lacking), blinks=OFTEN).others(lacking)
    first = whole.select(torch.tensor([0]))
    assert whole.xyz.isfinite().all() and torch.equal(first.xyz, whole.xyz[: int(whole.counts[0])])


def _notes(data: Localisations, state: SpatialState | None = None) -> str:
    return " ".join(notes_of(make_spatial_trainer(CONFIG, data, state)))


def test_a_run_goes_on_as_it_began() -> None:
    """Also one that an earlier version began, in which each localisation counts."""
    data = particles(40, 0.7, 4).localisations
    trainer = make_spatial_trainer(CONFIG, data)
    assert trainer.particles.blinks is not None and len(trainer.particles.xyz) < 0.5 * len(data.xyz)
    assert "4.1 times" in _notes(data, SpatialState.from_payload(trainer.state.payload()))
    earlier = {name: value for name, value in trainer.state.payload().items() if name != "blinks"}
    assert "repeatedly" not in _notes(data, SpatialState.from_payload(earlier))
