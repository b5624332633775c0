"""Samplers: densities, geometry, order of the axes, and how they are asked for."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from holly_triton.core.errors import HollyError
from holly_triton.frames.config.samplers import MARGIN_NM, STRAND_RADIUS_NM, WALL_NM
from holly_triton.frames.samplers import (
    EqualCountSampler,
    MicrotubuleSampler,
    MixedSampler,
    PoolSampler,
    RandomSampler,
    StructureSampler,
    make_sampler,
)
from holly_triton.frames.samplers.density import (
    expected_distance,
    neighbour_distance,
    nominal_density,
    random_number,
)
from holly_triton.frames.samplers.named import truth_points
from holly_triton.io.clouds import write_cloud
from holly_triton.structures import nuclear_pore

Z = (-700.0, 700.0)
FIELD = (6400.0, 6400.0)
MT0 = Path(__file__).parents[3] / "shared" / "data" / "challenge-mt0" / "activations.csv"


@pytest.fixture(scope="module")
def samplers():
    """Each is calibrated once for all tests."""
    return {
        "random": RandomSampler(Z),
        "strands": MicrotubuleSampler("strands", Z),
        "walls": MicrotubuleSampler("walls", Z),
        "pores": StructureSampler(nuclear_pore(), Z),
    }


def inside(emitters, field=FIELD):
    x, y = emitters.xyz[:, 0], emitters.xyz[:, 1]
    return emitters.take((x >= 0) & (x < field[0]) & (y >= 0) & (y < field[1]))


def measured(emitters, field=FIELD):
    emitters = inside(emitters, field)
    return nominal_density(emitters.xyz[:, :2].numpy(), emitters.offsets.numpy(), field)


@pytest.mark.parametrize("number", [8, 60])
def test_random_points_have_the_expected_distance(number, seed):
    xy = np.random.default_rng(seed).random((400 * number, 2)) * FIELD
    offsets = np.arange(0, 400 * number + 1, number)
    # Standard error: about half of the mean, of 400 frames of nearly independent points.
    assert neighbour_distance(xy, offsets) == pytest.approx(expected_distance(number, FIELD), rel=0.04)


def test_the_distance_of_each_frame_counts_equally_and_lone_emitters_do_not():
    xy = np.array([[0.0, 0], [100, 0], [5000, 5000], [0, 0], [0, 300]])
    assert neighbour_distance(xy, np.array([0, 2, 3, 5])) == pytest.approx(200)
    assert math.isnan(neighbour_distance(xy[:1], np.array([0, 1, 1])))


@pytest.mark.parametrize("number", [0.5, 7.0, 532.0])
def test_both_ways_of_the_distance_agree(number):
    assert random_number(expected_distance(number, FIELD), FIELD) == pytest.approx(number, rel=1e-6)


def test_distances_beyond_every_number_have_one():
    assert random_number(0.0, FIELD) > 1e11
    assert random_number(1e15, FIELD) < 1e-5


@pytest.mark.parametrize("name", ["random", "strands", "walls", "pores"])
@pytest.mark.parametrize("density", [0.4, 3.0])
def test_frames_have_the_nominal_density_that_was_asked_for(samplers, name, density, seed):
    drawn = samplers[name].draw(torch.full((150,), density), FIELD, torch.Generator().manual_seed(seed))
    # Distances on 150 random structures vary by 4 %, and the density with the square of the distance at least.
    assert measured(drawn) == pytest.approx(density, rel=0.3)


def test_structures_need_fewer_emitters_than_random_ones_to_be_as_crowded(samplers, seed):
    counts = {
        name: len(inside(samplers[name].draw(torch.full((100,), 3.0), FIELD, torch.Generator().manual_seed(seed))).xyz)
        for name in samplers
    }
    assert counts["random"] == pytest.approx(100 * 3 * 40.96, rel=0.05)
    assert max(counts["strands"], counts["walls"], counts["pores"]) < 0.6 * counts["random"]


@pytest.mark.skipif(not MT0.is_file(), reason="the positions of the SMLM challenge are not here")
@pytest.mark.parametrize(
    ("density", "emitters"),
    [
        (0.38, 7.2),
        (0.59, 9.7),
        (0.92, 12.8),
        (1.43, 16.6),
        (2.22, 22.0),
        (3.46, 28.8),
        (5.38, 36.2),
        (8.36, 46.8),
        (13.0, 61.7),
    ],
)
def test_emitters_of_the_challenge_at_each_nominal_density(density, emitters, seed):
    """The table of the dossier, measured there on fixed numbers of random fluorophores."""
    points = mt0_points()
    generator = np.random.default_rng(seed)
    number = round(emitters)
    xy = np.concatenate([points[generator.choice(len(points), number, replace=False), :2] for _ in range(200)])
    found = nominal_density(xy, np.arange(0, len(xy) + 1, number), FIELD)
    # The dossier's numbers are not whole: 7.2 against 7 is 4 % in density; the rest is chance.
    assert found == pytest.approx(density * (number / emitters) ** 1.6, rel=0.12)


_POINTS = []


def mt0_points():
    if not _POINTS:
        _POINTS.append(truth_points(MT0))
    return _POINTS[0]


@pytest.mark.skipif(not MT0.is_file(), reason="the positions of the SMLM challenge are not here")
def test_a_pool_finds_the_numbers_of_the_table(seed):
    points = mt0_points()
    assert len(points) == 8671
    pool = PoolSampler(points)
    assert pool.rate(torch.tensor([0.38, 2.22, 13.0])).tolist() == pytest.approx([7.2, 22.0, 61.7], rel=0.12)


@pytest.mark.parametrize("name", ["random", "strands", "walls", "pores"])
@pytest.mark.parametrize("field", [(3200.0, 3200.0), (9000.0, 4000.0)])
def test_positions_fill_the_field_its_margin_and_the_depths(samplers, name, field, seed):
    drawn = samplers[name].draw(torch.full((60,), 5.0), field, torch.Generator().manual_seed(seed))
    x, y, z = drawn.xyz.unbind(1)
    assert drawn.frames == 60 and len(drawn.xyz) > 300
    assert drawn.xyz.dtype == torch.float32 and (drawn.photons == 1).all()
    for values, side in ((x, field[0]), (y, field[1])):
        assert values.min() > -MARGIN_NM and values.max() < side + MARGIN_NM
        assert values.min() < 0 and values.max() > side
    assert z.min() >= Z[0] and z.max() <= Z[1] and z.max() - z.min() > 800


@pytest.mark.parametrize("name", ["random", "strands", "walls", "pores"])
def test_the_same_seed_gives_the_same_positions(samplers, name, seed):
    density = torch.tensor([0.1, 1.0, 10.0])
    one, two = (samplers[name].draw(density, FIELD, torch.Generator().manual_seed(seed)) for _ in range(2))
    assert torch.equal(one.xyz, two.xyz) and torch.equal(one.offsets, two.offsets)
    other = samplers[name].draw(density, FIELD, torch.Generator().manual_seed(seed + 1))
    assert not torch.equal(one.xyz, other.xyz)


@pytest.mark.parametrize("name", ["strands", "walls", "pores"])
def test_no_axis_is_preferred(samplers, name, seed):
    """Structures lie alike along x and along y: a mean over frames and the transposed one differ by chance only."""
    drawn = inside(samplers[name].draw(torch.full((300,), 2.0), FIELD, torch.Generator().manual_seed(seed)))
    frame = drawn.frame()
    spread = []
    for axis in (0, 1):
        values = drawn.xyz[:, axis].double()
        count = drawn.counts.clamp_min(1).double()
        mean = torch.zeros(300, dtype=torch.float64).index_add(0, frame, values) / count
        square = torch.zeros(300, dtype=torch.float64).index_add(0, frame, values**2) / count
        spread.append((square - mean**2).clamp_min(0).sqrt()[drawn.counts >= 3])
    difference = spread[0] - spread[1]
    assert float(difference.mean().abs()) < 4 * float(difference.std()) / math.sqrt(len(difference))
    # and they are not symmetric within a frame, as blobs would be
    if name != "pores":
        assert float(difference.abs().mean()) > 300


@pytest.mark.parametrize("axis", [0, 1])
def test_a_wide_field_is_wide_in_x_and_a_tall_one_in_y(samplers, axis, seed):
    field = (9000.0, 3000.0) if axis == 0 else (3000.0, 9000.0)
    for sampler in samplers.values():
        xyz = sampler.draw(torch.full((40,), 3.0), field, torch.Generator().manual_seed(seed)).xyz
        assert xyz[:, axis].max() > 8000 and xyz[:, 1 - axis].max() < 3000 + MARGIN_NM


def tube_of(reading, monkeypatch, seed):
    """One long straight tube's emitters, and the distance of each from its line ``[E]``."""
    from holly_triton.frames.samplers import microtubules

    monkeypatch.setattr(microtubules, "BEND_NM", 0.0)
    monkeypatch.setattr(microtubules, "WANDER", 0.0)
    monkeypatch.setattr(microtubules, "BUNDLES", (1, 1))
    monkeypatch.setattr(microtubules, "TUBES", (1, 1))
    monkeypatch.setattr(microtubules, "JITTER_NM", (0.0, 0.0))
    monkeypatch.setattr(microtubules, "STRAND_RADIUS_NM", (150.0, 150.0))
    monkeypatch.setattr(microtubules, "STRAND_PITCH_NM", (1000.0, 1000.0))
    sampler = MicrotubuleSampler(reading, (-1.0, 1.0))
    sampler.z_range_nm = (-1e-3, 1e-3)  # a level line; emitters at all depths are kept below
    monkeypatch.setattr(microtubules, "seen", lambda xyz, frame, *_: xyz)
    return sampler.draw_at(torch.tensor([4000.0]), FIELD, torch.Generator().manual_seed(seed)).double()


