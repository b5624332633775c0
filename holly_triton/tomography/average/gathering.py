"""From picks and tomograms to boxes: which picks are used, and where each came from."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.core.log import LOG
from holly_triton.core.progress import following
from holly_triton.core.types import Array
from holly_triton.core.words import counted, part_of
from holly_triton.io.particle_lists.particle_list import ParticleList, joined
from holly_triton.io.particle_lists.reading import read_particles
from holly_triton.io.volumes.reading import read_volume
from holly_triton.io.volumes.volume import Volume
from holly_triton.tomography.config.averaging import CONTROL_DISTANCE, FEWEST, SAME_VOXEL
from holly_triton.tomography.config.optics import Optics
from holly_triton.tomography.inspection.checks import check_tomogram
from holly_triton.tomography.structures import Density

from .extraction import extract, random_positions
from .imaging import Imaging
from .particles import Particles, normalised


class Source(NamedTuple):
    """Files and how to read them."""

    picks: Path
    tomograms: tuple[Path, ...]
    name: str | None = None
    """Class of the picks that are averaged; None for all, which must be of one."""
    voxel_size: float | None = None
    box_angstrom: float | None = None
    binning: int = 1
    tilt: tuple[float, float] = (-60.0, 60.0)
    optics: Optics | None = None
    contrast: Literal["dark", "bright"] = "dark"


@dataclass(frozen=True)
class Gathered:
    """Boxes and where they come from; every array has N rows.

    Attributes:
        particles: The boxes.
        remainder: Where each pick lies in its box ``[N, 3]``, voxels of the boxes.
        picks: The picks that have a box.
        centres: The voxels on which the boxes have their centres ``[N, 3]``, x y z in Å.
        outside: Number of picks whose box leaves the tomogram.
    """

    particles: Particles
    remainder: Tensor
    picks: ParticleList
    centres: Array
    outside: int

    @property
    def rotation(self) -> Tensor | None:
        """What the picks came with ``[N, 3, 3]``, if all have one."""
        given = self.picks.rotations
        if given is None or not np.isfinite(given).all():
            return None
        return torch.from_numpy(given).float().to(self.remainder.device)

    def placed(self, rotation: Tensor, shift: Tensor, score: Tensor) -> ParticleList:
        """The picks with refined positions, rotations and scores."""
        moved = self.centres + shift.cpu().double().numpy() * self.particles.imaging.voxel
        turned = rotation.cpu().double().numpy()
        return replace(self.picks, positions=moved, rotations=turned, scores=score.cpu().double().numpy())


class Opened(NamedTuple):
    """The tomograms by name, the picks of each, and the box."""

    volumes: dict[str, Volume]
    picks: ParticleList
    size: int
    voxel: float
    """Of the tomograms, Å."""


def stem(path: Path) -> str:
    """The name of a tomogram in lists of particles."""
    return path.name.removesuffix(".gz").rsplit(".", 1)[0]


def open_source(source: Source, reference: Density | None) -> Opened:
    """Read the lists and open the tomograms.

    Raises:
        HollyError: A file can't be read, voxels differ, no pick is in a tomogram, several classes, or no box is given, or one too large.
    """
    volumes = {}
    for path in source.tomograms:
        if stem(path) in volumes:
            raise HollyError(f"{path}: two tomograms are called {stem(path)}; rename one, in the list of picks too")
        volume = read_volume(path, source.voxel_size)
        for remark in volume.remarks:
            LOG.info("%s: %s", path, remark)
        check_tomogram(path, volume.values, tilt=source.tilt, contrast=source.contrast)
        volumes[stem(path)] = volume
    first, voxel = source.tomograms[0], next(iter(volumes.values())).voxel
    for path, volume in zip(source.tomograms, volumes.values(), strict=True):
        if abs(volume.voxel / voxel - 1) > SAME_VOXEL:
            raise HollyError(
                f"{path}: its voxels are {volume.voxel:g} Å, and those of {first} {voxel:g} Å; average tomograms of one voxel "
                "size, or give the true one with --voxel-size"
            )
    shape = next(iter(volumes.values())).values.shape
    picks = read_particles(source.picks, voxel_size=source.voxel_size or voxel, shape=shape)
    for remark in picks.remarks:
        LOG.info("%s: %s", source.picks, remark)
    picks = _of_tomograms(_of_class(picks, source), source, volumes)
    size = _box(source, reference, voxel)
    if size * source.binning > max(max(volume.values.shape) for volume in volumes.values()):
        side = size * source.binning * voxel
        raise HollyError(f"{source.picks}: a box of {side:g} Å does not fit in the tomogram; give a smaller --box")
    return Opened(volumes, picks, size, voxel)


def _of_class(picks: ParticleList, source: Source) -> ParticleList:
    held = ", ".join(picks.classes)
    if source.name is None:
        if len(picks.classes) > 1:
            raise HollyError(f"{source.picks}: holds the classes {held}; choose one with --class")
        return picks
    chosen = picks.take(picks.labels == source.name)
    if not len(chosen):
        raise HollyError(f"{source.picks}: holds no particle of the class {source.name}; it holds {held or 'none'}")
    return chosen


def _of_tomograms(picks: ParticleList, source: Source, volumes: dict[str, Volume]) -> ParticleList:
    """The picks that are in the given tomograms."""
    if not len(picks):
        raise HollyError(f"{source.picks}: holds no pick; give a list with the particles to average")
    stated = {str(name) for name in picks.tomograms}
    if len(volumes) == 1 and len(stated) == 1 and stated != set(volumes):
        (name,) = volumes
        if stated != {""}:
            LOG.info("%s: its tomogram is called %s; taken for %s", source.picks, *stated, source.tomograms[0])
        return replace(picks, tomograms=np.full(len(picks), name))
    here = np.isin(picks.tomograms, list(volumes))
    if not here.any():
        raise HollyError(
            f"{source.picks}: no pick is in {', '.join(volumes)}; its tomograms are {', '.join(sorted(stated))}; "
            "give them with --tomogram"
        )
    if not here.all():
        LOG.warning("%s: %s", source.picks, part_of(int((~here).sum()), len(picks), "pick", "{are} in other tomograms and {were} left out"))  # fmt: skip
    return picks.take(here)


def _box(source: Source, reference: Density | None, voxel: float) -> int:
    """Voxels along a side of a box after binning, even."""
    side = source.box_angstrom
    if side is None:
        if reference is None:
            raise HollyError(f"{source.picks}: the size of the boxes is not known; give --box, about 1.5 times the diameter, in Å")  # fmt: skip
        side = 1.5 * reference.diameter
    size = 2 * round(side / (2 * voxel * source.binning))
    if size < 8:
        raise HollyError(f"--box {side:g}: a box of {counted(size, 'voxel')} holds no structure; give a larger one, or less --binning")  # fmt: skip
    return size


def gather(source: Source, opened: Opened, device: torch.device) -> Gathered:
    """Cut the boxes of the picks.

    Raises:
        HollyError: Too few boxes lie in the tomograms.
    """
    lots = []
    for name in following(list(opened.volumes)):
        rows = np.flatnonzero(opened.picks.tomograms == name)
        found = extract(
            opened.volumes[name].values, opened.picks.positions[rows], opened.size, opened.voxel, binning=source.binning
        )
        lots.append((rows[found.kept], found))
    rows, boxes = np.concatenate([kept for kept, _ in lots]), torch.cat([found.boxes for _, found in lots])
    outside = len(opened.picks) - len(rows)
    if len(rows) < FEWEST:
        raise HollyError(
            f"{source.picks}: {part_of(len(rows), len(opened.picks), 'pick', '{have}')} a box in the tomogram, and an average takes {FEWEST}; "
            f"check the unit of the positions with tomo info, or give a smaller --box"
        )
    if outside:
        LOG.warning("%s: %s", source.picks, part_of(outside, len(opened.picks), "pick", "{are} too near to an edge for the box and {were} left out"))  # fmt: skip
    imaging = Imaging(opened.voxel * source.binning, source.tilt, source.optics, source.contrast)
    centres = np.concatenate([found.centres for _, found in lots]) * opened.voxel
    remainder = torch.cat([found.remainder for _, found in lots])
    # In the order of the file, whichever tomogram came first.
    order = np.argsort(rows)
    chosen = torch.from_numpy(order)
    return Gathered(
        Particles(normalised(boxes[chosen]).to(device), imaging), remainder[chosen].to(device),
        opened.picks.take(rows[order]), centres[order], outside,
    )  # fmt: skip


def gather_control(
    source: Source, opened: Opened, count: int, device: torch.device, generator: torch.Generator
) -> Gathered:
    """Boxes at random positions away from the picks, as many in each tomogram as its share of the picks.

    Raises:
        HollyError: There is no room for so many.
    """
    names = list(opened.volumes)
    shares = np.array([(opened.picks.tomograms == name).mean() for name in names])
    counts = np.floor(shares * count).astype(int)
    counts[np.argmax(shares)] += count - counts.sum()
    side = opened.size * opened.voxel * source.binning
    lists = []
    for name, many in zip(names, counts, strict=True):
        here = opened.picks.positions[opened.picks.tomograms == name]
        places = random_positions(
            opened.volumes[name].values.shape, opened.voxel, side, int(many), here, CONTROL_DISTANCE * side, generator
        )
        lists.append(ParticleList.of("control", places, tomogram=name))
    return gather(source, opened._replace(picks=joined(lists)), device)
