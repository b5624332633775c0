"""``info`` takes a file for a movie where it can be nothing else, or where its pixels are those of a camera."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.core.errors import HollyError
from holly_triton.io.movies.summary import movie_summary

FRAMES = np.random.default_rng(0).poisson(120, (30, 16, 24)).astype(np.uint16)


def tiff(path: Path, pixel_nm: float | None) -> Path:
    options: dict[str, Any] = {}
    if pixel_nm is not None:
        options = {"resolution": (1000 / pixel_nm, 1000 / pixel_nm), "metadata": {"unit": "um"}}
    tifffile.imwrite(path, FRAMES, imagej=True, **options)
    return path


def test_rows_of_a_movie(tmp_path: Path) -> None:
    rows = movie_summary(tiff(tmp_path / "a.tif", 107.0))
    assert rows is not None
    assert rows["frames"] == "30"
    assert rows["frame"] == "24 x 16 px, 2.568 x 1.712 µm"
    assert rows["pixel size"] == "107 nm (ImageJ metadata)"
    assert float(rows["background"].split()[0]) == pytest.approx(120, abs=3)


@pytest.mark.parametrize(("stated", "given", "movie"), [
    (107.0, None, True), (10.0, None, False), (None, 100.0, True), (None, 10.0, False), (None, None, False), (107.0, 5.0, False),
])  # fmt: skip
def test_pictures_of_particles_are_no_movie(
    stated: float | None, given: float | None, movie: bool, tmp_path: Path
) -> None:
    assert (movie_summary(tiff(tmp_path / "a.tif", stated), given) is not None) == movie


def test_formats_of_movies_alone(tmp_path: Path) -> None:
    FRAMES.astype(">u2").tofile(tmp_path / "a.dax")
    with pytest.raises(HollyError, match=r"a\.inf"):
        movie_summary(tmp_path / "a.dax")
    (tmp_path / "a.inf").write_text("frame dimensions = 24 x 16\nnumber of frames = 30\n")
    result = CliRunner().invoke(main, ["info", str(tmp_path / "a.dax")])
    assert result.exit_code == 0
    assert "not stated" in result.output
    assert "--pixel-size" in result.output


def test_tables_and_damaged_files_are_left_to_their_readers(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x [nm],y [nm]\n1,2\n")
    (tmp_path / "a.tif").write_text("no TIFF")
    np.save(tmp_path / "a.npy", np.zeros((50, 3)))
    for name in ("a.csv", "a.tif", "a.npy", "none.tif"):
        assert movie_summary(tmp_path / name, 100.0) is None
