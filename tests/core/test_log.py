"""What the command line reports, where, and how much of it."""

import logging
import re
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner

from holly_triton.cli import main
from holly_triton.core import progress
from holly_triton.core.log import LOG, configure, shows

pytestmark = pytest.mark.usefixtures("report_as_before")


def speak() -> None:
    LOG.debug("a detail")
    LOG.info("reading [red]data[/red].csv")
    LOG.warning("a.csv: an odd file")


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({}, "reading [red]data[/red].csv\nholly-triton: a.csv: an odd file\n"),
        ({"quiet": True}, "holly-triton: a.csv: an odd file\n"),
    ],
)
def test_progress_is_plain_and_warnings_are_marked(
    chosen: dict[str, bool], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(**chosen)
    speak()
    assert capsys.readouterr().err == said
    assert shows(logging.INFO) == (not chosen)


def test_verbose_lines_begin_with_time_and_level(capsys: pytest.CaptureFixture[str]) -> None:
    configure(verbose=True)
    speak()
    lines = capsys.readouterr().err.splitlines()
    assert [re.sub(r"^\d\d:\d\d:\d\d ", "", line).split()[0] for line in lines] == ["DEBUG", "INFO", "WARNING"]


def test_a_file_holds_all_and_the_next_run_adds_to_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        configure(quiet=True, file=tmp_path / "run.log")
        speak()
    assert len(capsys.readouterr().err.splitlines()) == 2
    lines = (tmp_path / "run.log").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 6
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ [A-Z]+ +\S", line) for line in lines)


def test_of_several_ranks_the_first_writes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    configure(file=tmp_path / "run.log")
    speak()
    assert not (tmp_path / "run.log").exists()


def test_bars_are_not_for_the_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress.console, "_force_terminal", True)
    configure()
    assert progress.watched()
    configure(quiet=True)
    assert not progress.watched()


@pytest.mark.parametrize("words", ["--log {log} info {data}", "info {data} --log {log}", "info --log={log} {data}"])
def test_errors_of_commands_are_logged_too(words: str, tmp_path: Path) -> None:
    words = words.format(log=tmp_path / "a.log", data=tmp_path / "none.csv")
    result = CliRunner().invoke(main, words.split())
    assert result.exit_code == 1
    assert result.output.startswith("holly-triton: ") and result.output.count("\n") == 1
    assert "none.csv" in (tmp_path / "a.log").read_text().splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [(["-v", "-q"], 2, "give one of them"), (["--log", "{}/no/a.log"], 1, "a.log: cannot be written")],
)
def test_what_cannot_be_is_refused(words: list[str], code: int, said: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, [*(word.format(tmp_path) for word in words), "info", "data.csv"])
    assert result.exit_code == code
    assert said in result.output


def test_a_file_that_is_not_named_is_asked_for() -> None:
    result = CliRunner().invoke(main, ["info", "data.csv", "--log"])
    assert result.exit_code == 2
    assert "--log" in result.output and "requires an argument" in result.output
    with main.make_context("holly-triton", ["info", "x", "--log"], resilient_parsing=True):
        pass  # a shell that completes the line gets no error


def test_the_version_names_what_decides_speed() -> None:
    import torch

    result = CliRunner().invoke(main, ["--version"])
    assert result.exit_code == 0
    first, second = result.output.splitlines()
    assert first.startswith("holly-triton, version ")
    assert f"torch {version('torch')} ({f'CUDA {torch.version.cuda}' if torch.version.cuda else 'no GPU'})" in second
