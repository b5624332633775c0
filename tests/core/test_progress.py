import io
import time
from collections.abc import Callable
from typing import ClassVar

import pytest
from rich.console import Console
from rich.progress import Task

from holly_triton.core import progress


def watched(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> io.StringIO:
    """What is written for a person, on a terminal or into a log."""
    seen = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=seen, force_terminal=terminal, width=80))
    return seen


def work(done: Callable[[], object]) -> None:
    with progress.in_parts(2) as begin:
        begin("reading [/red].csv")
        done()
        begin("looking for symmetry")


def test_long_work_says_what_is_being_done_and_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watched(monkeypatch, terminal=True)
    monkeypatch.setattr(progress, "PATIENCE_S", 0.01)
    end = time.monotonic() + 60

    def until_shown() -> None:
        while "1/2" not in seen.getvalue() and time.monotonic() < end:
            time.sleep(0.01)

    work(until_shown)
    said = seen.getvalue()
    assert said.index("reading [/red].csv") < said.index("looking for symmetry")
    assert "1/2" in said
    assert "2/2" in said


class Alarm:
    """A timer that goes off when the test says so, as if the patience had just ended."""

    set: ClassVar[list["Alarm"]] = []

    def __init__(self, seconds: float, work: Callable[[], object]) -> None:
        self.seconds, self.work, self.cancelled = seconds, work, False
        self.set.append(self)

    def cancel(self) -> None:
        self.cancelled = True

    def join(self) -> None:
        pass


@pytest.fixture
def alarms(monkeypatch: pytest.MonkeyPatch) -> list[Alarm]:
    """What waits for the end of a patience, the newest last."""
    monkeypatch.setattr(Alarm, "set", [])
    monkeypatch.setattr(progress, "_timer", Alarm)
    monkeypatch.setattr(Task, "elapsed", 6.0)
    return Alarm.set


def test_the_time_left_is_that_of_a_part_which_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, alarms: list[Alarm]
) -> None:
    seen = watched(monkeypatch, terminal=True)
    items = []
    with progress.in_parts(1) as begin:
        begin("comparing pictures")
        for item in progress.following(range(4)):
            if item == 3:
                alarms[-1].work()
            items.append(item)
    assert items == [0, 1, 2, 3]
    assert "about 0:00:02 left" in seen.getvalue()
    assert list(progress.following("abc")) == ["a", "b", "c"]  # nothing is shown, and nothing is needed


def test_the_time_left_follows_the_work_of_each_item(monkeypatch: pytest.MonkeyPatch) -> None:
    watched(monkeypatch, terminal=False)
    with progress.in_parts(1) as begin:
        begin("drawing")
        shown = progress._current.get()
        assert shown is not None
        task, left = shown.bar.tasks[0], []
        for _ in progress.following(range(21), [80, *[1] * 20]):
            monkeypatch.setattr(type(task), "elapsed", 60.0)
            left.append(progress._left(task))
    assert left[0] == ""  # none of it is done
    assert left[1] == "about 0:00:15 left"  # four fifths of the work, but one item of 21
    assert left[11] == "about 0:00:07 left"


def test_a_log_has_a_line_about_what_takes_long(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, alarms: list[Alarm]
) -> None:
    watched(monkeypatch, terminal=False)
    with caplog.at_level("INFO", "holly_triton"), progress.in_parts(3) as begin:
        begin("reading")
        begin("looking for symmetry")
        alarms[-1].work()
        begin("searching")
        for done in progress.following(range(4)):
            if done == 1:
                alarms[-1].work()
    reading, looking, searching = alarms
    assert {alarm.seconds for alarm in alarms} == {progress.LOG_PATIENCE_S}
    assert reading.cancelled and looking.cancelled and searching.cancelled
    assert [record.getMessage() for record in caplog.records] == [
        "looking for symmetry ...",
        "searching ... about 0:00:18 left",
    ]


def test_the_time_left_is_not_told_from_the_first_of_many(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, alarms: list[Alarm]
) -> None:
    watched(monkeypatch, terminal=False)
    with caplog.at_level("INFO", "holly_triton"), progress.in_parts(1) as begin:
        begin("placing")
        for done in progress.following(range(40)):
            if done == 1:
                alarms[-1].work()
    assert [record.getMessage() for record in caplog.records] == ["placing ..."]


@pytest.mark.parametrize(("terminal", "patience_s"), [(True, 60), (False, 0.01)], ids=["quick", "nobody watches"])
def test_nothing_is_shown(terminal: bool, patience_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watched(monkeypatch, terminal=terminal)
    monkeypatch.setattr(progress, "PATIENCE_S", patience_s)
    work(lambda: time.sleep(0.1))
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


def test_the_pace_of_what_goes_on_is_not_that_of_an_earlier_part() -> None:
    pace = progress.Pace()
    assert pace.left(5000.0, 0.5, 1.0) == ""
    assert pace.left(5001.0, 0.51, 1.0) == ""  # a fiftieth of the rest
    assert pace.left(5010.0, 0.75, 1.0) == "about 0:00:10 left"
    assert pace.left(5020.0, 1.0, 1.0) == ""
