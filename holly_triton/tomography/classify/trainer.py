"""Training steps: a batch of subtomograms, the cross-entropy, and a step of the descent."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from holly_triton.core.training import Step, TrainingState
from holly_triton.core.types import Figures
from holly_triton.tomography.config.classification import Training

from .augmentation import augmented
from .descent import descent_for
from .evaluation import best_temperature, figures_of
from .gaussians import Gaussians
from .model import Model
from .networks import build, placed
from .sources import CHANGES, Source


@dataclass
class Trainer:
    """A network in training; ``state`` is up to date after ``save``."""

    settings: Training
    network: nn.Module
    source: Source
    device: torch.device
    state: TrainingState

    def __post_init__(self) -> None:
        placed(self.network, self.device)
        if self.state.weights:
            self.network.load_state_dict(self.state.weights)
        self._descent = descent_for(self.network, self.settings, self.state.optimiser, self.state.average)

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return -(-self.source.epoch // self.settings.batch)

    @property
    def done(self) -> float:
        """Share of the training that is done, 0 to 1."""
        epochs, minutes = self.settings.epochs, self.settings.minutes
        by_time = self.state.seconds / (60 * (minutes or math.inf))
        return min(1.0, by_time if epochs is None else self.state.step / (epochs * self.steps))

    def run(self) -> Iterator[Step]:
        """Steps until the end; what is done between two of them counts as time of the training."""
        since = time.monotonic()
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
            while self.done < 1:
                self.network.train()
                step = self._step()
                now = time.monotonic()
                self.state.seconds, since = self.state.seconds + now - since, now
                yield step

    def model(self) -> Model:
        """A model with the averaged weights, whose temperature is chosen on the validation subtomograms."""
        kinds, settings = self.source.kinds, self.settings
        copy = build(settings.network, kinds.size, len(kinds.classes))
        copy.load_state_dict(self._descent.average)
        placed(copy, self.device).eval()
        timing = {
            "steps": self.state.step,
            "subtomograms": self.state.step * settings.batch,
            "seconds": self.state.seconds,
        }
        return calibrated(Model(copy, kinds.classes, kinds.size, kinds.voxel, 1.0, settings, timing), self.source)

    def save(self) -> TrainingState:
        """The state at this step."""
        self.state.weights = self.network.state_dict()
        self.state.average = self._descent.average
        self.state.optimiser = self._descent.optimiser_state
        return self.state

    def _step(self) -> Step:
        step, settings = self.state.step, self.settings
        own = settings.network.name == "own"
        rate = self._descent.begin(step, self.done)
        volumes, classes = (part.to(self.device) for part in self.source.batch(step, settings.batch))
        if own:
            volumes = augmented(volumes, settings.augmentation, np.random.default_rng([settings.seed, CHANGES, step]))
        # Dropout has its own numbers, so that a resumed training draws what it would have drawn.
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(int(np.random.SeedSequence([settings.seed, step]).generate_state(1)[0]))
            linear = self.network(volumes)
        loss = functional.cross_entropy(linear, classes, label_smoothing=settings.smoothing if own else 0.0)
        self.state.step += 1
        if not self._descent.descend(loss, self.state.step):
            self.state.skipped += 1
        return Step(self.state.step, self.done, rate, {"loss": loss.detach()})


def calibrated(model: Model, source: Source) -> Model:
    """A model with the temperature that suits the validation subtomograms, its figures on them, and where classes lie."""
    volumes, truth = source.validation.read(np.arange(len(source.validation)))
    linear = model.linear(volumes)
    temperature = best_temperature(linear, truth)
    figures: Figures = {**model.figures, "validation": figures_of(linear, truth, temperature, model.classes)}
    return replace(model, temperature=temperature, figures=figures, gaussians=Gaussians.fitted(linear, truth))
