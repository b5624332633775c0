"""Picks of copick in JSON: one class of one tomogram a file."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import as_json, foreign

from .particle_list import ParticleList
from .raw import RawList

UNIT = "angstrom"


def read_json(path: Path) -> RawList:
    """The points of a file, Å.

    Transformations that are all the identity, which copick writes where none is known, give no rotations.

    Raises:
        HollyError: The file is no JSON of picks, is in another unit, or a point lacks its location.
    """
    with foreign(path, "picks of copick"):
        picks = json.loads(path.read_text(encoding="utf-8"))
        points = picks.get("points") if isinstance(picks, dict) else None
        if not isinstance(points, list):
            raise HollyError(f"{path}: holds no list of points; picks of copick have pickable_object_name and points")
        unit = picks.get("unit", UNIT)
        if unit != UNIT:
            raise HollyError(f"{path}: is in {str(unit)[:40]!r}; picks of copick are in {UNIT}")
        places = [[float(point["location"][axis]) for axis in "xyz"] for point in points]
        matrices = np.array([point.get("transformation_", np.eye(4)) for point in points], dtype=np.float64)
        turns = matrices.reshape(-1, 4, 4)[:, :3, :3]
        scores = [_number(point.get("score")) for point in points]
    remarks = []
    if np.allclose(turns, np.eye(3)):
        rotations = None
    elif (
        np.abs(turns).max() > 2
        or not np.allclose(turns @ turns.transpose(0, 2, 1), np.eye(3), atol=1e-3)
        or np.linalg.det(turns).min() < 0
    ):
        rotations = None
        remarks.append("The transformations are no rotations and were not used.")
    else:
        rotations = turns
    return RawList(
        np.array(places, dtype=np.float64).reshape(-1, 3),
        "angstrom",
        "picks of copick",
        labels=[str(picks.get("pickable_object_name", "particle"))] * len(points),
        rotations=rotations,
        scores=scores,
        tomograms=[str(picks.get("run_name") or "")] * len(points),
        remarks=remarks,
    )


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def write_json(path: Path, particles: ParticleList) -> list[Path]:
    """Write a file for each class and tomogram: ``path`` itself for only one, else ``NAME_TOMOGRAM_CLASS.json`` beside it.

    Returns:
        The files.
    """
    pairs = sorted({*zip(particles.tomograms.tolist(), particles.labels.tolist(), strict=True)}) or [("", "particle")]
    written = []
    for tomogram, label in pairs:
        rows = (particles.tomograms == tomogram) & (particles.labels == label)
        several = "_".join([path.stem, *filter(None, [tomogram, label])]).replace("/", "_") + path.suffix
        file = path if len(pairs) == 1 else path.with_name(several)
        file.write_text(as_json(_picks(particles.take(rows), tomogram, label)), encoding="utf-8")
        written.append(file)
    return written


def _picks(particles: ParticleList, tomogram: str, label: str) -> dict[str, Any]:
    matrices = np.tile(np.eye(4), (len(particles), 1, 1))
    if particles.rotations is not None:
        matrices[:, :3, :3] = particles.rotations
    points = [
        {
            "location": dict(zip("xyz", map(float, place), strict=True)),
            "transformation_": matrix.tolist(),
            "instance_id": number,
            "score": None if np.isnan(score) else float(score),
        }
        for number, (place, matrix, score) in enumerate(
            zip(particles.positions.round(3), matrices.round(7), particles.scores, strict=True)
        )
    ]
    return {
        "pickable_object_name": label,
        "user_id": "holly-triton",
        "session_id": "0",
        "run_name": tomogram,
        "unit": UNIT,
        "points": points,
    }
