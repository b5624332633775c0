"""A volume as the tomography family has it in memory."""

from dataclasses import dataclass, field

from holly_triton.core.types import Array


@dataclass(frozen=True)
class Volume:
    """A density on a grid of cubic voxels.

    Attributes:
        values: ``[Z, Y, X]``; an index is the centre of its voxel, and the centre of the volume is ``n // 2``.
        voxel: side of a voxel, Å.
        remarks: what the reader had to assume or leave out, one sentence each.
    """

    values: Array
    voxel: float
    remarks: list[str] = field(default_factory=list)
