"""Which steps of a project are done, with which options and on which inputs: ``project.json``."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from holly_triton.core.errors import HollyError
from holly_triton.core.files import as_json, replacing

from .config import ENDS_BYTES, LEDGER

VERSION = 1
"""Of the file."""


@dataclass
class Record:
    """One step.

    Attributes:
        options: What it was given, by name.
        inputs: A fingerprint of each file that it reads, by the file's role.
        outputs: Paths of what later steps read, by role, relative to the project.
        said: Lines that it printed.
        seconds: How long it took.
        done: Whether it was completed.
    """

    options: dict[str, Any]
    inputs: dict[str, str]
    outputs: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    seconds: float = 0.0
    done: bool = False

    def changes(self, options: Mapping[str, Any], inputs: Mapping[str, str]) -> list[str]:
        """What differs from another set of options and inputs, in words."""
        words = [
            f"{name} {differs(self.options.get(name), options.get(name))}"
            for name in dict.fromkeys([*self.options, *options])
            if self.options.get(name) != options.get(name)
        ]
        return words + [f"another {role}" for role in inputs if self.inputs.get(role) != inputs[role]]


@dataclass
class Ledger:
    """The records of a project, kept in its folder."""

    folder: Path
    records: dict[str, Record]

    @staticmethod
    def read(folder: Path) -> "Ledger":
        """The records so far; none in a new folder.

        Raises:
            HollyError: The file is damaged.
        """
        path = folder / LEDGER
        if not path.is_file():
            return Ledger(folder, {})
        try:
            table = json.loads(path.read_text(encoding="utf-8"))
            return Ledger(folder, {name: Record(**record) for name, record in table["steps"].items()})
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise HollyError(f"{path}: is damaged; delete it, and all steps are done again") from error

    def write(self, name: str, record: Record) -> None:
        """Keep the record of a step.

        Raises:
            HollyError: The file can't be written.
        """
        self.records[name] = record
        table = {"version": VERSION, "steps": {step: asdict(each) for step, each in self.records.items()}}
        with replacing(self.folder / LEDGER) as partial:
            partial.write_text(as_json(table), encoding="utf-8")


def fingerprint(path: Path) -> str:
    """Size and a checksum of both ends of a file, or of the names and sizes in a folder; ``absent`` where there is none."""
    if path.is_dir():
        listed = sorted((item.name, item.stat().st_size) for item in path.iterdir() if item.is_file())
        return hashlib.sha256(repr(listed).encode()).hexdigest()
    if not path.is_file():
        return "absent"
    size = path.stat().st_size
    with path.open("rb") as file:
        ends = file.read(ENDS_BYTES)
        file.seek(max(0, size - ENDS_BYTES))
        ends += file.read()
    return f"{size} bytes, {hashlib.sha256(ends).hexdigest()}"


def differs(before: Any, now: Any) -> str:
    """An option's value, and the one that it has now."""
    return f"{_word(before)}, now {_word(now)}"


def _word(value: Any) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
