"""Particles held out of the training, and how well the final structure fits them.

A structure that is overfitted to the noise of its pictures fits these better than others of the same kind. Therefore a
share of the particles is held out of the training, and the cloud that was made without them is scored on them. Poses
that were refined together with the cloud fit it better than poses found afterwards, for any cloud; so as many training
pictures are scored in comparison, with poses searched again in the same way.
"""

import math
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.core.progress import following
from holly_triton.core.types import Array
from holly_triton.core.words import counted, part_of
from holly_triton.geometry import Grid
from holly_triton.io.metrics import Fit, HeldOut
from holly_triton.particles.cloud.train import Trainer
from holly_triton.particles.data import Dataset, Drawable, Localisations
from holly_triton.particles.data.dataset import FEWEST_PICTURES
from holly_triton.particles.poses.refine import Poses
from holly_triton.particles.poses.rescue import find_poses, unexplained_of
from holly_triton.particles.spatial.poses import Chosen
from holly_triton.particles.spatial.train import SpatialTrainer

AnyTrainer = Trainer | SpatialTrainer
AnyPoses = Poses | Chosen

FEWEST_HELD_OUT = 10
"""Least number of held-out particles: the mean loss of fewer is dominated by chance."""


@dataclass(frozen=True)
class Split:
    """The pictures of a run in the order of its data, split into training and held-out pictures.

    Attributes:
        training: The training pictures.
        held_out: The held-out pictures; None if there are none.
        is_held_out: Whether each of all pictures is held out, ``[P]``.
        notes: A sentence about the number of held-out pictures, if the settings hold any out.
    """

    training: Dataset
    held_out: Dataset | None
    is_held_out: Array
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.is_held_out)

    @property
    def names(self) -> list[str]:
        """The pictures' own ids ``[P]``."""
        names = [""] * len(self)
        for part, rows in self._parts():
            for row, name in zip(rows, part.names, strict=True):
                names[row] = name
        return names

    @property
    def counts(self) -> Array | None:
        """Localisations of each picture ``[P]``; None where the data are pixels."""
        counts = [part.counts for part, _ in self._parts() if part.counts is not None]
        if not counts:
            return None
        both: Array = (counts[0] if self.held_out is None else self.join(*counts)).cpu().numpy()
        return both

    @property
    def finest_nm(self) -> float:
        """Sigma below which the data have no detail, nm; 0 if it is not stated."""
        return max(part.finest_nm for part, _ in self._parts())

    def draw(self, index: Tensor, grid: Grid, sigma_nm: float) -> Tensor:
        """Pictures ``[B, S, S]`` of some particles ``[B]`` at one width, not normalised."""
        images = torch.zeros(len(index), *grid.shape, device=index.device)
        for part, rows in self._parts():
            place = torch.full((len(self),), -1)
            place[torch.from_numpy(rows)] = torch.arange(len(rows))
            row = place.to(index.device)[index]
            images[row >= 0] = part.draw(row[row >= 0], grid, sigma_nm)
        return images

    def join(self, training: Tensor, held_out: Tensor) -> Tensor:
        """Rows in the order of the data ``[P, ...]``, from the rows of training and of held-out pictures."""
        order = np.argsort(np.argsort(self.is_held_out, kind="stable"))
        return torch.cat([training, held_out])[torch.from_numpy(order).to(training.device)]

    def join_poses(self, training: AnyPoses, held_out: AnyPoses) -> AnyPoses:
        """Poses in the order of the data, from those of training and of held-out pictures."""
        return type(training)(*(self.join(*rows) for rows in zip(training, held_out, strict=True)))

    def on(self, trainer: AnyTrainer) -> "Split":
        """The same on the device of the run, which holds the training pictures already."""
        held_out = None if self.held_out is None else self.held_out.to(trainer.state.points.device)
        return replace(self, training=trainer.dataset, held_out=held_out)

    def _parts(self) -> list[tuple[Dataset, Array]]:
        """Each data set, and which of all pictures it holds."""
        parts = [(self.training, np.flatnonzero(~self.is_held_out))]
        return parts if self.held_out is None else [*parts, (self.held_out, np.flatnonzero(self.is_held_out))]


def split(dataset: Dataset, share: float) -> Split:
    """Hold out a share of the particles, with all views of each.

    The choice depends only on the names of the particles: runs with other seeds hold out the same ones, so that they are
    independent of the consensus too; and excluding other particles (``--exclude``) changes almost nothing.
    """
    held_out = _choose(dataset, share)
    count = int(held_out.sum())
    if not count:
        return Split(dataset, None, held_out, (_too_few(dataset, share),) if share > 0 else ())
    note = part_of(count, len(dataset), dataset.noun, "{are} held out of the training, to check the structure on them.")
    training, others = (dataset.select(torch.from_numpy(np.flatnonzero(part))) for part in (~held_out, held_out))
    return Split(training, others, held_out, (note,))


def score_held_out(pictures: Split, trainer: AnyTrainer) -> tuple[HeldOut, AnyPoses] | None:
    """How well the final cloud fits the held-out pictures, and their poses; None where there are none."""
    if pictures.held_out is None:
        return None
    if isinstance(trainer, SpatialTrainer):
        found, again = compare_in_space(trainer, pictures.held_out, len(pictures.held_out))
        return HeldOut(**asdict(fit_of(found, again)), names=pictures.held_out.names), found.poses
    device = trainer.state.points.device
    pictures = pictures.on(trainer)
    held_out, training = (np.flatnonzero(part) for part in (pictures.is_held_out, ~pictures.is_held_out))
    some = training[evenly(len(training), min(len(held_out), len(training)))]
    # Together, so that they share their candidates, which makes the comparison fair and saves most of the cost.
    index = torch.from_numpy(np.concatenate([held_out, some])).to(device)
    both = search(trainer, pictures, index, passes=0)
    found, again = (
        Found(Poses(*(rows[part] for rows in both.poses)), both.unexplained[part])
        for part in (slice(len(held_out)), slice(len(held_out), None))
    )
    return HeldOut(**asdict(fit_of(found, again)), names=[pictures.names[row] for row in held_out]), found.poses


