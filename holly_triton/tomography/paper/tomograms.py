"""The simulated tomograms of the study: drawn from the seed, the role and the number alone, and kept in files."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from holly_triton.core.files import foreign, replacing
from holly_triton.core.types import Array
from holly_triton.io.particle_lists.particle_list import ParticleList
from holly_triton.tomography.config.optics import Optics
from holly_triton.tomography.config.simulation import TomogramSettings
from holly_triton.tomography.simulate.tomogram import simulate_tomogram
from holly_triton.tomography.structures import Density

from .config import AVERAGED, AVERAGED_TOMOGRAMS, DEFOCUS_UM, REFERENCE, SEED, Condition, StudyScale

Role = Literal["validation", "test", "average"]
ROLES: tuple[Role, ...] = ("validation", "test", "average")


@dataclass(frozen=True)
class Specimen:
    """A tomogram with its truth."""

    name: str
    values: Array
    """``[Z, Y, X]`` float32."""
    truth: ParticleList


@dataclass(frozen=True)
class Bench:
    """What draws the tomograms of a study.

    Attributes:
        scale: How large they are.
        classes: The nine.
        folder: Where they are kept.
        device: Where they are simulated.
    """

    scale: StudyScale
    classes: Sequence[Density]
    folder: Path
    device: torch.device

    def validation(self, seed: int) -> Iterator[Specimen]:
        """Those by which the paper's recipe chooses its thresholds."""
        for index in range(self.scale.validation):
            yield self._specimen("validation", seed, REFERENCE, index)

    def test(self, seed: int, condition: Condition) -> Iterator[Specimen]:
        """Those of the figures: the same particles in every condition."""
        for index in range(self.scale.test):
            yield self._specimen("test", seed, condition, index)

    def averaged(self, seed: int) -> Iterator[Specimen]:
        """Those with many ribosomes."""
        for index in range(AVERAGED_TOMOGRAMS):
            yield self._specimen("average", seed, REFERENCE, index)

    def settings(self, condition: Condition) -> TomogramSettings:
        """Of the simulation."""
        scale = self.scale
        return TomogramSettings(
            structures="", membranes=0, size_x=scale.size_x, size_y=scale.size_y, size_z=scale.size_z,
            voxel_size=scale.voxel_size, tilt=condition.tilt, step=scale.step, snr=condition.snr, optics=optics(),
        )  # fmt: skip

    def _specimen(self, role: Role, seed: int, condition: Condition, index: int) -> Specimen:
        """From its file, or simulated and kept."""
        name = f"{role}-{seed}-{condition}-{index}"
        counts = [self._count(density, role) for density in self.classes]
        wanted = [self.settings(condition).table(), [density.name for density in self.classes], counts, SEED]
        key = hashlib.sha256(json.dumps(wanted).encode()).hexdigest()
        path = self.folder / f"{name}.npz"
        if path.is_file():
            with foreign(path, "a tomogram of the study"), np.load(path) as saved:
                if str(saved["key"]) == key:
                    truth = ParticleList.of(
                        saved["labels"], saved["positions"], rotations=saved["rotations"], tomogram=name
                    )
                    return Specimen(name, saved["values"], truth)
        # The same particles and noise in every condition: differences between conditions are not chance.
        words = np.random.SeedSequence([SEED, seed, ROLES.index(role), index]).generate_state(1, np.uint64)
        generator = torch.Generator(self.device).manual_seed(int(words[0] >> np.uint64(1)))
        made = simulate_tomogram(
            self.settings(condition), generator, classes=list(zip(self.classes, counts, strict=True)), name=name
        )
        values, rotations = made.volume.cpu().numpy(), made.truth.rotations
        assert rotations is not None  # a simulation knows them
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial, partial.open("wb") as file:
            np.savez(
                file, key=key, values=values, labels=made.truth.labels, positions=made.truth.positions,
                rotations=rotations,
            )  # fmt: skip
        return Specimen(name, values, made.truth)

    def _count(self, density: Density, role: Role) -> int:
        if role == "average":
            return self.scale.average_particles // 2 if density.name == AVERAGED else max(1, self.scale.particles // 4)
        return self.scale.particles


def optics() -> Optics:
    """The microscope of the paper, as far as it is stated."""
    return Optics(defocus_um=DEFOCUS_UM)
