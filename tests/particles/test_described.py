"""What ``info`` says of data that newcomers bring: implausible sizes, channels, a z of no use, simulated mixtures."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.io.channels import PointChannels
from holly_triton.io.clouds import write_cloud
from holly_triton.particles.data import Localisations, open_dataset
from holly_triton.particles.data.dataset import truths_beside
from holly_triton.particles.info import describe
from holly_triton.report.measurements import explain
from holly_triton.validation.measure import measure_run

PARTICLES, EACH = 12, 9
CLOUD = np.random.default_rng(0).normal(size=(EACH, 3)) * (60, 40, 30)


def write(path: Path, xyz: np.ndarray, channels: list[str] | None = None) -> Path:
    """A table in nm of copies of one structure, each localisation of a channel."""
    rows = np.column_stack([xyz, np.repeat(np.arange(PARTICLES), EACH)]).astype(object)
    header, formats = "x [nm],y [nm],z [nm],particle", "%.3f,%.3f,%.3f,%d"
    if channels is not None:
        rows, header, formats = np.column_stack([rows, channels]), header + ",channel", formats + ",%s"
    np.savetxt(path, rows, fmt=formats, header=header, comments="")
    return path


@pytest.fixture
def xyz() -> np.ndarray:
    return np.tile(CLOUD, (PARTICLES, 1)) + np.random.default_rng(1).normal(size=(PARTICLES * EACH, 3))


def invoke(*words: object) -> str:
    ran = CliRunner().invoke(main, [str(word) for word in words])
    assert ran.exit_code == 0, ran.output
    return ran.output


def test_particles_of_an_implausible_size_are_doubted_with_the_option_that_mends_it(
    tmp_path: Path, xyz: np.ndarray
) -> None:
    table = write(tmp_path / "far.csv", 1000 * xyz)
    said = describe(table)
    assert "implausible" in said["notes"] and "--columns" in said["notes"] and "doubts" in said["can be trained on"]
    mended = describe(table, columns="x=x[pm],y=y[pm],z=z[pm]")
    assert "implausible" not in mended["notes"] and mended["can be trained on"] == "yes"


def test_rows_without_a_channel_are_counted(tmp_path: Path, xyz: np.ndarray) -> None:
    said = describe(write(tmp_path / "two.csv", xyz, (["A", "B", ""] * EACH * PARTICLES)[: len(xyz)]))
    assert "36 of 108 localisations have no channel" in said["notes"]
    assert "--channel A reads" in said["notes"] and said["channels"] == "A, B; a cloud for each"


def test_channels_that_are_pooled_are_said_to_be(tmp_path: Path, xyz: np.ndarray) -> None:
    names = (["A", "B"] * len(xyz))[: len(xyz)]
    flat = describe(write(tmp_path / "flat.csv", xyz * (1, 1, 0), names))
    assert flat["third dimension"] == "no" and flat["channels"] == "A, B; a cloud for each"
    assert "z is 0 nm everywhere" in flat["notes"]
    few = describe(write(tmp_path / "few.csv", xyz, ["A"] * (len(xyz) - 1) + ["B"]))
    assert "pooled in one cloud" in few["channels"] and "channel B has 1 localisation" in few["channels"]


def test_a_simulated_mixture_is_classified(tmp_path: Path) -> None:
    data, flat = tmp_path / "mixed", tmp_path / "flat"
    for folder, dimensions in ((data, 3), (flat, 2)):
        invoke("simulate", "nuclear-pore", folder, "--also", "torus", 0.4, "--images", 60, "--dimensions", dimensions)
    assert [truth.name for truth in truths_beside(data / "localisations.csv")] == ["truth-1.ply", "truth-2.ply"]
    assert invoke("info", data).endswith("--structures 2\n")
    assert "--structures" not in invoke("info", flat).splitlines()[-1]
    assert "-0.0000" not in (data / "truth_poses.csv").read_text()


def test_the_truth_beside_the_data_is_named(tmp_path: Path) -> None:
    invoke("simulate", "nuclear-pore", tmp_path / "data", "--images", 20)
    (tmp_path / "run").mkdir()
    write_cloud(tmp_path / "run" / "cloud.ply", CLOUD)
    (tmp_path / "run" / "config.toml").write_text(f"data = '{tmp_path / 'data' / 'localisations.csv'}'\n")
    ran = CliRunner().invoke(main, ["evaluate", str(tmp_path / "run")])
    assert ran.exit_code == 1 and f"--truth {tmp_path / 'data' / 'truth.ply'}" in ran.output


def test_each_channel_of_a_cloud_is_measured(tmp_path: Path) -> None:
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = np.column_stack([50 * np.cos(angle), 50 * np.sin(angle), 0.5 * np.cos(7 * angle)])
    write_cloud(
        tmp_path / "cloud.ply", np.concatenate([ring, ring / 2 + [0, 0, 40], CLOUD[:3] * 0.1]),
        PointChannels.of_sizes((24, 24, 3), ("outer", "inner", "few")),
    )  # fmt: skip
    figures = measure_run(tmp_path)
    outer, inner, few = (figures["channels"][name] for name in ("outer", "inner", "few"))
    assert outer["points"] == 24 and outer["diameter_nm"] == pytest.approx(100, abs=1)
    assert inner["diameter_nm"] == pytest.approx(50, abs=1) and "axes_nm" not in few
    assert outer["from_centre_nm"] + inner["from_centre_nm"] == pytest.approx(40, abs=2)
    assert f"{outer['model']} 100 nm across" in explain({**figures, "height_seen": True})


def test_particles_may_be_named_by_words(tmp_path: Path, xyz: np.ndarray) -> None:
    """In any order of rows; a row without a name belongs to no particle."""
    names = np.repeat([f"cell{number % 3} ñ{number}" for number in range(PARTICLES)], EACH)
    names[5] = ""
    order = np.random.default_rng(2).permutation(len(xyz))
    rows = np.column_stack([xyz.astype(object), names])[order]
    np.savetxt(
        tmp_path / "words.csv",
        rows,
        fmt="%.3f,%.3f,%.3f,%s",
        header="x [nm],y [nm],z [nm],particle",
        comments="",
        encoding="utf-8",
    )
    assert describe(tmp_path / "words.csv")["particles"].startswith("12")
    data = open_dataset(tmp_path / "words.csv")
    assert sorted(data.names) == sorted({*names} - {""}) and any("no particle id" in note for note in data.notes)
    assert isinstance(data, Localisations)
    one = data.names.index(names[-1])
    assert np.allclose(data.centres[one], xyz[-EACH:].mean(axis=0), atol=1e-2) and int(data.counts[one]) == EACH
    some = describe(tmp_path / "words.csv", where=f'particle != "{names[-1]}"')
    assert some["particles"].startswith("11")


@pytest.mark.parametrize("held", [0, 2**30])
def test_words_of_several_files_name_different_particles(
    held: int, tmp_path: Path, xyz: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In memory, or read from the files at each pass."""
    monkeypatch.setattr("holly_triton.io.tables.table.LARGEST_HELD", held)
    names = np.repeat([f"cell{number}" for number in range(PARTICLES)], EACH)
    for file in ("a", "b"):
        rows = np.column_stack([xyz.astype(object), names])
        np.savetxt(
            tmp_path / f"{file}.csv", rows, fmt="%.3f,%.3f,%.3f,%s", header="x [nm],y [nm],z [nm],particle", comments=""
        )
    data = open_dataset(tmp_path)
    assert len(data) == 2 * PARTICLES == len({*data.names}) and all(name.endswith(tuple(names)) for name in data.names)


def test_words_may_be_bytes(tmp_path: Path, xyz: np.ndarray) -> None:
    table = np.zeros(len(xyz), [("x [nm]", float), ("y [nm]", float), ("z [nm]", float), ("particle", "S8")])
    for axis, name in enumerate(("x [nm]", "y [nm]", "z [nm]")):
        table[name] = xyz[:, axis]
    table["particle"] = np.char.encode(np.repeat([f"ñ{number}" for number in range(PARTICLES)], EACH), "utf-8")
    np.save(tmp_path / "words.npy", table)
    assert open_dataset(tmp_path / "words.npy").names[:3] == ["ñ0", "ñ1", "ñ10"]
