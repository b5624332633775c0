"""Tomograms that are simulated as a training goes: new ones take the place of old ones, so that none is learnt by heart."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import torch

from holly_triton.core.errors import HollyError
from holly_triton.tomography.config.simulation import TomogramSettings
from holly_triton.tomography.config.training import Contrast, LabelNoise, Renewal
from holly_triton.tomography.simulate.tomogram import Tomogram, read_classes, simulate_tomogram
from holly_triton.tomography.structures import Density

from .radii import Counted, radii_of
from .scenes import Scene
from .sources import Kinds

TRAINING, VALIDATION, LABELS = 1, 2, 3
"""Purposes of random numbers; those of patches are for 0."""


@dataclass(frozen=True)
class Simulated:
    """Tomograms by number, each always the same for the same seed; ``scenes`` holds those that a step draws from."""

    settings: TomogramSettings
    classes: list[tuple[Density, int]]
    renewal: Renewal
    noise: LabelNoise
    contrast: Contrast
    seed: int
    device: torch.device
    kinds: Kinds
    validation: Sequence[Scene]
    _kept: dict[int, Scene] = field(default_factory=dict)

    @classmethod
    def of(
        cls, settings: TomogramSettings, renewal: Renewal, noise: LabelNoise, contrast: Contrast, seed: int,
        device: torch.device | str = "cpu", classes: list[tuple[Density, int]] | None = None,
    ) -> Self:  # fmt: skip
        """A source of tomograms that are simulated on a device; those for the validation are simulated at once.

        Structures and their numbers in a tomogram are ``classes``, or by default those that the settings name.

        Raises:
            HollyError: A structure can't be read, or a class has no room in a tomogram.
        """
        classes, place = read_classes(settings) if classes is None else classes, torch.device(device)
        made = [
            _simulated(settings, classes, renewal, (seed, VALIDATION, number), place)
            for number in range(renewal.validation)
        ]
        voxel = settings.voxel_size
        names = [density.name for density, _ in classes]
        radii = radii_of([Counted(one.truth, one.labels.cpu().numpy()) for one in made], voxel)
        if lacking := [name for name in names if name not in radii]:
            raise HollyError(f"structures: no particle of {lacking[0]} has room in a tomogram; simulate larger ones, or fewer particles")  # fmt: skip
        kinds = Kinds(tuple(names), tuple(radii[name] for name in names), voxel)
        validation = [_scene(one, kinds, contrast, f"validation {i}") for i, one in enumerate(made)]
        return cls(settings, classes, renewal, noise, contrast, seed, place, kinds, validation)

    def scenes(self, step: int) -> Sequence[Scene]:
        """Those of a step: the newest of all that were simulated until then."""
        last = self.renewal.first + step // self.renewal.steps
        wanted = range(max(0, last - self.renewal.kept), last)
        for number in [number for number in self._kept if number not in wanted]:
            del self._kept[number]
        for number in wanted:
            if number not in self._kept:
                self._kept[number] = self._training(number)
        return [self._kept[number] for number in wanted]

    def _training(self, number: int) -> Scene:
        made = _simulated(self.settings, self.classes, self.renewal, (self.seed, TRAINING, number), self.device)
        generator = torch.Generator().manual_seed(_seed(self.seed, LABELS, number))
        scene = _scene(made, self.kinds, self.contrast, f"simulated {number}")
        return scene.mislabelled(self.noise, self.kinds.voxel, 1 + len(self.kinds.classes), generator)


def _simulated(
    settings: TomogramSettings, classes: list[tuple[Density, int]], renewal: Renewal, seeds: tuple[int, int, int],
    device: torch.device,
) -> Tomogram:  # fmt: skip
    """A tomogram, whose SNR and tilt are drawn anew where the renewal gives ranges."""
    own = _seed(*seeds)
    random = np.random.default_rng(own)
    snr, tilt = settings.snr, settings.tilt
    if renewal.snr_least is not None and renewal.snr_most is not None:
        snr = float(np.exp(random.uniform(np.log(renewal.snr_least), np.log(renewal.snr_most))))
    if renewal.tilt_least is not None and renewal.tilt_most is not None:
        tilt = float(random.uniform(renewal.tilt_least, renewal.tilt_most))
    generator = torch.Generator(device).manual_seed(own)
    return simulate_tomogram(replace(settings, snr=snr, tilt=tilt), generator, classes=classes)


def _scene(made: Tomogram, kinds: Kinds, contrast: Contrast, name: str) -> Scene:
    return Scene.of(name, made.volume.cpu().numpy(), kinds.voxel, made.truth, kinds.classes, contrast)


def _seed(seed: int, purpose: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, purpose, number]).generate_state(1, np.uint64)[0] >> np.uint64(1))
