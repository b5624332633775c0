"""An evaluation from files: reading, figures, notes and pictures."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from holly_triton.core.errors import HollyError
from holly_triton.core.files import replacing
from holly_triton.core.types import Array, Figures
from holly_triton.io.particle_lists import read_particles
from holly_triton.io.particle_lists.particle_list import ParticleList
from holly_triton.tomography.config.scoring import Scoring

from .doubts import doubts
from .evaluate import Score, evaluate
from .selection import of_classes, of_same_tomograms
from .words import explain

UNORIENTED = {name: np.empty((0, 3, 3)) for name in ("sphere", "gold")}
"""Structures by formula of which no orientation can be right or wrong,"""
ROUND = {"disc": "D90"}
"""and those that every turn about an axis leaves as they are, to within 2 degrees."""
CONFUSION, THRESHOLDS, CURVES = "confusion.png", "thresholds.png", "curves.csv"


@dataclass(frozen=True)
class Comparison:
    """How two files are compared.

    Attributes:
        settings: When a pick is right.
        classes: Those that are compared; None for all.
        tomograms: Likewise; None for those that both files have.
        symmetry: Point groups of classes by name, such as ``{"GroEL": "D7"}``; others have that of the structure that ships
            under their name, or none.
        voxel_size: Å, for files whose positions are in voxels.
    """

    settings: Scoring = field(default_factory=Scoring)
    classes: Sequence[str] | None = None
    tomograms: Sequence[str] | None = None
    symmetry: Mapping[str, str] = field(default_factory=dict)
    voxel_size: float | None = None


@dataclass(frozen=True)
class Report:
    """What a comparison of two files gave.

    Attributes:
        picks: The picks that were compared.
        truth: The particles that they were compared with.
        score: The figures.
        said: Sentences about what was assumed or left out.
        warnings: Sentences about what appears to be wrong with the picks.
    """

    picks: ParticleList
    truth: ParticleList
    score: Score
    said: Sequence[str]
    warnings: Sequence[str]

    @property
    def notes(self) -> list[str]:
        """All sentences, in the order in which they are shown."""
        return [*self.said, *(f"Warning: {warning}" for warning in self.warnings)]

    def figures(self) -> Figures:
        """All figures, as JSON has them."""
        return {**self.score.figures(), "warnings": list(self.warnings)}

    def words(self) -> str:
        """All figures as text."""
        return explain(self.score)

    def draw(self, folder: Path) -> list[Path]:
        """Write the confusion matrix, and figures over the threshold as curves and as a table; return their paths.

        Raises:
            HollyError: A file can't be written.
        """
        from holly_triton.tomography.pictures.confusion import draw_confusion
        from holly_triton.tomography.pictures.curves import draw_thresholds

        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HollyError(f"{folder}: cannot be made ({error.strerror}); give another folder with --out") from error
        draw_confusion(folder / CONFUSION, {"picks": (list(self.score.classes), self.score.confusion)})
        draw_thresholds(folder / THRESHOLDS, {name: each.curve for name, each in self.score.classes.items()})
        _write_curves(folder / CURVES, self.score)
        return [folder / name for name in (CONFUSION, THRESHOLDS, CURVES)]


def compare(picks: Path, truth: Path, comparison: Comparison) -> Report:
    """Read and compare two lists of particles.

    Raises:
        HollyError: A file cannot be read, the two have no tomogram in common, or a class or a symmetry is not known.
    """
    lists = tuple(read_particles(path, voxel_size=comparison.voxel_size) for path in (picks, truth))
    paths = picks, truth
    (found, true), said = of_same_tomograms((lists[0], lists[1]), comparison.tomograms, paths)
    found, true = of_classes((found, true), comparison.classes, paths)
    score = evaluate(
        found, true, comparison.settings, groups=_groups(comparison.symmetry, {*found.classes, *true.classes})
    )
    read = [f"{path}: {remark}" for path, each in zip(paths, lists, strict=True) for remark in each.remarks]
    return Report(found, true, score, [*read, *said], doubts(found, true, score))


def _groups(symmetry: Mapping[str, str], classes: set[str]) -> dict[str, Array]:
    """The rotations of the point groups ``[G, 3, 3]``.

    Raises:
        HollyError: An unknown group, or a class that there is not.
    """
    from holly_triton.geometry.groups import point_group
    from holly_triton.tomography.structures import DECOYS, read_density, shipped

    known = {*shipped(), *DECOYS} - UNORIENTED.keys()
    groups = {name: UNORIENTED[name] for name in UNORIENTED.keys() & classes}
    for name in known & classes:
        groups[name] = point_group(ROUND.get(name) or read_density(name).symmetry).double().numpy()
    for name, group in symmetry.items():
        if name not in classes:
            raise HollyError(f"--symmetry: there is no class {name}; there are {', '.join(sorted(classes))}")
        try:
            groups[name] = point_group(group).double().numpy()
        except ValueError as error:
            raise HollyError(f"--symmetry {name}={group}: {error}") from error
    return groups


def _write_curves(path: Path, score: Score) -> None:
    """A row for each class and threshold."""
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["class", "threshold", "precision", "recall", "f1"])
        for name, each in score.classes.items():
            for row in zip(*each.curve, strict=True):
                writer.writerow([name, *(f"{value:.6g}" for value in row)])
