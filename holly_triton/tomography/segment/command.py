"""The command ``tomo pick``: a tomogram's file to a list of particles, with doubts about the tomogram in words."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from holly_triton.core.console import console
from holly_triton.core.device import find_device
from holly_triton.core.errors import HollyError
from holly_triton.core.log import LOG
from holly_triton.core.progress import watched
from holly_triton.core.stop import DONE, STOPPED, Stop, stoppable
from holly_triton.core.types import Array
from holly_triton.core.words import counted
from holly_triton.io.particle_lists.particle_list import ParticleList
from holly_triton.io.particle_lists.writing import write_particles
from holly_triton.io.volumes.reading import read_volume
from holly_triton.io.volumes.volume import Volume
from holly_triton.io.volumes.writing import write_volume
from holly_triton.tomography.config.picking import LEAST_FACTOR, MOST_FACTOR, SAME_VOXEL, Cluster
from holly_triton.tomography.config.training import Contrast
from holly_triton.tomography.inspection.checks import check_tomogram
from holly_triton.tomography.places import check_places

from .clusters import mean_shift
from .doubts import contrast_doubts
from .model import SHIPPED, Model, model_path, read_model
from .normalise import Normalisation
from .picking import Candidates, as_particles, find_candidates, margin_of, without_excluded
from .resampling import resampled
from .tiles import Scores, largest_side, tiles


class Options(NamedTuple):
    """What the command line gives, beside the files."""

    voxel_size: float | None = None
    contrast: Contrast | None = None
    threshold: float | None = None
    cluster: Cluster = "peaks"
    scores: Path | None = None
    averaged: bool = True
    device: str = "auto"
    overwrite: bool = False


class _StoppedError(Exception):
    """A signal requested a stop between two tiles."""


class Picked(NamedTuple):
    """Particles of a tomogram, the model that found them, the tomogram, and the map that was asked for."""

    particles: ParticleList
    model: Model
    volume: Volume
    foreground: Array | None


def pick_file(path: Path, out: Path, model_file: Path, options: Options) -> int:
    """Pick the particles of a tomogram; return the exit code.

    Raises:
        HollyError: A file can't be read or written, or the model is of another voxel size.
    """
    check_places(out, options.scores, overwrite=options.overwrite)
    try:
        with stoppable() as stop:
            particles, model, volume, foreground = pick_particles(path, model_file, options, stop)
    except _StoppedError:
        print(f"Stopped; {out} was not written")
        return STOPPED
    write_particles(out, particles, voxel_size=volume.voxel, shape=volume.values.shape)
    if foreground is not None and options.scores is not None:
        write_volume(options.scores, foreground, model.voxel)
        print(f"{options.scores}: the share of all classes together in each voxel")
    print(f"{out}: {_counts(particles, model)}")
    return DONE


def pick_particles(path: Path, model_file: Path, options: Options, stop: Stop | None = None) -> Picked:
    """The particles of a tomogram, which are written nowhere.

    Args:
        path: The tomogram.
        model_file: What ``tomo train`` has written, or ``default``.
        options: As of the command; those about files that are written are not used.
        stop: Requests the end after the current tile, by an error that ``pick_file`` catches.

    Raises:
        HollyError: A file can't be read, or the model is of another voxel size.
    """
    model_file = model_path(model_file)
    model = read_model(model_file, find_device(options.device))
    volume = read_volume(path, options.voxel_size)
    for remark in volume.remarks:
        LOG.info("%s: %s", path, remark)
    check_tomogram(path, volume.values)
    values = _at_voxel_of(model, volume, path, model_file)
    normalisation = Normalisation.of(values, options.contrast or model.contrast, str(path))
    for doubt in contrast_doubts(model, values, normalisation):
        LOG.warning("%s: %s", path, doubt)
    name = path.name.removesuffix(".gz").rsplit(".", 1)[0]
    maps = _Maps(values.shape, options)
    found = _found(model, values, normalisation, options, maps, stop or Stop())
    return Picked(as_particles(found, model, name), model, volume, maps.foreground)


class _Maps:
    """Maps of the whole tomogram, of which only those are kept that are needed."""

    def __init__(self, shape: tuple[int, ...], options: Options) -> None:
        self.foreground = np.zeros(shape, np.float32) if options.scores is not None else None
        self.labels = np.zeros(shape, np.uint8) if options.cluster == "mean-shift" else None

    def keep(self, answer: Scores) -> None:
        """The core of a tile."""
        inner = tuple(
            slice(core.start - seen.start, core.stop - seen.start)
            for core, seen in zip(answer.tile.core, answer.tile.seen, strict=True)
        )
        shares = answer.shares[(slice(None), *inner)]
        if self.foreground is not None:
            self.foreground[answer.tile.core] = (1 - shares[0]).cpu().numpy()
        if self.labels is not None:
            self.labels[answer.tile.core] = shares.argmax(0).cpu().numpy()


def _found(
    model: Model, values: Array, normalisation: Normalisation, options: Options, maps: _Maps, stop: Stop
) -> Candidates:
    """Candidates under a bar, tile by tile."""
    device = next(model.network.parameters()).device
    side = largest_side(values.shape, model.network, device)
    total = len(tiles(values.shape, side, model.network, margin_of(model)))
    thresholds = np.array(model.thresholds)
    if options.threshold is not None:
        thresholds = np.full(len(thresholds), options.threshold)
    columns = TextColumn("picking"), BarColumn(), MofNCompleteColumn(), TextColumn("tiles"), TimeElapsedColumn()
    with Progress(*columns, console=console, disable=not watched()) as bar:
        task = bar.add_task("picking", total=total)

        def watch(answer: Scores) -> None:
            maps.keep(answer)
            bar.advance(task)
            if stop.asked:
                raise _StoppedError

        found = find_candidates(
            model, values, normalisation, thresholds, averaged=options.averaged, side=side, watch=watch
        )
    radii = np.array(model.radii) / model.voxel
    if maps.labels is None:
        return without_excluded(found, radii)
    clusters = mean_shift(maps.labels, radii)
    return clusters.taken(clusters.scores > (options.threshold or 0.0))


def _at_voxel_of(model: Model, volume: Volume, path: Path, model_file: Path) -> Array:
    """The tomogram's values at the voxel size of the model.

    Raises:
        HollyError: The sizes are too different.
    """
    factor = model.voxel / volume.voxel
    if abs(factor - 1) <= SAME_VOXEL:
        return volume.values
    trained = "the model that ships" if model_file == SHIPPED else str(model_file)
    sizes = f"{path}: its voxels are {volume.voxel:g} Å, and {trained} was trained for {model.voxel:g} Å"
    if not LEAST_FACTOR <= factor <= MOST_FACTOR:
        raise HollyError(
            f"{sizes}; bin the tomogram, train a model for this size, or give the true one with --voxel-size"
        )
    LOG.warning("%s; the tomogram was resampled to that size, and a model trained for its own may find more", sizes)
    return resampled(volume.values, factor)


def _counts(particles: ParticleList, model: Model) -> str:
    each = ", ".join(f"{name} {int((particles.labels == name).sum())}" for name in model.classes)
    return f"{counted(len(particles), 'particle')}: {each}"
