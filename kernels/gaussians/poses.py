r"""``pose_scores``: how likely the 3D localisations of particles are under candidate poses of one structure.

The structure is given as the logarithm of its density on a grid. A pose (R, t) puts the structure's point p at ``R p + t``, so a
localisation x of the particle lies at ``R^T (x - t)`` in the structure, where its log-density L is looked up::

    scores[p, r] = sum_e  w_e L( R_r^T (x_e - t_pr) )        over the localisations e of particle p

With weights of 1 this is the log-likelihood of the pose. L is interpolated linearly along x, y and z between the centres of the
voxels. The structure's origin is the centre of the grid, index ``(n - 1) / 2`` along an axis of n voxels, as it is for the
pictures of ``splat``. A position outside is moved to the nearest one inside, so that the density at the border, which is
the background's, goes on for ever.

In PyTorch, a position in voxels is a product of the pose's three rows ``(R^T, -R^T t)`` with ``(x, 1)``. The values at its eight
voxels are read by eight calls of ``index_select``: on a CPU, rows of eight values are read no faster, and are slower to interpolate.
Particles with similar numbers of localisations are scored together, so that many small ones take no more calls than a large one.
"""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from ..arguments import (
    MOST,
    Backend,
    check_offsets,
    check_positive,
    check_tensor,
    check_values,
    choose_backend,
    read_offsets,
    refuse_gradients,
)  # fmt: skip
from ..autograd import public_operation
from ..workers import share_out

Chunk = tuple[list[int], slice]
"""Particles, and the range of poses in which they are scored at a time."""
CHUNK_BYTES = 8 * 2**20
"""Bytes of the numbers below that a thread holds at a time."""
LOOK_UP_VALUES = 13
"""Numbers held for a look-up: three coordinates, twice their whole parts, and up to four values."""


