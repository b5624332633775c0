"""3D localisations from the command line: simulate, train, stop and go on, evaluate, and data that can't be taken as 3D."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from holly_triton.cli import main
from holly_triton.core.config import read_config
from holly_triton.core.errors import HollyError
from holly_triton.core.stop import Stop
from holly_triton.io.clouds import write_cloud
from holly_triton.particles.config import Config
from holly_triton.particles.run.run import carry_out, resume_run, start_run

pytestmark = pytest.mark.usefixtures("quick_alignment", "quick_drawing")

SITES = np.array([[0, 0, 0], [60, 0, 0], [0, 40, 0], [0, 0, 30], [60, 40, 10], [-20, 15, 45]], dtype=float)
BRIEF = """
[spatial]
steps = 60
batch = 20
[spatial.search]
candidates = 300
few = 12
near = 8
[spatial.last]
candidates = 300
few = 20
near = 8
climbs = 3
"""


def invoke(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def call(*words: object) -> str:
    result = invoke(*words)
    assert result.exit_code == 0, result.output
    return result.stdout if "--json" in words else result.output


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on 220 particles, of which 11 are held out."""
    folder = tmp_path_factory.mktemp("spatial")
    write_cloud(folder / "sites.ply", SITES)
    (folder / "brief.toml").write_text(BRIEF)
    noise = ("--precision", 2, "--axial-precision", 5, "--max-spawn", 2, "--shift", 4)
    said = call("simulate", folder / "sites.ply", folder / "data", "--images", 220, "--dimensions", 3, *noise)
    assert "220 particles" in said and "picture" not in said
    call("train", folder / "data", "--out", folder / "run", "--points", 8, "--config", folder / "brief.toml")
    return folder


def test_data_with_z_are_taken_as_3d_and_the_truth_is_found(made: Path) -> None:
    assert "along z 5 nm" in call("info", made / "data")
    assert read_config(made / "run" / "config.toml", Config).dimensions == 3
    figures = json.loads(call("evaluate", made / "run", "--truth", made / "sites.ply", "--json"))
    assert figures["rmsd"] < 4 and figures["mirrored"] is False and figures["handed"] is True
    assert figures["poses"]["share_right"] > 0.9 and figures["poses"]["pictures"] == 220
    assert figures["poses"]["median_shift"] < 4


