"""``holly-triton frames evaluate``: tables of several programs, and mistakes of units, frames and axes, which are named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result

from holly_triton.cli import main
from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.frames.localisations import localisations
from holly_triton.frames.score import evaluate, read_localisations, read_truth
from holly_triton.frames.score.limit import deviations_beside
from holly_triton.io.tables.picasso import write_picasso
from holly_triton.io.tables.writing import localisation_file

DATA = Path(__file__).parents[2].parent / "shared" / "data"
SIGMA_NM = 10.0
NAMES = ("frame", "xnano", "ynano", "znano", "intensity")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["frames", "evaluate", *map(str, arguments)])


def figures(*arguments: object) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def truth(seed: int) -> Array:
    rng = np.random.default_rng(seed)
    made = localisations(120)
    made["frame"] = np.sort(rng.integers(1, 41, len(made)))
    made["x"], made["y"] = rng.uniform(600, 5800, (2, len(made)))
    made["z"], made["photons"] = rng.uniform(-600, 600, len(made)), rng.uniform(1000, 5000, len(made))
    return made


@pytest.fixture
def found(truth: Array, seed: int) -> Array:
    rng = np.random.default_rng(seed + 1)
    made = truth[rng.permutation(len(truth))[:100]].copy()
    for axis in "xyz":
        made[axis] += rng.normal(0, SIGMA_NM, len(made))
    return made


def columns(table: Array, scale: float = 1.0, frame: int = 0) -> list[Array]:
    return [table["frame"] + frame, *(table[axis] * scale for axis in "xyz"), table["photons"]]


def csv(path: Path, header: str, cells: list[Array]) -> Path:
    rows = [",".join(f"{cell:.10g}" for cell in row) for row in zip(*cells, strict=True)]
    path.write_text("\n".join([*([header] if header else []), *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def truth_csv(tmp_path: Path, truth: Array) -> Path:
    (tmp_path / "simulated").mkdir()
    cells = [np.arange(1, len(truth) + 1), *columns(truth)]
    return csv(tmp_path / "simulated" / "truth.csv", "Ground-truth," + ",".join(NAMES), cells)


@pytest.fixture
def found_csv(tmp_path: Path, found: Array) -> Path:
    return csv(tmp_path / "found.csv", ",".join(NAMES), columns(found))


def is_right(result: Any) -> bool:
    """Whether all hundred are matched, at the distance at which they were made."""
    near = result["rmse_lateral"] == pytest.approx(SIGMA_NM * np.sqrt(2), rel=0.2)
    return bool(result["matched"] >= 98 and near and abs(result["mean_error"]["x"]) < 4)


# Formats.


def picasso(path: Path, table: Array) -> Path:
    positions = np.stack([table["x"] - 65, table["y"] - 65, table["z"]], axis=1)  # centres of pixels are whole numbers
    write_picasso(path, positions, pixel_nm=130, photons=table["photons"], frame=table["frame"] - 1)
    return path


def thunderstorm(path: Path, table: Array) -> Path:
    header = '"id","frame","x [nm]","y [nm]","z [nm]","intensity [photon]","uncertainty_xy [nm]","uncertainty_z [nm]"'
    ones = np.ones(len(table))
    return csv(path, header, [np.arange(len(table)), *columns(table), SIGMA_NM * ones, 2 * SIGMA_NM * ones])


def plain(order: tuple[int, ...], header: str = "") -> Callable[[Path, Array], Path]:
    def write(path: Path, table: Array) -> Path:
        cells = [np.arange(1, len(table) + 1), *columns(table)]
        return csv(path, header, [cells[i] for i in order])

    return write


FORMATS: dict[str, tuple[str, Callable[[Path, Array], Path]]] = {
    "Picasso": ("x.hdf5", picasso),
    "ThunderSTORM": ("x.csv", thunderstorm),
    "challenge": ("x.csv", plain((1, 2, 3, 4, 5), ",".join(NAMES))),
    "challenge, truth, no header": ("x.csv", plain((0, 1, 2, 3, 4, 5))),
    "challenge, results, no header": ("x.txt", plain((1, 2, 3, 4, 5))),
    "challenge, oracle, no header": ("x.csv", plain((0, 2, 3, 4, 1, 5))),
    "challenge, whole nm, no header": (
        "x.csv",
        lambda path, table: csv(path, "", [np.round(c) for c in columns(table)]),
    ),
    "other order": ("x.csv", plain((5, 3, 2, 4, 1), "photons,y [nm],x [nm],z [nm],frame")),
    "micrometres": ("x.csv", lambda path, table: csv(path, "frame,x [um],y [um],z [um],photons", columns(table, 1e-3))),
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("side", ["localisations", "truth"])
def test_tables_of_every_program_are_read(
    form: str, side: str, tmp_path: Path, truth: Array, found: Array, truth_csv: Path, found_csv: Path
) -> None:
    name, write = FORMATS[form]
    other = write(tmp_path / name, found if side == "localisations" else truth)
    result = figures(other, "--truth", truth_csv) if side == "localisations" else figures(found_csv, "--truth", other)
    assert is_right(result), result
    assert result["frame_shift"] == 0 and result["warnings"] == []
    assert result["photon_correlation"] > 0.99
    if form == "Picasso":
        assert result["settings"]["pixel_nm"] == 130


def test_uncertainties_come_along_each_axis(tmp_path: Path, found: Array) -> None:
    both = thunderstorm(tmp_path / "both.csv", found)
    table = read_localisations(both).table
    assert (table["sigma_x"] == SIGMA_NM).all() and (table["sigma_z"] == 2 * SIGMA_NM).all()
    text = both.read_text().replace(
        '"uncertainty_z [nm]"', '"uncertainty_z [nm]","uncertainty_x [nm]","uncertainty_y [nm]"'
    )
    first, *rows = text.splitlines()
    both.write_text("\n".join([first, *(f"{row},3,4" for row in rows)]) + "\n")
    table = read_localisations(both).table
    assert (table["sigma_x"] == 3).all() and (table["sigma_y"] == 4).all()


def test_the_text_names_what_was_found(truth_csv: Path, found_csv: Path) -> None:
    result = run(found_csv, "--truth", truth_csv)
    assert result.exit_code == 0
    for word in ("Jaccard", "120", "100 were found", "20 missed", "Efficiency", "95 % intervals"):
        assert word in result.stdout, word
    assert len(result.stdout.splitlines()) <= 24


def test_the_contract_of_the_json(truth_csv: Path, found_csv: Path) -> None:
    keys = (
        "jaccard recall precision rmse_lateral rmse_axial rmse_volume efficiency_lateral efficiency_axial efficiency_3d "
        "matched missed false"
    )
    result = figures(found_csv, "--truth", truth_csv)
    assert {*keys.split()} <= result.keys()
    assert (result["matched"], result["missed"], result["false"]) == (100, 20, 0)
    assert result["jaccard"] == pytest.approx(100 / 120)


# Mistakes.


@pytest.mark.parametrize("shift", [-1, 1])
def test_frames_off_by_one_are_noticed_and_named(shift: int, tmp_path: Path, found: Array, truth_csv: Path) -> None:
    found = found[found["frame"] > 2]  # no frame 0 shows that they are counted from 0
    shifted = csv(tmp_path / "shifted.csv", ",".join(NAMES), columns(found, frame=shift))
    result = figures(shifted, "--truth", truth_csv)
    assert result["frame_shift"] == -shift
    assert result["matched"] >= len(found) - 2
    assert any("off by one" in warning for warning in result["warnings"])
    assert "off by one" in run(shifted, "--truth", truth_csv).stderr


def test_frames_off_by_one_are_noticed_where_emitters_are_on_for_long(tmp_path: Path, truth: Array) -> None:
    lasting = np.concatenate([truth] * 4)
    lasting["frame"] = np.repeat(np.arange(4), len(truth)) + 5 * np.tile(truth["frame"], 4)
    right = csv(tmp_path / "right.csv", ",".join(NAMES), columns(lasting))
    shifted = csv(tmp_path / "shifted.csv", ",".join(NAMES), columns(lasting, frame=1))
    assert figures(right, "--truth", right)["frame_shift"] == 0
    assert 0.6 < evaluate(read_localisations(shifted).table, lasting).main["recall"] < 0.9  # most match all the same
    assert figures(shifted, "--truth", right)["frame_shift"] == -1


def test_frames_from_zero_are_counted_from_one(tmp_path: Path, found: Array, truth_csv: Path) -> None:
    found["frame"][0] = 1
    zero = csv(tmp_path / "zero.csv", ",".join(NAMES), columns(found, frame=-1))
    result = run(zero, "--truth", truth_csv)
    assert "counted from 0" in result.stderr and "off by one" not in result.stderr
    assert figures(zero, "--truth", truth_csv)["matched"] >= 98


def test_a_poor_method_is_not_shifted(tmp_path: Path, found: Array, truth_csv: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for axis in "xy":
        found[axis] = rng.uniform(600, 5800, len(found))
    poor = csv(tmp_path / "poor.csv", ",".join(NAMES), columns(found))
    result = figures(poor, "--truth", truth_csv)
    assert result["frame_shift"] == 0 and result["jaccard"] < 0.2


@pytest.mark.parametrize(("scale", "unit"), [(1e-3, "um"), (1e-2, "pixels")])
@pytest.mark.parametrize("side", ["localisations", "truth"])
def test_positions_in_other_units_are_refused(
    scale: float, unit: str, side: str, tmp_path: Path, truth: Array, found: Array, truth_csv: Path, found_csv: Path
) -> None:
    wrong = csv(tmp_path / "wrong.csv", ",".join(NAMES), columns(found if side == "localisations" else truth, scale))
    result = run(wrong, "--truth", truth_csv) if side == "localisations" else run(found_csv, "--truth", wrong)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "wrong.csv" in result.stderr and unit in result.stderr and "nm" in result.stderr


def test_pixels_need_their_size(tmp_path: Path, found: Array, truth_csv: Path) -> None:
    pixels = csv(tmp_path / "pixels.csv", "frame,x [px],y [px],z [nm],photons", columns(found, 0.01))
    refused = run(pixels, "--truth", truth_csv)
    assert refused.exit_code == 1 and "--pixel-size" in refused.stderr
    text = pixels.read_text().replace("z [nm]", "z [px]")
    pixels.write_text(text)
    assert is_right(figures(pixels, "--truth", truth_csv, "--pixel-size", 100))


def test_half_a_pixel_is_named(tmp_path: Path, found: Array, truth_csv: Path) -> None:
    for axis in "xy":
        found[axis] -= 50
    moved = csv(tmp_path / "moved.csv", ",".join(NAMES), columns(found))
    assert any("half a pixel" in warning for warning in figures(moved, "--truth", truth_csv)["warnings"])


def test_exchanged_axes_and_a_mirrored_z_are_named(tmp_path: Path, found: Array, truth_csv: Path) -> None:
    frame, x, y, z, photons = columns(found)
    exchanged = csv(tmp_path / "exchanged.csv", ",".join(NAMES), [frame, y, x, z, photons])
    mirrored = csv(tmp_path / "mirrored.csv", ",".join(NAMES), [frame, x, y, -z, photons])
    assert any("exchanged" in warning for warning in figures(exchanged, "--truth", truth_csv)["warnings"])
    assert any("opposite sign" in warning for warning in figures(mirrored, "--truth", truth_csv)["warnings"])


def test_tables_of_other_frames_are_named(tmp_path: Path, found: Array, truth_csv: Path) -> None:
    later = csv(tmp_path / "later.csv", ",".join(NAMES), columns(found, frame=5000))
    assert any("one movie" in warning for warning in figures(later, "--truth", truth_csv)["warnings"])


def test_a_part_of_a_movie_is_named_and_compared_alone(
    tmp_path: Path, found: Array, truth: Array, truth_csv: Path
) -> None:
    last = int(np.quantile(truth["frame"], 0.3))
    part = csv(tmp_path / "part.csv", ",".join(NAMES), columns(found[found["frame"] <= last]))
    whole = figures(part, "--truth", truth_csv)
    assert any("--frames" in warning for warning in whole["warnings"])
    alone = figures(part, "--truth", truth_csv, "--frames", 1, last)
    assert not any("--frames" in warning for warning in alone["warnings"])
    assert alone["matched"] == whole["matched"] > 0
    assert alone["matched"] + alone["missed"] == (truth["frame"] <= last).sum() < whole["missed"]
    beyond = run(part, "--truth", truth_csv, "--frames", 9000, 9001)
    assert beyond.exit_code == 1 and "9000" in beyond.stderr


def test_rows_that_are_not_finite_are_left_out_and_counted(tmp_path: Path, found: Array, truth_csv: Path) -> None:
    found["x"][:3] = np.nan
    found["z"][5] = np.nan
    gaps = csv(tmp_path / "gaps.csv", ",".join(NAMES), columns(found))
    result = figures(gaps, "--truth", truth_csv)
    assert (result["matched"], result["false"]) == (96, 1)
    assert "3 of 100 rows" in run(gaps, "--truth", truth_csv).stderr
    assert any("no z" in warning for warning in result["warnings"])


def test_tables_with_a_header_and_no_rows(tmp_path: Path, found_csv: Path, truth_csv: Path) -> None:
    empty = csv(tmp_path / "empty.csv", ",".join(NAMES), columns(localisations(0)))
    nothing = figures(empty, "--truth", truth_csv)
    assert (nothing["matched"], nothing["missed"], nothing["jaccard"]) == (0, 120, 0)
    assert nothing["rmse_lateral"] is None and nothing["efficiency_3d"] is None
    assert figures(found_csv, "--truth", empty)["false"] == 100
    assert "None of the 120" in run(empty, "--truth", truth_csv).stdout
    with localisation_file(tmp_path / "none.csv", 100.0, (9, 64, 64)) as append:
        append(localisations(0))
    assert figures(tmp_path / "none.csv", "--truth", truth_csv)["missed"] == 120


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("frame,photons\n1,100\n", "positions"),
        ("x [nm],y [nm]\n1000,2000\n", "frames"),
        ("frame,x [nm],y [nm]\n1.5,1000,2000\n", "whole"),
        ("1000.5,2000.5\n3000.5,10.5\n", "no names"),
        ("frame,x [nm],y [nm]\n1,one,2000\n", "x [nm]"),
        ("", "empty"),
    ],
    ids=["positions", "frames", "half frames", "unnamed", "words", "empty"],
)
def test_damaged_tables_end_in_one_line(content: str, word: str, tmp_path: Path, truth_csv: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text(content)
    result = run(bad, "--truth", truth_csv)
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    assert len(result.stderr.splitlines()) == 1 and "bad.csv" in result.stderr and word in result.stderr


def test_missing_files_and_wrong_options(tmp_path: Path, found_csv: Path, truth_csv: Path) -> None:
    assert run(tmp_path / "none.csv", "--truth", truth_csv).exit_code == 1
    assert run(found_csv).exit_code == 2
    for option in (("--fov", "0"), ("--fov", "1x2x3"), ("--border", "-1"), ("--dim-quantile", "1")):
        assert run(found_csv, "--truth", truth_csv, *option).exit_code == 2, option


# The field.


def test_the_field_is_that_of_the_simulation(found_csv: Path, truth_csv: Path) -> None:
    assert figures(found_csv, "--truth", truth_csv)["settings"]["width_nm"] == 6400
    assert "challenge" in run(found_csv, "--truth", truth_csv).stderr
    beside = truth_csv.with_name("settings.toml")
    beside.write_text("field_nm = [5120.0, 10240.0]\npixel_nm = 160.0\n[movie]\nframes = 40\n")
    assert "challenge" not in run(found_csv, "--truth", truth_csv).stderr
    result = figures(found_csv, "--truth", truth_csv)
    assert [result["settings"][name] for name in ("width_nm", "height_nm", "pixel_nm")] == [5120, 10240, 160]
    assert result["emitters_at_border"] > 0
    given = figures(found_csv, "--truth", truth_csv, "--fov", "6000x5000", "--border", 0)["settings"]
    assert (given["width_nm"], given["height_nm"], given["border_nm"]) == (6000, 5000, 0)
    beside.write_text("field_nm = \n")
    broken = run(found_csv, "--truth", truth_csv)
    assert broken.exit_code == 1 and "settings.toml" in broken.stderr


def test_a_field_that_is_too_small_is_named(found_csv: Path, truth_csv: Path) -> None:
    assert any("--fov" in warning for warning in figures(found_csv, "--truth", truth_csv, "--fov", 3000)["warnings"])


def test_pictures_are_written(tmp_path: Path, found_csv: Path, truth_csv: Path) -> None:
    out = tmp_path / "pictures"
    result = run(found_csv, "--truth", truth_csv, "--out", out)
    assert result.exit_code == 0
    assert {path.name for path in out.iterdir()} == {"rendered.png", "errors.png", "bias.png", "by_z.png"}
    assert all(str(path) in result.stdout for path in out.iterdir())


def test_errors_of_a_simulated_movie_are_compared_with_the_bound(tmp_path: Path, seed: int) -> None:
    made = CliRunner().invoke(main, ["frames", "simulate", str(tmp_path / "sim"), "--frames", "60", "--emitters", "4"])
    assert made.exit_code == 0, made.output
    truth_csv = tmp_path / "sim" / "truth.csv"
    table = read_truth(truth_csv).table
    bound = deviations_beside(truth_csv, table)
    assert bound.shape == (len(table), 4) and (bound > 0).all()
    rng = np.random.default_rng(seed)
    found = table[np.argsort(table["frame"], kind="stable")].copy()
    sigma = bound[np.argsort(table["frame"], kind="stable"), :3]
    for axis, errors in zip("xyz", (rng.normal(0, 1, sigma.shape) * np.minimum(sigma, 60)).T, strict=True):
        found[axis] += errors
    result = figures(csv(tmp_path / "found.csv", ",".join(NAMES), columns(found)), "--truth", truth_csv, "--bound")
    for axis in "xyz":
        assert result["bound"]["isolated"][axis] == pytest.approx(1, abs=0.3)
        assert result["bound"]["isolated"]["bound"][axis] < 40
    refused = run(truth_csv, "--truth", csv(tmp_path / "alone.csv", ",".join(NAMES), columns(table)), "--bound")
    assert refused.exit_code == 1 and "settings.toml" in refused.stderr and "Error" not in refused.stderr


# Real data.


def test_the_truth_of_the_challenge() -> None:
    path = DATA / "challenge-mt0" / "activations.csv"
    if not path.is_file():
        pytest.skip("needs ../shared/data/challenge-mt0")
    read = read_truth(path)
    assert len(read.table) == 24_938 and read.table["frame"].min() >= 1
    result = figures(path, "--truth", path, "--dim-quantile", 0.25)
    assert result["missed"] == result["false"] == 0
    assert result["set_aside"] / (result["emitters"] + result["set_aside"]) == pytest.approx(0.25, abs=0.001)


def test_the_truth_of_the_thunderstorm_frame() -> None:
    path = DATA / "thunderstorm-frame" / "tubulins1_00020.csv"
    if not path.is_file():
        pytest.skip("needs ../shared/data/thunderstorm-frame")
    result = figures(path, "--truth", path, "--fov", 40_000)
    assert result["emitters"] + result["emitters_at_border"] == 49
    assert result["jaccard"] == 1


@pytest.mark.parametrize(("name", "rows"), [("test_ref.hdf5", 200), ("test_sim.hdf5", 54)])
def test_the_truths_of_storm_analysis(name: str, rows: int) -> None:
    path = DATA / "storm-analysis" / name
    if not path.is_file():
        pytest.skip("needs ../shared/data/storm-analysis")
    read = read_truth(path)
    assert len(read.table) == rows and (read.table["frame"] == 1).all()
    with h5py.File(path) as file:
        assert read.table["x"] == pytest.approx(100 * (file["fr_0/x"][()] + 0.5), rel=1e-6)
    assert figures(path, "--truth", path, "--fov", 25_600)["jaccard"] == 1


def test_the_truth_of_the_storm_analysis_movie() -> None:
    path = DATA / "storm-analysis" / "test_olist.bin"
    if not path.is_file():
        pytest.skip("needs ../shared/data/storm-analysis")
    with pytest.raises(HollyError, match="--pixel-size"):
        read_truth(path)
    table = read_truth(path, pixel_nm=100).table
    assert len(table) == 2000
    assert np.bincount(table["frame"])[1:].tolist() == [200] * 10
    # The same molecules in storm-analysis' HDF5, which counts from 0.
    other = read_truth(path.with_name("test_ref.hdf5")).table
    for axis in "xy":
        assert np.sort(table[axis][table["frame"] == 1]) == pytest.approx(np.sort(other[axis]), abs=0.01)


def test_frames_that_end_before_they_begin_are_refused(found: Array, truth_csv: Path, tmp_path: Path) -> None:
    ran = run(truth_csv, "--truth", truth_csv, "--frames", 5, 2)
    assert ran.exit_code == 1 and "before" in ran.stderr
