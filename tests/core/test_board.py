"""Curves for TensorBoard."""

import os
from pathlib import Path
from typing import BinaryIO

import pytest

from holly_triton.core.board import board
from holly_triton.core.errors import HollyError
from holly_triton.core.log import configure

record_writer = pytest.importorskip("tensorboardX.record_writer")
POINTS = 3000
"""Their curve is longer than what is held in memory before it is written."""


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")

    def opened(path: str) -> BinaryIO:
        return open("/dev/full", "wb")  # which the writer closes

    monkeypatch.setattr(record_writer, "open_file", opened)


def test_every_point_is_written(tmp_path: Path) -> None:
    with board(tmp_path) as curves:
        assert curves is not None
        for step in range(POINTS):
            curves.add_scalar("loss", 1 / (1 + step), step)
    (events,) = tmp_path.glob("events.out.tfevents.*")
    assert events.read_bytes().count(b"loss") == POINTS


@pytest.mark.usefixtures("full_disk", "report_as_before")
@pytest.mark.parametrize("points", [1, POINTS], ids=["found at the end", "found on the way"])
def test_on_a_full_disk_the_run_goes_on_with_one_warning(
    points: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure()
    with board(tmp_path) as curves:
        assert curves is not None
        for step in range(points):
            curves.add_scalar("loss", 1.0, step)
    assert capsys.readouterr().err.count("No space left on device") == 1


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_does_not_hide_what_a_run_says_of_it(tmp_path: Path) -> None:
    with pytest.raises(HollyError, match="last.pt"), board(tmp_path):
        raise HollyError("last.pt: cannot be written")