def across(xyz):
    """Coordinates along and across ``[E, 2]`` the straight line of level emitters."""
    centre = xyz.mean(0)
    _, _, axes = torch.linalg.svd((xyz - centre)[:, :2], full_matrices=False)
    along = (xyz - centre)[:, :2] @ axes[0]
    return along, torch.stack([(xyz - centre)[:, :2] @ axes[1], xyz[:, 2]], dim=1)


def test_strands_are_three_helices(monkeypatch, seed):
    along, section = across(tube_of("strands", monkeypatch, seed))
    radius = section.norm(dim=1)
    assert float(radius.mean()) == pytest.approx(150, rel=0.03)
    assert float(radius.std()) < 8
    phase = torch.atan2(section[:, 1], section[:, 0])
    # Unwound by the pitch, in either direction along the line, all emitters lie at three angles 120 degrees apart.
    alike = [float(torch.exp(3j * (phase - sign * 2 * math.pi * along / 1000)).mean().abs()) for sign in (1, -1)]
    single = [float(torch.exp(1j * (phase - sign * 2 * math.pi * along / 1000)).mean().abs()) for sign in (1, -1)]
    assert max(alike) > 0.95 and max(single) < 0.1
    assert STRAND_RADIUS_NM == (12.0, 400.0)


def test_walls_are_filled_evenly(monkeypatch, seed):
    _, section = across(tube_of("walls", monkeypatch, seed))
    radius = section.norm(dim=1)
    inner, outer = WALL_NM
    assert radius.min() > inner - 0.5 and radius.max() < outer + 0.5
    assert float((radius**2).mean()) == pytest.approx((inner**2 + outer**2) / 2, rel=0.03)
    phase = torch.atan2(section[:, 1], section[:, 0])
    assert float(torch.exp(1j * phase).mean().abs()) < 0.1 and float(torch.exp(2j * phase).mean().abs()) < 0.1


