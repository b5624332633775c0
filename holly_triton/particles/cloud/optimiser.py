"""The optimiser of a cloud, its blur and its background, which lie in the state of a run."""

from typing import Any

import torch
from torch import Tensor

from holly_triton.particles.config import Optimiser

from .state import TrainingState


def optimiser_of(state: TrainingState, settings: Optimiser) -> torch.optim.Adam:
    """An optimiser as the state left it; the length of a step of the points is given with each step."""
    groups: list[dict[str, Any]] = [
        {"params": [state.points.requires_grad_()]},
        {"params": [state.log_blur.requires_grad_(), state.background.requires_grad_()], "lr": settings.blur_rate},
    ]
    optimiser = torch.optim.Adam(groups, betas=(settings.momentum, settings.second_moment), fused=True)
    if state.optimiser:
        # Its settings are this run's, as its moments' device is.
        optimiser.load_state_dict({**optimiser.state_dict(), "state": state.optimiser["state"]})
    return optimiser


def step_cloud(optimiser: torch.optim.Adam, length_nm: float | Tensor) -> None:
    """A step along the gradients that lie in the state, of this length for points."""
    points, _ = optimiser.param_groups
    points["lr"] = length_nm
    on_gpu = points["params"][0].is_cuda
    for group in optimiser.param_groups:
        group["capturable"] = on_gpu and torch.cuda.is_current_stream_capturing()
    optimiser.step()
    optimiser.zero_grad()


@torch.no_grad()
def flatten(state: TrainingState, tilt: float | None) -> None:
    """Put the points into one plane where there is one viewing direction, which does not determine depth."""
    if tilt == 0:
        state.points[:, 2] = 0
