"""Particles of 3D localisations, with the precision of each localisation along the microscope's axes."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.core.words import part_of
from holly_triton.particles.data import Localisations
from holly_triton.particles.data.localisations import LARGEST
from holly_triton.particles.data.ragged import offsets_from_counts, runs

from .labels import Blinks, Labels, find_blinks, merged
from .mixture import Padded

OUTLYING = 0.98
"""Share of the localisations whose distances from the centres set the scale of the structure."""


class Ragged(NamedTuple):
    """Localisations of B particles, one particle after the other."""

    xyz: Tensor  # [E, 3] nm
    offsets: Tensor  # [B + 1] int64


@dataclass(frozen=True)
class Batch:
    """Some localisations of each of B particles, in both layouts that the computation needs."""

    ragged: tuple[Ragged, ...]  # one for each channel
    padded: Padded


@dataclass(frozen=True)
class Particles:
    """P particles of 3D localisations about their medians, which far background moves less than it moves centroids.

    Attributes:
        data: The particles as read.
        xyz: ``[E, 3]`` float32, nm, particle by particle, in the frame of the pictures.
        variance: ``[E, 3]`` float32, nm^2, along the microscope's axes; 0 where the data state no precision.
        offsets: ``[P + 1]`` int64: the first row of each particle.
        middle: ``[P, 3]`` nm: each particle's median, relative to its centroid.
        channels: Names of the channels that have a cloud each; () where all localisations are of one.
        channel: ``[E]`` int64: which of these each localisation is of, or -1.
        blinks: How often labels are localised, where those localisations were merged that are of one label: rows are labels then.
    """

    data: Localisations
    xyz: Tensor
    variance: Tensor
    offsets: Tensor
    middle: Tensor
    channels: tuple[str, ...]
    channel: Tensor
    blinks: Blinks | None = None

    @property
    def seen(self) -> str:
        """What a row is of, and likelihoods with it: a localisation or a label."""
        return "localisation" if self.blinks is None else "label"

    @staticmethod
    def of(data: Localisations, channels: tuple[str, ...] = (), blinks: Blinks | None = None) -> "Particles":
        """The particles of a data set that has z, with a cloud for each of some channels.

        With ``blinks`` the localisations of a label are merged; the data have to state a precision.

        Raises:
            HollyError: The data lack one of the channels.
        """
        xyz, offsets = data.emitters(torch.arange(len(data), device=data.starts.device))
        rows = runs(data.starts, data.counts).rows
        nothing = xyz.new_zeros(len(xyz))
        lateral = variances(data.precision, rows)
        lateral = nothing if lateral is None else lateral
        axial = variances(data.precision_z, rows)
        along = {"x": lateral, "y": lateral, "z": lateral if axial is None else axial}
        variance = torch.stack([along[axis] for axis in data.axes], dim=1)
        channel = data.channel_among(channels, rows)
        if blinks is not None:
            # A label is of one channel, also where all are pooled.
            xyz, variance, offsets, kind = merged(
                Labels(xyz, variance, offsets, data.channel_among(data.channels, rows)), blinks
            )
            place = [channels.index(name) if name in channels else -1 for name in data.channels]
            channel = torch.tensor([*place, -1], device=xyz.device)[kind]
        counts = offsets.diff()
        middle = torch.stack([part.median(dim=0).values for part in torch.split(xyz, counts.tolist())])
        centred = xyz - middle.repeat_interleave(counts, dim=0)
        return Particles(data, centred, variance, offsets, middle, channels, channel, blinks)

    def others(self, data: Localisations) -> "Particles":
        """Those of other data, treated as these are and on their device.

        Raises:
            HollyError: They lack one of the channels, or the precision by which localisations of a label are merged.
        """
        if self.blinks is not None and (data.precision_nm is None or data.precision_z_nm is None):
            raise HollyError(
                f"{data.source}: states no usable localisation precision along each axis, by which the run merged the localisations of "
                "each label; --columns precision=NAME,precision_z=NAME names its columns"
            )
        return Particles.of(data, self.channels, self.blinks).to(self.xyz.device)

    def by_label(self) -> "Particles":
        """The same with the localisations of a label merged, where labels are localised repeatedly and a precision is stated.

        It has to be along z too: with that of x and y in its place, labels would be left in parts.
        """
        if self.data.precision_nm is None or self.axial_unknown:
            return self
        kind = self.data.channel_among(self.data.channels, runs(self.data.starts, self.data.counts).rows)
        blinks = find_blinks(Labels(self.xyz, self.variance, self.offsets, kind), self.gyration_nm())
        return self if blinks is None else replace(self, blinks=blinks).others(self.data)

    def to(self, device: torch.device | str) -> "Particles":
        """The same particles on another device."""
        moved = {name: getattr(self, name).to(device) for name in ("xyz", "variance", "offsets", "middle", "channel")}
        return replace(self, data=self.data.to(device), **moved)

    def __len__(self) -> int:
        return len(self.data)

    def select(self, index: Tensor) -> "Particles":
        """Some particles ``[B]``, in the order of the index."""
        some = self.data.select(index.to(self.data.starts.device))
        return Particles.of(some, self.channels, self.blinks).to(self.xyz.device)

    @property
    def counts(self) -> Tensor:
        """Localisations, or labels, of each particle ``[P]``."""
        return self.offsets.diff()

    @property
    def notes(self) -> list[str]:
        """Sentences about the channels, and about what is assumed of the precision."""
        said = []
        if self.channels:
            said.append(own_clouds(self.channels))
        if unknown := int((self.channel < 0).sum()) if self.channels else 0:
            said.append(
                part_of(unknown, len(self.channel), "localisation", "{are} of no channel and {count} as background.")
            )
        if self.data.precision_nm is None:
            said.append(
                "The data state no usable localisation precision: the fitted label scatter includes it, along z by a second number."
            )
        elif self.data.precision_z_nm is None:
            said.append(
                "The data state no usable localisation precision along z: it was taken to be that along x and y, and the label scatter "
                "that is fitted along z includes what is missing."
            )
        if self.blinks is not None:
            each, seen = self.blinks.localisations, self.blinks.labels
            said.append(
                f"Labels are localised repeatedly, {each:.1f} times in the mean: their localisations were merged, about {seen:.0f} labels "
                "a particle. Likelihoods are of a label."
            )
        return said

    @property
    def axial_unknown(self) -> bool:
        """Whether the data state no usable precision along z, so that the blur along it is fitted by itself."""
        return self.data.precision_z_nm is None

    @property
    def by_size(self) -> Tensor:
        """Indices of the particles by their number of localisations ``[P]``: those of a batch are padded to its largest."""
        return self.counts.argsort(stable=True)

    @property
    def typical_variance(self) -> float:
        """Median variance of a localisation, nm^2, mean over the axes."""
        return float(self.variance.median(dim=0).values.mean())

    def reach_nm(self) -> float:
        """Distance from the centres within which nearly all localisations lie, nm."""
        return float(self._distances().quantile(OUTLYING))

    def gyration_nm(self) -> float:
        """Radius of gyration of the localisations about the centres, nm, those far out counted at the bounds."""
        distance = self._distances()
        return float(distance.clamp(max=float(distance.quantile(0.95))).square().mean().sqrt())

    def _distances(self) -> Tensor:
        step = -(-len(self.xyz) // 2**20)
        distance: Tensor = torch.linalg.vector_norm(self.xyz[::step], dim=1)
        return distance

    def batch(self, index: Tensor, most: int, generator: torch.Generator) -> Batch:
        """At most ``most`` localisations, drawn at random, of each of some particles ``[B]``."""
        counts = self.offsets[index + 1] - self.offsets[index]
        widest = int(counts.max())
        slot = torch.arange(widest, device=index.device)
        there = slot < counts[:, None]
        if widest > most:  # the first of a random order
            key = torch.rand(len(index), widest, generator=generator, device=index.device)
            slot = torch.where(there, key, 2.0).argsort(dim=1)[:, :most]
            counts = counts.clamp(max=most)
            there = torch.arange(most, device=index.device) < counts[:, None]
        row = torch.where(there, self.offsets[index, None] + slot, 0)
        xyz, variance = self.xyz[row], self.variance[row]
        padded = Padded(xyz, variance, there.to(xyz.dtype))
        if self.channels:
            kinds = torch.arange(len(self.channels), device=index.device)
            of = there[..., None] & (self.channel[row][..., None] == kinds)  # [B, M, C]
            padded = padded._replace(membership=of.to(xyz.dtype))
        return Batch(ragged(padded), padded)


def ragged(data: Padded) -> tuple[Ragged, ...]:
    """The same localisations one particle after the other, those of each channel."""
    own = data.mask[..., None] if data.membership is None else data.membership
    return tuple(Ragged(data.xyz[of], offsets_from_counts(of.sum(dim=1))) for of in (own > 0).unbind(dim=2))


def own_clouds(channels: tuple[str, ...]) -> str:
    """The sentence about channels that have a cloud each."""
    return f"Each channel ({', '.join(channels)}) has a cloud of its own, in the same frame and poses."


def variances(column: Tensor | None, rows: Tensor) -> Tensor | None:
    """Squares of a column of precisions; programs write 0 or NaN where a fit failed, which gets the median."""
    if column is None:
        return None
    value = column[rows]
    usable = _usable(value)
    if usable.all():
        return value.square()
    known = column[_usable(column)]  # of all rows, so that one has the same value in any company
    return torch.where(usable, value, known.median()).square() if len(known) else None


def _usable(precision: Tensor) -> Tensor:
    return (precision > 1 / LARGEST) & (precision < LARGEST)
