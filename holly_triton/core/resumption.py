"""What a command was asked to do, kept beside its results, so that ``--resume`` needs no options."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from .errors import HollyError
from .files import as_json, replacing

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Job = TypeVar("Job", bound="DataclassInstance")
JOB = "job.json"


def write_job(folder: Path, job: "DataclassInstance") -> None:
    """Keep what was asked for in the folder of the results.

    Raises:
        HollyError: The file can't be written.
    """
    with replacing(folder / JOB) as partial:
        partial.write_text(as_json(asdict(job)), encoding="utf-8")


def read_job(folder: Path, kind: type[Job]) -> Job:
    """What was asked for when the results in a folder were begun.

    Raises:
        HollyError: There is nothing to resume, or the file is damaged.
    """
    path = folder / JOB
    try:
        return kind(**json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise HollyError(f"{folder}: has nothing to resume (no {path}); start without --resume") from error
    except (ValueError, TypeError) as error:
        raise HollyError(f"{path}: is damaged; start again with --overwrite") from error
