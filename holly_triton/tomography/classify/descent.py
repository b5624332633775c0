"""Stochastic gradient descent as Xu et al. 2017 trained, with the interface of ``core.descent``."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from holly_triton.core.descent import Descent
from holly_triton.tomography.config.classification import Training


class Nesterov:
    """Nesterov momentum with a rate that falls as one over the number of steps; the weights are not averaged."""

    def __init__(self, network: nn.Module, training: Training, optimiser: dict[str, Any]) -> None:
        self.network, self.settings = network, training.published
        rate, momentum = self.settings.rate, self.settings.momentum
        self._optimiser = torch.optim.SGD(network.parameters(), lr=rate, momentum=momentum, nesterov=momentum > 0)
        if optimiser:
            self._optimiser.load_state_dict(optimiser)

    @property
    def average(self) -> dict[str, Tensor]:
        """The weights as they are."""
        return {name: value.detach().clone() for name, value in self.network.state_dict().items()}

    @property
    def optimiser_state(self) -> dict[str, Any]:
        """What resuming needs beside the weights."""
        return self._optimiser.state_dict()

    def begin(self, step: int, done: float) -> float:
        """Set and return the rate of a step, which follows from the number of steps before it alone."""
        rate = self.settings.rate / (1 + self.settings.decay * step)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        return rate

    def descend(self, loss: Tensor, step: int) -> bool:
        """Follow the gradient of a loss; False where the loss is not finite, and no step is made."""
        if not math.isfinite(float(loss.detach())):
            return False
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        return True


def descent_for(
    network: nn.Module, training: Training, optimiser: dict[str, Any], average: dict[str, Tensor]
) -> Descent | Nesterov:
    """AdamW for our own network, and what was published for the published ones."""
    if training.network.name == "own":
        return Descent(network, training.optimiser, optimiser, average)
    return Nesterov(network, training, optimiser)
