"""What to do after a command: its last line."""

import functools
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from shlex import quote
from typing import Any, NamedTuple

import click

from holly_triton.core.errors import HollyError
from holly_triton.core.log import shows
from holly_triton.core.stop import DONE

from .needed import enough_for_an_average, enough_for_drift, is_read_as_list
from .options import spelt

Given = Mapping[str, Any]


class Line(NamedTuple):
    """A command that refuses some files, and what follows in its place where it would; nothing where that is empty."""

    says: str
    works: Callable[[Given], bool]
    instead: str = ""


DRIFT = Line(
    "holly-triton frames undrift {out} still.csv",
    lambda given: enough_for_drift(given["out"]),
    "holly-triton info {out}",
)
DRAW = Line("holly-triton tomo render {tomogram} {out} picks.html{--voxel-size}", lambda given: is_read_as_list(given["out"]))  # fmt: skip


def _average(picks: str, tomogram: str = "TOMOGRAM", instead: str = "", repeated: str = "{--voxel-size}") -> Line:
    """What averages the picks of the argument ``picks``."""
    says = f"holly-triton tomo average {{{picks}}} average --tomogram {tomogram} --class CLASS --box ANGSTROM{repeated}"
    return Line(says, lambda given: enough_for_an_average(given[picks]), instead)


NEXT: dict[str, str | Line | dict[str, str]] = {
    "demo": "holly-triton info DATA",
    "measure": "holly-triton render {run}",
    "rank": "holly-triton train --config {run}/config.toml --exclude {run}/ranking.csv --out cleaner",
    "evaluate": "holly-triton render {run}",
    "render": "holly-triton export {run} structure.mrc",
    "frames demo": "holly-triton frames calibrate BEADS psf.h5 --step NM",
    "frames simulate": "holly-triton info {out}/frames.tif",
    "frames calibrate": "holly-triton frames train localiser.pt --psf {out}",
    "frames train": "holly-triton frames localise MOVIE localisations.csv --model {model}",
    "frames localise": DRIFT,
    "frames fit": DRIFT,
    "frames undrift": "holly-triton pick {out} particles.hdf5",
    "frames evaluate": Line(
        "holly-triton frames undrift {localisations} still.csv{--unit}{--pixel-size}",
        lambda given: enough_for_drift(given["localisations"], given["unit"], given["pixel_size"]),
    ),
    "tomo demo": "holly-triton tomo info TOMOGRAM",
    "tomo pick": DRAW,
    "tomo match": DRAW,
    "tomo render": _average("picks", "{tomogram}", "holly-triton tomo info {tomogram} --picks {picks}{--voxel-size}"),
    "tomo evaluate": _average("picks"),
    "tomo combine": _average("out", repeated=""),  # its option is of the lists that were read
    "tomo classify": {
        "training": "holly-triton tomo discover DATA found --model {out}/model.pt",
        "": "holly-triton tomo discover {data} found --features {out}/features.h5{--voxel-size}",
    },
    "doctor": "holly-triton demo",
}
"""Commands by their words, and what usually follows; names in braces are their own arguments and options, options in braces are
repeated where they were given, and words in capitals are for the user to fill in. Where it depends on an option, the first that
was given decides."""
OWN = ("train", "info", "pick", "process", "simulate", "tomo info", "tomo simulate", "tomo train")
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


def _followed(work: Any, line: str | Line | dict[str, str]) -> Any:
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


def _say(lines: str | Line | dict[str, str], given: Given) -> None:
    if given.get("json") or not shows(logging.INFO):  # no file is read for a line that is not shown
        return
    line = _chosen(lines, given)
    known = {name: quote(str(value)) for name, value in given.items() if value is not None}
    if "run" in known:
        known["run"] = quote(str(first_structure(Path(given["run"]))))
    repeated = {f"--{name.replace('_', '-')}": spelt({name: value}) for name, value in given.items()}
    if line and all(f"{{{name}}}" not in line or name in known for name in given):
        say_next(line.format_map(known | repeated))


def _chosen(lines: str | Line | dict[str, str], given: Given) -> str:
    if isinstance(lines, Line):
        try:
            return lines.says if lines.works(given) else lines.instead
        except HollyError:  # what cannot be read, or holds nothing, is refused by every command
            return ""
    return lines if isinstance(lines, str) else next(lines[name] for name in lines if not name or given.get(name))


def first_structure(run: Path) -> Path:
    """A run, or that of the most frequent structure where there are several."""
    first = run / "structure-1"
    return first if first.is_dir() else run
