"""The subtomograms of Table 2: for each range of tilts signals, for each SNR noise on them; the same for every network."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from holly_triton.core.types import Array
from holly_triton.tomography.classify.anew import Anew
from holly_triton.tomography.classify.drawn import Signals, draw_signals, with_noise
from holly_triton.tomography.classify.set_hdf5 import SetWriter, open_hdf5
from holly_triton.tomography.classify.sets import standardised
from holly_triton.tomography.classify.sources import Examples as AnyExamples
from holly_triton.tomography.classify.sources import Fixed, Kept, Kinds
from holly_triton.tomography.config.simulation import NULL, SimulationSettings, TomogramSettings
from holly_triton.tomography.structures import Density, read_density
from holly_triton.tomography.structures.finding import find_structures

from .config import OPTICS, SEED, SNRS, TILTS, VALIDATION, Stand, TableScale


@dataclass(frozen=True)
class Cell:
    """One SNR and one range of tilts, from the negative of ``tilt`` to ``tilt`` degrees."""

    snr: float
    tilt: float

    @property
    def name(self) -> str:
        """Name of its files."""
        return f"snr-{self.snr:g}-tilt-{self.tilt:g}"


def all_cells() -> list[Cell]:
    """Every cell that is compared."""
    return [Cell(snr, tilt) for tilt in TILTS for snr in SNRS]


@dataclass(frozen=True)
class Examples:
    """The subtomograms of a cell.

    Attributes:
        fixed: to train on, and to validate on.
        anew: the same signals, with noise that is drawn anew.
        test: to judge on.
    """

    fixed: Fixed
    anew: Anew
    test: Kept

    def without(self, name: str) -> "Examples":
        """The same with a class left out of the training; the test has it still, under the number it had."""
        kinds, seed = self.fixed.kinds, self.fixed.seed
        gone = kinds.classes.index(name)
        fewer = replace(kinds, classes=tuple(one for one in kinds.classes if one != name))
        validation = _dropped(self.fixed.validation, gone)
        signals = _dropped(Kept(self.anew.signals, self.anew.classes), gone)
        fixed = Fixed(fewer, _dropped(self.fixed.training, gone), validation, seed)
        anew = replace(self.anew, kinds=fewer, signals=signals.volumes, classes=signals.classes, validation=validation)
        return Examples(fixed, anew, self.test)


@dataclass(frozen=True)
class Bench:
    """What draws the subtomograms.

    Attributes:
        scale: how many there are.
        structures: folder that holds the files that the classes name, or folders with them.
        folder: where signals are kept, since they take most of the time.
    """

    scale: TableScale
    structures: Path
    folder: Path

    def settings(self, cell: Cell) -> SimulationSettings:
        """Of the simulation of a cell."""
        scale = self.scale
        seen = TomogramSettings(
            structures=",".join(stand.name for stand in scale.classes), voxel_size=scale.voxel, tilt=cell.tilt, snr=cell.snr,
            optics=OPTICS,
        )  # fmt: skip
        return SimulationSettings(subtomograms=scale.train + scale.test, box=scale.size, tomogram=seen)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names, those of boxes without a particle among them."""
        return tuple(sorted([*(stand.name for stand in self.scale.classes), NULL]))

    def draw(self, cell: Cell) -> Examples:
        """The subtomograms of a cell; they follow from its name and the scale alone.

        Raises:
            HollyError: A structure can't be read, or the signals not be written.
        """
        settings, scale = self.settings(cell), self.scale
        volumes, labels = self._signals(cell)
        truth = torch.tensor([self.classes.index(str(label)) for label in labels])
        within = np.arange(len(labels)) % (scale.train + scale.test)
        held = round(VALIDATION * scale.train)
        generator = torch.Generator().manual_seed(zlib.crc32(f"{SEED} {cell.name}".encode()))
        noisy = torch.cat([standardised(with_noise(part, settings, generator)) for part in torch.split(volumes, 64)])
        train, valid, test = (
            torch.from_numpy(chosen)
            for chosen in (within < scale.train - held, (within >= scale.train - held) & (within < scale.train), within >= scale.train)
        )  # fmt: skip
        kinds = Kinds(self.classes, scale.size, scale.voxel)
        validation = Kept(noisy[valid], truth[valid])
        fixed = Fixed(kinds, Kept(noisy[train], truth[train]), validation, SEED)
        return Examples(
            fixed, Anew(kinds, volumes[train], truth[train], validation, settings, SEED), Kept(noisy[test], truth[test])
        )

    def simulate(self, cell: Cell) -> Path:
        """The file of the signals of a cell, which is written where it is not there.

        Raises:
            HollyError: A structure can't be read, or the file not be written.
        """
        path = self.folder / f"signals-{self.scale.size}-{cell.tilt:g}.h5"
        if not path.is_file():
            settings = self.settings(cell)
            generator = torch.Generator().manual_seed(zlib.crc32(f"{SEED} {cell.tilt:g}".encode()))
            _write(path, draw_signals(self._densities(self.scale.classes), settings, generator), settings)
        return path

    def _signals(self, cell: Cell) -> tuple[Tensor, Array]:
        kept = open_hdf5(self.simulate(cell), None)
        assert kept.labels is not None
        return kept.read(np.arange(len(kept))), kept.labels

    def _densities(self, stands: Sequence[Stand]) -> list[Density]:
        places = self.places(stands)
        return [replace(read_density(places[stand.name]), name=stand.name) for stand in stands]

    def places(self, stands: Sequence[Stand]) -> dict[str, Path]:
        """The file of each structure, by the name of its class.

        Raises:
            HollyError: One is not there.
        """
        found = find_structures([stand.file for stand in stands], [self.structures])
        return {stand.name: found[stand.file] for stand in stands}


def _dropped(examples: AnyExamples, gone: int) -> Kept:
    """Examples without those of a class, whose number the next one takes over."""
    volumes, classes = examples.read(np.arange(len(examples)))
    kept = classes != gone
    return Kept(volumes[kept], torch.where(classes > gone, classes - 1, classes)[kept])


def write_test(path: Path, bench: Bench, examples: Examples) -> None:
    """Write the test subtomograms as a set, with their classes.

    Raises:
        HollyError: The file can't be written.
    """
    partial = path.with_name(path.name + ".partial")
    with SetWriter(partial, bench.scale.size, bench.scale.voxel) as writer:
        writer.append(examples.test.volumes.numpy(), labels=np.array(bench.classes)[examples.test.classes.numpy()])
    partial.replace(path)


def _write(path: Path, signals: Signals, settings: SimulationSettings) -> None:
    partial = path.with_name(path.name + ".partial")
    with SetWriter(partial, settings.box, settings.tomogram.voxel_size) as writer:
        writer.append(
            signals.volumes.numpy(), labels=signals.labels, rotations=signals.rotations.numpy(), positions=signals.positions.numpy()
        )  # fmt: skip
    partial.replace(path)
