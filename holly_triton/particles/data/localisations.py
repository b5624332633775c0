"""Particles as ragged lists of emitters, in nm, drawn on demand at any width."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import LongTensor, Tensor

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.core.words import spanned
from holly_triton.geometry import Grid, random_rotations
from holly_triton.io.tables.scratch import on_disk
from holly_triton.kernels import splat_emitters
from holly_triton.kernels.arguments import choose_backend

from .ragged import Runs, runs

LARGEST = 1e15
"""Positions and precisions (nm) and photons above this are treated as not finite, since their squares exceed float32."""
HELD = 0.995
"""Share of the intensity inside ``radius_nm``, so that outliers do not widen the field of view."""
SAMPLED = 2**22
"""Approximate number of emitters from which statistics are computed: with more, those of every k-th particle are used."""
MOST_UNCOUNTED = 2**24
"""Rows up to which those of a batch are not counted before they are drawn on a GPU: of that many, positions take 128 MiB."""
AXES = {"x": "yzx", "y": "zxy", "z": "xyz"}
"""Axes of a picture and, last, the viewing axis: in cyclic order, so that handedness is kept."""


@dataclass(frozen=True)
class Localisations:
    """Emitters of P particles, each about its own centroid. None is empty.

    The emitters are rows of one table, which is on the disk where it is large. A particle is a contiguous run of rows:
    subsets of the particles, and views of them, share the table without copying it.

    Attributes:
        xyz: The table ``[E, 2]`` or ``[E, 3]`` float32, nm, relative to the particle's centre.
        starts: ``[P]`` int64: the first row of each particle.
        counts: ``[P]`` int64: emitters of each particle.
        centres: ``[P, 2]`` or ``[P, 3]`` float64, nm: what was subtracted.
        names: The particles' own ids.
        source: The format.
        notes: What was skipped and why, what was assumed.
        doubts: Those notes that make any result from the data doubtful.
        photons: Photons of each row ``[E]`` float32, or None where they are not stated.
        precision: Lateral localisation precision of each row ``[E]`` float32, nm, or None where it is not stated.
        precision_z: Axial localisation precision of each row ``[E]`` float32, nm, or None where it is not stated.
        channel: Place of each row's channel among ``channels`` ``[E]`` float32, NaN for none; None where there is no such column.
        channels: Names of the channels.
        axes: The columns of the table along the picture's x and y and, last, along the line of sight.
        view_rotation: ``[P, 3, 3]``: the rotation of each view, if these are ``views`` of 3D particles.
        by_photons: Whether each emitter is weighted by its photons; else all have equal weight.
    """

    xyz: Tensor
    starts: Tensor
    counts: Tensor
    centres: Tensor
    names: list[str]
    source: str
    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    photons: Tensor | None = None
    precision: Tensor | None = None
    precision_z: Tensor | None = None
    channel: Tensor | None = None
    channels: tuple[str, ...] = ()
    axes: str = AXES["z"]
    view_rotation: Tensor | None = None
    by_photons: bool = False

    def __len__(self) -> int:
        return len(self.names)

    @property
    def noun(self) -> str:
        """What one of them is called: a particle, or a view of one."""
        return "particle" if self.view_rotation is None else "view"

    @property
    def has_z(self) -> bool:
        """Whether the emitters have a third coordinate."""
        return self.xyz.shape[1] == 3 and self.view_rotation is None

    def emitters(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Positions of some particles ``[B]`` in the frame of their pictures.

        Returns:
            ``[E', 2]`` or ``[E', 3]``, nm, particle by particle, and where each begins ``[B + 1]``.
        """
        found = runs(self.starts[index], self.counts[index])
        return self._positions(found, index), found.offsets

    def _positions(self, found: Runs, index: Tensor) -> Tensor:
        xyz = self.xyz[found.rows]
        if self.axes != AXES["z"]:
            xyz = xyz[:, ["xyz".index(axis) for axis in self.axes]]
        if self.view_rotation is None:
            return xyz
        # One row of the matrix at a time: [E, 3, 3] would be the largest tensor of the program.
        turns = (self.view_rotation[index, axis][found.owner] for axis in (0, 1))
        return torch.stack([(turn * xyz).sum(dim=1) for turn in turns], dim=1)

    @cached_property
    def _longest(self) -> int:
        """Emitters of the largest particle."""
        return int(self.counts.max())

    @cached_property
    def _sample(self) -> Tensor:
        """Particles ``[B]`` from which statistics of the whole are computed."""
        step = -(-int(self.counts.sum()) // SAMPLED)
        return torch.arange(0, len(self), max(1, step), device=self.counts.device)

    @cached_property
    def radius_nm(self) -> float:
        """Circle about the centroids that holds 99.5 % of the emitters, nm, as seen along z."""
        return float(np.quantile(self._radii, HELD))

    @cached_property
    def gyration_nm(self) -> float:
        """Radius of gyration of the structure, 3D, nm: 3 / 2 of the mean square that pictures show, since they hide one axis of three."""
        # Clipped, so that a single distant localisation does not set the scale.
        return float(np.sqrt(1.5 * np.mean(self._radii.clip(max=self.radius_nm) ** 2)))

    @cached_property
    def depth_nm(self) -> float:
        """Length along the line of sight that holds 99.5 % of the emitters about the centroids, nm; 0 without z."""
        if not self.has_z:
            return 0.0
        return 2 * float(np.quantile(np.abs(self.emitters(self._sample)[0][:, 2].cpu().numpy()), HELD))

    @property
    def _radii(self) -> Array:
        xy = self.emitters(self._sample)[0].cpu().numpy()
        radii: Array = np.hypot(xy[:, 0], xy[:, 1])
        return radii

    @property
    def finest_nm(self) -> float:
        """The localisation precision, nm; 0 if it is not stated."""
        return self.precision_nm or 0.0

    @cached_property
    def precision_nm(self) -> float | None:
        """Median localisation precision, nm; None if it is not stated."""
        return self._median(self.precision)

    @cached_property
    def precision_z_nm(self) -> float | None:
        """Median localisation precision along z, nm; None if it is not stated."""
        return self._median(self.precision_z)

    def _median(self, column: Tensor | None) -> float | None:
        """Median of the finite values above 0: programs write 0 or NaN where a fit failed."""
        if column is None:
            return None
        values = column[runs(self.starts[self._sample], self.counts[self._sample]).rows]
        usable = values[(values > 0) & (values < LARGEST)]
        return float(usable.median()) if len(usable) else None

    def channel_among(self, channels: Sequence[str], rows: Tensor) -> Tensor:
        """Which of some channels each of some rows ``[E']`` of the table is of ``[E']`` int64, or -1.

        Raises:
            HollyError: The data lack one of the channels.
        """
        if lacking := [name for name in channels if name not in self.channels]:
            found = ", ".join(self.channels) or "no column of channels"
            raise HollyError(f"{self.source}: lacks the channel {lacking[0]}; found {found}")
        if self.channel is None or not channels:
            return torch.full_like(rows, -1)
        place = [channels.index(name) if name in channels else -1 for name in self.channels]
        code = self.channel[rows].nan_to_num(len(place)).long()
        return torch.tensor([*place, -1], device=rows.device)[code]

    @cached_property
    def channel_counts(self) -> Tensor:
        """Localisations of each channel in each particle ``[B, C]``; of very many particles, in some of them."""
        found = runs(self.starts[self._sample], self.counts[self._sample])
        code = self.channel_among(self.channels, found.rows)
        B, C = len(self._sample), len(self.channels)
        return torch.bincount((C * found.owner + code)[code >= 0], minlength=B * C).view(B, C)

    def precision_words(self) -> str:
        """The localisation precision in words, for the ``info`` screen."""
        axial = self.precision_z_nm
        lateral = _or_unstated(self.precision_nm, "nm (median)", self.precision)
        return (
            lateral if self.precision_z is None else f"{lateral}, along z {_or_unstated(axial, 'nm', self.precision_z)}"
        )

    def unusable_precision(self) -> list[str]:
        """Sentences about columns of precisions that hold none: programs write 0 or -1 where they have not computed them."""
        columns = {"x and y": (self.precision, self.precision_nm), "z": (self.precision_z, self.precision_z_nm)}
        return [
            f"The localisation precision along {axes} is stated, but never above 0; it was not used."
            for axes, (column, median) in columns.items()
            if column is not None and median is None
        ]

    def to(self, device: torch.device | str) -> "Localisations":
        """The same data on another device; a table on the disk stays there, and the rows that pictures need are copied."""
        if on_disk(self.xyz.nbytes):
            return self
        values: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(self)}
        moved: dict[str, Any] = {name: value.to(device) for name, value in values.items() if isinstance(value, Tensor)}
        return replace(self, **moved)

    def seen_along(self, axis: str) -> "Localisations":
        """The same particles projected along another axis.

        The axes keep their cyclic order and so the handedness: along x the picture's axes are y and z, along y z and x.

        Raises:
            HollyError: The particles have no z, and the axis is not z.
        """
        if axis == "z":
            return self
        if not self.has_z:
            raise HollyError(
                f"--axis {axis}: {self.source} has no z, so it can only be projected along z; leave that out"
            )
        centres = self.centres[:, ["xyz".index(one) for one in AXES[axis]]]
        notes = [*self.notes, f"The particles are projected along {axis}."]
        return replace(self, axes=AXES[axis], centres=centres, notes=notes)

    def weighed_by(self, weights: str) -> "Localisations":
        """The same particles, with emitters of equal weight (``"equal"``) or weighted by their ``"photons"``.

        Raises:
            HollyError: The data do not state photons.
        """
        if weights == "equal":
            return self
        if self.photons is None:
            raise HollyError(f"--weights photons: {self.source} holds no photons; leave that out")
        return replace(self, by_photons=True, notes=[*self.notes, "Localisations are weighed by their photons."])

    def draw(self, index: LongTensor | Tensor, grid: Grid, sigma_nm: float) -> Tensor:
        """Projections of some particles along the last axis, every emitter a Gaussian of integral 1 or of its weight.

        An emitter whose precision is worse than ``sigma_nm`` is drawn with its precision as its width.

        Args:
            index: ``[B]`` int64.
            grid: The picture's size and field of view.
            sigma_nm: Width of the Gaussian, nm.

        Returns:
            ``[B, S, S]`` float32, not normalised, on the device of the index.
        """
        device, index = index.device, index.to(self.starts.device)
        # On a GPU a count of the rows would be waited for, so there are as many as there can be; the last belong to no picture,
        # which Triton's kernel alone allows.
        most = len(index) * self._longest
        uncounted = choose_backend(None, self.xyz) == "triton" and most <= MOST_UNCOUNTED
        found = runs(self.starts[index], self.counts[index], most if uncounted else None)
        rows = found.rows
        xy = grid.to_pixels(self._positions(found, index)[:, :2].to(device))
        width: float | Tensor = sigma_nm / grid.pixel_nm
        if self.precision is not None:
            # Programs write NaN or 0 where a fit failed: such an emitter is drawn with sigma_nm.
            width = grid.to_pixels(self.precision[rows].to(device).nan_to_num(0, 0, 0).clamp(min=sigma_nm))
        weights = None
        if self.by_photons and self.photons is not None:
            weights = self.photons[rows].to(device).nan_to_num(0, 0, 0).clamp(min=0)
        return splat_emitters(xy, found.offsets.to(device), width, grid.shape, weights=weights)

    def views(self, per_particle: int, generator: torch.Generator) -> "Localisations":
        """2D projections of each 3D particle along uniformly random directions.

        The particle is rotated about its centroid, then z is dropped.

        Args:
            per_particle: Views of each particle. View v of particle 17 is named ``"17/v"``.
            generator: Source of the rotations, on the device of the data.

        Returns:
            ``P * per_particle`` particles of 2D emitters, which keep their ``view_rotation``.

        Raises:
            HollyError: The particles have no z.
        """
        if not self.has_z:
            raise HollyError(
                f"{self.source}: the localisations have no z, so they can't be projected along other directions"
            )
        index = torch.arange(len(self), device=self.starts.device).repeat_interleave(per_particle)
        return replace(
            self.select(index),
            centres=self.centres.new_zeros(len(index), 2),
            names=[f"{name}/{view}" for name in self.names for view in range(per_particle)],
            notes=[*self.notes, f"Each particle is projected along {per_particle} random directions."],
            view_rotation=random_rotations(len(index), generator),
        )

    def pooled(self) -> Array:
        """Emitters in one frame ``[E', 2 or 3]`` float64, nm, about their centroid; of very many particles, those of some.

        Where the particles' centres are closer together than the size of the structure, the particles were registered and
        keep their positions; else each particle is centred on its own centroid.
        """
        index = self._sample
        xyz, centres = self.emitters(index)[0].double(), self.centres[index] - self.centres[index].mean(0)
        if float(centres.norm(dim=1).median()) < self.gyration_nm:
            xyz = xyz + centres.repeat_interleave(self.counts[index], dim=0)
        return (xyz - xyz.mean(0)).cpu().numpy()

    def select(self, index: Tensor) -> "Localisations":
        """Some particles ``[B]``, in the order of the index, which may name one several times."""
        return replace(
            self,
            starts=self.starts[index],
            counts=self.counts[index],
            centres=self.centres[index],
            names=[self.names[particle] for particle in index.tolist()],
            view_rotation=None if self.view_rotation is None else self.view_rotation[index],
        )

    def summary(self) -> dict[str, str]:
        """Rows of the ``info`` screen."""
        least, most = int(self.counts.min()), int(self.counts.max())
        return {
            "format": self.source,
            "particles": str(len(self)),
            "emitters per particle": spanned(least, most)
            + (f", median {self.counts.median()}" if least < most else ""),
            "pixel size": "none: positions, not pixels",
            "extent": f"{2 * self.radius_nm:.4g} nm across"
            + (f", {self.depth_nm:.4g} nm along {self.axes[2]}" if self.has_z else ""),
            "localisation precision": self.precision_words(),
            "photons": _or_unstated(self._median(self.photons), "(median)", self.photons),
            "third dimension": "yes" if self.has_z else "no",
            **({"channels": ", ".join(self.channels)} if len(self.channels) > 1 else {}),
            "notes": " ".join(self.notes) or "nothing was skipped",
        }


def _or_unstated(value: float | None, unit: str, column: Tensor | None) -> str:
    """A median in words; without one, the column is not there, or has nothing above 0."""
    if value is None:
        return "not stated" if column is None else "stated, but never above 0"
    return f"{value:.4g} {unit}"