def test_the_run_folder_has_poses_in_3d_and_the_fit_of_held_out_particles(made: Path) -> None:
    with (made / "run" / "poses.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [*rows[0]] == ["picture", "rx", "ry", "rz", "tx_nm", "ty_nm", "tz_nm", "sigma_nm", "loss", "entropy"]
    assert len(rows) == 220 and all(0 <= float(row["entropy"]) <= np.log(8) + 1e-3 for row in rows)
    metrics = json.loads((made / "run" / "metrics.json").read_text())
    held = metrics["held_out"]
    assert metrics["dimensions"] == 3 and held["pictures"] == 11
    assert abs(np.log(held["loss"] / held["loss_training"])) < 0.5
    assert metrics["loss_of_structure"] < 0.5 * metrics["loss_of_ball"]
    page = (made / "run" / "report.html").read_text()
    assert "determine the handedness" in page and "fit the pictures equally well" not in page
    assert 'id="handedness"' not in page


def test_a_volume_new_particles_and_a_ranking_come_of_it(made: Path) -> None:
    call("export", made / "run", made / "density.mrc")
    noise = ("--precision", 2, "--axial-precision", 5, "--max-spawn", 2, "--seed", 1)
    call("simulate", made / "sites.ply", made / "new", "--images", 12, "--dimensions", 3, *noise)
    new = json.loads(call("evaluate", made / "run", "--pictures", made / "new", "--json"))["new_pictures"]
    assert abs(np.log(new["loss"] / new["loss_training"])) < 0.5
    assert "poses_new.csv" in {path.name for path in (made / "run").iterdir()}
    assert "220 particles" in call("rank", made / "run")
    call("simulate", made / "sites.ply", made / "flat", "--images", 12)
    refused = invoke("evaluate", made / "run", "--pictures", made / "flat")
    assert refused.exit_code == 1 and "no z" in refused.output


def test_projections_remain(made: Path) -> None:
    settings = made / "flat.toml"
    settings.write_text("[schedule]\nsearch_steps = 2\npolish_steps = 1\nrefine_steps = 1\nrescue_passes = 0\n")
    call(
        "train", made / "data", "--out", made / "two", "--points", 8, "--config", settings, "--dimensions", 2, "--held-out", 0
    )  # fmt: skip
    assert read_config(made / "two" / "config.toml", Config).dimensions == 2
    for name, options in {"views": {"views": "random"}, "axis": {"axis": "x"}}.items():
        assert start_run(Config(data=str(made / "data"), device="cpu", **options), made / name).config.dimensions == 2  # type: ignore[arg-type]
    refused = invoke("train", made / "data", "--out", made / "none", "--dimensions", 3, "--tilt", 0)
    assert refused.exit_code == 1 and not (made / "none").exists()
    assert "--tilt 0" in refused.output and "--prune" not in refused.output


def test_a_run_that_is_stopped_goes_on_to_the_same_bytes(made: Path) -> None:
    config = read_config(made / "run" / "config.toml", Config)
    run, steps = start_run(config, made / "stopped"), 0

    def after_ten() -> bool:
        nonlocal steps
        steps += 1
        return steps == 10

    assert not carry_out(run, lambda _: None, after_ten)
    resumed = call("train", "--resume", made / "stopped")
    finished = call("train", "--resume", made / "stopped")
    assert all(f"Next: holly-triton measure {made / 'stopped'}" in said for said in (resumed, finished))
    assert "step 71 of 71" in resumed
    for name in ("cloud.ply", "poses.csv"):
        assert (made / "stopped" / name).read_bytes() == (made / "run" / name).read_bytes(), name
    assert Stop().asked is False
    (made / "stopped" / "config.toml").write_text(
        (made / "run" / "config.toml").read_text().replace("dimensions = 3", "dimensions = 2")
    )
    with pytest.raises(HollyError, match="dimensions"):
        resume_run(made / "stopped")


def table(path: Path, z: str, precision_z: bool = True) -> Path:
    """A table of 30 particles, its z in nm, in um without a word, or the same everywhere."""
    rng, rows = np.random.default_rng(0), []
    for particle in range(30):
        x, y, height = (SITES + rng.normal(0, 5, SITES.shape)).T
        height = {"nm": height, "um": height / 1000, "constant": np.full(len(height), 7.0)}[z]
        rows += [
            f"{particle},{a:.3f},{b:.3f},{c:.6f},5{',12' * precision_z}" for a, b, c in zip(x, y, height, strict=True)
        ]
    names = "particle,x [nm],y [nm],z [nm],uncertainty_xy [nm]" + ",uncertainty_z [nm]" * precision_z
    path.write_text("\n".join([names, *rows]))
    return path


@pytest.mark.parametrize(("z", "wrong"), [("constant", "no z, or the same one"), ("um", "another unit")])
def test_z_that_is_of_no_use_is_refused_in_one_line_and_projected_otherwise(tmp_path: Path, z: str, wrong: str) -> None:
    data = table(tmp_path / "data.csv", z)
    refused = invoke("train", data, "--out", tmp_path / "run", "--dimensions", 3)
    assert refused.exit_code == 1 and wrong in refused.output and not (tmp_path / "run").exists()
    run = start_run(Config(data=str(data), device="cpu"), tmp_path / "flat")
    assert run.config.dimensions == 2
    if z == "constant":
        assert any("z is 7 nm" in note for note in run.notes) and "z is 7 nm" in call("info", data)


def test_precision_that_is_missing_along_z_is_said(tmp_path: Path) -> None:
    run = start_run(
        Config(data=str(table(tmp_path / "data.csv", "nm", precision_z=False)), device="cpu"), tmp_path / "run"
    )
    assert run.config.dimensions == 3 and any("along z" in note for note in run.notes)


def test_precision_columns_without_a_value_are_said_to_be_of_no_use(tmp_path: Path) -> None:
    data = table(tmp_path / "data.csv", "nm")
    data.write_text(data.read_text().replace(",5,12", ",-1,0"))
    said = call("info", data)
    assert "never above 0" in said and "not stated, along" not in said
    run = start_run(Config(data=str(data), device="cpu"), tmp_path / "run")
    assert sum("never above 0" in note for note in run.notes) == 2


def test_evaluate_repeats_the_warnings_of_the_run(made: Path) -> None:
    folder = made / "run"
    metrics = json.loads((folder / "metrics.json").read_text())
    (folder / "metrics.json").write_text(json.dumps({**metrics, "pictures": 60}))
    try:
        figures = json.loads(call("evaluate", folder, "--truth", made / "sites.ply", "--json"))
    finally:
        (folder / "metrics.json").write_text(json.dumps(metrics))
    assert figures["warnings"] and "60 particles" in figures["warnings"][0]
