"""Training steps: a batch of patches, the loss, and a step of ``core.descent``."""

import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from holly_triton.core.descent import Descent
from holly_triton.core.training import Step, TrainingState
from holly_triton.core.types import Figures
from holly_triton.tomography.config.picking import MIDDLE
from holly_triton.tomography.config.training import Training
from holly_triton.tomography.segment.model import Model
from holly_triton.tomography.segment.network import AnyNetwork, build

from .loss import segmentation_loss
from .patches import Batch, draw_patches
from .sources import Source
from .targets import Targets

PATCHES = 0
"""Purpose of the random numbers; those for tomograms are in ``simulated``."""


@dataclass
class Trainer:
    """A network in training; ``state`` is up to date after ``save``."""

    settings: Training
    network: AnyNetwork
    source: Source
    targets: Targets
    device: torch.device
    state: TrainingState

    def __post_init__(self) -> None:
        self.network.to(self.device)
        if self.device.type == "cuda":
            self.network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        if self.state.weights:
            self.network.load_state_dict(self.state.weights)
        self._descent = Descent(self.network, self.settings.optimiser, self.state.optimiser, self.state.average)

    @property
    def side(self) -> int:
        """Of a patch, voxels."""
        kinds = self.source.kinds
        return self.settings.side(max(kinds.radii) / kinds.voxel)

    @property
    def done(self) -> float:
        """Share of the training that is done, 0 to 1."""
        steps, minutes = self.settings.steps, self.settings.minutes
        share = self.state.step / steps if steps is not None else self.state.seconds / (60 * (minutes or math.inf))
        return min(1.0, share)

    def run(self) -> Iterator[Step]:
        """Steps until the end; what is done between two of them counts as time of the training.

        The patches of a step are drawn while the one before it is computed, which a GPU would have to wait for.
        """
        since = time.monotonic()
        with (
            ThreadPoolExecutor(1) as worker,
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True),
        ):
            ahead = worker.submit(self.batch, self.state.step)
            while self.done < 1:
                batch, ahead = ahead.result(), worker.submit(self.batch, self.state.step + 1)
                self.network.train()
                step = self._step(batch.to(self.device))
                now = time.monotonic()
                self.state.seconds, since = self.state.seconds + now - since, now
                yield step

    def model(self, figures: Figures) -> Model:
        """A model with the averaged weights, whose thresholds are not chosen yet."""
        kinds, settings = self.source.kinds, self.settings
        copy = build(settings.network, 1 + len(kinds.classes))
        copy.load_state_dict(self._descent.average)
        copy.to(self.device).eval()
        thresholds = (MIDDLE,) * len(kinds.classes)
        return Model(
            copy, settings.network, kinds.classes, kinds.radii, kinds.voxel, settings.contrast, settings.targets,
            thresholds, settings, figures,
        )  # fmt: skip

    def save(self) -> TrainingState:
        """The state at this step."""
        self.state.weights = self.network.state_dict()
        self.state.average = self._descent.average
        self.state.optimiser = self._descent.optimiser_state
        return self.state

    def batch(self, step: int) -> Batch:
        """The patches of a step."""
        random = np.random.default_rng([self.settings.seed, PATCHES, step])
        scenes, settings = self.source.scenes(step), self.settings
        return draw_patches(scenes, self.targets, settings.patches, self.side, self.state.batch, random).to(self.device)

    def _step(self, batch: Batch) -> Step:
        rate = self._descent.begin(self.state.step, self.done)
        inputs, labels, shares = batch
        cuda = self.device.type == "cuda"
        if cuda:
            inputs = inputs.contiguous(memory_format=torch.channels_last_3d)
        with torch.autocast("cuda", torch.bfloat16, enabled=cuda):
            logits = self.network(inputs)
        parts = segmentation_loss(logits, labels, shares, self.settings.loss)
        self.state.step += 1
        if not self._descent.descend(parts.total, self.state.step):
            self.state.skipped += 1
        figures = {name: value.detach() for name, value in parts._asdict().items()}
        return Step(self.state.step, self.done, rate, {"loss": figures.pop("total"), **figures})
