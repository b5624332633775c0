"""The steps of a training: AdamW with clipped gradients, a rate that rises and falls, and averaged weights."""

import math
from typing import Any, Protocol

import torch
from torch import Tensor, nn

SOONEST_AVERAGE = 10
"""Steps: the average of few weights is over about as many steps as there were."""


class Rates(Protocol):
    """What a family's settings of AdamW (Loshchilov 2019) state."""

    @property
    def rate(self) -> float:
        """Highest learning rate."""

    @property
    def last_rate(self) -> float:
        """What the cosine falls to."""

    @property
    def beta2(self) -> float:
        """Share of the mean squared gradient that is kept at each step."""

    @property
    def decay(self) -> float:
        """Weight decay."""

    @property
    def clip(self) -> float:
        """Largest norm of the gradient."""

    @property
    def warm_up_steps(self) -> int:
        """Steps in which the rate rises."""

    @property
    def average(self) -> float:
        """Share of the averaged weights that is kept at each step."""


class Descent:
    """The optimiser of a network, and the average of the weights that the network had.

    Args:
        network: On the device of the training.
        settings: Rates.
        optimiser: State of an interrupted training, as ``optimiser_state`` gave it; the network has its weights already.
        average: Averaged weights of that training.
    """

    def __init__(
        self, network: nn.Module, settings: Rates, optimiser: dict[str, Any], average: dict[str, Tensor]
    ) -> None:
        self.network, self.settings = network, settings
        self._parameters = list(network.parameters())
        self._optimiser = _adamw(network, settings)
        if optimiser:
            self._optimiser.load_state_dict(optimiser)
        device = self._parameters[0].device
        start = average or network.state_dict()
        self.average = {name: value.detach().to(device, copy=True) for name, value in start.items()}

    @property
    def optimiser_state(self) -> dict[str, Any]:
        """What resuming needs beside the weights."""
        return self._optimiser.state_dict()

    def begin(self, step: int, done: float) -> float:
        """Set and return the learning rate of a step.

        Args:
            step: Number of steps before it.
            done: Share of the training before it.
        """
        rise = min(1.0, (step + 1) / self.settings.warm_up_steps)
        rate = self.settings.rate * rise * (1 + math.cos(math.pi * done)) / 2 + self.settings.last_rate
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        return rate

    def descend(self, loss: Tensor, step: int) -> bool:
        """Follow the gradient of a loss and average the weights; False where the gradient is not finite, and no step is made.

        Args:
            loss: A number.
            step: Number of steps, this one among them.
        """
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self._parameters, self.settings.clip)
        sound = math.isfinite(float(norm))
        if sound:
            self._optimiser.step()
        self._follow(min(self.settings.average, step / (step + SOONEST_AVERAGE)))
        return sound

    @torch.no_grad()
    def _follow(self, kept: float) -> None:
        """Move the averaged weights towards the network's."""
        now = self.network.state_dict()
        numbers = [name for name, value in now.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.average[name] for name in numbers], [now[name] for name in numbers], 1 - kept)
        for name in now.keys() - {*numbers}:
            self.average[name].copy_(now[name])


def _adamw(network: nn.Module, settings: Rates) -> torch.optim.AdamW:
    """Weights decay; biases don't."""
    weights = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    groups = [{"params": weights, "weight_decay": settings.decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=settings.rate, betas=(0.9, settings.beta2))
