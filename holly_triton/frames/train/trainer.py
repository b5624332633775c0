"""Training steps: a batch of the stream, the loss, and a step of ``core.descent``."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from holly_triton.core.descent import Descent
from holly_triton.core.training import Step, TrainingState
from holly_triton.core.types import Figures
from holly_triton.frames.config.localisation import MIDDLE
from holly_triton.frames.config.training import Training
from holly_triton.frames.localise import Model
from holly_triton.frames.localise.localiser import Localiser
from holly_triton.frames.localise.scales import SigmaScales

from .stream import Stream

TRAINING = 0
"""Purpose of the frames."""


@dataclass
class Trainer:
    """A localiser in training; ``state`` is up to date after ``save``."""

    settings: Training
    localiser: Localiser
    stream: Stream
    state: TrainingState

    def __post_init__(self) -> None:
        network = self.localiser.network
        network.to(self.stream.device)
        if self.state.weights:
            network.load_state_dict(self.state.weights)
        self._descent = Descent(network, self.settings.optimiser, self.state.optimiser, self.state.average)

    @property
    def done(self) -> float:
        """Share of the training that is done, 0 to 1."""
        steps, minutes = self.settings.steps, self.settings.minutes
        share = self.state.step / steps if steps is not None else self.state.seconds / (60 * (minutes or math.inf))
        return min(1.0, share)

    def run(self) -> Iterator[Step]:
        """Steps until the end; what is done between two of them counts as time of the training."""
        self.localiser.network.train()
        since = time.monotonic()
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
            while self.done < 1:
                step = self._step()
                now = time.monotonic()
                self.state.seconds, since = self.state.seconds + now - since, now
                yield step

    def model(self, figures: Figures) -> Model:
        """A model with the averaged weights, whose threshold and scales are not chosen yet."""
        copy = Localiser(self.settings.network, self.localiser.scales)
        copy.network.load_state_dict(self._descent.average)
        copy.network.to(self.stream.device).eval()
        stream = self.stream
        return Model(copy, stream.psf, stream.camera, MIDDLE, SigmaScales.none(), self.settings, figures)

    def save(self) -> TrainingState:
        """The state at this step."""
        self.state.weights = self.localiser.network.state_dict()
        self.state.average = self._descent.average
        self.state.optimiser = self._descent.optimiser_state
        return self.state

    def _step(self) -> Step:
        done, settings = self.done, self.settings
        rate = self._descent.begin(self.state.step, done)
        example = self.stream.draw(TRAINING, self.state.step, self.state.batch, settings.crop_px)
        fade = max(0.0, 1 - done / settings.loss.warm_up)
        late = settings.loss.cross_entropy_late
        entropy = max(late, settings.loss.cross_entropy * fade)
        parts = self.localiser.loss(example.photons, example.emitters, example.background, settings.loss, entropy)
        self.state.step += 1
        if not self._descent.descend(parts.total, self.state.step):
            self.state.skipped += 1
        return Step(self.state.step, self.done, rate, {"loss": parts.total.detach(), **parts.figures})
