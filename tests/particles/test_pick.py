"""Picking particles from simulated fields, whose answer is known, and from real ones where they are there."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from holly_triton.cli import main
from holly_triton.core.errors import HollyError
from holly_triton.io.tables.reading import Reading
from holly_triton.io.tables.table import read_rows
from holly_triton.particles.data import open_dataset
from holly_triton.particles.picking.pick import Candidates, PickSettings, find_particles, pick
from holly_triton.particles.picking.segmentation import find_clusters, typical_diameter

Array = NDArray[np.float64]
SHARED = Path(__file__).parents[2] / "../shared/data"
FIELD = 4000.0
RING = 50.0


def rings(centres: Array, count: int, rng: np.random.Generator) -> Array:
    """Rings of eight sites, 100 nm across, ``count`` localisations each, 7 nm off their sites."""
    angle = 2 * np.pi * rng.integers(0, 8, (len(centres), count)) / 8 + rng.uniform(0, 1, (len(centres), 1))
    points = RING * np.stack([np.cos(angle), np.sin(angle)], axis=2) + rng.normal(0, 7, (len(centres), count, 2))
    return (centres[:, None] + points).reshape(-1, 2)


def grid_of_places(rng: np.random.Generator) -> Array:
    """100 places at least 250 nm apart."""
    x, y = np.meshgrid(np.arange(10), np.arange(10))
    return (np.stack([x.ravel(), y.ravel()], axis=1) + 0.5) * FIELD / 10 + rng.uniform(-75, 75, (100, 2))


def background(count: int, rng: np.random.Generator) -> Array:
    return rng.uniform(0, FIELD, (count, 2))


@pytest.fixture(scope="module")
def field() -> tuple[Array, Array]:
    """100 rings of 80 localisations over as many in the background, and where the rings are."""
    rng = np.random.default_rng(0)
    centres = grid_of_places(rng)
    return np.concatenate([rings(centres, 80, rng), background(8000, rng)]), centres


def precision_and_recall(found: Candidates, centres: Array) -> tuple[float, float]:
    """Of the picks, each ring counting once; within 20 nm."""
    picked = found.centre[found.picked]
    distance, nearest = cKDTree(centres).query(picked)
    right = len(np.unique(nearest[distance < 20]))
    return right / len(picked), right / len(centres)


def test_rings_over_background_are_found(field: tuple[Array, Array]) -> None:
    xy, centres = field
    precision, recall = precision_and_recall(find_particles(xy, PickSettings()), centres)
    assert precision >= 0.98
    assert recall >= 0.98


def test_the_diameter_comes_from_the_data(field: tuple[Array, Array]) -> None:
    # 100 nm from site to site, and some 7 nm of scatter at either end.
    assert 100 <= typical_diameter(field[0]) <= 140
    assert 200 <= typical_diameter(2 * field[0]) <= 280


def test_sparse_background_does_not_hide_the_particles_or_become_one() -> None:
    rng = np.random.default_rng(1)
    centres = rng.permutation(grid_of_places(rng))[:20]
    xy = np.concatenate([rings(centres, 40, rng), background(500, rng)])
    assert precision_and_recall(find_particles(xy, PickSettings()), centres) == (1.0, 1.0)


def test_touching_particles_are_told_apart() -> None:
    rng = np.random.default_rng(2)
    left = grid_of_places(rng)
    centres = np.concatenate([left, left + (2 * RING + 30, 0)])
    xy = np.concatenate([rings(centres, 80, rng), background(2000, rng)])
    precision, recall = precision_and_recall(find_particles(xy, PickSettings(diameter=120)), centres)
    assert precision >= 0.95
    assert recall >= 0.95


def test_two_layers_seen_from_the_side_are_one_particle() -> None:
    rng = np.random.default_rng(3)
    x, layer = rng.uniform(-50, 50, 200), rng.integers(0, 2, 200)
    xy = np.stack([x, 60.0 * layer], axis=1) + rng.normal(0, 4, (200, 2))
    corners = np.array([[-1500.0, -1500.0], [1500.0, 1500.0]])
    (cluster,) = find_clusters(np.concatenate([xy, corners]), 120.0)
    assert len(cluster) == 200


def test_every_localisation_of_a_circle_is_taken_once(field: tuple[Array, Array]) -> None:
    xy, _ = field
    found = find_particles(xy, PickSettings())
    distance, nearest = cKDTree(found.centre[found.picked]).query(xy)
    inside = distance < found.circle_nm / 2
    np.testing.assert_array_equal(found.group, np.where(inside, nearest, -1))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (PickSettings(diameter=120, smallest=200, largest=300), "small"),
        (PickSettings(diameter=120, largest=80), "large"),
        (PickSettings(diameter=120, fewest=500), "few"),
        (PickSettings(diameter=120, smallest=80, most=40), "many"),
        (PickSettings(diameter=120, smallest=80, fewest=40, roundness=0.99), "slender"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_filter_takes_out_what_it_says(field: tuple[Array, Array], settings: PickSettings, reason: str) -> None:
    found = find_particles(field[0], settings)
    assert (found.why == reason).sum() >= 95
    assert f"{(found.why == reason).sum()} " in found.said[-1]


def test_what_was_derived_is_said(field: tuple[Array, Array]) -> None:
    said = " ".join(find_particles(field[0], PickSettings()).said)
    for words in ("nm across", "--diameter", "were picked", "smaller than", "fewer than"):
        assert words in said


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"diameter": 0.0}, "--diameter 0: must be above 0"),
        ({"diameter": float("nan")}, "--diameter nan"),
        ({"smallest": 90.0, "largest": 50.0}, "--min-diameter 90: is above --max-diameter 50"),
        ({"fewest": 9, "most": 5}, "--min-localisations 9: is above --max-localisations 5"),
        ({"roundness": 1.0}, "--roundness 1"),
    ],
)
def test_settings_that_leave_nothing_are_refused(settings: dict[str, float], words: str) -> None:
    with pytest.raises(HollyError, match=words):
        PickSettings(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("xy", "words"),
    [
        (np.random.default_rng(4).uniform(0, FIELD, (5000, 2)), "--diameter"),
        (np.random.default_rng(4).uniform(0, 4, (5000, 2)), "--unit"),
        (np.zeros((100, 2)), "--unit"),
    ],
    ids=["random", "wrong unit", "one place"],
)
def test_a_field_without_particles_is_said_to_be_one(xy: Array, words: str) -> None:
    with pytest.raises(HollyError, match=words):
        find_particles(xy, PickSettings())


def write_field(path: Path, xy: Array) -> Path:
    photons, precision = 1000 + np.arange(len(xy)) % 7, 5 + np.arange(len(xy)) % 3
    rows = np.column_stack([xy, photons, precision])
    header = '"x [nm]","y [nm]","intensity [photon]","uncertainty [nm]"'
    np.savetxt(path, rows, fmt="%.3f", delimiter=",", header=header, comments="")
    return path


def test_what_is_picked_can_be_trained_on(tmp_path: Path, field: tuple[Array, Array]) -> None:
    xy, _ = field
    xy = np.concatenate([xy, [[np.nan, 5.0], [1e30, 5.0]]])
    found = pick(write_field(tmp_path / "field.csv", xy), tmp_path / "picked.hdf5", Reading(), PickSettings())
    assert "1e+15 nm (row 16002: 1e+30 nm)" in found.said[1]
    data = open_dataset(found.path)
    assert len(data) == found.particles
    assert int(data.counts.sum()) == found.localisations
    assert {5.0, 6.0, 7.0} == {round(value, 2) for value in data.precision.tolist()}
    assert set(data.photons.tolist()) == set(range(1000, 1007))
    assert data.radius_nm == pytest.approx(75, abs=20)
    assert cKDTree(xy[:-2]).query(read_rows(found.path, Reading()).whole().xyz)[0].max() < 0.1


def test_drawings_lie_beside_the_particles(tmp_path: Path, field: tuple[Array, Array]) -> None:
    found = pick(write_field(tmp_path / "f.csv", field[0]), tmp_path / "p.hdf5", Reading(), PickSettings(diameter=120))
    for drawing in (found.gallery, found.overview):
        assert drawing.parent == tmp_path
        assert drawing.read_bytes().startswith(b"\x89PNG")
        assert drawing.stat().st_size > 10_000


def test_a_field_whose_candidates_all_fall_is_explained(tmp_path: Path, field: tuple[Array, Array]) -> None:
    path = write_field(tmp_path / "field.csv", field[0])
    with pytest.raises(HollyError, match="no particle was found.*0 of \\d+ candidates? were picked"):
        pick(path, tmp_path / "out.hdf5", Reading(), PickSettings(fewest=10_000))
    assert not (tmp_path / "out.hdf5").exists()


@pytest.mark.parametrize("marked", [True, False])
def test_a_table_whose_particles_are_marked_needs_no_picking(marked: bool, tmp_path: Path) -> None:
    table, rng = tmp_path / "table.csv", np.random.default_rng(1)
    columns = [rng.normal(0, 40, (2000, 2)), *([np.repeat(np.arange(40), 50)] if marked else [])]
    header = "x [nm],y [nm]" + (",particle" if marked else "")
    np.savetxt(table, np.column_stack(columns), delimiter=",", header=header, comments="")
    with pytest.raises(HollyError, match="table.csv: ") as error:
        pick(table, tmp_path / "out.hdf5", Reading(), PickSettings())
    assert ("holly-triton train" in str(error.value)) is marked


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HollyError, match="must end in .hdf5"):
        pick(tmp_path / "field.csv", tmp_path / "out.csv", Reading(), PickSettings())


def test_the_field_itself_is_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(HollyError, match="is the field itself"):
        pick(tmp_path / "field.hdf5", tmp_path / "field.hdf5", Reading(), PickSettings())


def test_a_file_that_is_there_is_replaced_only_if_asked(tmp_path: Path) -> None:
    rng, out = np.random.default_rng(1), tmp_path / "picked.hdf5"
    xy = np.concatenate([rings(grid_of_places(rng)[:20], 40, rng), background(500, rng)])
    words = ["pick", str(write_field(tmp_path / "field.csv", xy)), str(out), "--diameter", "120"]
    out.write_text("another")
    refused = CliRunner().invoke(main, words)
    assert refused.exit_code == 1 and "--overwrite" in refused.output and out.read_text() == "another"
    assert CliRunner().invoke(main, [*words, "--overwrite"]).exit_code == 0
    assert len(open_dataset(out)) == 20


@pytest.mark.parametrize("count", [1, 20], ids=["one localisation", "twenty"])
def test_too_few_localisations_end_in_one_line(tmp_path: Path, count: int) -> None:
    xy = np.random.default_rng(5).uniform(0, FIELD, (count, 2))
    with pytest.raises(HollyError, match="whole field|--diameter"):
        pick(write_field(tmp_path / "field.csv", xy), tmp_path / "out.hdf5", Reading(), PickSettings())


def test_localisations_in_one_line_are_no_particles() -> None:
    xy = np.column_stack([np.linspace(0, FIELD, 2000), np.zeros(2000)])
    assert not find_particles(xy, PickSettings(diameter=100)).picked.any()


def shared(name: str) -> Path:
    if not (SHARED / name).exists():
        pytest.skip(f"{name} is not beside the checkout")
    return SHARED / name


def test_picks_by_hand_are_found_again(tmp_path: Path) -> None:
    path = shared("picasso/samples/data/raw_movie_locs_picked.hdf5")
    found = pick(path, tmp_path / "again.hdf5", Reading(), PickSettings())
    by_hand = read_rows(path, Reading()).whole()
    assert by_hand.particle is not None and found.particles == len(np.unique(by_hand.particle))
    assert found.localisations > 0.99 * len(by_hand.xyz)


def test_pores_of_a_real_field_are_found(tmp_path: Path) -> None:
    # By eye: about 250 rings, some of them touching, and a few that are faint.
    path = shared("npc-field-veatch/sampledata_npc.mat")
    found = pick(path, tmp_path / "pores.hdf5", Reading(), PickSettings())
    assert 235 <= found.particles <= 280


def test_a_centriole_that_its_authors_cut_out_is_found() -> None:
    from scipy.io import loadmat

    field, cut = (loadmat(shared(f"centriole-smlm/real_Cent_{name}.mat"))["subset2"] for name in ("large", "2"))
    found = find_particles(field[:, :2], PickSettings())
    # Their cut is 469 nm wide about a centriole of some 300 nm.
    distance = cKDTree(found.centre[found.picked]).query(cut[:, :2].mean(axis=0))[0]
    assert distance < 30


@pytest.mark.parametrize("first", [0, 1])
def test_frames_are_written_as_picasso_counts_them_from_0(
    field: tuple[Array, Array], first: int, tmp_path: Path
) -> None:
    rows = np.column_stack([np.arange(len(field[0])) % 1000 + first, field[0]])
    np.savetxt(tmp_path / "field.csv", rows, delimiter=",", header="frame,x [nm],y [nm]", comments="", fmt="%g")
    pick(tmp_path / "field.csv", tmp_path / "picked.hdf5", Reading(), PickSettings())
    frame = read_rows(tmp_path / "picked.hdf5", Reading()).whole().frame
    assert frame is not None and frame.min() == 0 and frame.max() == 999
    # Of Picasso's own they remain as they are.
    pick(tmp_path / "picked.hdf5", tmp_path / "again.hdf5", Reading(), PickSettings(diameter=120.0))
    again = read_rows(tmp_path / "again.hdf5", Reading()).whole().frame
    assert again is not None and again.min() == 0 and again.max() == 999
