"""Insight3's lists of molecules."""

from pathlib import Path

import numpy as np
import pytest

from holly_triton.core.errors import HollyError
from holly_triton.io.tables.insight3 import HEADER, RECORD, SIGNATURE
from holly_triton.io.tables.kinds import kind_of
from holly_triton.io.tables.reading import Reading
from holly_triton.io.tables.table import READERS, read_rows


def written(path: Path, rows: int = 20, promised: int | None = None) -> Path:
    rng = np.random.default_rng(0)
    made = np.zeros(rows, RECORD)
    for name in ("x", "y", "z"):
        made[name] = rng.uniform(1, 250, rows)
        made[f"{name}c"] = made[name] + 1
    made["frame"] = np.arange(rows) // 4 + 1
    header = np.array([1, 6, rows if promised is None else promised], "<i4").tobytes()
    path.write_bytes(SIGNATURE + header + made.tobytes() + b"\0\0\0\0")
    return path


@pytest.mark.parametrize("name", ["list.bin", "list.mol"])
def test_a_list_is_read_by_its_first_bytes_with_the_corrected_positions(name: str, tmp_path: Path) -> None:
    path = written(tmp_path / name)
    rows = read_rows(path, Reading(pixel_size_nm=160))
    part = rows.whole()
    expected = np.frombuffer(path.read_bytes()[HEADER:-4], RECORD)
    assert part.xyz[:, 0] == pytest.approx(160 * expected["xc"])
    assert part.xyz[:, 2] == pytest.approx(expected["zc"])
    assert part.frame is not None and part.frame.tolist() == expected["frame"].tolist()


def test_pixels_are_needed(tmp_path: Path) -> None:
    with pytest.raises(HollyError, match="--pixel-size"):
        read_rows(written(tmp_path / "list.bin"), Reading())


@pytest.mark.parametrize("promised", [21, -1, 2**31 - 1])
def test_a_list_that_is_cut_off_is_refused(promised: int, tmp_path: Path) -> None:
    with pytest.raises(HollyError, match="complete"):
        read_rows(written(tmp_path / "list.bin", promised=promised), Reading(pixel_size_nm=100))


def test_other_files_of_that_name_are_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "other.bin"
    path.write_bytes(bytes(100))
    with pytest.raises(HollyError, match="M425"):
        read_rows(path, Reading(pixel_size_nm=100))
    path.write_text("frame,x [nm],y [nm]\n1,2.5,3.5\n")
    assert kind_of(path, READERS) == ".csv"
    assert read_rows(path, Reading()).whole().xyz.tolist() == [[2.5, 3.5]]
