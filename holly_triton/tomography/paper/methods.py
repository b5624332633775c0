"""The methods of the study on one tomogram: all picks down to low scores, and the thresholds that each takes by itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from holly_triton.io.particle_lists.particle_list import ParticleList, joined
from holly_triton.tomography.config.matching import Matching
from holly_triton.tomography.config.picking import LOWEST_SCORE
from holly_triton.tomography.match.match import compete, exclusion, match_tomogram
from holly_triton.tomography.match.template import Template
from holly_triton.tomography.score.evaluate import evaluate
from holly_triton.tomography.segment.clusters import mean_shift
from holly_triton.tomography.segment.model import Model
from holly_triton.tomography.segment.normalise import Normalisation
from holly_triton.tomography.segment.picking import as_particles, find_candidates, without_excluded
from holly_triton.tomography.segment.tiles import Scores
from holly_triton.tomography.structures import Density, draw_map

from .config import DENSITY_RESOLUTION, Condition, StudyScale
from .results import SETTINGS
from .tomograms import Specimen, optics


class Picked(NamedTuple):
    """Picks of one tomogram, and the least score of each class that the method takes by itself."""

    picks: ParticleList
    thresholds: Mapping[str, float]


Method = Callable[[Specimen, Condition], Picked]


def network_method(model: Model) -> Method:
    """Our network: peaks of its score maps, and the thresholds chosen on its validation tomograms."""
    radii = np.array(model.radii) / model.voxel
    thresholds = dict(zip(model.classes, model.thresholds, strict=True))

    def find(specimen: Specimen, condition: Condition) -> Picked:
        normalisation = Normalisation.of(specimen.values, model.contrast, specimen.name)
        lowest = np.full(len(model.classes), LOWEST_SCORE)
        found = without_excluded(find_candidates(model, specimen.values, normalisation, lowest), radii)
        return Picked(as_particles(found, model, specimen.name), thresholds)

    return find


def deepfinder_method(model: Model, validation: Sequence[Specimen]) -> Method:
    """The paper's way: mean-shift clustering of the label volume, and the least size of a cluster chosen on validation tomograms."""
    found = joined([_clusters(model, specimen) for specimen in validation])
    truth = joined([specimen.truth for specimen in validation])
    curves = evaluate(found, truth, SETTINGS).classes
    thresholds = {name: each.curve.best[0] for name, each in curves.items() if each.counts.matched}

    def find(specimen: Specimen, condition: Condition) -> Picked:
        return Picked(_clusters(model, specimen), {name: thresholds.get(name, 0.0) for name in model.classes})

    return find


def _clusters(model: Model, specimen: Specimen) -> ParticleList:
    labels = np.zeros(specimen.values.shape, np.uint8)

    def keep(answer: Scores) -> None:
        inner = tuple(
            slice(core.start - seen.start, core.stop - seen.start)
            for core, seen in zip(answer.tile.core, answer.tile.seen, strict=True)
        )
        labels[answer.tile.core] = answer.shares[(slice(None), *inner)].argmax(0).cpu().numpy()

    normalisation = Normalisation.of(specimen.values, model.contrast, specimen.name)
    nothing = np.full(len(model.classes), np.inf)
    find_candidates(model, specimen.values, normalisation, nothing, watch=keep)
    return as_particles(mean_shift(labels, np.array(model.radii) / model.voxel), model, specimen.name)


def matching_method(classes: Sequence[Density], scale: StudyScale, device: torch.device) -> Method:
    """Our template matching: all templates, competing; thresholds by the expected number of false positives."""
    templates = [template_of(density, scale.voxel_size) for density in classes]

    def find(specimen: Specimen, condition: Condition) -> Picked:
        settings = Matching(
            angle_deg=scale.angle_deg, tilt_least_deg=-condition.tilt, tilt_most_deg=condition.tilt, ctf=True
        )
        values = torch.from_numpy(specimen.values).to(device)
        matches = match_tomogram(values, scale.voxel_size, templates, settings, optics=optics(), tomogram=specimen.name)
        everything = joined([replace(one.picks, rotations=one.picks.rotations) for one in matches])
        reach = np.concatenate([np.full(len(one.picks), exclusion(one.template)) for one in matches])
        kept = everything.take(compete(everything.positions, everything.scores, reach))
        return Picked(kept, {one.template.name: one.threshold for one in matches})

    return find


def template_of(density: Density, voxel: float) -> Template:
    """The very density of the simulation as a template."""
    size = 2 * int(np.ceil((density.radius / voxel) + DENSITY_RESOLUTION)) + 2
    values = draw_map(density, size, voxel, DENSITY_RESOLUTION * voxel)
    return Template.of(density.name, values, voxel, radius=density.radius, symmetry=density.symmetry)