def test_copies_of_a_structure_do_not_overlap_and_keep_their_shape(seed, monkeypatch):
    from holly_triton.frames.samplers import structures

    monkeypatch.setattr(structures, "JITTER_NM", (0.0, 0.0))
    points = nuclear_pore()
    sampler = StructureSampler(points, Z, copies=(2.0, 2.0))
    drawn = sampler._copies(sampler.points, 4, FIELD, torch.Generator().manual_seed(seed))
    assert len(drawn.frame) > 100
    for frame in range(4):
        centre = drawn.centre[drawn.frame == frame][:, :2]
        gap = torch.cdist(centre, centre) + 1e9 * torch.eye(len(centre))
        assert float(gap.min()) >= sampler.room - 0.01
    every = sampler.draw_at(torch.tensor([1e5]), FIELD, torch.Generator().manual_seed(seed)).xyz
    # All sites of a whole copy emit, and have the distances of the pore's.
    nearest = cKDTree(every.numpy()).query(every.numpy(), k=2)[0][:, 1]
    own = torch.pdist(torch.as_tensor(points, dtype=torch.float32)).min()
    assert float(np.median(nearest)) == pytest.approx(float(own), rel=0.01)


@pytest.mark.parametrize(("orientation", "tilted"), [("any", True), ("upright", False), (None, True)])
def test_orientations(orientation, tilted, seed):
    rod = np.outer(np.linspace(-50, 50, 11), [0.0, 0, 1])
    sampler = StructureSampler(rod, Z, orientation)
    rotation = sampler._rotations(200, torch.Generator().manual_seed(seed))
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3).expand(200, 3, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(200), atol=1e-5, rtol=0)
    level = rotation[:, 2, 2].abs() < 0.9
    assert bool(level.any()) == tilted
    assert 0.3 < float((rotation[:, 2, 2] > 0).float().mean()) < 0.7


