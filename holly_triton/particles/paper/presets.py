"""The paper's experiments by name: the simulation and the settings of the training.

A new experiment is one small TOML file in ``presets/``. What all of them share is in ``config.py``.
"""

import difflib
import tomllib
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from holly_triton.core.errors import HollyError
from holly_triton.core.files import natural_order
from holly_triton.particles.config import Config

FOLDER = files("holly_triton.particles.paper") / "presets"

TABLES = {
    "5.1": "baselines, without noise",
    "5.2": "scatter of the labels",
    "5.3": "missing labels",
    "5.4": "several fluorophores on a site",
    "5.5": "fewer or more points than the truth has",
    "5.6": "one free pose per picture, no network",
}
"""Subjects of the tables. The paper's supplement has tables 5.1 to 5.6; only the number of 5.1 is confirmed."""


@dataclass(frozen=True)
class Preset:
    """One row of a table of the paper's supplement (Blundell et al. 2021).

    Attributes:
        name: Name of the file, without ``.toml``.
        table, row: Table and row of the experiment.
        cloud: Name of a file or of a built-in structure (``structures.STRUCTURES``).
        scatter: Standard deviation of a label about its site along each axis, in units of ``io.units.UNIT_NM``.
        missing: Probability that a site is not labelled.
        max_spawn, spawn_rate: A labelled site carries Binomial(max_spawn, spawn_rate) fluorophores.
        train: Settings of the training.
    """

    name: str
    table: str
    row: str
    cloud: str
    scatter: float = 0.0
    missing: float = 0.0
    max_spawn: int = 1
    spawn_rate: float = 1.0
    train: Config = field(default_factory=Config)

    @property
    def noise(self) -> str:
        """The noise in a few words."""
        words = [f"scatter {self.scatter:g}"] if self.scatter else []
        words += [f"missing {self.missing:g}"] if self.missing else []
        words += [f"up to {self.max_spawn} fluorophores, rate {self.spawn_rate:g}"] if self.max_spawn > 1 else []
        return ", ".join(words) or "none"


def presets_of(table: str) -> list[Preset]:
    """The rows of one table, in order.

    Raises:
        HollyError: No such table.
    """
    if table not in TABLES:
        known = "; ".join(f"{name} {about}" for name, about in TABLES.items())
        raise HollyError(f"--table {table}: is not known; the tables are {known}")
    rows = [preset for preset in map(read_preset, _names()) if preset.table == table]
    return sorted(rows, key=lambda preset: natural_order(Path(preset.row.lower())))


def read_preset(name: str) -> Preset:
    """A preset by its name.

    Raises:
        HollyError: There is no preset of that name.
    """
    if name not in _names():
        near = [known for known in _names() if name in known][:1] or difflib.get_close_matches(name, _names(), 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise HollyError(f"--preset {name}: is not known; {hint}known are {', '.join(_names())}")
    table = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    # The paper's structures were made from all of the pictures, and so are those that are compared with them.
    train = Config.of({"held_out": 0.0, **table.pop("train")}, f"preset {name} [train]")
    return Preset(name, **table, train=train)


def _names() -> list[str]:
    return sorted(file.name.removesuffix(".toml") for file in FOLDER.iterdir() if file.name.endswith(".toml"))
