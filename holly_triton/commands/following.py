"""What to do after a command: its last line, where the command does not say so itself."""

import functools
from collections.abc import Mapping
from shlex import quote
from typing import Any

import click

from holly_triton.core.stop import DONE

NEXT = {
    "train": "holly-triton measure {out}",
    "measure": "holly-triton render {run}",
    "rank": "holly-triton train DATA --exclude {run}/ranking.csv --out cleaner",
    "frames simulate": "holly-triton info {out}/frames.tif",
    "frames calibrate": "holly-triton frames train localiser.pt --psf {out}",
    "frames train": "holly-triton frames localise MOVIE localisations.csv --model {model}",
    "frames localise": "holly-triton frames undrift {out} still.csv",
    "frames fit": "holly-triton frames undrift {out} still.csv",
    "tomo train": "holly-triton tomo pick TOMOGRAM picks.star --model MODEL",
    "tomo pick": "holly-triton tomo render {tomogram} {out} picks.html",
    "tomo match": "holly-triton tomo render {tomogram} {out} picks.html",
}
"""Commands by their words, and what usually follows; names in braces are their own arguments and options, and words in capitals
are for the user to fill in."""


def add_following(main: click.Group) -> None:
    """Let the commands in ``NEXT`` end with that line, where they end well and no JSON was asked for."""
    for words, line in NEXT.items():
        command: click.Command = main
        for word in words.split():
            assert isinstance(command, click.Group)
            command = command.commands[word]
        assert command.callback is not None
        command.callback = _followed(command.callback, line)


def _followed(work: Any, line: str) -> Any:
    @functools.wraps(work)
    def run(*args: Any, **given: Any) -> Any:
        try:
            result = work(*args, **given)
        except SystemExit as end:
            if end.code in (DONE, None):
                _say(line, given)
            raise
        _say(line, given)
        return result

    return run


def _say(line: str, given: Mapping[str, Any]) -> None:
    known = {name: quote(str(value)) for name, value in given.items() if value is not None}
    if not given.get("json") and all(f"{{{name}}}" not in line or name in known for name in given):
        click.echo(f"Next: {line.format_map(known)}")
