"""The preview shows the frames that matter, whole where they are small and their densest part where they are large."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from holly_triton.core.errors import HollyError
from holly_triton.frames.localisations import localisations
from holly_triton.frames.preview import MOST_KEPT, Kept, Part, crowded_part, frames_to_show, write_preview
from holly_triton.io.movies.opening import open_movie


def table_of(frame: Any, x: Any, y: Any, z: float = 0.0) -> Any:
    table = localisations(len(frame))
    table["frame"], table["x"], table["y"], table["z"] = frame, x, y, z
    return table


def test_frames_are_the_most_crowded_a_typical_one_and_the_first() -> None:
    frame = np.repeat([2, 3, 5, 7, 8], [2, 3, 9, 1, 4])
    assert frames_to_show(frame, 10) == {"Most crowded": 4, "Typical": 2, "First": 1}
    assert frames_to_show(np.array([6]), 10) == {"Most crowded": 5}
    assert frames_to_show(np.array([], int), 10) == {"First frame": 0}


def test_the_part_of_a_large_frame_holds_the_crowd(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, 51200, 40), rng.uniform(0, 30000, 40)
    x[:30], y[:30] = rng.uniform(45000, 50000, 30), rng.uniform(21000, 26000, 30)
    part = crowded_part(table_of(np.ones(40, int), x, y), (300, 512), 100.0)
    within = (x >= 100 * part.column) & (x < 100 * (part.column + part.width))
    within &= (y >= 100 * part.row) & (y < 100 * (part.row + part.height))
    assert within.sum() >= 30
    assert part.column + part.width <= 512
    assert part.row + part.height <= 300
    assert crowded_part(table_of([1], [50.0], [60.0]), (64, 48), 100.0) == Part(0, 0, 64, 48)
    # Positions outside the frame, which fits may give, do not matter.
    crowded_part(table_of([1, 1], [-500.0, 1e6], [-90.0, 1e6]), (200, 200), 100.0)


@pytest.mark.parametrize("block", [1, 7])
def test_frames_for_the_preview_of_a_long_movie_are_few(block: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.poisson(3, 7 * 300)
    counts[:5], counts[1207] = 0, 50
    frame = np.repeat(np.arange(1, len(counts) + 1), counts)
    table, kept = table_of(frame, frame * 0.0, frame * 0.0), Kept()
    for first in range(1, len(counts) + 1, block):
        kept.add(block, table[(frame >= first) & (frame < first + block)])
    assert (kept.found, kept.frames) == (len(frame), len(counts))
    rows = kept.table()
    shown = np.unique(rows["frame"])
    assert 20 < len(shown) <= MOST_KEPT + 2
    assert np.array_equal(np.bincount(rows["frame"])[shown], counts[shown - 1])  # each of them is whole
    chosen = frames_to_show(rows["frame"], len(counts))
    assert chosen["Most crowded"] == 1207
    assert chosen["First"] == frame[0] - 1
    assert counts[chosen["Typical"]] == 3


@pytest.mark.parametrize("truth", [False, True])
def test_rings_are_about_the_positions(truth: bool, tmp_path: Path) -> None:
    """Colour appears in the quarter of a panel where the only localisation is, and in the left panel only with a truth."""
    np.save(tmp_path / "a.npy", np.full((3, 64, 64), 100, np.uint16))
    table = table_of([2], [1600.0], [4800.0], 100.0)  # left and low
    given = table_of([2, 2], [4800.0, 4800.0], [1600.0, 1600.0], -100.0) if truth else None  # right and high
    write_preview(tmp_path / "a.png", open_movie(tmp_path / "a.npy"), table, 100.0, truth=given)
    with Image.open(tmp_path / "a.png") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    height, width = pixels.shape[:2]
    coloured = np.ptp(pixels[:, : int(0.86 * width)], axis=2) > 60
    rows, columns = np.nonzero(coloured)
    right = columns > 0.44 * width
    assert right.any()
    assert rows[right].min() > height / 2
    assert bool((~right).any()) == truth
    if truth:
        assert rows[~right].max() < height / 2


def test_no_localisations_and_wrong_names(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.full((3, 20, 200), 100, np.uint16))
    movie = open_movie(tmp_path / "a.npy")
    write_preview(tmp_path / "a.png", movie, localisations(0), 100.0)
    assert (tmp_path / "a.png").stat().st_size > 1000
    with pytest.raises(HollyError, match=r"\.png"):
        write_preview(tmp_path / "a.jpg", movie, localisations(0), 100.0)
