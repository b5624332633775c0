"""Training steps: a batch of the stream, the loss, AdamW with clipped gradients, and the averaged weights."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from holly_triton.core.types import Figures
from holly_triton.frames.config import MIDDLE, Optimiser, Training
from holly_triton.frames.localise import Model
from holly_triton.frames.localise.localiser import Localiser
from holly_triton.frames.localise.scales import SigmaScales

from .state import TrainingState
from .stream import Stream

TRAINING = 0
"""Purpose of the frames."""
SOONEST_AVERAGE = 10
"""Steps: the average of few weights is over about as many steps as there were."""


class Step(NamedTuple):
    """What a step did."""

    step: int
    done: float
    """Share of the training."""
    rate: float
    figures: dict[str, Tensor]
    """Parts of the loss."""


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
        self._parameters = list(network.parameters())
        self._optimiser = _adamw(network, self.settings.optimiser)
        if self.state.weights:
            network.load_state_dict(self.state.weights)
            self._optimiser.load_state_dict(self.state.optimiser)
        average = self.state.average or network.state_dict()
        self._average = {name: value.detach().to(self.stream.device, copy=True) for name, value in average.items()}

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
        copy.network.load_state_dict(self._average)
        copy.network.to(self.stream.device).eval()
        stream = self.stream
        return Model(copy, stream.psf, stream.camera, MIDDLE, SigmaScales.none(), self.settings, figures)

    def save(self) -> TrainingState:
        """The state at this step."""
        self.state.weights = self.localiser.network.state_dict()
        self.state.average = self._average
        self.state.optimiser = self._optimiser.state_dict()
        return self.state

    def _step(self) -> Step:
        done, settings = self.done, self.settings
        rate = _rate(settings.optimiser, self.state.step, done)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        example = self.stream.draw(TRAINING, self.state.step, self.state.batch, settings.crop_px)
        fade = max(0.0, 1 - done / settings.loss.warm_up)
        late = settings.loss.cross_entropy_late
        entropy = max(late, settings.loss.cross_entropy * fade)
        parts = self.localiser.loss(example.photons, example.emitters, example.background, settings.loss, entropy)
        self._optimiser.zero_grad()
        parts.total.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self._parameters, settings.optimiser.clip)
        if math.isfinite(float(norm)):
            self._optimiser.step()
        else:
            self.state.skipped += 1
        self.state.step += 1
        self._follow(min(settings.optimiser.average, self.state.step / (self.state.step + SOONEST_AVERAGE)))
        return Step(self.state.step, self.done, rate, {"loss": parts.total.detach(), **parts.figures})

    @torch.no_grad()
    def _follow(self, kept: float) -> None:
        """Move the averaged weights towards the network's."""
        now = self.localiser.network.state_dict()
        numbers = [name for name, value in now.items() if value.is_floating_point()]
        torch._foreach_lerp_([self._average[name] for name in numbers], [now[name] for name in numbers], 1 - kept)
        for name in now.keys() - {*numbers}:
            self._average[name].copy_(now[name])


def _rate(settings: Optimiser, step: int, done: float) -> float:
    """The learning rate: it rises over the first steps, and falls along a cosine to the last one."""
    rise = min(1.0, (step + 1) / settings.warm_up_steps)
    return settings.rate * rise * (1 + math.cos(math.pi * done)) / 2 + settings.last_rate


def _adamw(network: nn.Module, settings: Optimiser) -> torch.optim.AdamW:
    """Weights decay; biases don't."""
    weights = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    groups = [{"params": weights, "weight_decay": settings.decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=settings.rate, betas=(0.9, settings.beta2))
