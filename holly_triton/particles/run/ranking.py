"""Ranks the pictures of a run by how well its structure fits them, and marks the bad ones. Nothing is deleted.

The loss of a run is not suitable: it compares finely drawn pictures, whose differences are mostly noise, and it decreases
with the number of localisations. Here pictures are drawn coarsely, and from the squared distance to the structure's
drawing, D = |T - P|^2, the expected contribution of sampling n localisations, (|K|^2 - |P|^2) / n, is subtracted, where K
is the drawing of one localisation: the difference is, on average, the squared distance of the particle itself. The
remaining dependence on n (blinking labels count several times) is removed by comparing only pictures with similar numbers
of localisations.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from holly_triton.core.errors import HollyError
from holly_triton.core.files import replacing
from holly_triton.core.progress import following, in_parts
from holly_triton.core.types import Array
from holly_triton.core.words import counted, part_of, spanned
from holly_triton.io.run_files import read_poses
from holly_triton.kernels import splat
from holly_triton.particles.cloud.objective import normalised
from holly_triton.particles.poses.refine import Poses
from holly_triton.view.gallery import PICKED_INK, REJECTED_INK, Section, draw_sheet

from .held_out import AnyTrainer, Split
from .run import Run
from .study import finished_run

COARSE = 0.5
"""Sigma of the drawings, as a fraction of the radius of gyration. With junk among simulated particles the area under the ROC curve
was 0.55 to 0.62 at a tenth of it, and no better above a half."""
BATCH = 512
"""Pictures drawn at a time."""
PER_BIN, MOST_BINS = 100, 10
"""Least number of pictures that are compared with each other, and largest number of bins of counts."""
BAD_ABOVE = 3.0
"""Score above which a picture is bad, in standard deviations of the good ones: about one in 1000 good ones exceeds it."""
MAD_TO_SIGMA = 1.4826
"""Standard deviation over median absolute deviation of a normal distribution."""
SHOWN, COLUMNS = 15, 5
"""Number of the best and of the worst pictures that are drawn, and pictures per row."""


@dataclass(frozen=True)
class Ranking:
    """Pictures of a run, in the run's order.

    Attributes:
        names: The pictures' ids ``[P]``.
        score: How much worse each is fitted than others with similar numbers of localisations ``[P]``, in standard
            deviations; below 0 is better.
        bad: Whether each is marked ``[P]``.
        reason: The reason in words, empty if not marked ``[P]``.
        table: The written table, with columns ``picture``, ``score``, ``bad`` (yes or no) and ``reason``, worst first.
        gallery: The written drawing of the best and the worst pictures beside the reprojections of the structure.
        deforms: Whether a deformation was fitted, which is not used here.
    """

    noun: str
    names: list[str]
    score: Array
    bad: Array
    reason: list[str]
    table: Path
    gallery: Path
    deforms: bool

    def explain(self) -> str:
        """The result in a sentence or two."""
        marked = int(self.bad.sum())
        said = part_of(marked, len(self.names), self.noun, "{are} marked as bad")
        warning = (
            " They were compared with the structure at amplitude 0, so those that deform most are among the marked: "
            "see amplitudes.csv before any is left out."
        )
        return f"{said} in {self.table}; look at {self.gallery}.{warning if marked and self.deforms else ''}"


def rank_pictures(folder: Path, bad_share: float | None = None) -> Ranking:
    """Score every picture of a finished run; write ``ranking.csv`` and ``pictures/ranking.png`` into its folder.

    Args:
        folder: The run.
        bad_share: Mark this share of the pictures, the worst, 0 to 1; None marks scores above 3.

    Raises:
        HollyError: The run or its data are gone, it is not finished, or a file can't be written.
    """
    if bad_share is not None and not 0 <= bad_share < 1:
        raise HollyError(f"--bad-share {bad_share:g}: must be from 0 to below 1, the share of the pictures to mark")
    with in_parts(3) as begin:
        begin("reading the data of the run")
        run = finished_run(folder)
        pictures = _posed(run)
        counts = run.pictures.counts
        which = _bins(counts, len(run.pictures))
        begin(f"comparing {counted(len(run.pictures), run.dataset.noun)} with the structure")
        score = standardised(_excess(pictures, counts), which)
        limit = BAD_ABOVE if bad_share is None else float(np.quantile(score, 1 - bad_share))
        bad = score > limit
        reason = [_reason(picture, counts, which) if bad[picture] else "" for picture in range(len(score))]
        table, gallery = folder / "ranking.csv", folder / "pictures" / "ranking.png"
        ranking = Ranking(
            run.dataset.noun, run.pictures.names, score, bad, reason, table, gallery, run.config.deformation
        )
        begin("drawing the best and the worst")
        _write(ranking)
        _draw(pictures, ranking)
    return ranking


def standardised(values: Array, which: Array) -> Array:
    """Values ``[P]`` minus the median of their bin, divided by its standard deviation, estimated from the median deviation."""
    score = np.empty(len(values))
    for each in np.unique(which):
        rows = which == each
        away = values[rows] - np.median(values[rows])
        spread = MAD_TO_SIGMA * float(np.median(np.abs(away)))
        score[rows] = away / spread if spread > 0 else 0.0
    return score


def _bins(counts: Array | None, pictures: int) -> Array:
    """Which bin each picture is in ``[P]``: bins of about equal size by the number of localisations."""
    bins = max(1, min(MOST_BINS, pictures // PER_BIN))
    if counts is None or bins == 1:
        return np.zeros(pictures, dtype=int)
    edges = np.quantile(counts, np.linspace(0, 1, bins + 1)[1:-1])
    return np.asarray(np.searchsorted(edges, counts))


@dataclass(frozen=True)
class _Posed:
    """A run's pictures, the held-out ones too, and the structure in the poses that were found for them."""

    pictures: Split
    poses: Poses
    trainer: AnyTrainer

    def draw(self, index: torch.Tensor, sigma_nm: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Some pictures ``[B]`` at one width, and the structure's own in their poses: ``[B, S, S]`` of sum 1."""
        state, grid = self.trainer.state, self.trainer.final_stage.grid
        index = index.to(state.points.device)
        px = grid.to_pixels
        with torch.no_grad():
            pose = self.poses.rotation[index], px(self.poses.shift[index]), px(state.width(sigma_nm))
            drawn = splat(px(state.points), *pose, grid.shape)
            return normalised(self.pictures.draw(index, grid, sigma_nm)), normalised(drawn)


def _posed(run: Run) -> _Posed:
    state = run.trainer.state
    rotation, shift, loss, *_ = run.trainer.poses
    poses = Poses(rotation, shift[:, :2], loss)
    if run.pictures.held_out is not None:
        found = read_poses(run.folder / "poses.csv")
        place = {name: row for row, name in enumerate(found.names)}
        if not {*run.pictures.held_out.names} <= place.keys():
            raise HollyError(f"{run.folder / 'poses.csv'}: lacks pictures of this run; train it again with --overwrite")
        rows = [place[name] for name in run.pictures.held_out.names]
        turns = Rotation.from_rotvec(found.axis_angle[rows]).as_matrix()
        held_out = (
            torch.from_numpy(part).to(state.rotation) for part in (turns, found.shift[rows, :2], found.loss[rows])
        )
        poses = Poses(*run.pictures.join_poses(poses, Poses(*held_out))[:3])
    return _Posed(run.pictures.on(run.trainer), poses, run.trainer)


def _excess(posed: _Posed, counts: Array | None) -> Array:
    """Squared distance of the particles themselves from the structure, over its square ``[P]``."""
    found = []
    sigma = COARSE * posed.trainer.dataset.gyration_nm
    sigma_px = sigma / posed.trainer.final_stage.grid.pixel_nm
    one = 1 / (4 * np.pi * sigma_px**2)  # |K|^2 of a Gaussian of integral 1
    for start in following(range(0, len(posed.pictures), BATCH)):
        index = torch.arange(start, min(start + BATCH, len(posed.pictures)))
        given, drawn = posed.draw(index, sigma)
        squared = drawn.square().sum((1, 2)).cpu().numpy()
        distance = (given - drawn).square().sum((1, 2)).cpu().numpy()
        chance = 0.0 if counts is None else (one - squared) / counts[index.numpy()]
        found.append((distance - chance) / np.maximum(squared, np.finfo(np.float32).tiny))
    return np.concatenate(found)


def _reason(picture: int, counts: Array | None, which: Array) -> str:
    if counts is None:
        return "fitted worse than the other pictures"
    alike = counts[which == which[picture]]
    noun = "localisation" if alike.max() == 1 else "localisations"
    return f"fitted worse than others of {spanned(alike.min(), alike.max())} {noun}"


def _write(ranking: Ranking) -> None:
    with replacing(ranking.table) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["picture", "score", "bad", "reason"])
        for picture in np.argsort(-ranking.score, kind="stable"):
            marked = "yes" if ranking.bad[picture] else "no"
            writer.writerow([ranking.names[picture], f"{ranking.score[picture]:.3f}", marked, ranking.reason[picture]])


