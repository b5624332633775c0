"""Figures 12 and 13 of the study: averages of one class from picks, from the truth, and from random positions, with their FSC.

The last of these is the paper's control: positions at which there is no particle of the class, aligned to the same reference.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from holly_triton.core.files import foreign, replacing
from holly_triton.core.log import LOG
from holly_triton.core.types import Array
from holly_triton.io.particle_lists.particle_list import ParticleList, joined
from holly_triton.tomography.average.extraction import extract, random_positions
from holly_triton.tomography.average.fsc import Fsc, soft_sphere
from holly_triton.tomography.average.gathering import Gathered
from holly_triton.tomography.average.imaging import Imaging
from holly_triton.tomography.average.particles import Particles, Poses, normalised
from holly_triton.tomography.average.refinement import Plan, begin, iterate
from holly_triton.tomography.average.results import Result, resulting
from holly_triton.tomography.config.averaging import CONTROL_DISTANCE, FEWEST, Averaging
from holly_triton.tomography.segment.model import Model
from holly_triton.tomography.structures import Density, draw_map

from .config import AVERAGED, DENSITY_RESOLUTION, REFERENCE
from .methods import network_method
from .tomograms import Bench, Specimen, optics

VERSION = 2
"""Of the way in which averages are made and judged: those of another one are made anew."""
BOX_DIAMETERS = 1.5
"""Side of the boxes, diameters of the class."""
HALF = 0.5
"""FSC that is reported beside 0.143."""
PICKS, TRUTH, RANDOM = "picks", "truth", "random"
WORDS = {
    PICKS: "picks of our network, aligned to the structure at 60 Å",
    TRUTH: "true positions and rotations",
    RANDOM: "random positions, aligned alike",
}


@dataclass(frozen=True)
class Averaged:
    """The averages of one seed.

    Attributes:
        seed: Of the tomograms and the network.
        names: Of the K averages, keys of ``WORDS``.
        counts: Particles of each ``[K]``.
        resolution: At 0.143, Å ``[K]``; infinite where there is none.
        frequency: 1/Å ``[S]``.
        correlation: Of the half averages ``[K, S]``.
        volumes: ``[K, n, n, n]``.
    """

    seed: int
    names: list[str]
    counts: list[int]
    resolution: list[float]
    frequency: Array
    correlation: Array
    volumes: Array

    def coarser(self, name: str) -> float:
        """Å at which the half averages first correlate less than ``HALF``: where 0.143 is at the edge of what voxels hold."""
        frequency, correlation = (
            torch.from_numpy(part) for part in (self.frequency, self.correlation[self.names.index(name)])
        )
        return Fsc(frequency, correlation, torch.zeros_like(frequency, dtype=torch.bool)).resolution(HALF)


def average_all(bench: Bench, seed: int, model: Model, folder: Path) -> None:
    """Average what is not there yet, and keep it.

    Raises:
        HollyError: A file can't be written.
    """
    if read_averaged(bench, seed, folder) is not None:
        return
    density = next(each for each in bench.classes if each.name == AVERAGED)
    size = 2 * round(BOX_DIAMETERS * density.diameter / bench.scale.voxel_size / 2)
    specimens = _specimens(bench, seed, size)
    made: dict[str, tuple[int, Result]] = {}
    for name, particles in _lists(bench, specimens, model, size, seed).items():
        gathered = _gathered(bench, specimens, particles, size)
        if len(gathered.picks) < FEWEST:
            LOG.warning("%s: %d particles are too few for an average", WORDS[name], len(gathered.picks))
            continue
        LOG.info("%s: averaging %d particles", WORDS[name], len(gathered.picks))
        made[name] = len(gathered.picks), _averaged(bench, gathered, density, size, aligned=name != TRUTH)
    if not made:
        return
    results = [result for _, result in made.values()]
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(_path(folder, seed)) as partial, partial.open("wb") as file:
        np.savez(
            file, key=_key(bench), names=list(made), counts=[count for count, _ in made.values()],
            resolution=[result.curve.resolution() for result in results], frequency=results[0].curve.frequency.cpu(),
            correlation=np.stack([result.curve.correlation.cpu() for result in results]),
            volumes=np.stack([result.average.cpu() for result in results]),
        )  # fmt: skip


def read_averaged(bench: Bench, seed: int, folder: Path) -> Averaged | None:
    """The averages of a seed; None where they are not there or were made with other settings.

    Raises:
        HollyError: The file is damaged.
    """
    path = _path(folder, seed)
    if not path.is_file():
        return None
    with foreign(path, "averages of the study"), np.load(path) as saved:
        if str(saved["key"]) != _key(bench):
            return None
        return Averaged(
            seed, [str(name) for name in saved["names"]], saved["counts"].tolist(), saved["resolution"].tolist(),
            saved["frequency"], saved["correlation"], saved["volumes"],
        )  # fmt: skip


def _specimens(bench: Bench, seed: int, size: int) -> list[Specimen]:
    """Tomograms until the boxes of ``average_particles`` particles lie in them, or all there are."""
    found, held = [], 0
    for specimen in bench.averaged(seed):
        found.append(specimen)
        held += _inside(bench, specimen, specimen.truth, size)
        if held >= bench.scale.average_particles:
            break
    return found


def _inside(bench: Bench, specimen: Specimen, particles: ParticleList, size: int) -> int:
    """How many of the particles that are averaged have their box in a tomogram."""
    here = particles.take((particles.tomograms == specimen.name) & (particles.labels == AVERAGED))
    return int(extract(specimen.values, here.positions, size, bench.scale.voxel_size).kept.sum())


def _lists(bench: Bench, specimens: Sequence[Specimen], model: Model, size: int, seed: int) -> dict[str, ParticleList]:
    """Positions of each average; of as many random ones as there are picks whose box lies in the tomogram."""
    picker = network_method(model)
    found = [picker(specimen, REFERENCE) for specimen in specimens]
    picks = joined([each.picks.take(each.picks.scores >= each.thresholds[AVERAGED]) for each in found])
    picks = picks.take(picks.labels == AVERAGED)
    truth = joined([specimen.truth for specimen in specimens])
    truth = truth.take(truth.labels == AVERAGED)
    generator = torch.Generator().manual_seed(seed)
    side = size * bench.scale.voxel_size
    places = []
    for specimen in specimens:
        here = truth.positions[truth.tomograms == specimen.name]
        count = _inside(bench, specimen, picks, size)
        away = random_positions(
            specimen.values.shape, bench.scale.voxel_size, side, count, here, CONTROL_DISTANCE * side, generator
        )
        places.append(ParticleList.of(RANDOM, away, tomogram=specimen.name))
    return {PICKS: picks, TRUTH: truth, RANDOM: joined(places)}


def _gathered(bench: Bench, specimens: Sequence[Specimen], particles: ParticleList, size: int) -> Gathered:
    """Boxes about the particles that have one."""
    voxel, lots = bench.scale.voxel_size, []
    for specimen in specimens:
        here = particles.take(particles.tomograms == specimen.name)
        cut = extract(specimen.values, here.positions, size, voxel)
        lots.append((here.take(cut.kept), cut))
    boxes = torch.cat([cut.boxes for _, cut in lots]).to(bench.device)
    imaging = Imaging(voxel, (-REFERENCE.tilt, REFERENCE.tilt), optics())
    kept = joined([here for here, _ in lots])
    return Gathered(
        Particles(normalised(boxes), imaging), torch.cat([cut.remainder for _, cut in lots]).to(bench.device), kept,
        np.concatenate([cut.centres for _, cut in lots]) * voxel, len(particles) - len(kept),
    )  # fmt: skip


def _averaged(bench: Bench, gathered: Gathered, density: Density, size: int, *, aligned: bool) -> Result:
    """Aligned to the density, or at the rotations that the particles have."""
    voxel, device = bench.scale.voxel_size, bench.device
    start = draw_map(density, size, voxel, DENSITY_RESOLUTION * voxel).to(device) if aligned else None
    rotation = None if aligned else gathered.rotation
    plan = Plan(
        Averaging(align=aligned), soft_sphere(size).to(device), start, rotation is not None, gathered.particles.imaging
    )
    poses = None if rotation is None else Poses.of(rotation, gathered.remainder)
    state = begin(gathered.particles, plan, poses, gathered.remainder, torch.Generator().manual_seed(0))
    while state.iteration < plan.iterations:
        state = iterate(gathered.particles, plan, state)
    return resulting(gathered, plan, state, None)


def _key(bench: Bench) -> str:
    return json.dumps([VERSION, bench.scale.table(), [density.name for density in bench.classes]])


def _path(folder: Path, seed: int) -> Path:
    return folder / f"{seed}.npz"