class _LookUps:
    """A log-density, and the memory for ``held`` look-ups, used again by every call: new memory would cost as much as they do.

    The log-density has one more voxel behind the last along each axis, so that every position has eight voxels about it.
    """

    def __init__(self, padded: Tensor, held: int) -> None:
        self.last = [float(size - 2) for size in reversed(padded.shape)]  # x, y, z
        self.row, self.plane = padded.stride(1), padded.stride(0)
        corners = itertools.product((0, self.plane), (0, self.row), (0, 1))
        self.from_corner = [padded.view(-1)[sum(steps) :] for steps in corners]
        self.position, self.whole = (padded.new_empty(3 * held) for _ in range(2))
        self.voxel = padded.new_empty(3 * held, dtype=torch.int32)
        self.values = padded.new_empty(4, held)

    def __call__(self, rows: Tensor, given: Tensor) -> Tensor:
        """Log-density ``[b, r, m]`` at the positions in voxels, ``[3 b, r, 4]`` times ``[3 b, 4, m]``, x y z; kept until the next call."""
        shape = 3, len(given) // 3, rows.shape[1], given.shape[2]
        total = math.prod(shape)
        position, whole, voxel = (part[:total].view(shape) for part in (self.position, self.whole, self.voxel))
        torch.bmm(rows, given, out=position.flatten(0, 1))
        for along, last in zip(position, self.last, strict=True):
            along.clamp_(0, last)
        fraction = position.sub_(torch.floor(position, out=whole))
        voxel.copy_(whole.nan_to_num_(0))
        nearest = voxel[0].add_(voxel[1], alpha=self.row).add_(voxel[2], alpha=self.plane).view(-1)

        def between(corner: int, axes: int, into: int) -> Tensor:
            """Values interpolated along the first axes, from a corner on."""
            if not axes:
                out = self.values[into, : total // 3]
                return torch.index_select(self.from_corner[corner], 0, nearest, out=out).view(shape[1:])
            near, far = between(corner, axes - 1, into), between(corner + 2 ** (axes - 1), axes - 1, into + 1)
            return near.lerp_(far, fraction[axes - 1])

        return between(0, 3, 0)


def _pose_scores_torch(
    xyz: Tensor,
    bounds: list[int],
    rotation: Tensor,
    shift: Tensor | None,
    log_density: Tensor,
    voxel: float,
    weights: Tensor | None,
) -> Tensor:
    counts, R = [last - first for first, last in itertools.pairwise(bounds)], rotation.shape[-3]
    held = max(1, CHUNK_BYTES // (LOOK_UP_VALUES * xyz.element_size()))
    padded = pad(log_density[None, None], (0, 1) * 3, mode="replicate")[0, 0].contiguous()
    centre = (xyz.new_tensor(log_density.shape).flip(0) - 1) / 2
    scores = xyz.new_empty(len(counts), R)

    def score(chunks: Sequence[Chunk]) -> None:
        look_up = _LookUps(padded, max([held, *counts]))
        for few, some in chunks:
            particles = torch.tensor(few, device=xyz.device)
            given, weight = _side_by_side(xyz, bounds, weights, few)  # [b, 4, m], [b, m]
            turned = rotation[particles, some] if rotation.ndim == 4 else rotation[None, some]
            moved = None if shift is None else shift[particles, some]
            rows = _rows(turned, moved, voxel, centre).expand(3, len(few), -1, -1)
            values = look_up(rows.flatten(0, 1), given.repeat(3, 1, 1))  # [b, r, m]
            scores[particles, some] = torch.bmm(values, weight[..., None])[..., 0]

    share_out(score, _chunks(counts, R, held), torch.get_num_threads() if xyz.device.type == "cpu" else 1)
    return scores


def _chunks(counts: list[int], poses: int, held: int) -> list[Chunk]:
    """All particles in all poses, at most ``held`` look-ups at a time, or one particle in one pose.

    Particles of similar numbers of localisations are taken together.
    """
    groups: list[list[int]] = []
    for particle in sorted(range(len(counts)), key=counts.__getitem__):
        if not groups or (len(groups[-1]) + 1) * poses * max(1, counts[particle]) > held:
            groups.append([])
        groups[-1].append(particle)
    chunks = []
    for few in groups:
        fitting = max(1, held // (len(few) * max(1, counts[few[-1]])))
        parts = max(1, -(-poses // fitting))
        turns = max(1, -(-poses // parts))  # in each part about as many
        chunks += [(few, slice(start, start + turns)) for start in range(0, poses, turns)]
    return chunks


def _side_by_side(xyz: Tensor, bounds: list[int], weights: Tensor | None, few: list[int]) -> tuple[Tensor, Tensor]:
    """Localisations ``(x, 1)`` of some particles ``[b, 4, m]``, and weights ``[b, m]``; those of an absent one are 0."""
    first, last = (xyz.new_tensor([bounds[p + end] for p in few], dtype=torch.int64)[:, None] for end in (0, 1))
    most = max(bounds[p + 1] - bounds[p] for p in few)
    at = first + torch.arange(most, device=xyz.device)
    present = at < last
    at = torch.where(present, at, 0)
    given = torch.cat([xyz[at], xyz.new_ones(*at.shape, 1)], 2) if most else xyz.new_zeros(*at.shape, 4)
    weight = given[..., 3] if weights is None or not most else weights[at]
    return torch.where(present[..., None], given, 0).transpose(1, 2), torch.where(present, weight, 0)


def _rows(rotation: Tensor, shift: Tensor | None, voxel: float, centre: Tensor) -> Tensor:
    """``(R^T, c - R^T t)`` in voxels, of rotations ``[b or 1, r, 3, 3]`` and the centre c: x y z, ``[3, b or 1, r, 4]``."""
    back = rotation.transpose(-1, -2) / voxel
    moved = centre.expand(back.shape[:-1]) if shift is None else centre - (back * shift[..., None, :]).sum(-1)
    return torch.cat([back.expand(*moved.shape, 3), moved[..., None]], -1).movedim(2, 0)


@public_operation
def pose_scores(
    xyz: Tensor,
    offsets: Tensor,
    rotation: Tensor,
    shift: Tensor | None,
    log_density: Tensor,
    voxel: float,
    *,
    weights: Tensor | None = None,
    backend: Backend | None = None,
    check: bool = False,
) -> Tensor:
    """Log-likelihood of particles of 3D localisations under candidate poses, by look-up in a log-density.

    The score of particle p and pose r is the sum over localisations ``offsets[p]`` to ``offsets[p + 1]`` of the weight times
    the log-density at ``R^T (x - t)``, interpolated linearly, with the origin at the centre of the grid, index ``(n - 1) / 2``
    along each axis. Outside, the value at the nearest border counts. Nothing of size P x R x E is held. The same input gives
    the same bits. A NaN in a localisation, a rotation or a shift makes NaN of its own scores alone. A particle without
    localisations scores 0. It has no gradient, and refuses arguments that require one.

    Args:
        xyz: Localisations of all particles, concatenated, ``[E, 3]``, relative to the centre of their particle: far from it,
            a coordinate in float32 has lost the digits that count.
        offsets: ``[P + 1]`` int64 on any device, from 0 to E, never decreasing; equal neighbours mean a particle
            without localisations. Their values are checked where that costs nothing: on CUDA only with ``check``.
        rotation: ``[R, 3, 3]`` for all particles, or ``[P, R, 3, 3]``: active, structure to particle.
        shift: ``[P, R, 3]``, in the unit of ``xyz``: where the pose puts the structure's origin; None for 0.
        log_density: ``[D, H, W]``, axes z, y, x, finite, at least one voxel.
        voxel: Side of a voxel, in the unit of ``xyz``.
        weights: Of each localisation ``[E]``; 1 if not given.
        backend: ``"triton"`` (float32 on CUDA), ``"separable"`` (PyTorch on any device), or None to choose by device
            and dtype.
        check: Also check values (finite, offsets in order), which waits for the device.

    Returns:
        ``[P, R]`` in the dtype of ``xyz`` (float32 or float64).

    Raises:
        TypeError: An argument of another type or dtype.
        ValueError: An argument of another shape, device or, with ``check``, value, or one that requires a gradient.

    Example:
        >>> import torch
        >>> from holly_triton.kernels import pose_scores
        >>> x = torch.arange(9.0) - 4
        >>> rod = -(x[:, None, None] ** 2 + x[:, None] ** 2 + (x / 4) ** 2)  # along x
        >>> along_y = torch.tensor([[0.0, 6, 0], [0, -6, 0], [0, 2, 0]])
        >>> quarter_turn = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])  # x to y
        >>> pose_scores(along_y, torch.tensor([0, 3]), torch.stack([torch.eye(3), quarter_turn]), None, rod, voxel=2.0)
        tensor([[-19.0000,  -1.1875]])
    """
    xyz = check_tensor("xyz", xyz, "E 3")
    P = len(check_offsets(offsets)) - 1
    shared = isinstance(rotation, Tensor) and rotation.ndim == 3
    rotation = check_tensor("rotation", rotation, "R 3 3" if shared else "P R 3 3", xyz, P=P)
    if shift is not None:
        shift = check_tensor("shift", shift, "P R 3", xyz, P=P, R=rotation.shape[-3])
    log_density = check_tensor("log_density", log_density, "D H W", xyz)
    if not 0 < log_density.numel() <= MOST:
        raise ValueError(f"log_density must have from 1 to {MOST} voxels, got {list(log_density.shape)}")
    voxel = check_positive("voxel", voxel)
    weights = None if weights is None else check_tensor("weights", weights, "E", xyz, E=len(xyz))
    chosen = choose_backend(backend, xyz)
    refuse_gradients("pose_scores", xyz=xyz, rotation=rotation, shift=shift, log_density=log_density, weights=weights)
    xyz, rotation, log_density = xyz.detach(), rotation.detach(), log_density.detach()
    shift, weights = (None if part is None else part.detach() for part in (shift, weights))
    if check:
        check_values(xyz=xyz, rotation=rotation, shift=shift, log_density=log_density, weights=weights)
    if chosen == "separable":
        bounds = read_offsets(offsets, len(xyz))
        return _pose_scores_torch(xyz, bounds, rotation, shift, log_density, voxel, weights)
    from .triton_poses import pose_scores_triton

    # Reading offsets back would stall a GPU; the kernel clamps them.
    if check or not offsets.is_cuda:
        read_offsets(offsets, len(xyz))
    return pose_scores_triton(xyz, offsets, rotation, shift, log_density, voxel, weights)