def test_structures_larger_than_the_depths_stay_upright():
    wide = np.random.default_rng(0).random((50, 3)) * [6400, 6400, 1200]
    assert StructureSampler(wide, Z).orientation == "upright"


def test_a_crop_lies_on_the_structure(samplers, seed):
    """A third of the field of a microtubule is empty of it; crops are not."""
    for name in ("strands", "walls", "pores"):
        drawn = samplers[name].draw(
            torch.full((100,), 1.0), (3200.0, 3200.0), torch.Generator().manual_seed(seed), frames=40
        )
        assert int((inside(drawn, (3200.0, 3200.0)).counts > 0).sum()) >= 95


def test_equal_counts_have_no_structure(samplers, seed):
    other = samplers["strands"]
    drawn = EqualCountSampler(other, Z).draw(torch.full((150,), 5.0), FIELD, torch.Generator().manual_seed(seed))
    same = other.draw(torch.full((150,), 5.0), FIELD, torch.Generator().manual_seed(seed))
    assert torch.equal(drawn.counts, same.counts)
    width, height = (side + 2 * MARGIN_NM for side in FIELD)
    assert measured(drawn) == pytest.approx(len(drawn.xyz) / 150 / (width * height / 1e6), rel=0.15)


def test_a_mixture_draws_its_parts_by_their_shares(seed):
    one, two = PoolSampler(np.full((9, 3), 100.0), emitters=4.0), PoolSampler(np.full((9, 3), 200.0), emitters=4.0)
    drawn = MixedSampler((one, two), (3.0, 1.0)).draw(torch.ones(400), FIELD, torch.Generator().manual_seed(seed))
    frame = drawn.frame()
    assert torch.equal(frame, frame.sort().values)
    first = torch.zeros(400).index_add(0, frame, (drawn.xyz[:, 0] == 100).float())
    lit = drawn.counts > 0
    assert set((first[lit] / drawn.counts[lit]).tolist()) == {0.0, 1.0}
    assert float((first[lit] > 0).float().mean()) == pytest.approx(0.75, abs=0.09)


