"""Which particle is of which structure: the table of a classification, by which a run takes its particles."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign, missing, replacing
from holly_triton.core.types import Array
from holly_triton.core.words import counted, part_of
from holly_triton.particles.data import Dataset
from holly_triton.particles.data.dataset import FEWEST_PICTURES

TABLE = "structures.csv"
SURE = 0.9
"""Probability from which an assignment counts as sure."""


class Assignment(NamedTuple):
    """P particles of a data set, in its order, and the K structures that they are classified into."""

    names: list[str]
    weight: Array
    """Probability of each structure for each particle ``[P, K]``."""
    held_out: Array
    """Whether no cloud was made from the particle ``[P]``."""

    @property
    def structure(self) -> Array:
        """Number of the likeliest structure of each particle ``[P]``, from 1."""
        number: Array = self.weight.argmax(axis=1) + 1
        return number

    @property
    def particles(self) -> list[int]:
        """Number of the particles that are assigned to each structure."""
        return [int(count) for count in np.bincount(self.structure - 1, minlength=self.weight.shape[1])]

    @property
    def sure(self) -> float:
        """Share of the particles of which one structure has a probability of ``SURE`` or more."""
        return float((self.weight.max(axis=1) >= SURE).mean())


def write_assignment(path: Path, table: Assignment) -> None:
    """Write the columns ``particle``, ``structure``, ``probability_1`` to ``probability_K`` and ``held_out`` (yes or no).

    Raises:
        HollyError: The file can't be written.
    """
    columns = [f"probability_{number + 1}" for number in range(table.weight.shape[1])]
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["particle", "structure", *columns, "held_out"])
        for name, number, weights, held_out in zip(
            table.names, table.structure, table.weight, table.held_out, strict=True
        ):
            writer.writerow([name, number, *(f"{weight:.6f}" for weight in weights), "yes" if held_out else "no"])


def read_assignment(path: Path) -> Assignment:
    """The inverse of ``write_assignment``.

    Raises:
        HollyError: There is no such file, or it is damaged.
    """
    if not path.is_file():
        raise missing(path, f"the {TABLE} that train --structures wrote")
    with foreign(path, "a table of train --structures"), path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
        columns = [name for name in rows[0] if name.startswith("probability_")]
        weight = np.array([[float(row[name]) for name in columns] for row in rows])
        held_out = np.array([row["held_out"] == "yes" for row in rows])
        return Assignment([row["particle"] for row in rows], weight, held_out)


def of_structure(dataset: Dataset, path: Path, number: int | None) -> Dataset:
    """The particles that a table assigns to a structure.

    Raises:
        HollyError: The table can't be read, it has no such structure or too few particles of it, or is of other data.
    """
    table = read_assignment(path)
    if number is None or number > table.weight.shape[1]:
        raise HollyError(
            f"{path}: has structures 1 to {table.weight.shape[1]}; set structure to one of them, not {number}"
        )
    chosen = {name for name, own in zip(table.names, table.structure, strict=True) if own == number}
    rows = [row for row, name in enumerate(dataset.names) if name in chosen]
    if not {*dataset.names} & {*table.names}:
        raise HollyError(f"{path}: names none of these particles; pass the table of this data set")
    if len(rows) < FEWEST_PICTURES:
        raise HollyError(
            f"{path}: assigns {counted(len(rows), 'particle')} to structure {number}; at least {FEWEST_PICTURES} are needed"
        )
    dataset.notes.append(part_of(len(rows), len(dataset), "particle", f"{{are}} assigned to structure {number}."))
    return dataset.select(torch.tensor(rows))


def in_order(weight: Array, shares: Sequence[float]) -> tuple[Array, list[int]]:
    """The columns of probabilities ``[P, K]`` from the most frequent structure to the rarest, and their former numbers from 0."""
    order = np.argsort(-np.asarray(shares), kind="stable").tolist()
    return weight[:, order], order
