"""``holly-triton frames fit``: movies in files, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner, Result

from holly_triton.cli import main
from holly_triton.frames.psf import GaussianPsf, HuangCurve, default_psf, write_psf
from holly_triton.frames.score import read_localisations

DATA = Path(__file__).parents[2].parent / "shared" / "data"
CAMERA = ("--camera", "scmos")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["frames", *map(str, arguments)])


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fit") / "movie"
    made = run("simulate", folder, "--frames", 120, "--density", 0.03, "--camera", "scmos", "--size", "64x48")
    assert made.exit_code == 0, made.output
    return folder


def figures(table: Path, truth: Path, *options: object) -> Any:
    result = run("evaluate", table, "--truth", truth, "--json", *options)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("name", ["out.csv", "out.hdf5"])
def test_a_simulated_movie_goes_through_fit_and_evaluate(movie: Path, name: str, tmp_path: Path) -> None:
    done = run("fit", movie / "frames.tif", tmp_path / name, "--psf", movie / "psf.h5")
    assert done.exit_code == 0, done.output
    found = figures(tmp_path / name, movie / "truth.csv")
    assert found["jaccard"] > 0.85
    assert found["efficiency_3d"] > 0.75
    assert found["precision"] > 0.97


def test_blocks_do_not_change_the_result(movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("--psf", movie / "psf.h5")
    run("fit", movie / "frames.tif", tmp_path / "whole.csv", *arguments)
    monkeypatch.setattr("holly_triton.frames.fit.command.FIT_PIXELS", 7 * 64 * 48)
    run("fit", movie / "frames.tif", tmp_path / "parts.csv", *arguments)
    whole, parts = (read_localisations(tmp_path / name).table for name in ("whole.csv", "parts.csv"))
    assert (whole["frame"] == parts["frame"]).all()
    assert np.abs(whole["x"] - parts["x"]).max() < 0.5


def test_in_2d_tables_have_a_width_in_the_place_of_z(movie: Path, tmp_path: Path) -> None:
    for name in ("flat.csv", "flat.hdf5"):
        done = run("fit", movie / "frames.tif", tmp_path / name, "--width", 160, "--pixel-size", 100)
        assert done.exit_code == 0, done.output
    header = (tmp_path / "flat.csv").read_text().splitlines()[0]
    assert "sigma [nm]" in header
    assert "z [nm]" not in header
    with h5py.File(tmp_path / "flat.hdf5") as file:
        assert {"sx", "sy"} < set(file["locs"].dtype.names)
        assert "z" not in file["locs"].dtype.names
        assert 1 < np.median(file["locs"]["sx"]) < 4
    assert run("fit", movie / "frames.tif", tmp_path / "c.csv", "--width", 160, "--pixel-size", 100, "--form", "challenge").exit_code == 0  # fmt: skip


def refused(result: Result, *words: str) -> None:
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    assert all(word in result.output for word in words), result.output


def test_what_is_refused(movie: Path, tmp_path: Path) -> None:
    frames, psf, out = tmp_path / "frames.tif", movie / "psf.h5", tmp_path / "out.csv"
    tifffile.imwrite(frames, np.full((3, 32, 32), 100, np.uint16), photometric="minisblack")
    refused(run("fit", frames, out, "--psf", psf), "camera")
    refused(run("fit", frames, out, "--psf", psf, *CAMERA, "--pixel-size", 160), "160", "100")
    refused(run("fit", frames, out, *CAMERA), "--psf", "--width")
    refused(run("fit", frames, out, *CAMERA, "--width", 130), "--pixel-size")
    refused(run("fit", frames, tmp_path / "out.txt", *CAMERA, "--psf", psf), "suffix")
    curve = HuangCurve(130.0, 0.0, 400.0)
    write_psf(tmp_path / "round.h5", GaussianPsf(curve, curve))
    refused(run("fit", frames, out, *CAMERA, "--psf", tmp_path / "round.h5"), "astigmatism")
    small, colours = tmp_path / "small.tif", tmp_path / "rgb.tif"
    tifffile.imwrite(small, np.full((3, 8, 32), 100, np.uint16), photometric="minisblack")
    refused(run("fit", small, out, *CAMERA, "--psf", psf), "8 px")
    tifffile.imwrite(colours, np.zeros((3, 32, 32, 3), np.uint8), photometric="rgb")
    refused(run("fit", colours, out, *CAMERA, "--psf", psf), "rgb.tif")
    assert not out.exists()
    assert run("fit", frames, out, *CAMERA, "--psf", psf, "--region", 12).exit_code == 2
    out.write_text("mine")
    refused(run("fit", frames, out, *CAMERA, "--psf", psf), "exists")
    assert out.read_text() == "mine"


def test_an_empty_and_a_crowded_movie_are_named(movie: Path, tmp_path: Path) -> None:
    frames = tmp_path / "frames.tif"
    tifffile.imwrite(frames, np.full((3, 32, 32), 100, np.uint16), photometric="minisblack")
    write_psf(tmp_path / "psf.h5", default_psf())
    empty = run("fit", frames, tmp_path / "empty.csv", "--psf", tmp_path / "psf.h5", *CAMERA)
    assert empty.exit_code == 0, empty.output
    assert "0 localisations in 3 frames" in empty.output
    run("simulate", tmp_path / "dense", "--frames", 5, "--density", 6)
    dense = run("fit", tmp_path / "dense" / "frames.tif", tmp_path / "d.csv", "--psf", tmp_path / "dense" / "psf.h5")
    assert "overlap" in dense.output


@pytest.mark.skipif(not (DATA / "storm-analysis").is_dir(), reason="needs the data of storm-analysis")
def test_a_published_movie_in_2d(tmp_path: Path) -> None:
    folder = DATA / "storm-analysis"
    camera = "scmos,offset_adu=100,electrons_per_adu=1,read_noise_electrons=0,quantum_efficiency=1"
    done = run("fit", folder / "test.dax", tmp_path / "t.csv", "--width", 150, "--pixel-size", 160, "--camera", camera)
    assert done.exit_code == 0, done.output
    found = figures(tmp_path / "t.csv", folder / "test_olist.bin", "--pixel-size", 160, "--fov", 256 * 160)
    assert found["jaccard"] > 0.85
    assert found["rmse_lateral"] < 40
