import io
import time

import pytest
from rich.console import Console

from holly_triton import progress


def watched(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> io.StringIO:
    """What is written for a person, on a terminal or into a log."""
    seen = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=seen, force_terminal=terminal, width=80))
    monkeypatch.setattr(progress, "PATIENCE_S", 0.05)
    return seen


def work(seconds: float) -> None:
    with progress.in_parts(2) as begin:
        begin("reading [/red].csv")
        time.sleep(seconds)
        begin("looking for symmetry")
        time.sleep(seconds)


def test_long_work_says_what_is_being_done_and_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watched(monkeypatch, terminal=True)
    work(0.3)
    said = seen.getvalue()
    assert said.index("reading [/red].csv") < said.index("looking for symmetry")
    assert "0/2" in said
    assert "1/2" in said


@pytest.mark.parametrize(("terminal", "seconds"), [(True, 0), (False, 0.1)], ids=["quick", "nobody watches"])
def test_nothing_is_shown(terminal: bool, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watched(monkeypatch, terminal=terminal)
    work(seconds)
    assert seen.getvalue() == ""


def test_an_error_comes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    watched(monkeypatch, terminal=True)
    with pytest.raises(ZeroDivisionError), progress.in_parts(1):
        1 / 0  # noqa: B018


def test_lines_are_as_long_as_they_are(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    line = "sigma 72 to 8.0 nm; [bold]2000[/bold] pictures :smile: " * 5
    progress.console.print(line)
    assert capsys.readouterr().err == line + "\n"
