"""Conventions in which picks appear to differ from the truth: unit, order of the axes, an offset."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations, product

import numpy as np

from holly_triton.core.words import counted
from holly_triton.io.particle_lists.particle_list import ParticleList
from holly_triton.tomography.config.scoring import FEWEST_TO_JUDGE, GOOD, POOR

from .evaluate import Score
from .matching import match

AXES = "xyz"
UNRELATED = (
    ": check that both lists are of the same tomogram, that their positions have the same unit (--voxel-size) and origin, and that "
    "their axes have the same order (tomo info shows the extent of each)"
)


def doubts(picks: ParticleList, truth: ParticleList, score: Score) -> list[str]:
    """Sentences about what may be wrong with the picks, beside what the figures show."""
    said = list(_classes(picks, truth))
    if not min(len(picks), len(truth)) or score.blind.recall > POOR:
        return said
    tolerance, judged = score.settings.tolerance_angstrom, min(len(picks), len(truth)) >= FEWEST_TO_JUDGE
    differing = [*_conventions(picks, truth, tolerance)] if judged else []
    if not differing and not score.blind.matched:
        differing.append(f"No pick lies within {tolerance:.4g} Å of a particle of the truth{UNRELATED}")
    elif not differing and judged and _is_chance(picks, truth, score):
        near = f"Only {score.blind.matched} of {counted(len(picks), 'pick')} are within {tolerance:.4g} Å of a particle"
        differing.append(f"{near}, no more than by chance{UNRELATED}")
    return said + differing


def _classes(picks: ParticleList, truth: ParticleList) -> Iterator[str]:
    alone = sorted({*picks.classes} - {*truth.classes})
    if alone and len(truth):
        yield (
            f"The truth has no particles of the class {', '.join(alone)}: all picks of it are false and count in the means; "
            "--classes leaves classes out"
        )


def _conventions(picks: ParticleList, truth: ParticleList, tolerance: float) -> Iterator[str]:
    def recall(positions: np.ndarray) -> float:
        return len(match(replace(picks, positions=positions), truth, tolerance, by_class=False).pick) / len(truth)

    for order in permutations(range(3)):
        if order != (0, 1, 2) and recall(picks.positions[:, order]) > GOOD:
            yield (
                f"The order of the axes appears to differ: {GOOD:.0%} of the particles are found where the picks' x, y, z are "
                f"read as {', '.join(AXES[axis] for axis in order)}"
            )
    voxel = _scale(picks, truth)
    if voxel > 1 and recall(picks.positions * voxel) > GOOD:
        yield f"The picks appear to be in voxels and not in Å: --voxel-size {voxel:.4g} would fit"


def _is_chance(picks: ParticleList, truth: ParticleList, score: Score) -> bool:
    """Whether few of the picks are near a particle, and no more than three deviations above their mirror images about their middle.

    Where many are, they lie where the particles do; the images of picks in a line or a sheet find as many.
    """
    if score.blind.precision > POOR:
        return False
    middle = np.nanmean(picks.positions, axis=0)
    mirrored = [middle + (picks.positions - middle) * signs for signs in product((1, -1), repeat=3) if min(signs) < 0]
    tolerance = score.settings.tolerance_angstrom
    found = [len(match(replace(picks, positions=places), truth, tolerance, by_class=False).pick) for places in mirrored]
    return bool(score.blind.matched <= np.mean(found) + 3 * np.sqrt(np.mean(found)))


def _scale(picks: ParticleList, truth: ParticleList) -> float:
    """Ratio of the spreads of both lists, which is the voxel size where the picks are in voxels."""
    spread = [float(np.nanstd(each.positions, axis=0).mean()) for each in (picks, truth)]
    return spread[1] / spread[0] if spread[0] > 0 else 0.0
