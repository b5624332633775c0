import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from holly_triton import view
from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.view import movie

SIDE = 160


@pytest.fixture(autouse=True)
def small_and_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few small pictures: one a second of MP4 and GIF alike."""
    for suffix, kind in movie.FORMATS.items():
        monkeypatch.setitem(movie.FORMATS, suffix, replace(kind, side=SIDE, rate=1.0))
    monkeypatch.setattr(movie, "TURN_SECONDS", 4)
    monkeypatch.setattr(movie, "GROWTH_SECONDS", 4)
    monkeypatch.setattr(movie, "REST_SECONDS", 0)


def ring(radius: float = 100.0) -> Array:
    """Points on a circle in the plane of the front view ``[60, 3]``."""
    angle = np.linspace(0, 2 * np.pi, 60)
    return radius * np.stack([np.cos(angle), np.sin(angle), np.zeros(60)], axis=1)


def pictures_of(path: Path) -> Iterator[Array]:
    """The pictures of a GIF ``[H, W, 3]`` uint8."""
    with Image.open(path) as gif:
        for index in range(gif.n_frames):
            gif.seek(index)
            yield np.asarray(gif.convert("RGB"))


def width(picture: Array) -> int:
    """Of what is drawn above the strip, px."""
    columns = np.nonzero((picture[:SIDE].min(axis=2) < 240).any(axis=0))[0]
    assert columns[0] > 0 and columns[-1] < SIDE - 1, "cut off"
    return int(np.ptp(columns)) + 1


def test_a_turntable_turns_once_over_white_and_for_ever(tmp_path: Path) -> None:
    view.turntable(ring() + 1e6, tmp_path / "turn.gif", truth=ring() + 1e6)
    pictures = list(pictures_of(tmp_path / "turn.gif"))
    with Image.open(tmp_path / "turn.gif") as gif:
        assert gif.info["loop"] == 0
    assert all((picture[0] == 255).all() for picture in pictures)
    face, edge, back, other_edge = map(width, pictures)
    assert face == pytest.approx(back, abs=2) and edge == pytest.approx(other_edge, abs=2)
    assert edge < 0.2 * face


def test_a_movie_bears_a_scale_bar_and_the_colours_of_the_spread(tmp_path: Path) -> None:
    view.turntable(ring(), tmp_path / "plain.gif")
    view.turntable(ring(), tmp_path / "spread.gif", spread=np.linspace(0, 5, 60))
    plain, spread = (next(pictures_of(tmp_path / name))[SIDE:].astype(int) for name in ("plain.gif", "spread.gif"))
    assert (plain[:, : SIDE // 3].max(axis=2) < 60).any(), "no bar"
    coloured = [np.ptp(strip, axis=2) > 60 for strip in (plain, spread)]
    assert not coloured[0].any()
    assert coloured[1][:, SIDE // 2 :].sum() > 50


def test_a_movie_of_growth_shows_the_states_in_turn_at_one_scale(tmp_path: Path) -> None:
    # Seen from above, a level ring is as wide from every side.
    level = ring()[:, [0, 2, 1]]
    states = np.stack([0.5 * level + 1e4, 0.5 * level, level, level]).astype(np.float32)
    view.growth(states, ["step 0", "step 5", "step 10", "step 15"], tmp_path / "growth.gif")
    pictures = list(pictures_of(tmp_path / "growth.gif"))
    widths = [width(picture) for picture in pictures]
    assert widths[0] == pytest.approx(widths[1], abs=3) and widths[2] == pytest.approx(widths[3], abs=3)
    assert widths[0] == pytest.approx(0.5 * widths[2], rel=0.1)
    assert (pictures[0][SIDE:] != pictures[3][SIDE:]).any(), "the words change"


def test_an_mp4_is_of_the_kind_that_browsers_play(tmp_path: Path) -> None:
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="imageio-ffmpeg writes MP4")
    path = tmp_path / "turn.mp4"
    view.turntable(ring(), path)
    command = [ffmpeg.get_ffmpeg_exe(), "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    decoded = subprocess.run(command, capture_output=True, check=True)
    told = re.search(r"Video: (\w+).*? (yuv\w+)\(.*? (\d+)x(\d+)", decoded.stderr.decode())
    assert told and told.groups()[:2] == ("h264", "yuv420p")
    wide, high = int(told[3]), int(told[4])
    assert wide == SIDE and high > SIDE and high % 2 == 0
    pictures = np.frombuffer(decoded.stdout, np.uint8).reshape(-1, high, wide, 3)
    assert len(pictures) == 4
    assert width(pictures[1]) < 0.3 * width(pictures[0])
    stored = path.read_bytes()
    assert stored.index(b"moov") < stored.index(b"mdat"), "the index must come first"


def test_without_the_encoder_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(HollyError, match=r"\.gif.*holly-triton\[movie\]"):
        view.turntable(ring(), tmp_path / "turn.mp4")


@pytest.mark.parametrize("name", ["turn.avi", "turn"])
def test_a_movie_of_another_kind_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(HollyError, match=r"must end in \.mp4 or \.gif"):
        view.turntable(ring(), tmp_path / name)


@pytest.mark.parametrize("name", ["turn.mp4", "turn.gif"])
def test_a_folder_that_is_not_there_is_told_before_anything_is_drawn(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(movie, "stage")
    with pytest.raises(HollyError, match="cannot be written"):
        view.turntable(ring(), tmp_path / "absent" / name)
