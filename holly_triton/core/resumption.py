"""What a command was asked to do, kept beside its results, so that ``--resume`` needs no options."""

import json
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import HollyError
from .files import as_json, replacing

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Job = TypeVar("Job", bound="DataclassInstance")
JOB = "job.json"
PATHS = ("data", "model", "features")
"""Fields of a job that are paths: in the file relative to its folder, so that a tree of folders can be moved."""


def write_job(folder: Path, job: "DataclassInstance") -> None:
    """Keep what was asked for in the folder of the results.

    Args:
        folder: That folder.
        job: With absolute paths in the fields ``PATHS`` that it has, or None.

    Raises:
        HollyError: The file can't be written.
    """
    table, here = asdict(job), folder.resolve()
    table |= {name: os.path.relpath(table[name], here) for name in PATHS if table.get(name) is not None}
    with replacing(folder / JOB) as partial:
        partial.write_text(as_json(table), encoding="utf-8")


def read_job(folder: Path, kind: type[Job]) -> Job:
    """What was asked for when the results in a folder were begun, with absolute paths.

    Raises:
        HollyError: There is nothing to resume, or the file is damaged.
    """
    path = folder / JOB
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        table |= {name: str((folder / table[name]).resolve()) for name in PATHS if table.get(name) is not None}
        return kind(**table)
    except OSError as error:
        raise HollyError(f"{folder}: has nothing to resume (no {path}); start without --resume") from error
    except (ValueError, TypeError) as error:
        raise HollyError(f"{path}: is damaged; start again with --overwrite") from error


def check_options(place: Path, begun: Mapping[str, Any], given: Mapping[str, Any], but: Collection[str] = ()) -> None:
    """Refuse to go on with other options than those with which something was begun.

    Args:
        place: Where that is.
        begun: Options and their values, also in tables within.
        given: Those of now.
        but: Names of options that may differ.

    Raises:
        HollyError: Some differ; it names these.
    """
    before, now = dict(_flat(begun)), dict(_flat(given))
    differ = [
        f"{name} {_word(before.get(name))}, not {_word(now.get(name))}"
        for name in dict.fromkeys((*before, *now))
        if before.get(name) != now.get(name) and name not in but
    ]
    if differ:
        raise HollyError(
            f"{place}: was begun with {'; '.join(differ)}; repeat those options, or begin anew with --overwrite"
        )


def _flat(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value)
        else:
            yield name, list(value) if isinstance(value, tuple) else value


def _word(value: Any) -> str:
    return "none" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
