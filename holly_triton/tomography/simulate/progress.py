"""A simulation that was stopped: what is finished of it, from which it goes on."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from holly_triton.core.errors import HollyError
from holly_triton.core.files import foreign, replacing
from holly_triton.core.resumption import check_options
from holly_triton.io.particle_lists.particle_list import ParticleList
from holly_triton.tomography.config.simulation import SimulationSettings

PROGRESS = "progress.pt"
"""What is kept after each tomogram or batch of boxes; gone at the end."""


class StoppedError(Exception):
    """A signal requested a stop; the message says what is kept."""


@dataclass
class Finished:
    """What is finished.

    Attributes:
        truths: The particles of each tomogram.
        lines: A sentence on each.
        boxes: Subtomograms.
        generator: State of the random numbers after these; None before the first.
    """

    truths: list[ParticleList] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    boxes: int = 0
    generator: Tensor | None = None

    def __len__(self) -> int:
        return len(self.truths)


def is_unfinished(out: Path) -> bool:
    """Whether a folder holds a simulation that was stopped."""
    return (out / PROGRESS).is_file()


def save_progress(out: Path, settings: SimulationSettings, done: Finished) -> None:
    """Save what is finished.

    Raises:
        HollyError: The file can't be written.
    """
    truths = [
        {
            "labels": one.labels.tolist(), "positions": torch.from_numpy(one.positions),
            "rotations": None if one.rotations is None else torch.from_numpy(one.rotations),
            "tomograms": one.tomograms.tolist(),
        }
        for one in done.truths
    ]  # fmt: skip
    with replacing(out / PROGRESS) as partial:
        torch.save(
            {
                "settings": settings.table(), "truths": truths, "lines": done.lines, "boxes": done.boxes, "generator": done.generator,
            },
            partial,
        )  # fmt: skip


def read_progress(out: Path, settings: SimulationSettings) -> Finished:
    """What is finished of a simulation of these settings.

    Raises:
        HollyError: There is none, it is of other settings, or its file is damaged.
    """
    if not is_unfinished(out):
        raise HollyError(f"{out}: holds no simulation that was stopped; leave out --resume")
    with foreign(out / PROGRESS, "a simulation that was stopped"):
        saved: dict[str, Any] = torch.load(out / PROGRESS, weights_only=True)
        truths = [_list(one) for one in saved["truths"]]
        done = Finished(truths, list(saved["lines"]), int(saved["boxes"]), saved["generator"])
    check_options(out, saved["settings"], settings.table())
    return done


def _list(saved: dict[str, Any]) -> ParticleList:
    rotations = saved["rotations"]
    return ParticleList.of(
        saved["labels"], saved["positions"].numpy(), rotations=None if rotations is None else rotations.numpy(),
        tomogram=saved["tomograms"],
    )  # fmt: skip
