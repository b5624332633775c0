"""Simulated particles with the noise of single-molecule localisation: the three models of the HOLLy paper.

Blundell et al. 2021, section 3.3: sites without a label (missing), sites that bind several fluorophores
(spawn), and fluorophores that lie off their site (scatter).
"""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.core.types import Array
from holly_triton.geometry import Grid, random_rotations, rotation_from_axis_angle
from holly_triton.io.channels import PointChannels
from holly_triton.particles.data.grouping import localisations_from_rows
from holly_triton.particles.data.localisations import Localisations
from holly_triton.particles.data.ragged import offsets_from_counts, runs

from .config import Photophysics
from .simulated_stretch import Stretch

PICTURE_PX = 128
PICTURE_SIGMA_PX = 2**0.5
"""Side of the paper's pictures and their final sigma, in pixels."""
MARGIN = 4.0
"""Margin of a picture about the structure, in standard deviations of scatter and PSF."""
CHUNK_SITES = 2**22
"""Sites labelled at a time."""


class Precision(NamedTuple):
    """Standard deviations of a localisation about its fluorophore."""

    lateral_nm: float  # along x and y
    axial_nm: float  # along z


@dataclass(frozen=True)
class Simulation:
    """P simulated particles, those without emitters among them, and the truth.

    Attributes:
        points: The structure ``[N, 3]`` float64, nm, centred.
        positions: Emitters of all particles, concatenated, ``[E, 2]`` or, in 3D, ``[E, 3]`` float32, nm from the picture's
            centre.
        offsets: ``[P + 1]`` int64: particle p holds emitters ``offsets[p]`` to ``offsets[p + 1]``.
        rotation: ``[P, 3, 3]`` float32.
        shift: ``[P, 2]`` or ``[P, 3]`` float32, nm: ``position = rotation @ point + shift``, without z in 2D.
        scatter_nm: Scatter of the simulation, localisation error included, nm.
        precision: Error of a localisation along x and y, and along z, nm; None where it is not a part of the data.
        site: Point of the structure that each emitter labels ``[E]`` int64.
        channels: The channel of each point, if the structure states it.
        others: Further structures of a mixture, each like ``points``.
        amplitude: Root-mean-square displacement of each particle's sites by its stretch ``[P]`` float32, nm, negative for a
            compression; None where all particles are alike.
        structure: Of which structure each particle of a mixture is ``[P]`` int64, from 0, ``points`` first; None for one alone.
    """

    points: Array
    positions: Tensor
    offsets: Tensor
    rotation: Tensor
    shift: Tensor
    scatter_nm: float
    site: Tensor
    precision: Precision | None = None
    channels: PointChannels | None = None
    amplitude: Tensor | None = None
    others: tuple[Array, ...] = ()
    structure: Tensor | None = None

    @property
    def structures(self) -> tuple[Array, ...]:
        """All structures, in the order that ``structure`` counts."""
        return (self.points, *self.others)

    @property
    def localisations(self) -> Localisations:
        """The particles that hold emitters, named by their number from 0, as if read from a file."""
        counts = self.offsets.diff().numpy()
        names = [str(picture) for picture in range(len(counts))]
        measured: dict[str, Array] = {}
        if self.precision is not None:
            measured["precision"] = np.full(len(self.positions), self.precision.lateral_nm)
            if self.positions.shape[1] == 3:
                measured["precision_z"] = np.full(len(self.positions), self.precision.axial_nm)
        made = localisations_from_rows(self.positions.numpy(), counts, names, source="simulation", **measured)
        if self.channels is None:
            return made
        of = torch.from_numpy(self.channels.of)[self.site].float()
        return replace(made, channel=of, channels=self.channels.names)

    @property
    def grid(self) -> Grid:
        """The smallest picture that holds every particle in any orientation and with any shift."""
        widest = max(np.linalg.norm(points, axis=1).max() for points in self.structures)
        reach = widest + float(self.shift.norm(dim=1).max()) + MARGIN * self.scatter_nm
        psf_part = 2 * MARGIN * PICTURE_SIGMA_PX / PICTURE_PX
        return Grid(PICTURE_PX, 2 * reach / (1 - psf_part))


