"""Doubts about data stay with every result that is made from them."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from holly_triton.cli import main
from holly_triton.core.errors import HollyError
from holly_triton.io.clouds import read_cloud
from holly_triton.particles.data import open_dataset
from holly_triton.particles.info import describe
from holly_triton.structures import read_structure

pytestmark = pytest.mark.usefixtures("quick_alignment", "quick_drawing")

DOUBT = "Positions span"


def table(path: Path, unit_nm: float, header: str = "x,y,particle") -> Path:
    """Twelve tetrahedra of 100 nm seen along z, their positions in some unit."""
    rng = np.random.default_rng(0)
    points = read_structure("tetrahedron").points
    rows = []
    for particle in range(12):
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        rows.append(np.column_stack([(points @ turn)[:, :2] / unit_nm, np.full(len(points), particle)]))
    np.savetxt(path, np.concatenate(rows), "%.9g", delimiter=",", header=header, comments="")
    return path


def run(*words: object) -> Result:
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def doubtful(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on positions in metres that the user insists are nm."""
    folder = tmp_path_factory.mktemp("doubt")
    data = table(folder / "metres.csv", 1e9)
    result = run("train", data, "--unit", "nm", "--quick", "--points", 20, "--device", "cpu", "--out", folder / "run")
    assert result.exit_code == 0 and f"Warning: {DOUBT}" in result.output
    return folder / "run"


@pytest.mark.parametrize(("unit_nm", "option"), [(1e9, "--unit m"), (1e3, "--unit um"), (1e-5, "--unit ")])
def test_an_impossible_size_stops_with_the_option_that_mends_it(tmp_path: Path, unit_nm: float, option: str) -> None:
    data = table(tmp_path / "data.csv", unit_nm)
    with pytest.raises(HollyError, match=option):
        open_dataset(data)
    assert option in describe(data)["can be trained on"]
    assert describe(data, unit=(option.split() + ["A"])[1])["can be trained on"].startswith("yes")
    assert open_dataset(data, unit="nm").doubts


@pytest.mark.parametrize(("z", "said"), [(1.0, "yes"), (1e3, "yes, projected along z; its z is in doubt")])
def test_info_gives_a_verdict_on_data_in_3d_whose_z_is_in_another_unit(tmp_path: Path, z: float, said: str) -> None:
    rng = np.random.default_rng(0)
    rows = [np.column_stack([rng.normal(size=(20, 3)) * 50 * (1, 1, z), np.full(20, one)]) for one in range(12)]
    np.savetxt(
        tmp_path / "3d.csv",
        np.concatenate(rows),
        "%.4f",
        delimiter=",",
        header="x [nm],y [nm],z [nm],particle",
        comments="",
    )
    verdict = describe(tmp_path / "3d.csv")["can be trained on"]
    assert verdict == said if z == 1 else verdict.startswith(said)


def test_the_stated_unit_is_taken(tmp_path: Path) -> None:
    data = open_dataset(table(tmp_path / "data.csv", 1e9), unit="m")
    assert data.doubts == [] and data.radius_nm == pytest.approx(60, abs=15)
    assert open_dataset(table(tmp_path / "nm.csv", 1.0)).doubts == []


@pytest.mark.parametrize(
    "words", [["measure"], ["evaluate", "--truth", "tetrahedron"], ["sort"]], ids=lambda words: words[0]
)
def test_every_command_about_the_run_repeats_the_doubt(doubtful: Path, words: list[str]) -> None:
    result = run(words[0], doubtful, *words[1:])
    assert result.exit_code == 0 and DOUBT in result.output


def test_the_report_and_the_figures_hold_the_doubt(doubtful: Path) -> None:
    assert DOUBT in json.loads((doubtful / "metrics.json").read_text())["doubts"][0]
    page = (doubtful / "report.html").read_text(encoding="utf-8")
    assert DOUBT in page and "0 x 0 x 0 nm" not in page


def test_exports_hold_no_zeros_and_no_overflow(doubtful: Path, tmp_path: Path) -> None:
    result = run("export", doubtful, tmp_path / "cloud.csv")
    assert result.exit_code == 0 and DOUBT in result.output
    cloud, own = read_cloud(tmp_path / "cloud.csv").points, read_cloud(doubtful / "cloud.ply").points
    np.testing.assert_allclose(cloud, own, rtol=1e-6, atol=1e-12)
    result = run("export", doubtful, tmp_path / "cloud.mrc")
    assert result.exit_code == 1 and "unit" in str(result.exception) + result.output


def test_doubts_of_new_pictures_are_said(doubtful: Path, tmp_path: Path) -> None:
    result = run("evaluate", doubtful, "--pictures", table(tmp_path / "new.csv", 1e9), "--unit", "nm")
    assert result.exit_code == 0 and result.output.count(DOUBT) >= 2
