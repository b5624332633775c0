"""The help of the command line: every command has an example, and it answers at once."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from holly_triton.cli import main

LARGEST_S = 0.3


def commands(group: click.Group, *above: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        yield (*above, name), command
        if isinstance(command, click.Group):
            yield from commands(command, *above, name)


@pytest.mark.parametrize(
    "words", [words for words, one in commands(main) if not isinstance(one, click.Group)], ids=" ".join
)
def test_the_help_of_every_command_has_an_example(words: tuple[str, ...]) -> None:
    said = CliRunner().invoke(main, [*words, "--help"]).output
    current = ("rank",) if words == ("sort",) else words  # the former name is not to be used in new examples
    assert "Example" in said and f"holly-triton {' '.join(current)}" in " ".join(said.split())


@pytest.mark.parametrize("group", ["tomo", "frames"])
def test_a_group_lists_its_commands_in_the_order_of_their_use(group: str) -> None:
    said = CliRunner().invoke(main, [group, "--help"]).output
    listed = [line.split()[0] for line in said.split("Commands:")[1].splitlines() if line.strip()]
    places = [listed.index(name) for name in ("demo", "simulate", "train", "evaluate", "reproduce")]
    assert places == sorted(places)


def test_the_help_answers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """In processor time, which other programs do not take part in; the best of three, since the first compiles the sources."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)

    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "holly_triton", "--help"], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(3)) < LARGEST_S


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("holly-triton tra", "train"),
        ("holly-triton frames loc", "localise"),
        ("holly-triton tomo pick --thr", "--threshold"),
    ],
)
def test_the_shell_completes_commands_and_options(typed: str, offered: str) -> None:
    """As the line of the reference sets it up for bash: the shell asks the program with what was typed."""
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1), "_HOLLY_TRITON_COMPLETE": "bash_complete"}
    command = [sys.executable, "-c", "from holly_triton.cli import main; main(prog_name='holly-triton')"]
    said = subprocess.run(command, env={**os.environ, **words}, capture_output=True, text=True)
    assert f"plain,{offered}" in said.stdout.splitlines()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(shell: str) -> None:
    environment = {**os.environ, "_HOLLY_TRITON_COMPLETE": f"{shell}_source"}
    command = [sys.executable, "-c", "from holly_triton.cli import main; main(prog_name='holly-triton')"]
    said = subprocess.run(command, env=environment, capture_output=True, text=True)
    if shell == "bash" and "4.4" in said.stderr:
        pytest.skip("this bash is older than 4.4")
    assert "holly-triton" in said.stdout and "_HOLLY_TRITON_COMPLETE" in said.stdout


def test_a_number_without_bounds_shows_none() -> None:
    shown = CliRunner().invoke(main, ["render", "--help"]).output
    assert "--amplitude" in shown and "None" not in shown