def simulate(
    points_nm: Array,
    images: int,
    *,
    scatter_nm: float = 0.0,
    missing: float = 0.0,
    max_spawn: int = 1,
    spawn_rate: float = 1.0,
    shift_nm: float = 0.0,
    in_plane: int = 1,
    photophysics: Photophysics | None = None,
    precision: Precision | None = None,
    dimensions: int = 2,
    channels: PointChannels | None = None,
    stretch: Stretch | None = None,
    generator: torch.Generator,
) -> Simulation:
    """Simulate particles of one structure, each in a uniformly random orientation and with independent labels.

    A site is labelled with probability ``1 - missing``. A labelled site carries Binomial(``max_spawn``,
    ``spawn_rate``) fluorophores, possibly none. Each fluorophore is displaced from its site by a 3D Gaussian.

    Args:
        points_nm: Sites ``[N, 3]``, nm; centred before use.
        images: Particles that are drawn independently.
        scatter_nm: Standard deviation of a fluorophore about its site along each axis, nm.
        missing: Probability that a site is not labelled.
        max_spawn: Largest number of fluorophores of a site.
        spawn_rate: Probability of each of them.
        shift_nm: Shifts along x and y are uniform within plus and minus this, nm.
        in_plane: Number of copies of every particle, rotated in the plane of the picture by equal angles together
            with their emitters and shifts.
        photophysics: Blinking and localisation of each fluorophore; None localises each once, without error.
        precision: A further error of each localisation, which the data state; None for none.
        dimensions: 2: positions as projected along z; 3: with z.
        channels: The channel of each site, which is that of its localisations; None for one.
        stretch: How far each particle is stretched along the structure's z; None for not at all.
        generator: The only source of random numbers, on the CPU.

    Returns:
        ``images * in_plane`` particles; the rotated copies of one follow each other.

    Raises:
        HollyError: A parameter is out of range.
    """
    _check(images, scatter_nm, missing, max_spawn, spawn_rate, shift_nm, in_plane)
    points = np.asarray(points_nm, dtype=np.float64)
    points = points - points.mean(axis=0)
    sites = torch.from_numpy(points).float()
    rotation = random_rotations(images, generator)
    shift = shift_nm * (2 * torch.rand(images, dimensions, generator=generator) - 1)
    chunk = max(1, CHUNK_SITES // len(sites))
    frames = rotation if stretch is None else rotation @ stretch.matrix
    drawn = []
    for turns, by in zip(torch.split(frames, chunk), torch.split(shift, chunk), strict=True):
        emitters, many, of = _label(sites, turns, scatter_nm, missing, max_spawn, spawn_rate, generator)
        drawn.append((emitters[:, :dimensions] + by.repeat_interleave(many, dim=0), many, of))
    positions, counts, site = (torch.cat(parts) for parts in zip(*drawn, strict=True))
    if photophysics is not None:
        positions, counts, site = _blink(positions, counts, site, photophysics, generator)
        scatter_nm = math.hypot(scatter_nm, photophysics.precision_nm)
    if precision is not None:
        error = torch.tensor([precision.lateral_nm, precision.lateral_nm, precision.axial_nm])[:dimensions]
        positions = positions + error * torch.randn(positions.shape, generator=generator)
        scatter_nm = math.hypot(scatter_nm, precision.lateral_nm)
    once = Simulation(
        points, positions, offsets_from_counts(counts), rotation, shift, scatter_nm, site, precision, channels,
        None if stretch is None else stretch.amplitude_nm,
    )  # fmt: skip
    return once if in_plane == 1 else _turned(once, in_plane)


def _check(
    images: int,
    scatter: float,
    missing: float,
    max_spawn: int,
    spawn_rate: float,
    shift: float,
    in_plane: int,
) -> None:
    wrong = [
        (images < 1, f"--images {images}: must be at least 1"),
        (not 0 <= scatter < float("inf"), f"--scatter {scatter:g}: must be 0 nm or more"),
        (not 0 <= missing <= 1, f"--missing {missing:g}: is a probability, from 0 to 1"),
        (max_spawn < 1, f"--max-spawn {max_spawn}: must be at least 1"),
        (not 0 <= spawn_rate <= 1, f"--spawn-rate {spawn_rate:g}: is a probability, from 0 to 1"),
        (not 0 <= shift < float("inf"), f"--shift {shift:g}: must be 0 nm or more"),
        (in_plane < 1, f"--in-plane {in_plane}: must be at least 1"),
    ]
    for is_wrong, message in wrong:
        if is_wrong:
            raise HollyError(message)


def _label(
    sites: Tensor,
    frames: Tensor,
    scatter_nm: float,
    missing: float,
    max_spawn: int,
    spawn_rate: float,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Emitters of some particles ``[E, 3]`` without shift, how many each particle has ``[B]``, and the site of each ``[E]``.

    ``frames`` ``[B, 3, 3]`` take the sites to their places: rotations, perhaps after a stretch.
    """
    shape = len(frames), len(sites)
    labelled = torch.rand(shape, generator=generator) >= missing
    trials = labelled * float(max_spawn)
    fluorophores = torch.binomial(trials, torch.full(shape, float(spawn_rate)), generator=generator).long()
    placed = sites @ frames.transpose(1, 2)  # [B, N, 3]
    emitters = placed.flatten(0, 1).repeat_interleave(fluorophores.flatten(), dim=0)
    # An isotropic Gaussian in 3D is the same before and after the rotation.
    emitters += scatter_nm * torch.randn(emitters.shape, generator=generator)
    site = torch.arange(len(sites)).repeat(len(frames)).repeat_interleave(fluorophores.flatten())
    return emitters, fluorophores.sum(dim=1), site


def _blink(
    positions: Tensor, counts: Tensor, site: Tensor, photophysics: Photophysics, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Localisations ``[E', D]`` of fluorophores ``[E, D]``, how many each particle has ``[P]``, and their sites ``[E']``."""
    logarithm = math.log(photophysics.median) + photophysics.spread * torch.randn(len(positions), generator=generator)
    times = logarithm.exp().round().clamp(min=1).long()
    seen = positions.repeat_interleave(times, dim=0)
    seen += photophysics.precision_nm * torch.randn(seen.shape, generator=generator)
    particle = torch.arange(len(counts)).repeat_interleave(counts)
    counts = torch.bincount(particle, times.double(), minlength=len(counts)).long()
    return seen, counts, site.repeat_interleave(times)


def _turned(simulation: Simulation, times: int) -> Simulation:
    """Every particle ``times`` times, rotated about z by equal angles."""
    angle = torch.arange(times) * (2 * torch.pi / times)
    turn = rotation_from_axis_angle(torch.nn.functional.pad(angle[:, None], (2, 0)))
    index = torch.arange(len(simulation.rotation)).repeat_interleave(times)
    turn = turn.repeat(len(simulation.rotation), 1, 1)
    emitters, offsets, _ = runs(simulation.offsets[index], simulation.offsets.diff()[index])
    seen = slice(simulation.positions.shape[1])
    each = turn[:, seen, seen].repeat_interleave(offsets.diff(), dim=0)
    return replace(
        simulation,
        positions=(each @ simulation.positions[emitters, :, None])[..., 0],
        offsets=offsets,
        site=simulation.site[emitters],
        rotation=turn @ simulation.rotation[index],
        shift=(turn[:, seen, seen] @ simulation.shift[index, :, None])[..., 0],
        amplitude=None if simulation.amplitude is None else simulation.amplitude[index],
    )
