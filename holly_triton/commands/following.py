"""What to do after a command: its last line."""

import functools
import logging
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Any

import click

from holly_triton.core.log import shows
from holly_triton.core.stop import DONE

DRIFTING, STILL = "holly-triton frames undrift {out} still.csv", "holly-triton info {out}"
"""After the localisations of a movie, and of a single frame, which has no drift."""
NEXT: dict[str, str | dict[str, str]] = {
    "demo": "holly-triton info DATA",
    "pick": "holly-triton train {out}",
    "measure": "holly-triton render {run}",
    "rank": "holly-triton train --config {run}/config.toml --exclude {run}/ranking.csv --out cleaner",
    "evaluate": "holly-triton render {run}",
    "render": "holly-triton export {run} structure.mrc",
    "frames demo": "holly-triton frames calibrate BEADS psf.h5 --step NM",
    "frames simulate": "holly-triton info {out}/frames.tif",
    "frames calibrate": "holly-triton frames train localiser.pt --psf {out}",
    "frames train": "holly-triton frames localise MOVIE localisations.csv --model {model}",
    "frames localise": DRIFTING,
    "frames fit": DRIFTING,
    "frames undrift": "holly-triton pick {out} particles.hdf5",
    "frames evaluate": "holly-triton frames undrift {localisations} still.csv",
    "tomo demo": "holly-triton tomo info TOMOGRAM",
    "tomo pick": "holly-triton tomo render {tomogram} {out} picks.html",
    "tomo match": "holly-triton tomo render {tomogram} {out} picks.html",
    "tomo render": "holly-triton tomo average {picks} average --tomogram {tomogram} --class CLASS --box ANGSTROM",
    "tomo evaluate": "holly-triton tomo average {picks} average --tomogram TOMOGRAM --class CLASS --box ANGSTROM",
    "tomo combine": "holly-triton tomo average {out} average --tomogram TOMOGRAM --class CLASS --box ANGSTROM",
    "tomo classify": {
        "training": "holly-triton tomo discover DATA found --model {out}/model.pt",
        "": "holly-triton tomo discover {data} found --features {out}/features.h5",
    },
    "doctor": "holly-triton demo",
}
"""Commands by their words, and what usually follows; names in braces are their own arguments and options, and words in capitals
are for the user to fill in. Where it depends on an option, the first that was given decides."""
OWN = ("train", "info", "process", "simulate", "tomo info", "tomo simulate", "tomo train")
"""Commands that call ``say_next`` themselves, as it depends on what they found, or on which of their words is what."""
LAST = ("export", "report", "reproduce", "bench", "frames reproduce", "tomo average", "tomo discover", "tomo reproduce")
"""Commands after which nothing is left to do here."""


def say_next(line: str) -> None:
    """Print the command that usually follows. With ``--quiet`` it is left out: it is no result."""
    if shows(logging.INFO):
        click.echo(f"Next: {line}")


def followed(command: click.Command, words: str) -> click.Command:
    """The command of these words; it ends with its line of ``NEXT`` from now on, where it ends well and no JSON was asked for."""
    if words in NEXT:
        command.callback = _followed(command.callback, NEXT[words])
    return command


def _followed(work: Any, line: str | dict[str, str]) -> Any:
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


def _say(lines: str | dict[str, str], given: Mapping[str, Any]) -> None:
    line = lines if isinstance(lines, str) else next(lines[name] for name in lines if not name or given.get(name))
    if line == DRIFTING and _frames(given) == 1:
        line = STILL
    known = {name: quote(str(value)) for name, value in given.items() if value is not None}
    if "run" in known:
        known["run"] = quote(str(first_structure(Path(given["run"]))))
    if not given.get("json") and all(f"{{{name}}}" not in line or name in known for name in given):
        say_next(line.format_map(known))


def first_structure(run: Path) -> Path:
    """A run, or that of the most frequent structure where there are several."""
    first = run / "structure-1"
    return first if first.is_dir() else run


def _frames(given: Mapping[str, Any]) -> int:
    """Frames of the movie that a command was given."""
    from holly_triton.io.movies.opening import open_movie

    return len(open_movie(given["movie"], given["channel"]))
