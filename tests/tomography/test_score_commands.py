"""``holly-triton tomo evaluate``, ``combine`` and ``render``: files of several programs, and mistakes that are named."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from scipy.spatial.transform import Rotation

from holly_triton.cli import main
from holly_triton.io.particle_lists import ParticleList, joined, write_particles
from holly_triton.io.volumes import write_volume


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["tomo", *map(str, arguments)])


def figures(*arguments: object) -> Any:
    result = run("evaluate", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def places(count: int, seed: int) -> np.ndarray:
    cells = np.random.default_rng(seed).permutation(6**3)[:count]
    return np.stack(np.unravel_index(cells, (6, 6, 6)), axis=1) * 320.0 + 160


@pytest.fixture
def truth(seed: int) -> ParticleList:
    """Three classes in two tomograms of 30 particles each."""
    rng = np.random.default_rng(seed)
    rotations = Rotation.random(60, random_state=seed).as_matrix()
    labels = rng.permutation(["70S", "FAS", "GroEL"] * 20)
    positions = np.concatenate([places(30, seed), places(30, seed + 1)])
    return ParticleList.of(labels, positions, rotations=rotations, tomogram=np.repeat(["t0", "t1"], 30))


@pytest.fixture
def picks(truth: ParticleList, seed: int) -> ParticleList:
    """27 particles of each tomogram, displaced by about 17 Å and turned by 5 degrees, and 3 false picks in each."""
    rng = np.random.default_rng(seed + 2)
    kept = truth.take(np.r_[0:27, 30:57])
    turn = Rotation.from_rotvec(np.deg2rad(5.0) * np.eye(3)[rng.integers(0, 3, 54)]).as_matrix()
    right = ParticleList.of(
        kept.labels, kept.positions + rng.normal(0, 10, (54, 3)), rotations=kept.rotations @ turn,
        scores=rng.uniform(0.5, 1, 54), tomogram=kept.tomograms,
    )  # fmt: skip
    false = ParticleList.of(
        "70S", -1000.0 - 500 * np.arange(18).reshape(6, 3), rotations=np.tile(np.eye(3), (6, 1, 1)),
        scores=rng.uniform(0, 0.5, 6), tomogram=np.repeat(["t0", "t1"], 3),
    )  # fmt: skip
    return joined([right, false])


@pytest.fixture
def files(tmp_path: Path, truth: ParticleList, picks: ParticleList) -> tuple[Path, Path]:
    paths = tmp_path / "picks.csv", tmp_path / "truth.csv"
    for path, particles in zip(paths, (picks, truth), strict=True):
        write_particles(path, particles)
    return paths


def test_the_figures_are_those_of_the_contract(files: tuple[Path, Path]) -> None:
    found = figures(files[0], "--truth", files[1])
    assert found["recall"]["micro"] == pytest.approx(0.9) and found["precision"]["micro"] == pytest.approx(0.9)
    assert found["f1"]["micro"] == pytest.approx(0.9) and 0.8 < found["f1"]["macro"] < 0.95
    assert set(found["classes"]) == {"70S", "FAS", "GroEL"} and found["classes"]["FAS"]["precision"] == 1
    assert found["tolerance_angstrom"] == 136.8 and found["median_angle_deg"] == pytest.approx(5, abs=0.01)
    assert found["confusion"]["labels"] == ["70S", "FAS", "GroEL", "background"]
    assert np.sum(found["confusion"]["counts"]) == 66 and found["warnings"] == []
    assert 10 < found["median_error_angstrom"] < 20 < found["p90_error_angstrom"] < 40
    assert set(found["tomograms"]) == {"t0", "t1"}


@pytest.mark.parametrize("suffix", [".star", ".xml", ".tbl"])
def test_lists_of_other_programs_give_the_same(
    suffix: str, tmp_path: Path, truth: ParticleList, picks: ParticleList
) -> None:
    """Where a format numbers classes and tomograms, both lists do."""
    paths = tmp_path / f"picks{suffix}", tmp_path / f"truth{suffix}"
    for path, particles in zip(paths, (picks, truth), strict=True):
        write_particles(path, particles, voxel_size=10.0)
    size = [] if suffix == ".star" else ["--voxel-size", 10]
    found = figures(paths[0], "--truth", paths[1], *size)
    assert found["f1"]["micro"] == pytest.approx(0.9) and found["median_angle_deg"] == pytest.approx(5, abs=0.1)
    assert 10 < found["median_error_angstrom"] < 20 and len(found["tomograms"]) == 2


def test_one_tomogram_and_some_classes_of_a_truth_of_several(tmp_path: Path, files: tuple[Path, Path], picks: ParticleList) -> None:  # fmt: skip
    one = tmp_path / "one.csv"
    write_particles(one, picks.take(picks.tomograms == "t1"))
    ran = run("evaluate", one, "--truth", files[1])
    assert ran.exit_code == 0 and "1 tomogram of the truth without any pick left out" in ran.output
    assert figures(one, "--truth", files[1])["matched"] == 27
    assert figures(one, "--truth", files[1], "--tomograms", "t0,t1")["missed"] == 33
    only = figures(files[0], "--truth", files[1], "--classes", "FAS,GroEL")
    assert list(only["classes"]) == ["FAS", "GroEL"] and only["false"] == 0


def test_symmetry_of_a_class_reduces_its_angles(tmp_path: Path, files: tuple[Path, Path], truth: ParticleList) -> None:
    turn = Rotation.from_rotvec([0, 0, 2 * np.pi / 7]).as_matrix()
    assert truth.rotations is not None
    turned = ParticleList.of(truth.labels, truth.positions, rotations=truth.rotations @ turn, tomogram=truth.tomograms)
    path = tmp_path / "turned.csv"
    write_particles(path, turned)
    found = figures(path, "--truth", files[1], "--symmetry", "GroEL=d7")
    assert found["classes"]["GroEL"]["median_angle_deg"] == pytest.approx(0, abs=0.01)
    assert found["classes"]["70S"]["median_angle_deg"] == pytest.approx(360 / 7, abs=0.01)


def test_pictures_and_the_table_of_curves_are_written(tmp_path: Path, files: tuple[Path, Path]) -> None:
    ran = run("evaluate", files[0], "--truth", files[1], "--out", tmp_path / "figures")
    assert ran.exit_code == 0, ran.output
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"confusion.png", "thresholds.png", "curves.csv"}
    rows = (tmp_path / "figures" / "curves.csv").read_text().splitlines()
    assert len(rows) == 1 + 60 and rows[0] == "class,threshold,precision,recall,f1"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--classes", "ribosome"], "ribosome"),
        (["--tomograms", "t7"], "t7"),
        (["--symmetry", "GroEL=X3"], "X3"),
        (["--symmetry", "ribosome=D7"], "ribosome"),
    ],
)
def test_what_is_not_there_is_named(files: tuple[Path, Path], options: list[str], named: str) -> None:
    ran = run("evaluate", files[0], "--truth", files[1], *options)
    assert ran.exit_code == 1 and named in ran.output and len(ran.output.splitlines()) == 1


def test_lists_of_different_tomograms_are_refused_unless_each_has_one(tmp_path: Path, files: tuple[Path, Path], picks: ParticleList) -> None:  # fmt: skip
    paths = [tmp_path / f"{name}.csv" for name in ("none", "other", "two")]
    first = picks.take(picks.tomograms == "t0")
    for path, names in zip(paths, ("", "TS_01", np.where(np.arange(len(first)) < 9, "a", "b")), strict=True):
        write_particles(path, ParticleList.of(first.labels, first.positions, tomogram=names))
    assert "states no tomogram" in run("evaluate", paths[0], "--truth", files[1]).output
    assert run("evaluate", paths[1], "--truth", files[1]).exit_code == 1
    assert run("evaluate", paths[2], "--truth", files[1]).exit_code == 1
    named = run("evaluate", paths[1], "--truth", paths[0])
    assert named.exit_code == 0 and "30 of 30" in named.output
    one = tmp_path / "one.csv"
    write_particles(one, first)
    assert "taken for the same" in run("combine", paths[1], one, tmp_path / "out.csv").output
    assert run("combine", paths[2], files[1], tmp_path / "out.csv").exit_code == 1


def test_two_lists_are_combined_into_a_list_with_confidences(tmp_path: Path, files: tuple[Path, Path], truth: ParticleList) -> None:  # fmt: skip
    out = tmp_path / "both.star"
    ran = run("combine", *files, out, "--json")
    assert ran.exit_code == 0, ran.output
    counts = json.loads(ran.stdout)
    assert (counts["both"], counts["only_a"], counts["only_b"]) == (54, 6, 6) and counts["confidence"]["both"] > 0.9
    assert run("combine", *files, tmp_path / "b.csv", "--how", "only-b").exit_code == 0
    assert figures(tmp_path / "b.csv", "--truth", files[1], "--tomograms", "t0,t1")["matched"] == 6
    assert figures(out, "--truth", files[1])["matched"] == 60
    assert "only A" in run("combine", *files, out, "--overwrite").output


def test_a_table_of_positions_alone_is_no_list_of_picks(tmp_path: Path, files: tuple[Path, Path]) -> None:
    table, out = tmp_path / "cloud.csv", tmp_path / "out.csv"
    for head, cell, code in (("x,y,z", "", 1), ("x,y,z,tomogram", ",t0", 0)):
        table.write_text(f"{head}\n" + f"100,100,100{cell}\n200,100,100{cell}\n")
        for pair in ((files[0], table), (table, files[0])):
            ran = run("combine", *pair, out, "--overwrite")
            assert ran.exit_code == code and out.exists() is (code == 0), ran.output
            assert code == 0 or all(word in ran.output for word in ("cloud.csv", "class", "score", "tomogram"))


def test_an_existing_list_is_not_replaced_by_a_combination(files: tuple[Path, Path]) -> None:
    before = files[0].read_bytes()
    ran = run("combine", *files, files[0])
    assert ran.exit_code == 1 and "--overwrite" in ran.output and files[0].read_bytes() == before


def test_picks_are_drawn_as_a_picture_and_as_a_page(tmp_path: Path, files: tuple[Path, Path], seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(96, 96, 96)).astype(np.float32)
    write_volume(tmp_path / "t0.mrc", values, 20.0)
    assert run("render", tmp_path / "t0.mrc", files[0], tmp_path / "a.png").exit_code == 0
    ran = run("render", tmp_path / "t0.mrc", files[0], tmp_path / "c.html", "--truth", files[1])
    assert ran.exit_code == 0 and "3 of 30 picks lie outside" in ran.output
    page = (tmp_path / "c.html").read_text(encoding="utf-8")
    assert "27 of 30 particles" in page and page.count("data:image/png") == 2
    assert run("render", tmp_path / "t0.mrc", files[0], tmp_path / "b.html").exit_code == 0
    assert "30 picks in t0" in (tmp_path / "b.html").read_text(encoding="utf-8")
    (tmp_path / "t0.mrc").rename(tmp_path / "TS_9.mrc")
    assert "TS_9" in run("render", tmp_path / "TS_9.mrc", files[0], tmp_path / "d.png").output
    assert run("render", tmp_path / "TS_9.mrc", files[0], tmp_path / "a.jpg").exit_code == 1