def _draw(posed: _Posed, ranking: Ranking) -> None:
    order = np.argsort(ranking.score, kind="stable")
    shown = min(SHOWN, len(order) // 2)
    sections = []
    for name, rows, colour in (("Best", order[:shown], PICKED_INK), ("Worst", order[::-1][:shown], REJECTED_INK)):
        given, drawn = posed.draw(torch.from_numpy(rows.copy()), posed.trainer.final_stage.sigma_nm)
        # Each is scaled to its own maximum: a picture of few localisations has higher peaks.
        pairs = torch.cat([one / one.amax((1, 2), keepdim=True) for one in (given, drawn)], dim=2).cpu().numpy()
        captions = [
            f"{ranking.names[row]}: {ranking.score[row]:.1f}" + ", bad" * bool(ranking.bad[row]) for row in rows
        ]
        sections.append(Section(name, list(pairs), captions, colour))
    explanation = (
        f"Left the {ranking.noun}, right the projection of the structure, each {posed.trainer.final_stage.grid.field_nm:.0f} nm "
        f"wide. Below: the {ranking.noun}'s name and score. {part_of(int(ranking.bad.sum()), len(order), ranking.noun, '{are} marked as bad')}."
    )
    draw_sheet(
        ranking.gallery,
        f"{ranking.noun.capitalize()}s by how well the structure fits them",
        explanation,
        sections,
        COLUMNS,
    )
