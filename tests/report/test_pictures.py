"""Pictures of the page."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from holly_triton.report.pictures import read_picture


def test_a_picture_in_few_colours_keeps_its_background_white_and_its_hues(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:200, :300] / 300
    shades = np.stack([columns, 0.4 + 0.3 * rows, 1 - columns], axis=-1)
    picture = np.full((400, 300, 3), 255, np.uint8)
    picture[200:] = (255 * shades).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "cloud.png")

    uri = read_picture(tmp_path / "cloud.png")

    assert uri is not None
    shown = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    found = np.asarray(shown.convert("RGB")).astype(int)
    assert len(shown.getcolors() or ()) <= 256
    assert (found[:200] == 255).all()
    assert np.abs(found[200:] - picture[200:]).max() < 40


def test_a_picture_that_is_not_there_is_left_out(tmp_path: Path) -> None:
    assert read_picture(tmp_path / "cloud.png") is None
