"""A list of particles as the tomography family has it in memory."""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from holly_triton.core.types import Array


@dataclass(frozen=True)
class ParticleList:
    """Particles of one or several tomograms; every array has N rows.

    Attributes:
        labels: class of each particle ``[N]``, a word such as ``70S``.
        positions: x, y, z ``[N, 3]`` in Å from the centre of voxel 0, float64.
        rotations: active rotations ``[N, 3, 3]`` from the reference into the tomogram, float64; None where none are known.
        scores: ``[N]`` float64, larger for surer; NaN where there is none.
        tomograms: name of each particle's tomogram ``[N]``, without folder and suffix; "" where none is stated.
        remarks: how the file was read: its unit, and what was left out, one sentence each.
    """

    labels: Array
    positions: Array
    rotations: Array | None
    scores: Array
    tomograms: Array
    remarks: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, labels: Any, positions: Any, *, rotations: Any = None, scores: Any = None, tomogram: Any = "") -> Self:
        """A list from anything that NumPy takes; one label or tomogram may stand for all rows."""
        places = np.asarray(positions, dtype=np.float64).reshape(-1, 3)
        count = len(places)
        return cls(
            labels=np.broadcast_to(np.asarray(labels, dtype=np.str_), (count,)).copy(),
            positions=places,
            rotations=None if rotations is None else np.asarray(rotations, dtype=np.float64).reshape(count, 3, 3),
            scores=np.full(count, np.nan) if scores is None else np.asarray(scores, dtype=np.float64).reshape(count),
            tomograms=np.broadcast_to(np.asarray(tomogram, dtype=np.str_), (count,)).copy(),
        )

    def __len__(self) -> int:
        return len(self.positions)

    def take(self, rows: Any) -> Self:
        """The particles of some rows: indices, or a mask ``[N]``."""
        rotations = None if self.rotations is None else self.rotations[rows]
        return type(self)(self.labels[rows], self.positions[rows], rotations, self.scores[rows], self.tomograms[rows])

    def outside(self, shape: tuple[int, ...], voxel: float) -> Array:
        """Which positions lie in no voxel of a volume of this shape ``[Z, Y, X]`` and voxel size, Å: bool ``[N]``."""
        most = (np.array(shape[::-1]) - 0.5) * voxel
        outside: Array = np.any((self.positions < -0.5 * voxel) | (self.positions >= most), axis=1)
        return outside

    @property
    def classes(self) -> list[str]:
        """The classes that occur, sorted."""
        return [str(label) for label in np.unique(self.labels)]


def joined(lists: list[ParticleList]) -> ParticleList:
    """Several lists as one; rotations are kept where every list has them."""
    rotations = [one.rotations for one in lists if one.rotations is not None]
    return ParticleList(
        labels=np.concatenate([one.labels for one in lists]),
        positions=np.concatenate([one.positions for one in lists]),
        rotations=np.concatenate(rotations) if len(rotations) == len(lists) else None,
        scores=np.concatenate([one.scores for one in lists]),
        tomograms=np.concatenate([one.tomograms for one in lists]),
    )
