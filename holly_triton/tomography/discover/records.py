"""What is kept of a cluster that was averaged: maps, halves, curves, poses, and its figures, written last."""

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.core.files import as_json, foreign, replacing
from holly_triton.core.types import Array
from holly_triton.geometry.euler import quaternion_from_rotation
from holly_triton.io.volumes.reading import read_volume
from holly_triton.io.volumes.writing import write_volume
from holly_triton.tomography.average.fsc import Fsc, next_to_zeros
from holly_triton.tomography.average.imaging import Imaging
from holly_triton.tomography.average.results import Average, write_curves
from holly_triton.tomography.classify.sets import UNLABELLED, SubtomogramSet

from .averaging import Averaged

FOLDER = "clusters"
RECORD, CURVES, PARTICLES = "cluster.json", "fsc.csv", "particles.csv"
HEADER = ("particle", "class", "x", "y", "z", "qx", "qy", "qz", "qw", "score")


def folder_of_cluster(out: Path, number: int) -> Path:
    """Where the averages of a cluster lie."""
    return out / FOLDER / f"{number:03d}"


class Record(NamedTuple):
    """The figures of a cluster that was averaged."""

    classes: list[dict[str, Any]]
    """Of each class, the largest first; none where there were too few particles."""
    same_as: int | None
    """Number of a cluster that was averaged before, whose largest class is of the same structure."""

    @property
    def consistent(self) -> bool:
        """Whether the halves of the largest class agree further than they would without a structure."""
        return bool(self.classes) and bool(self.classes[0]["consistent"])


def write_cluster(
    out: Path, number: int, found: Sequence[Averaged], subtomograms: SubtomogramSet, same_as: int | None
) -> None:
    """Write all that is kept of a cluster; its figures come last, so that a folder with them is whole.

    Raises:
        HollyError: A file can't be written.
    """
    folder = folder_of_cluster(out, number)
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    except OSError as error:
        raise HollyError(f"{folder}: cannot be written ({error.strerror}); free some space, then --resume") from error
    for label, one in enumerate(found, start=1):
        volumes = {"": one.average.average, "_half1": one.average.halves[0], "_half2": one.average.halves[1]}
        for suffix, volume in volumes.items():
            write_volume(folder / f"class_{label}{suffix}.mrc", volume.cpu().numpy(), subtomograms.voxel)
    if found:
        write_curves(folder / CURVES, {f"class_{label}": one.average.curve for label, one in enumerate(found, start=1)})
    _write_particles(folder / PARTICLES, found, subtomograms)
    figures = [_figures(label, one, subtomograms) for label, one in enumerate(found, start=1)]
    with replacing(folder / RECORD) as partial:
        partial.write_text(
            as_json({"cluster": number, "same_as": same_as, "classes": figures}) + "\n", encoding="utf-8"
        )


def read_records(out: Path) -> dict[int, Record]:
    """The figures of every cluster that was averaged, by its number.

    Raises:
        HollyError: A file can't be read.
    """
    found = {}
    for path in sorted((out / FOLDER).glob(f"*/{RECORD}")):
        with foreign(path, "the figures of a cluster"):
            record = json.loads(path.read_text(encoding="utf-8"))
            found[int(record["cluster"])] = Record(list(record["classes"]), record["same_as"])
    return found


def read_map(out: Path, number: int, suffix: str = "") -> Array:
    """The map of a cluster's largest class ``[n, n, n]``, or with ``_half1`` or ``_half2`` of a half of it."""
    return np.asarray(read_volume(folder_of_cluster(out, number) / f"class_1{suffix}.mrc").values, dtype=np.float32)


def read_curve(out: Path, number: int) -> tuple[Tensor, Tensor]:
    """The FSC of the halves of a cluster's largest class: frequency in 1/Å and correlation, both ``[S]``."""
    path = folder_of_cluster(out, number) / CURVES
    with foreign(path, "CSV"), path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
        frequency, correlation = (
            torch.tensor([float(row[name]) for row in rows], dtype=torch.float64)
            for name in ("frequency_per_angstrom", "class_1")
        )
        return frequency, correlation


def read_average(out: Path, number: int, imaging: Imaging, device: torch.device) -> Average:
    """The average of a cluster's largest class; unfiltered it is the mean of its halves."""
    volume, first, second = (
        torch.from_numpy(read_map(out, number, suffix)).to(device) for suffix in ("", "_half1", "_half2")
    )
    frequency, correlation = (part.to(device) for part in read_curve(out, number))
    curve = Fsc(frequency, correlation, next_to_zeros(frequency, imaging))
    return Average(volume, (first, second), (first + second) / 2, curve)


def majority(labels: Array) -> tuple[str, float]:
    """The commonest of some labels, and its share; empty and 0 where none is known."""
    known = labels[labels != UNLABELLED]
    if len(known) == 0:
        return UNLABELLED, 0.0
    names, counts = np.unique(known, return_counts=True)
    return str(names[counts.argmax()]), float(counts.max() / len(labels))


def _figures(label: int, one: Averaged, subtomograms: SubtomogramSet) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "class": label,
        "particles": len(one.rows),
        "resolution_angstrom": one.resolution,
        "finest_angstrom": one.average.curve.finest,
        "consistent": one.consistent,
        "classes_joined": one.joined,
        "median_score": float(one.poses.score.median()),
        "structure": one.structure,
        "discrepancy_angstrom": one.discrepancy,
    }
    if subtomograms.labels is not None:
        figures["label"], figures["purity"] = majority(subtomograms.labels[one.rows])
    return figures


def _write_particles(path: Path, found: Sequence[Averaged], subtomograms: SubtomogramSet) -> None:
    """Poses as ``tomo`` writes them elsewhere: position of the particle's centre from the box's in Å, active rotation."""
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(HEADER)
        for label, one in enumerate(found, start=1):
            places = one.poses.shift.cpu().double().numpy() * subtomograms.voxel
            turns = quaternion_from_rotation(one.poses.rotation.cpu().double().numpy())
            scores = one.poses.score.cpu().tolist()
            for row, place, turn, score in zip(one.rows, places, turns, scores, strict=True):
                numbers = [f"{value:.2f}" for value in place] + [f"{value:.6f}" for value in turn]
                table.writerow([subtomograms.names[row], label, *numbers, f"{score:.4f}"])
