"""Particles as lists of emitters: ragged, in nm, drawn at any width on the fly."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import LongTensor, Tensor

from holly_triton.errors import HollyError
from holly_triton.geometry import Grid, random_rotations
from holly_triton.kernels import splat_emitters

Array = NDArray[Any]

LARGEST = 1e15
"""Positions and precisions (nm) and photons above it count as not finite: their squares would not be, in float32."""
HELD = 0.995
"""Part of the intensity inside ``radius_nm``: stray localisations must not widen the field of view."""


@dataclass(frozen=True)
class Localisations:
    """Emitters of P particles, one particle after the other, each about its own centroid. None is empty.

    Attributes:
        xyz: ``[E, 2]`` or ``[E, 3]`` float32, nm, relative to the particle's centre.
        offsets: ``[P + 1]`` int64: particle p holds emitters ``offsets[p]`` to ``offsets[p + 1]``.
        centres: ``[P, 2]`` or ``[P, 3]`` float64, nm: what was subtracted.
        names: The particles' own ids.
        source: The format.
        notes: What was skipped and why, what was assumed.
        photons: ``[E]`` float32, or None where the data do not say.
        precision: Lateral localisation precision ``[E]`` float32, nm, or None where the data do not say.
        view_rotation: ``[P, 3, 3]``: the rotation of each view, if these are ``views`` of 3D particles.
        weights: How much each emitter counts ``[E]`` float32, or None where all count alike.
    """

    xyz: Tensor
    offsets: Tensor
    centres: Tensor
    names: list[str]
    source: str
    notes: list[str] = field(default_factory=list)
    photons: Tensor | None = None
    precision: Tensor | None = None
    view_rotation: Tensor | None = None
    weights: Tensor | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def has_z(self) -> bool:
        """Whether the emitters have a third coordinate."""
        return self.xyz.shape[1] == 3

    @property
    def counts(self) -> Tensor:
        """Emitters of each particle ``[P]``."""
        return self.offsets.diff()

    @cached_property
    def radius_nm(self) -> float:
        """Circle about the centroids that holds 99.5 % of the emitters, nm, as seen along z."""
        return float(np.quantile(self._radii(), HELD))

    @cached_property
    def gyration_nm(self) -> float:
        """Radius of gyration of the structure, 3D, nm: 3 / 2 of the mean square that pictures show, since they hide one axis of three."""
        # Clipped: one localisation a field away must not decide the scale.
        return float(np.sqrt(1.5 * np.mean(self._radii().clip(max=self.radius_nm) ** 2)))

    def _radii(self) -> Array:
        xy = self.xyz[:, :2].cpu().numpy()
        radii: Array = np.hypot(xy[:, 0], xy[:, 1])
        return radii

    @property
    def finest_nm(self) -> float:
        """The localisation precision, nm; 0 if the data do not say."""
        return self.precision_nm or 0.0

    @cached_property
    def precision_nm(self) -> float | None:
        """Median localisation precision, nm; None if the data do not say."""
        return _median_above_zero(self.precision)

    def to(self, device: torch.device | str) -> "Localisations":
        """The same data on another device."""
        return replace(
            self,
            xyz=self.xyz.to(device),
            offsets=self.offsets.to(device),
            centres=self.centres.to(device),
            photons=None if self.photons is None else self.photons.to(device),
            precision=None if self.precision is None else self.precision.to(device),
            view_rotation=None if self.view_rotation is None else self.view_rotation.to(device),
            weights=None if self.weights is None else self.weights.to(device),
        )

    def seen_along(self, axis: str) -> "Localisations":
        """The same particles with another axis last, which is the one that pictures hide.

        The others keep their cyclic order, so the hand stays: along x the picture's axes are y and z, along y z and x.

        Raises:
            HollyError: the particles have no z, and the axis is another.
        """
        if axis == "z":
            return self
        if not self.has_z:
            raise HollyError(f"--axis {axis}: {self.source} has no z, so it can only be seen along z; leave that out")
        order = {"x": [1, 2, 0], "y": [2, 0, 1]}[axis]
        notes = [*self.notes, f"The particles are seen along {axis}."]
        return replace(self, xyz=self.xyz[:, order], centres=self.centres[:, order], notes=notes)

    def weighed_by(self, weights: str) -> "Localisations":
        """The same particles, each emitter counting as one (``"equal"``) or by its ``"photons"``.

        Raises:
            HollyError: the data do not say photons.
        """
        if weights == "equal":
            return self
        if self.photons is None:
            raise HollyError(f"--weights photons: {self.source} holds no photons; leave that out")
        notes = [*self.notes, "Localisations are weighed by their photons."]
        return replace(self, weights=self.photons.nan_to_num(0, 0, 0).clamp(min=0), notes=notes)

    def draw(self, index: LongTensor | Tensor, grid: Grid, sigma_nm: float) -> Tensor:
        """Pictures of some particles, every emitter a Gaussian of integral 1 or of its weight, seen along the last axis.

        An emitter known less well than ``sigma_nm`` is drawn as wide as it is known: its precision is a floor.

        Args:
            index: ``[B]`` int64.
            grid: The picture's size and field of view.
            sigma_nm: Width of the Gaussian, nm.

        Returns:
            ``[B, S, S]`` float32, not normalised.
        """
        emitters, offsets = select_particles(self.offsets, index)
        xy = grid.to_pixels(self.xyz[emitters, :2])
        width: float | Tensor = sigma_nm / grid.pixel_nm
        if self.precision is not None:
            # Programs write NaN or 0 where a fit failed: such an emitter is as good as the others.
            width = grid.to_pixels(self.precision[emitters].nan_to_num(0, 0, 0).clamp(min=sigma_nm))
        weights = None if self.weights is None else self.weights[emitters]
        return splat_emitters(xy, offsets, width, grid.shape, weights=weights)

    def views(self, per_particle: int, generator: torch.Generator) -> "Localisations":
        """Each 3D particle as seen from uniformly random directions, in 2D.

        The rotation turns the particle about its centroid, then z is dropped.

        Args:
            per_particle: Views of each particle. View v of particle 17 is named ``"17/v"``.
            generator: Source of the rotations, on the device of the data.

        Returns:
            ``P * per_particle`` particles of 2D emitters, which keep their ``view_rotation``.

        Raises:
            HollyError: the particles have no z.
        """
        if not self.has_z:
            raise HollyError(f"{self.source}: the localisations have no z, so they can't be seen from other sides")
        index = torch.arange(len(self), device=self.xyz.device).repeat_interleave(per_particle)
        particles = self.select(index)
        offsets, seen = particles.offsets, particles.xyz
        rotation = random_rotations(len(index), generator)
        # One row of the matrix at a time: [E, 3, 3] would be the largest tensor of the program.
        rows = [rotation[:, axis].repeat_interleave(offsets.diff(), dim=0) for axis in (0, 1)]
        xy = torch.stack([(row * seen).sum(dim=1) for row in rows], dim=1)
        xy, centres = _centred(xy.double(), offsets)
        return replace(
            particles,
            xyz=xy.float(),
            centres=centres,
            names=[f"{name}/{view}" for name in self.names for view in range(per_particle)],
            notes=[*self.notes, f"Each particle is seen from {per_particle} random directions."],
            view_rotation=rotation,
        )

    def pooled(self) -> Array:
        """All emitters in one frame ``[E, 2 or 3]`` float64, nm, about their middle.

        Where the particles' centres lie closer together than the structure is large, they were put there by whoever
        registered them, and stay; else each particle is pooled about its own.
        """
        xyz, centres = self.xyz.double(), self.centres - self.centres.mean(0)
        if float(centres.norm(dim=1).median()) < self.gyration_nm:
            xyz = xyz + centres.repeat_interleave(self.counts, dim=0)
        return (xyz - xyz.mean(0)).cpu().numpy()

    def select(self, index: Tensor) -> "Localisations":
        """Some particles ``[B]``, in the order of the index, which may name one several times."""
        emitters, offsets = select_particles(self.offsets, index)
        return replace(
            self,
            xyz=self.xyz[emitters],
            offsets=offsets,
            centres=self.centres[index],
            names=[self.names[particle] for particle in index.tolist()],
            photons=None if self.photons is None else self.photons[emitters],
            precision=None if self.precision is None else self.precision[emitters],
            view_rotation=None if self.view_rotation is None else self.view_rotation[index],
            weights=None if self.weights is None else self.weights[emitters],
        )

    def summary(self) -> dict[str, str]:
        """Rows of the ``info`` screen."""
        counts = self.counts
        photons = _median_above_zero(self.photons)
        return {
            "format": self.source,
            "particles": str(len(self)),
            "emitters per particle": f"{counts.min()} to {counts.max()}, median {counts.median()}",
            "pixel size": "none: positions, not pixels",
            "extent": f"{2 * self.radius_nm:.4g} nm across",
            "localisation precision": _or_unstated(self.precision_nm, "nm (median)"),
            "photons": _or_unstated(photons, "(median)"),
            "third dimension": "yes (--views random uses it)" if self.has_z else "no",
            "notes": " ".join(self.notes) or "nothing was skipped",
        }


def offsets_from_counts(counts: Tensor) -> Tensor:
    """Where each particle begins ``[P + 1]`` int64, from how many emitters each has ``[P]``."""
    return torch.nn.functional.pad(counts.cumsum(0), (1, 0))


def select_particles(offsets: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of the emitters of particles ``index`` ``[B]``, ``[E']``, and their new offsets ``[B + 1]``."""
    counts = offsets.diff()[index]
    selected = offsets_from_counts(counts)
    shift = (offsets[index] - selected[:-1]).repeat_interleave(counts)
    return shift + torch.arange(len(shift), device=shift.device), selected


