"""Curves for TensorBoard."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from holly_triton.core import board
from holly_triton.core.errors import HollyError


class FullDisk:
    """A writer whose disk is full by the time it closes."""

    def __init__(self, *words: object, **options: object) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True
        raise OSError(28, "No space left on device")


def test_a_full_disk_does_not_hide_what_a_run_says_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "require", lambda *words: SimpleNamespace(SummaryWriter=FullDisk))
    with pytest.raises(HollyError, match="last.pt"), board.board(tmp_path) as curves:
        raise HollyError("last.pt: cannot be written")
    assert curves.closed
