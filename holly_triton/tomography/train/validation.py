"""How well a network in training does on tomograms that it doesn't train on, and the thresholds of a finished one."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from holly_triton.core.types import Figures
from holly_triton.io.particle_lists.particle_list import ParticleList, joined
from holly_triton.tomography.config.picking import LOWEST_SCORE, MIDDLE
from holly_triton.tomography.score.counts import Curve
from holly_triton.tomography.score.evaluate import Score, evaluate
from holly_triton.tomography.segment.model import Model
from holly_triton.tomography.segment.picking import as_particles, find_candidates, without_excluded

from .scenes import Scene


def truth_of(scenes: Sequence[Scene], classes: tuple[str, ...], voxel: float) -> ParticleList:
    """The particles of several tomograms."""
    names = np.array(("background", *classes))
    return joined([
        ParticleList.of(names[scene.labels.numpy()], scene.centres.numpy()[:, ::-1] * voxel, tomogram=scene.name)
        for scene in scenes
    ])  # fmt: skip


def picked(model: Model, scenes: Sequence[Scene], thresholds: Sequence[float], averaged: bool) -> ParticleList:
    """What a model finds in several tomograms above the thresholds of its classes."""
    lists = []
    for scene in scenes:
        found = find_candidates(model, scene.values, scene.normalisation, np.array(thresholds), averaged=averaged)
        lists.append(as_particles(without_excluded(found, np.array(model.radii) / model.voxel), model, scene.name))
    return joined(lists)


def validated(model: Model, scenes: Sequence[Scene], *, averaged: bool) -> Model:
    """The model with the threshold of the best F1 for each class, and with its figures at these thresholds.

    Args:
        model: Its own thresholds do not matter.
        scenes: Tomograms that it was not trained on.
        averaged: As ``tiles.scores`` takes it.
    """
    truth = truth_of(scenes, model.classes, model.voxel)
    found = picked(model, scenes, [LOWEST_SCORE] * len(model.classes), averaged)
    curves = {name: each.curve for name, each in evaluate(found, truth).classes.items()}
    thresholds = tuple(_best(curves[name]) if name in curves else MIDDLE for name in model.classes)
    chosen = np.array(thresholds)[[model.classes.index(str(label)) for label in found.labels]]
    figures = _figures(evaluate(found.take(found.scores > chosen), truth), model)
    return replace(model, thresholds=thresholds, figures={**model.figures, **figures})


def _best(curve: Curve) -> float:
    """The threshold of the best F1: in the middle of the scores of the last pick taken and the first one left out."""
    if not len(curve.f1) or not curve.f1.max() > 0:
        return MIDDLE
    at = int(np.argmax(curve.f1))
    below = curve.threshold[at + 1] if at + 1 < len(curve.threshold) else LOWEST_SCORE
    return float(curve.threshold[at] + below) / 2


def _figures(score: Score, model: Model) -> Figures:
    """F1, precision and recall as means over the classes, F1 of each class, and the median error in voxels."""
    error = float(np.median(score.overall.distance)) / model.voxel if len(score.overall.distance) else float("nan")
    classes = {f"f1_{name}": float(each.counts.f1) for name, each in score.classes.items()}
    return {**score.macro, **classes, "median_error_voxels": error}