def test_a_mixture_within_a_mixture_may_have_no_frame():
    mixture = make_sampler("mixed", Z)  # of random positions and, again a mixture, two readings of microtubules
    for seed in range(8):
        drawn = mixture.draw(torch.ones(1), FIELD, torch.Generator().manual_seed(seed))
        assert drawn.frames == 1


@pytest.mark.parametrize("shares", [(), (1.0,), (1.0, 0.0)])
def test_a_mixture_needs_a_share_for_each_part(shares):
    with pytest.raises(ValueError, match="share"):
        MixedSampler((RandomSampler(Z), RandomSampler(Z)), shares)


def test_fluorophores_of_a_pool_stay_and_emit_once(seed):
    points = np.random.default_rng(seed).random((30, 3)) * 1000
    drawn = PoolSampler(points, emitters=25.0).draw(torch.ones(50), FIELD, torch.Generator().manual_seed(seed))
    known = {tuple(point) for point in torch.as_tensor(points, dtype=torch.float32).tolist()}
    for first, end in zip(drawn.offsets[:-1], drawn.offsets[1:], strict=True):
        shown = [tuple(point) for point in drawn.xyz[first:end].tolist()]
        assert set(shown) <= known and len(set(shown)) == len(shown)


def test_more_frames_at_once_are_on_one_structure(seed, samplers):
    one = samplers["walls"].draw(torch.ones(1), FIELD, torch.Generator().manual_seed(seed), frames=200)
    assert len(one.xyz) > 2000
    cells = torch.unique((one.xyz[:, :2] / 200).floor(), dim=0)
    assert len(cells) < 300  # of 1024 and more in the field


def test_a_run_a_cloud_and_a_truth_are_structures(tmp_path, seed):
    points = nuclear_pore()
    write_cloud(tmp_path / "cloud.ply", points)
    (tmp_path / "truth.csv").write_text(
        "Ground-truth,frame,xnano,ynano,znano,intensity \n"
        + "".join(f"{i},1,{x},{y},{z},100\n" for i, (x, y, z) in enumerate(points))
    )
    for name in (str(tmp_path), str(tmp_path / "cloud.ply"), str(tmp_path / "truth.csv"), "nuclear-pore"):
        sampler = make_sampler("structure", Z, name)
        assert isinstance(sampler, StructureSampler)
        assert sampler.reach == pytest.approx(
            float(np.linalg.norm(points - (points.max(0) + points.min(0)) / 2, axis=1).max()), abs=0.01
        )


def test_samplings_by_name():
    assert isinstance(make_sampler("random", Z), RandomSampler)
    assert isinstance(make_sampler("mixed", Z), MixedSampler)
    assert make_sampler("structure", Z, "walls").reading == "walls"
    assert [part.reading for part in make_sampler("structure", Z).parts] == ["strands", "walls"]


def test_structures_that_cannot_be_used_are_refused(tmp_path):
    with pytest.raises(HollyError, match="no structure"):
        make_sampler("random", Z, "strands")
    with pytest.raises(HollyError, match="known are"):
        make_sampler("structure", Z, "spaghetti")
    with pytest.raises(HollyError, match=r"cloud\.ply"):
        make_sampler("structure", Z, str(tmp_path))


@pytest.mark.parametrize(
    ("rows", "words"),
    [("", "no emitters"), ("1,1,1.2,3.4,0.1,900\n2,1,4.2,0.4,0.1,900\n", "in nm"), ("1,1,nan,3,0,900\n", "NaN")],
)
def test_a_truth_that_cannot_be_used_is_refused(tmp_path, rows, words):
    path = tmp_path / "truth.csv"
    path.write_text("Ground-truth,frame,xnano,ynano,znano,intensity\n" + rows)
    with pytest.raises(HollyError, match=words):
        make_sampler("structure", Z, str(path))
