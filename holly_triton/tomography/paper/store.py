"""What each method found in the test tomograms of each condition: computed once and kept, a file for each."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.files import as_json, foreign, replacing
from holly_triton.io.particle_lists.particle_list import ParticleList

from .config import Condition, Method


@dataclass(frozen=True)
class Cell:
    """One method on the test tomograms of one condition, of one seed."""

    method: Method
    seed: int
    condition: Condition

    @property
    def name(self) -> str:
        """Name of its file."""
        return f"{self.method}-{self.condition}-{self.seed}"


@dataclass(frozen=True)
class Found:
    """What a method found.

    Attributes:
        picks: All of them, down to low scores.
        thresholds: Least score of a pick for each class that the method takes by itself.
        truth: The particles of these tomograms.
        seconds: Of each tomogram.
        training_seconds: Of the network, where there is one.
    """

    picks: ParticleList
    thresholds: Mapping[str, float]
    truth: ParticleList
    seconds: list[float]
    training_seconds: float | None = None

    def taken(self, thresholds: Mapping[str, float] | None = None) -> ParticleList:
        """The picks whose score is at least their class's threshold: the method's own, or others."""
        least = self.thresholds if thresholds is None else thresholds
        limit = np.array([least.get(str(label), np.inf) for label in self.picks.labels])
        return self.picks.take(self.picks.scores >= limit)


def read_found(path: Path, key: Mapping[str, Any]) -> Found | None:
    """What was kept; None where it is not there or was made with other settings.

    Raises:
        HollyError: The file is damaged.
    """
    if not path.is_file():
        return None
    with foreign(path, "a result of the study"):
        saved = json.loads(path.read_text(encoding="utf-8"))
        if saved["key"] != key:
            return None
        return Found(
            _list_of(saved["picks"]), saved["thresholds"], _list_of(saved["truth"]), saved["seconds"], saved["training_seconds"]
        )  # fmt: skip


def write_found(path: Path, key: Mapping[str, Any], found: Found) -> None:
    """Keep what was found.

    Raises:
        HollyError: The file can't be written.
    """
    content = {
        "key": key,
        "thresholds": dict(found.thresholds),
        "seconds": found.seconds,
        "training_seconds": found.training_seconds,
        "picks": _table_of(found.picks),
        "truth": _table_of(found.truth),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        partial.write_text(as_json(content).replace("\n", ""), encoding="utf-8")


def _table_of(particles: ParticleList) -> dict[str, Any]:
    rotations = None if particles.rotations is None else np.round(particles.rotations, 5).reshape(-1, 9).tolist()
    return {
        "labels": particles.labels.tolist(),
        "positions": np.round(particles.positions, 2).tolist(),
        "scores": particles.scores.tolist(),
        "tomograms": particles.tomograms.tolist(),
        "rotations": rotations,
    }


def _list_of(table: dict[str, Any]) -> ParticleList:
    scores = [np.nan if score is None else score for score in table["scores"]]
    return ParticleList.of(
        table["labels"], table["positions"], rotations=table["rotations"], scores=scores, tomogram=table["tomograms"]
    )
