"""Two lists of picks divided into what both have and what one has alone."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.io.particle_lists import read_particles, write_particles
from holly_triton.io.particle_lists.particle_list import ParticleList
from holly_triton.tomography.score.combine import combine


def picks(count: int, seed: int) -> ParticleList:
    rng = np.random.default_rng(seed)
    places = np.stack(np.unravel_index(rng.permutation(10**3)[:count], (10, 10, 10)), axis=1) * 400.0
    return ParticleList.of("ribosome", places, scores=rng.random(count))


def test_the_sets_of_the_paper_have_its_sizes(seed: int) -> None:
    """1736 of the expert and 1872 of the network, of which 1516 are the same, at a tenth of the size."""
    everything = picks(152 + 22 + 36, seed)
    a, b = everything.take(slice(0, 174)), everything.take(np.r_[0:152, 174:210])
    jitter = np.random.default_rng(seed).normal(0, 20, (len(b), 3))
    b = ParticleList.of("ribosome", b.positions + jitter, scores=b.scores)
    found = combine(a, b, 136.8)
    figures = found.figures()
    assert (figures["both"], figures["only_a"], figures["only_b"]) == (152, 22, 36)
    assert (figures["a"], figures["b"]) == (174, 188)
    assert [len(found.chosen(how)) for how in ("union", "intersection", "only-a", "only-b")] == [210, 152, 22, 36]
    assert {tuple(place) for place in found.both.positions} == {tuple(place) for place in a.positions[:152]}
    assert figures["classes"]["ribosome"]["both"] == 152


def test_the_confidence_of_lone_picks_rises_with_the_score_and_is_the_share_that_the_other_list_has(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = picks(600, seed)
    b = a.take(rng.random(600) < a.scores)  # the other method finds what scores high
    alone = combine(a, b, 50).only_a
    order = np.argsort(alone.scores)
    low, high = order[:60], order[-60:]
    by_place = {tuple(place): score for place, score in zip(a.positions, a.scores, strict=True)}
    true = np.array([by_place[tuple(place)] for place in alone.positions])
    assert alone.scores[low].mean() < 0.3 < 0.6 < alone.scores[high].mean()
    assert np.abs(alone.scores - true).mean() < 0.1


def test_coincidences_of_dense_lists_are_less_convincing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    few, many = (ParticleList.of("a", rng.uniform(0, 1000, (count, 3))) for count in (5, 400))
    by_chance = combine(many, ParticleList.of("a", rng.uniform(0, 1000, (400, 3))), 60)
    sure = combine(few, few, 60)
    assert sure.both.scores.min() > 0.99 > 0.8 > by_chance.both.scores.max()
    # Every position is random: about as many coincide as the chance of each says.
    assert len(by_chance.both) / 400 == pytest.approx(1 - by_chance.both.scores.mean(), abs=0.12)


def test_classes_and_tomograms_are_kept_apart_and_empty_lists_pass() -> None:
    a = ParticleList.of(["a", "b"], [[0, 0, 0], [0, 0, 0]], tomogram=["t0", "t1"])
    b = ParticleList.of(["b", "b"], [[0, 0, 0], [0, 0, 0]], tomogram=["t0", "t1"])
    assert combine(a, b, 10).figures()["both"] == 1
    none = ParticleList.of("a", np.empty((0, 3)))
    assert combine(a, none, 10).figures()["only_a"] == 2
    assert len(combine(none, none, 10).chosen("union")) == 0
    unscored = combine(a, b, 10).chosen("union")
    assert np.isfinite(unscored.scores[unscored.labels == "b"]).all()


def test_of_a_class_that_the_other_method_did_not_search_the_confidence_is_absent(tmp_path: Path) -> None:
    places = 400.0 * np.arange(12).reshape(4, 3)
    network = ParticleList.of(["a", "a", "b", "b"], places, scores=[0.9, 0.8, 0.7, 0.6], tomogram="t")
    matching = ParticleList.of("a", places[:1], scores=[5.0], tomogram="t")
    for name, each in (("network", network), ("matching", matching)):
        write_particles(tmp_path / f"{name}.csv", each)
    words = [str(tmp_path / f"{name}.csv") for name in ("network", "matching", "both")]
    ran = CliRunner().invoke(main, ["tomo", "combine", *words, "--json"])
    assert (
        ran.exit_code == 0
        and f"{words[1]}: has no picks of b" in ran.stderr
        and f"{words[0]}: has no" not in ran.stderr
    )
    figures = json.loads(ran.stdout)
    assert figures["classes"]["b"]["confidence"]["only_a"] is None
    assert figures["confidence"]["only_a"] == figures["classes"]["a"]["confidence"]["only_a"]
    found = read_particles(tmp_path / "both.csv")
    assert np.isnan(found.scores[found.labels == "b"]).all() and np.isfinite(found.scores[found.labels == "a"]).all()


@pytest.mark.parametrize("form", [".star", ".tbl", ".xml"])
def test_the_size_of_the_voxels_is_that_of_the_lists_or_the_one_that_is_given(form: str, tmp_path: Path) -> None:
    picks = ParticleList.of("a", 160.0 * np.arange(9).reshape(3, 3), scores=[3, 2, 1], tomogram="t")
    for name, voxel in (("network", 16.0), ("matching", 8.0)):
        write_particles(tmp_path / f"{name}.star", picks, voxel_size=voxel)
        write_particles(tmp_path / f"{name}.csv", picks)
    for kind, given, voxel in ((".star", [], 16.0), (".csv", ["--voxel-size", "4"], 4.0)):
        words = [str(tmp_path / f"{name}{kind}") for name in ("network", "matching")]
        ran = CliRunner().invoke(main, ["tomo", "combine", *words, str(out := tmp_path / f"{voxel:g}{form}"), *given])
        assert ran.exit_code == 0, ran.output
        found = read_particles(out, voxel_size=None if form == ".star" else voxel)
        np.testing.assert_allclose(np.sort(found.positions, axis=0), picks.positions, atol=1e-2)


def test_a_size_of_voxels_that_no_list_states_is_asked_for(tmp_path: Path) -> None:
    write_particles(tmp_path / "a.csv", ParticleList.of("a", np.zeros((3, 3)), tomogram="t"))
    ran = CliRunner().invoke(main, ["tomo", "combine", *2 * [str(tmp_path / "a.csv")], str(tmp_path / "b.tbl")])
    assert ran.exit_code == 1 and "--voxel-size" in ran.stderr
