"""How well a localiser in training does on frames that it doesn't train on, and the threshold and scales of a finished one."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.types import Array
from holly_triton.frames.config.localisation import LOWEST_PROBABILITY, MIDDLE, THRESHOLD_TIE, THRESHOLDS
from holly_triton.frames.config.scoring import Scoring
from holly_triton.frames.config.training import SPARSE_PER_UM2
from holly_triton.frames.emitters import Emitters
from holly_triton.frames.localisations import localisations
from holly_triton.frames.localise import Model, localise_windows
from holly_triton.frames.localise.scales import SigmaScales
from holly_triton.frames.samplers import RandomSampler
from holly_triton.frames.score.evaluate import evaluate
from holly_triton.frames.score.figures import Score, main_figures
from holly_triton.frames.score.matching import neighbour_nm
from holly_triton.frames.simulate import Batch

from .stream import Stream

VALIDATION, FINAL, SPARSE = 1, 2, 3
"""Purposes of frames; those of the training are for 0."""
GROUPS = 3
"""Parts of the frames, by their number of emitters, whose figures are averaged: else the crowded ones decide alone."""
PER_BATCH = 20
"""Frames simulated at once."""
SHOWN = ("jaccard", "rmse_lateral", "rmse_axial", "efficiency_3d")


@dataclass(frozen=True)
class Examples:
    """Frames with their truth."""

    batches: tuple[Batch, ...]
    truth: Array
    scoring: Scoring

    @staticmethod
    def of(stream: Stream, purpose: int, frames: int, side_px: int) -> "Examples":
        """Some frames of a stream for a purpose."""
        batches = tuple(stream.draw(purpose, i, PER_BATCH, side_px) for i in range(-(-frames // PER_BATCH)))
        truth = np.concatenate([truth_table(batch.emitters, 1 + PER_BATCH * i) for i, batch in enumerate(batches)])
        field = side_px * stream.psf.pixel_nm
        pixel = stream.psf.pixel_nm
        return Examples(batches, truth, Scoring(width_nm=field, height_nm=field, pixel_nm=pixel, resamplings=0))

    def localised(self, model: Model, lowest: float) -> Array:
        """What a model finds in them."""
        parts = [
            localise_windows(model, batch.photons, 1 + PER_BATCH * i, lowest) for i, batch in enumerate(self.batches)
        ]
        return np.concatenate(parts)

    def score(self, found: Array) -> Score:
        """The table of what was found against the truth."""
        return evaluate(found, self.truth, self.scoring)


def truth_table(emitters: Emitters, first: int) -> Array:
    """The table of emitters; the first frame has this number."""
    rows = localisations(len(emitters.xyz))
    rows["frame"] = emitters.frame().cpu().numpy() + first
    for name, values in zip("xyz", emitters.xyz.cpu().numpy().T, strict=True):
        rows[name] = values
    rows["photons"] = emitters.photons.cpu().numpy()
    return rows


def in_groups(score: Score, truth: Array) -> dict[str, float]:
    """The figures ``SHOWN``, each the mean over groups of frames of few, some and many emitters."""
    counts = np.bincount(truth["frame"], minlength=1 + int(score.per_frame.frame.max(initial=0)))[score.per_frame.frame]
    groups = np.array_split(np.argsort(counts, kind="stable"), GROUPS)
    figures = [main_figures(score.per_frame.sums[group].sum(axis=0), score.settings, flat=False) for group in groups]
    return {name: float(np.mean([each[name] for each in figures])) for name in SHOWN}


def best_threshold(found: Array, examples: Examples) -> tuple[float, dict[str, float]]:
    """The threshold of the highest efficiency, the lowest of equal ones, and the figures there."""
    tried = {}
    for threshold in THRESHOLDS:
        score = examples.score(found[found["probability"] >= threshold])
        tried[threshold] = in_groups(score, examples.truth)
    usable = {threshold: figures for threshold, figures in tried.items() if np.isfinite(figures["efficiency_3d"])}
    if not usable:
        return MIDDLE, tried[MIDDLE]
    highest = max(figures["efficiency_3d"] for figures in usable.values())
    best = min(
        threshold for threshold, figures in usable.items() if figures["efficiency_3d"] >= highest - THRESHOLD_TIE
    )
    return best, usable[best]


def recalibrated(model: Model, stream: Stream) -> Model:
    """The same network with the best threshold and honest deviations, both chosen on frames made for that.

    Args:
        model: Its own threshold and scales do not matter.
        stream: Of its training's frames.
    """
    settings = model.training.validation
    examples = Examples.of(stream, FINAL, settings.final_frames, settings.side_px)
    found = examples.localised(model, LOWEST_PROBABILITY)
    threshold, best = best_threshold(found, examples)
    raw = replace(model, threshold=threshold, scales=SigmaScales.none())
    sparse = _sparse(stream, settings.sparse_frames, settings.side_px)
    return replace(raw, scales=fitted_scales(raw, sparse, examples), figures={**model.figures, **best})


def _sparse(stream: Stream, frames: int, side_px: int) -> Examples:
    """Random emitters at a low density, whose errors are those of the method alone and not of their neighbours."""
    settings = replace(stream.settings, density_least=SPARSE_PER_UM2, density_most=SPARSE_PER_UM2)
    sparse = replace(stream, sampler=RandomSampler(stream.psf.z_range_nm), settings=settings)
    return Examples.of(sparse, SPARSE, frames, side_px)


def fitted_scales(model: Model, sparse: Examples, crowded: Examples) -> SigmaScales:
    """Scales from what a model finds of isolated emitters and in crowds; none for a network that states no deviations.

    Args:
        model: Its threshold decides what is found; its scales are 1.
        sparse: Frames of few emitters.
        crowded: Frames of all densities of the training.
    """
    photons, _, pull, alone = _pulls(model, sparse)
    if not bool(pull.isfinite().all()) or not len(pull):
        return SigmaScales.none()
    scales = SigmaScales.fitted(photons[alone], pull[alone])
    photons, crowding, pull, _ = _pulls(replace(model, scales=scales), crowded)
    return scales.fitted_in_crowds(photons, crowding, pull)


def _pulls(model: Model, examples: Examples) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of matched detections: photons and crowding ``[M]``, errors over deviations ``[M, 4]``, whether their emitter is alone."""
    parts = [model.localiser.detect(batch.photons, LOWEST_PROBABILITY) for batch in examples.batches]
    parts = [model.scales.applied(part.take(part.probability >= model.threshold)) for part in parts]
    found = np.concatenate([part.table(1 + PER_BATCH * i) for i, part in enumerate(parts)])
    score, truth = examples.score(found), examples.truth
    rows, true = found[score.pairs.localisation], truth[score.pairs.emitter]
    errors = [rows[axis] - true[axis] for axis in "xyz"] + [np.log(rows["photons"] / true["photons"])]
    sigma = [rows[f"sigma_{axis}"] for axis in "xyz"] + [rows["sigma_photons"] / rows["photons"]]
    alone = neighbour_nm(truth)[score.pairs.emitter] > score.settings.isolated_nm
    crowding = torch.cat([part.crowding for part in parts]).cpu()[torch.from_numpy(score.pairs.localisation)]
    pull = np.stack(errors, axis=1) / np.stack(sigma, axis=1)
    photons, pulls, isolated = (torch.from_numpy(np.ascontiguousarray(part)) for part in (rows["photons"], pull, alone))
    return photons.float(), crowding, pulls.float(), isolated