class Found(NamedTuple):
    """Poses from a search for B pictures, and the share of each picture's intensity that is not reproduced.

    Of 3D localisations it is the share of them in the background.
    """

    poses: AnyPoses
    unexplained: Tensor  # [B]


def compare_in_space(trainer: SpatialTrainer, dataset: Dataset, most: int) -> tuple[Found, Found]:
    """Poses of other particles of 3D localisations, and of at most ``most`` of a run's own, searched in the same way.

    Raises:
        HollyError: The others have no z.
    """
    if not isinstance(dataset, Localisations) or not dataset.has_z:
        raise HollyError(f"{dataset.source}: has no z; this run is of 3D localisations, and needs more of these")
    own = evenly(len(trainer.particles), min(len(dataset), len(trainer.particles), most))
    others = trainer.particles.others(dataset)
    parts = others, trainer.particles.select(torch.from_numpy(own))
    found, again = (trainer.search(part) for part in parts)
    return Found(found.poses, found.unexplained), Found(again.poses, again.unexplained)


def search(trainer: Trainer, dataset: Drawable, index: Tensor, *, passes: int) -> Found:
    """Poses of some pictures ``[B]`` under a run's final cloud, from a search without initial poses, as ``find_poses``."""
    plan, state, found = trainer.plan, trainer.state, []
    generator = torch.Generator(index.device).manual_seed(plan.config.seed)
    for some in following(torch.split(index, plan.config.search.dense_batch)):
        found.append(find_poses(plan, state, dataset, some, generator, passes=passes))
    poses = Poses(*(torch.cat(rows) for rows in zip(*found, strict=True)))
    return Found(poses, unexplained_of(plan, state, dataset, index, poses))


def fit_of(found: Found, training: Found) -> Fit:
    """The fit of pictures in the poses found for them, in comparison with that of training pictures."""
    return Fit(
        pictures=len(found.unexplained),
        pictures_training=len(training.unexplained),
        loss=found.poses.mean_loss(),
        loss_training=training.poses.mean_loss(),
        unexplained=float(found.unexplained.mean()),
        unexplained_training=float(training.unexplained.mean()),
    )


def explain_fit(fit: Fit, kind: str, dimensions: int | None, *, by_label: bool = False) -> str:
    """The fit in a sentence.

    Args:
        fit: The figures.
        kind: Which pictures it is about.
        dimensions: What the run was made from.
        by_label: Whether localisations of a label were merged.
    """
    if dimensions == 3:
        return (
            f"{counted(fit.pictures, f'{kind} particle')}: mean log-likelihood of a {'label' if by_label else 'localisation'} {-math.log(fit.loss):.3f} "
            f"(density in nm^-3, natural logarithm), {fit.unexplained:.1%} of them in the background; "
            f"{counted(fit.pictures_training, 'training particle')}, their poses searched in the same way: "
            f"{-math.log(fit.loss_training):.3f}, {fit.unexplained_training:.1%}. A much smaller log-likelihood of {kind} "
            "particles indicates overfitting."
        )
    return (
        f"{counted(fit.pictures, f'{kind} picture')}: {fit.unexplained:.1%} of their intensity is unexplained; of "
        f"{counted(fit.pictures_training, 'training picture')}, their poses searched in the same way, "
        f"{fit.unexplained_training:.1%}. A much larger value for {kind} pictures indicates overfitting."
    )


def held_out_of(particles: int, share: float) -> int:
    """How many of the particles are held out: none where the share of them would be too few for a comparison."""
    count = round(share * particles)
    return count if count >= FEWEST_HELD_OUT else 0


def evenly(count: int, wanted: int) -> Array:
    """Indices of ``wanted`` items, evenly spaced over all of them, ``[wanted]`` int64."""
    return np.linspace(0, count - 1, wanted).astype(np.int64)


def _too_few(dataset: Dataset, share: float) -> str:
    """Why none are held out, and the share that would suffice."""
    count = len(set(_particles(dataset)))
    least = math.ceil(1000 * FEWEST_HELD_OUT / count) / 1000
    enough = f", as --held-out {least:g} gives" if least <= 0.5 and count - FEWEST_HELD_OUT >= FEWEST_PICTURES else ""
    return (
        f"No {dataset.noun} is held out of the training: {share:.3g} of {counted(count, 'particle')} would be "
        f"{round(share * count)}, and at least {FEWEST_HELD_OUT} are needed{enough}."
    )


def _particles(dataset: Dataset) -> list[str]:
    """The particle that each picture is of ``[P]``."""
    if isinstance(dataset, Localisations) and dataset.view_rotation is not None:
        return [name.rpartition("/")[0] for name in dataset.names]  # of view v of particle 17, which is 17/v
    return dataset.names


def _choose(dataset: Dataset, share: float) -> Array:
    """Which pictures ``[P]`` are held out; none where these, or the remaining ones, would be too few."""
    particles = _particles(dataset)
    distinct = sorted(set(particles), key=lambda name: blake2b(name.encode(), digest_size=8).digest())
    chosen = {*distinct[: held_out_of(len(distinct), share)]}
    held_out = np.array([name in chosen for name in particles])
    return held_out if len(held_out) - held_out.sum() >= FEWEST_PICTURES else np.zeros_like(held_out)