def localisations_from_rows(
    xyz: Array,
    counts: Array,
    names: Sequence[str],
    *,
    source: str,
    notes: Sequence[str] = (),
    photons: Array | None = None,
    precision: Array | None = None,
) -> Localisations:
    """Particles from rows that lie one particle after the other.

    Rows without a finite position are dropped, particles that then hold no emitter are skipped, and the notes
    say so. A z that never changes is no third dimension.

    Args:
        xyz: Absolute positions ``[E, 2]`` or ``[E, 3]``, nm.
        counts: Rows of each particle ``[P]``; some may be 0.
        names: ``[P]``.
        source: The format.
        notes: What the reader already has to say.
        photons: ``[E]`` or None.
        precision: ``[E]``, nm, or None.
    """
    finite = ((xyz < LARGEST) & (xyz > -LARGEST)).all(axis=1)  # NaN is neither
    notes = [*notes]
    if not finite.all():
        particle = np.repeat(np.arange(len(counts)), counts)[finite]
        counts = np.bincount(particle, minlength=len(counts))
        notes.append(f"{(~finite).sum()} of {len(xyz)} localisations have no finite position and were dropped.")
        xyz = xyz[finite]
        photons, precision = (None if a is None else a[finite] for a in (photons, precision))
    kept = np.flatnonzero(counts)
    if len(kept) < len(counts):
        notes.append(f"{len(counts) - len(kept)} of {len(counts)} particles hold no emitter and were skipped.")
    if xyz.shape[1] == 3 and (len(xyz) == 0 or np.ptp(xyz[:, 2]) == 0):
        xyz = xyz[:, :2]
    offsets = offsets_from_counts(torch.from_numpy(counts[kept].astype(np.int64)))
    centred, centres = _centred(torch.from_numpy(np.ascontiguousarray(xyz, dtype=np.float64)), offsets)
    return Localisations(
        xyz=centred.float(),
        offsets=offsets,
        centres=centres,
        names=[names[int(particle)] for particle in kept],
        source=source,
        notes=notes,
        photons=_float32(photons),
        precision=_float32(precision),
    )


def _centred(xyz: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """Positions relative to their particle's centroid, and the centroids ``[P, 2 or 3]``, both float64."""
    if len(xyz) == 0:
        return xyz, xyz  # segment_reduce has no answer for nothing
    counts = offsets.diff()
    # Not index_add_, which adds in another order every time on a GPU.
    centres = torch.segment_reduce(xyz, "mean", lengths=counts)
    return xyz - centres.repeat_interleave(counts, dim=0), centres


def _float32(values: Array | None) -> Tensor | None:
    with np.errstate(over="ignore"):
        return None if values is None else torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def _median_above_zero(values: Tensor | None) -> float | None:
    """Median of the finite values above 0: programs write 0 or NaN where a fit failed."""
    if values is None:
        return None
    usable = values[(values > 0) & (values < LARGEST)]
    return float(usable.median()) if len(usable) else None


def _or_unstated(value: float | None, unit: str) -> str:
    return "not stated" if value is None else f"{value:.4g} {unit}"
