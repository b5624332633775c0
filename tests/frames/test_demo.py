"""The demonstration of the family, and the picture that it draws."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from holly_triton.frames.coloured import Shown, coloured, crowded_corner
from holly_triton.frames.localisations import localisations

WITHOUT_PYVISTA = "import sys; sys.modules['pyvista'] = None; from holly_triton.cli import main; main()"


def table_at(*positions: tuple[float, float, float]) -> np.ndarray:
    table = localisations(len(positions))
    for axis, values in zip("xyz", np.array(positions).T, strict=True):
        table[axis] = values
    return table


def test_the_quick_demo_localises_and_draws_without_pyvista(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_PYVISTA, "frames", "demo", "--quick"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    folder = tmp_path / "frames-demo"
    with Image.open(folder / "comparison.png") as picture:
        assert min(picture.size) > 900
    assert (folder / "localisations.csv").is_file() and "comparison.png" in ran.stdout
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert again.returncode == 1 and "--overwrite" in again.stderr


def test_colour_is_depth_and_brightness_density() -> None:
    deep, high = [(105.0, 205.0, -650.0)] * 30, [(305.0, 405.0, 650.0)] * 30
    found = coloured((table_at(*deep, *high, (505.0, 55.0, 0.0)),), Shown((0, 0), (600, 500)), (-700, 700))[0]
    assert found.shape == (50, 60, 3)
    red, _, blue = np.moveaxis(found, -1, 0)
    assert blue[20, 10] > 2 * red[20, 10] and red[40, 30] > 2 * blue[40, 30]
    assert 0 < found[5, 50].max() < found[20, 10].max()
    assert found[45, 5].max() == 0


def test_the_enlarged_part_holds_the_most_positions() -> None:
    rng = np.random.default_rng(0)
    places = rng.uniform((2100, 4100, 0), (3000, 5000, 0), (200, 3))
    x, y = crowded_corner(table_at(*places, (100, 100, 0)), 1500, (6400, 6400))
    assert x <= 2100 and y <= 4100 and x + 1500 >= 3000 and y + 1500 >= 5000
