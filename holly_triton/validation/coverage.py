"""From which directions the pictures look, and along which axis of the structure they say little.

A picture shows what lies across its direction of view and nothing along it. So the structure's extent along an axis
is known from the pictures that look at that axis from the side, within 30 degrees of square on: half of all
directions do, whatever the axis. Counting them over all axes finds the one that is seen least (Baldwin & Lyumkis 2020
count the views that sample each Fourier voxel for the same reason). The directions are those that were *found*.

Where the cloud has a symmetry, or nearly, a picture from one direction is as good as one from each direction that the
symmetry makes alike, and the search is free to put all pictures of a pore into an eighth of the sphere. So each
picture is counted at all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from holly_triton.core.types import Array
from holly_triton.geometry.pointset import hemisphere

PICTURES_PER_CELL = 10
"""The sphere of directions is cut so that each cell would hold about this many pictures, if all were even."""
AXES = 500
"""Axes over the hemisphere that are examined; the nearest one is within about 4 degrees."""
SIDE = 0.5
"""Cosine of 60 degrees: a view that makes at least this angle with an axis sees it from the side."""
MOST_PICTURES = 5000
"""Largest number of pictures that are counted for each axis."""
POSES = 300
"""Poses about which the others are counted: a crowd that holds half of all is among them for certain."""
ALIKE_DEG = 15.0
"""Two poses closer than this are alike; of poses that are even, one in a thousand is alike to a given one."""


@dataclass(frozen=True)
class Views:
    """Directions of P pictures.

    Attributes:
        pictures: P.
        copies: Directions that the cloud's symmetry makes alike, 1 if it has none.
        cells: Pictures per cell of a sphere cut into cells of equal area ``[rows, 2 rows]``; the front is in the
            middle, above (-y) in the last row, the right (+x) right of the front.
        axis: The unit vector ``[3]``, in the cloud's frame, that is seen from the side least, and
        from_side: by how many pictures.
        alike: Largest share of all pictures that have nearly one pose, in-plane rotations included.
    """

    pictures: int
    copies: int
    cells: Array
    axis: Array
    from_side: int
    alike: float

    @property
    def side_share(self) -> float:
        """Pictures that show that axis from the side, as a fraction of those of uniform directions."""
        return 2 * self.from_side / self.pictures


def find_views(rotation: Array, symmetries: Sequence[Mapping[str, Any]] = ()) -> Views:
    """Viewing directions of the poses ``[P, 3, 3]`` of P >= 1 pictures.

    Args:
        rotation: Of each picture.
        symmetries: Figures of ``validation.symmetry`` of the cloud.
    """
    turns = _turns(symmetries)
    # A picture looks along z, which is the last row of its rotation; the viewer stands on the other side.
    viewers = np.einsum("nij,pj->pni", turns, -rotation[:, 2])
    some = viewers[:: -(-len(viewers) // MOST_PICTURES)].reshape(-1, 3)
    axes = hemisphere(AXES)
    share = np.array([(np.abs(some @ axis) <= SIDE).mean() for axis in axes])
    # Several axes may share the least; the one that most pictures look along stands for them.
    least = np.flatnonzero(share == share.min())
    axis = axes[max(least, key=lambda i: np.square(some @ axes[i]).sum())]
    return Views(
        pictures=len(viewers),
        copies=len(turns),
        cells=_cells(viewers.reshape(-1, 3), len(viewers)) / len(turns),
        axis=axis,
        from_side=round(float(share.min()) * len(viewers)),
        alike=_alike(rotation),
    )


def mollweide(direction: Array) -> tuple[float, float]:
    """Turn and height on the map, radians, of where a viewer stands ``[3]``: 0 is the front, above is positive."""
    return float(np.arctan2(direction[0], -direction[2])), float(np.arcsin(np.clip(-direction[1], -1, 1)))


def _turns(symmetries: Sequence[Mapping[str, Any]]) -> Array:
    """The rotations ``[n, 3, 3]``, the identity included, about the exact or approximate symmetry axis of the cloud."""
    axes = [s for s in symmetries if s["name"] != "mirror" and s["verdict"] != "not"]
    if not axes:
        return np.eye(3)[None]
    # What a true C8 axis has, C4 and C2 have too; of approximate symmetries the best fit is used.
    true = [s for s in axes if s["verdict"] == "symmetric"]
    best = max(true, key=lambda s: int(s["name"][1:])) if true else min(axes, key=lambda s: float(s["rmsd"]))
    order = int(best["name"][1:])
    angles = np.arange(order) * (2 * np.pi / order)
    return np.asarray(Rotation.from_rotvec(np.outer(angles, best["axis"])).as_matrix())


def _cells(viewers: Array, pictures: int) -> Array:
    rows = int(np.clip(np.sqrt(pictures / PICTURES_PER_CELL / 2), 3, 12))
    turn, height = np.arctan2(viewers[:, 0], -viewers[:, 2]), np.clip(-viewers[:, 1], -1, 1)
    return np.asarray(np.histogram2d(height, turn, bins=(rows, 2 * rows), range=((-1, 1), (-np.pi, np.pi)))[0])


def _alike(rotation: Array) -> float:
    quaternions = Rotation.from_matrix(rotation).as_quat()
    some = quaternions[:: -(-len(quaternions) // POSES)]
    # |q . p| is the cosine of half the angle between two rotations.
    near = np.cos(np.deg2rad(ALIKE_DEG) / 2)
    return max(float((np.abs(quaternions @ one) > near).mean()) for one in some)
